"""`report` and `evaluate`: tables from stored results, and metrics measured anew from stored generators."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganbench.cli.errors import BadInput
from ganbench.cli.options import NAMED, OUTPUT, writable

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.report.tables import Told

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
NEW_FOLDER = click.Path(path_type=Path, file_okay=False)


FORMATS = ("html", "text", "markdown", "csv", "latex", "parquet")
WITHOUT_SPEEDS = ("latex", "parquet")


@click.command()
@click.argument("folders", metavar="DIR...", type=FOLDER, nargs=-1, required=True)
@click.option("--label", "labels", multiple=True, metavar="TEXT", help="Of each DIR, in their order; repeat.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="html", show_default=True)
@click.option("--rank-by", metavar="METRIC", help="Rank by this metric; by default the suite's.")
@click.option("--against", metavar="LABEL", help="Compare with this objective; by default non-saturating.")
@click.option("--figures", type=NEW_FOLDER, metavar="FOLDER", help="Write the figures there too, as SVG and PDF.")
@click.option("--asv", "speeds", type=FOLDER, metavar="FOLDER", help="Show the timings of `make bench`: results/asv.")
@click.option("-o", "--output", type=OUTPUT, callback=writable, metavar="FILE", help="Write there.")
def report(
    folders: tuple[Path, ...],
    labels: tuple[str, ...],
    form: str,
    rank_by: str | None,
    against: str | None,
    figures: Path | None,
    speeds: Path | None,
    output: Path | None,
) -> None:
    """Print the ranked tables of the results in DIR and write the whole report as one HTML file.

    \b
    ganbench report results/toy2d
    ganbench report old/toy2d new/toy2d --label old --label new -o both.html
    ganbench report results/toy2d --format parquet -o ranked.parquet
    ganbench report results/toy2d --figures figures
    ganbench report results/toy2d --asv results/asv

    A DIR is one suite's folder or the parent of several. The page is DIR/report.html, or with several DIR
    ./report.html, unless -o names another. With several DIR the label of its folder stands beside each objective, and
    all are ranked together. The other formats have the ranked tables alone.
    """
    from ganbench.report.needed import needed
    from ganbench.report.several import folder_labels, gathered
    from ganbench.store import load_results

    if form == "parquet" and output is None and on_terminal():
        raise BadInput("parquet is no text for a terminal; name a file with -o FILE")
    if speeds is not None and form in WITHOUT_SPEEDS:
        raise BadInput(f"--asv: found --format {form}, expected html, text, markdown or csv")
    asv = _timings(speeds)
    tables = {}
    names = folder_labels(folders, labels) if len(folders) > 1 or labels else [""]
    for name, folder in zip(names, folders, strict=True):
        tables[name] = needed(load_results(folder), rank_by)
        say_unreadable(folder)
    results = gathered(tables) if names != [""] else tables[""]
    options: Any = {"rank_by": rank_by, "labels": names, **({"against": against} if against else {})}
    if asv is not None and (figures is not None or form == "html"):
        from ganbench.report.speed_page import sections

        options["more"] = sections(asv, results)
    if figures is not None:
        from ganbench.report.page.write import page_figures
        from ganbench.report.paper import write_figures

        drawn = write_figures(page_figures(results, folders, **options), figures)
        click.echo(f"figures: {figures} ({len(drawn)} files)", err=True)
    if form != "html":
        emit(_rendered(results, form, rank_by, asv), output)
        return
    from ganbench.report.page.write import NAME, write_page
    from ganbench.report.tables import told

    ranked = told(results, rank_by)  # once for the terminal and the page
    click.echo(_rendered(results, "text", rank_by, asv, ranked), nl=False)
    out = output or (folders[0] if len(folders) == 1 else Path()) / NAME
    click.echo(f"\nreport: {write_page(results, folders, out, tables=ranked, **options)}")


def on_terminal() -> bool:
    """Whether a person would see what is printed."""
    return sys.stdout.isatty()


def _timings(folder: Path | None) -> pd.DataFrame | None:
    from ganbench.report.asv_results import read_asv

    return None if folder is None else read_asv(folder)


def _rendered(
    results: pd.DataFrame,
    form: str,
    rank_by: str | None,
    asv: pd.DataFrame | None,
    ranked: Told | None = None,
) -> str | bytes:
    from rich.console import Console

    from ganbench.report import latex, speed, tables

    if form == "text":
        console = Console()
        with console.capture() as printed:
            tables.print_tables(results, console, rank_by, ranked)
            if asv is not None:
                speed.print_speeds(asv, results, console)
        return printed.get()
    if form == "parquet":
        return tables.to_parquet(results, rank_by)
    if form == "csv":
        return tables.to_csv(results, rank_by, [] if asv is None else [speed.speeds(asv, results)])
    if form == "markdown":
        return tables.to_markdown(results, rank_by) + ("" if asv is None else speed.speeds_markdown(asv, results))
    return latex.to_latex(results, rank_by)


def say_unreadable(folder: Path) -> None:
    """One line on stderr for each record of a run that cannot be read: what it planned is not known."""
    from ganbench.store import read_records

    for problem in read_records(folder)[1]:
        click.echo(f"warning: what a run planned is not known: {problem}", err=True)


def emit(content: str | bytes, output: Path | None) -> None:
    """Prints a result, or writes it whole into a file and says so. Raises StoreError."""
    from ganbench.store.container import write_whole

    if output is None:
        click.echo(content, nl=False)
    else:
        write_whole(output, content.encode() if isinstance(content, str) else content)
        click.echo(f"written: {output}", err=True)


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--metric", required=True, metavar="METRIC", help="One of `ganbench list metrics`.")
@click.option("--samples", type=int, metavar="N", help="Samples per replica; by default those of the last evaluation.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="cpu", show_default=True)
@NAMED
def evaluate(folder: Path, metric: str, samples: int | None, device: str, objectives: tuple[str, ...]) -> None:
    """Measure a METRIC of the finished replicas in DIR, one suite's folder, from their stored generators.

    Nothing is trained. The values are stored beside the results, and `report` shows them in a column of their own, with
    their number of samples, unless they repeat what training measured.
    """
    from ganbench.catalogue import METRICS

    METRICS.require(metric)
    from ganbench import measuring
    from ganbench.report.wording import budget_sentence, inert

    rows = measuring.evaluate(folder, metric, samples=samples, device=device, allowed=objectives)
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
