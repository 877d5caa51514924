"""`merge`: folders of results united in a new one."""

from __future__ import annotations

from pathlib import Path

import click

from ganbench.cli.results import FOLDER


@click.command()
@click.argument("folders", metavar="DIR...", type=FOLDER, nargs=-1, required=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR", help="New folder."
)
def merge(folders: tuple[Path, ...], output: Path) -> None:
    """Unite the results in several DIR in a new one, every file verified; the sources stay as they are.

    Replicas that two of them hold must agree. Tables, reports and pictures are not copied: `ganbench report` makes them
    anew.
    """
    from ganbench.store import merge as unite

    merged = unite(folders, output)
    for note in merged.notes:
        click.echo(f"warning: {note}", err=True)
    counts = f"{merged.replicas} replicas, {merged.measured} later measurements, {merged.runs} records of runs"
    told = f"; {merged.repeated} of the files were held twice, with one content" if merged.repeated else ""
    click.echo(f"{counts}{told}")
    click.echo(f"results: {output}" if merged.written else f"results: {output} (held all of it already)")
