"""`verify`: every stored file read again and checked, and a random few replicas trained again to the same bits."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ganbench.cli.errors import FAILED
from ganbench.cli.options import NAMED
from ganbench.cli.results import FOLDER

SHOWN_NOTES = 10


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option(
    "--retrain", type=click.IntRange(min=0), default=3, show_default=True, metavar="N", help="Replicas; 0 for none."
)
@NAMED
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Processes.")
def verify(folder: Path, retrain: int, objectives: tuple[str, ...], workers: int) -> None:
    """Read every stored file in DIR again and check it, then train a random few replicas again and compare their bits.

    \b
    ganbench verify results/toy2d
    ganbench verify results/toy2d --retrain 0

    Only replicas are trained again that this machine must repeat to the last bit: those made by the same code, torch,
    NumPy, device and instructions. Each takes the time and memory that its file asks for: of a stranger's results, take
    --retrain 0. Nothing is written into DIR. Exit code 1 where something is wrong, with a list.
    """
    from ganbench.report.wording import inert
    from ganbench.verifying import verify as check

    found = check(folder, retrain=retrain, allowed=objectives, workers=workers)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in found.files.items())
    click.echo(f"read and checked: {counts}")
    for note in found.notes[:SHOWN_NOTES]:
        click.echo(f"warning: {inert(note)}", err=True)
    if len(found.notes) > SHOWN_NOTES:
        click.echo(f"warning: {len(found.notes) - SHOWN_NOTES} more of such", err=True)
    if retrain:
        chosen = len(found.repeated) + sum("trained again, differs" in wrong for wrong in found.wrong)
        click.echo(f"trained again: {chosen} of the {found.repeatable:,} replicas that this machine must repeat")
        for name in found.repeated:
            click.echo(f"  {inert(name)}: the stored bits")
        for reason, count in found.unrepeatable.items():
            click.echo(f"  not to be repeated here: {count:,} replicas ({inert(reason)})")
    for wrong in found.wrong:
        click.echo(f"WRONG: {inert(wrong)}")
    click.echo("nothing is wrong" if not found.wrong else f"{len(found.wrong)} wrong")
    if found.wrong:
        sys.exit(FAILED)
