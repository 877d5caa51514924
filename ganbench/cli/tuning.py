"""`tune`: the same number of trials for every objective, what they teach, and the winners as a suite."""

from __future__ import annotations

from pathlib import Path

import click

from ganbench.cli.options import OUTPUT, command_line, shared_options, with_precision, writable
from ganbench.cli.running import close


@click.command()
@shared_options
@click.option("--trials", type=int, metavar="N", help="As many for each objective; by default the suite's, or 16.")
@click.option("--seeds", metavar="N|A:B", help="Seeds of the trials, apart from those that are reported.")
@click.option("--output", type=OUTPUT, callback=writable, metavar="FILE", help="Write the winners as a suite.")
def tune(
    suite: str,
    objectives: tuple[str, ...],
    targets: tuple[str, ...],
    network: str | None,
    changes: dict[str, str],
    precision: str | None,
    device: str,
    workers: int | None,
    executor: str,
    address: str | None,
    results: Path,
    trials: int | None,
    seeds: str | None,
    output: Path | None,
) -> None:
    """Search the fields of every objective of a suite, with equal trials for each.

    \b
    ganbench tune --suite toy2d -o 'em[lr_g=loguniform(1e-4,1e-2)]' --trials 8 --output tuned.toml

    A SPEC is NAME or NAME[field=value,...]. What is searched stands in the suite's [search], or in a SPEC in place of a
    value: loguniform(a,b) or uniform(a,b). Trials that are stored are not trained again.
    """
    from ganbench.cli.progress import watched
    from ganbench.store.container import write_whole
    from ganbench.tuning import tune as search

    with watched() as watcher:
        found = search(
            suite,
            objectives=objectives,
            targets=targets,
            network=network,
            settings=with_precision(changes, precision),
            seeds=seeds,
            trials=trials,
            results=results,
            device=device,
            workers=workers,
            executor=executor,
            address=address,
            watcher=watcher,
            command=command_line(),
        )
    click.echo(found.to_markdown())
    if output is not None:
        write_whole(output, found.winners().encode())
    close(found.run, f"winners: {output}" if output else "write the winners' suite with --output FILE")
