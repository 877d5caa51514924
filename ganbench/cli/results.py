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


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--metric", required=True, metavar="METRIC", help="One of `ganbench list metrics`.")
@click.option("--samples", type=int, metavar="N", help="Samples per replica; by default those of the last evaluation.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="cpu", show_default=True)
def evaluate(folder: Path, metric: str, samples: int | None, device: str) -> None:
    """Measure a METRIC of the finished replicas in DIR, one suite's folder, from their stored generators.

    Nothing is trained. The values are stored beside the results, and `report` shows them in a column of their own, with
    their number of samples, unless they repeat what training measured.
    """
    from ganbench.catalogue import METRICS

    METRICS.require(metric)
    from ganbench import measuring
    from ganbench.report.wording import budget_sentence, inert

    rows = measuring.evaluate(folder, metric, samples=samples, device=device)
    budget = budget_sentence(rows)
    rows = rows.assign(target=rows.target.map(inert), label=rows.label.map(inert))
    # values of two instruments in one median would mean nothing
    told = ["instrument"] if (rows.instrument != "").any() else []
    found = rows.assign(instrument=rows.instrument.map(inert)).groupby(["target", "label", *told], sort=False)
    table = found.agg(replicas=("value", "size"), median=("value", "median"), floor=("floor", "median"), n=("n", "max"))
    best_first = bool((rows.direction == "lower").all())
    table = table.reset_index().sort_values(["target", "median"], ascending=[True, best_first])
    click.echo(f"{metric} in {rows.unit.iloc[0] or 'no unit'}: medians over the completed replicas of {folder}\n")
    click.echo(table.to_string(index=False, float_format="{:.4g}".format))
    click.echo(f"\n{budget}")
