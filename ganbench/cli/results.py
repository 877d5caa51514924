"""`report` and `evaluate`: tables from stored results, and metrics measured anew from stored generators."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--format", "form", type=click.Choice(["text", "markdown", "csv"]), default="text", show_default=True)
@click.option("--rank-by", metavar="METRIC", help="Rank by this metric; by default the suite's.")
def report(folder: Path, form: str, rank_by: str | None) -> None:
    """Print the ranked tables of the results in DIR, one suite's folder or the parent of several."""
    from rich.console import Console

    from ganbench.report import tables
    from ganbench.store import load_results

    results = load_results(folder)
    if form == "text":
        tables.print_tables(results, Console(), rank_by)
    else:
        text = tables.to_markdown(results, rank_by) if form == "markdown" else tables.to_csv(results, rank_by)
        click.echo(text, nl=False)
