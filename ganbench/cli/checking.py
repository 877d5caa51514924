"""`check`: objectives against the mathematics that binds them, as a table of laws."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from ganbench import catalogue
from ganbench.cli.errors import FAILED

if TYPE_CHECKING:
    from rich.console import Console

    from ganbench.theory.checking import Checked
    from ganbench.theory.law import Comparison, Verdict

NUMBERS = ("expected", "measured", "tolerance")
WIDE = 72
"""Columns of a terminal from which the tolerance is shown."""

SIGNS = {"=": "", "<=": "≤ ", ">=": "≥ "}


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPEC]...")
@click.option("--all", "everything", is_flag=True, help="Every registered objective.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes; by default the cores.")
@click.option("--verbose", is_flag=True, help="Also say which laws do not apply, and why.")
def check(specs: tuple[str, ...], everything: bool, workers: int | None, verbose: bool) -> None:
    """Check objectives against mathematics: every law that applies, with what it expects and what was measured.

    \b
    ganbench check minimax
    ganbench check 'relativistic + r1[weight=.1] + r2'
    ganbench check my_objective.py:Mine
    ganbench check --all

    A SPEC is NAME or NAME[field=value,...], with regularisers after a +. Exits with 1 where a law fails.
    """
    if everything == bool(specs):
        raise click.UsageError("expected one objective at least, such as minimax, or --all, and not both")
    from rich.console import Console

    from ganbench.execution.machine import cores
    from ganbench.report.wording import inert
    from ganbench.theory.checking import ProcessDied, check_all

    began, console, quiet = time.perf_counter(), Console(), Console(stderr=True)
    verdicts: list[Verdict] = []
    names = catalogue.OBJECTIVES.names() if everything else list(specs)
    with quiet.status(f"checking {len(names)} objective{'s' if len(names) > 1 else ''}"):
        try:
            for checked in check_all(names, workers or cores()):
                print_checked(checked, console, verbose)
                verdicts += checked.verdicts
        except ProcessDied as died:
            raise click.ClickException(inert(str(died))) from None
    print_sources(verdicts, console)
    held = sum(v.holds for v in verdicts)
    laws = "law holds" if held == 1 else "laws hold"
    fail = "fails" if len(verdicts) - held == 1 else "fail"
    click.echo(f"\n{held} {laws}, {len(verdicts) - held} {fail}; {time.perf_counter() - began:.1f} s")
    if held < len(verdicts):
        sys.exit(FAILED)


def print_checked(checked: Checked, console: Console, verbose: bool) -> None:
    """A table of one subject's verdicts, then its errors and, where asked, the laws that do not apply to it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ganbench.report.wording import inert

    console.print()
    console.print(Text(inert(checked.name), style="bold"))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    shown = [*NUMBERS] if console.width >= WIDE else [*NUMBERS[:2]]
    for heading in ("law", *shown, "verdict"):
        number = heading in NUMBERS
        table.add_column(heading, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for verdict in checked.verdicts:
        law, worst = Text(inert(verdict.law.name)), verdict.worst
        if worst is not None and worst.about:
            law.append(f"\n{inert(worst.about)}", style="dim")
        table.add_row(
            law, *numbers(worst)[: len(shown)], Text(judged(verdict), style="" if verdict.holds else "bold red")
        )
    console.print(table)
    for verdict in checked.verdicts:
        if verdict.error:
            console.print(Text(f"{inert(verdict.law.name)}: {inert(verdict.error)}", style="bold red"))
    if verbose:
        for inapplicable, reason in checked.inapplicable:
            console.print(Text(f"{inert(inapplicable.name)} does not apply: {inert(reason)}", style="dim"))


def print_sources(verdicts: list[Verdict], console: Console) -> None:
    """What each of the laws states, and where it is from."""
    from rich.text import Text

    console.print()
    for law in {verdict.law.name: verdict.law for verdict in verdicts}.values():
        console.print(Text(f"{law.name}: {law.statement} ({law.source}).", style="dim"))


def numbers(comparison: Comparison | None) -> tuple[str, str, str]:
    """Expected, measured and tolerance in words; dashes where nothing was measured."""
    if comparison is None:
        return "—", "—", "—"
    bound = SIGNS[comparison.relation]
    return f"{bound}{comparison.expected:.6g}", f"{comparison.measured:.6g}", f"{comparison.tolerance:.2g}"


def judged(verdict: Verdict) -> str:
    """A verdict in words; of several comparisons, how many hold."""
    if verdict.error:
        return "✗ error"
    if not verdict.comparisons:
        return "✗ nothing measured"
    sign, of = "✓" if verdict.holds else "✗", len(verdict.comparisons)
    if of == 1:
        return f"{sign} {'holds' if verdict.holds else 'fails'}"
    return f"{sign} {sum(c.holds for c in verdict.comparisons)} of {of} hold"
