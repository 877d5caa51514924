"""`compare`: what changed between two folders of results, and a build that fails where something became worse."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ganbench.cli.errors import REGRESSED, BadInput
from ganbench.cli.options import OUTPUT, writable
from ganbench.cli.results import FOLDER, emit, say_unreadable


@click.command()
@click.argument("before", type=FOLDER)
@click.argument("after", type=FOLDER)
@click.option("--metric", metavar="METRIC", help="Compare by this metric; by default what the suite ranks by.")
@click.option("--fail-on-regression", is_flag=True, help=f"Exit with {REGRESSED} where something is worse.")
@click.option("-o", "--output", type=OUTPUT, callback=writable, metavar="FILE", help="Write there.")
def compare(before: Path, after: Path, metric: str | None, fail_on_regression: bool, output: Path | None) -> None:
    """Say what changed between the results in BEFORE and in AFTER, as Markdown.

    Cells are matched by their definitions, whatever code, torch or machine made them. What has no partner is listed
    with the fields in which its nearest relative differs. Worse means an adjusted p below .05.
    """
    from ganbench.report.changes import changes_to_markdown
    from ganbench.report.comparing import compare_folders
    from ganbench.report.wording import inert

    found = compare_folders(before, after, metric)
    say_unreadable(before)
    say_unreadable(after)
    emit(changes_to_markdown(found), output)
    if not fail_on_regression:
        return
    if not found.changes:
        raise BadInput(f"{before} and {after} have no cell in common: a regression could not be seen")
    if found.regressions:
        listed = ", ".join(f"{inert(change.label)} on {inert(change.target)}" for change in found.regressions)
        click.echo(f"worse than before: {listed}", err=True)
        sys.exit(REGRESSED)
