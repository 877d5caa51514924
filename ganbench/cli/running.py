"""`run`: a suite with what the command line changes, trained, measured, stored and ranked."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from ganbench.cli.errors import FAILED
from ganbench.cli.options import command_line, duration_s, shared_options, with_precision

if TYPE_CHECKING:
    from ganbench.pipeline import Run
    from ganbench.planning import Replica
    from ganbench.report.against import Reference
    from ganbench.suite import Suite

SHOWN_ERRORS = 10


@click.command()
@shared_options
@click.option("--seeds", metavar="N|A:B", help="A number of seeds, or a range of them.")
@click.option("--iterations", type=int, metavar="N", help="As many for each objective, whatever they cost.")
@click.option("--against", metavar="reference|DIR", help="Rank among the results that ship, or those of a folder.")
@click.option(
    "--profile",
    is_flag=False,
    flag_value="",
    metavar="[FOLDER]",
    help="Write traces of training; by default to DIR/<suite>/profile.",
)
@click.option(
    "--limit-time",
    "limit_time_s",
    metavar="TIME",
    callback=duration_s,
    help="Plan only what fits, such as 10m or 1h30m.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write no results.")
def run(
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
    seeds: str | None,
    iterations: int | None,
    against: str | None,
    profile: str | None,
    limit_time_s: float | None,
    dry_run: bool,
) -> None:
    """Train, measure and rank every objective of a suite. Replicas that are stored already are not trained again.

    \b
    ganbench run --suite toy2d -o 'em[temperature=[1,2]]' -o minimax --seeds 16
    ganbench run --suite ./my.toml --set training.batch=128 --dry-run
    ganbench run --suite toy2d -o my.py:Mine --against reference

    A SPEC is NAME or NAME[field=value,...]; a list of values makes a grid. A field is looked up in the objective, then
    in its optimiser. The NAME of an objective in a file of your own is FILE.py:CLASS. An interrupted run goes on with
    the same command. With --against, the objectives of -o alone are trained, and no baseline.

    With --limit-time, all objectives get equally many seeds, as many as fit by a short probe; what is left out is said,
    and the same command without it goes on from there. Compiled code is usually faster than the probe.

    With --profile, each cell that is trained leaves a trace of a few iterations and one evaluation, for
    https://ui.perfetto.dev or chrome://tracing. They follow the last iteration and change no result and no clock.
    """
    from ganbench.suite import apply_overrides, load_suite

    if against and objectives:
        changes = {"baselines": "[]", **changes}
    chosen = apply_overrides(
        load_suite(suite),
        objectives=objectives,
        targets=targets,
        network=network,
        settings=with_precision(changes, precision),
        seeds=seeds,
        iterations=iterations,
    )
    where: Where = {"workers": workers, "executor": executor, "address": address}
    if dry_run:
        _say_plan(chosen, results, device, where, limit_time_s)
    else:
        traces = None if profile is None else Path(profile or results / chosen.name / "profile")
        _run(chosen, results, device, where, against, traces, limit_time_s)


class Where(TypedDict):
    """What trains, as `pipeline.run` and `pipeline.estimate` take it."""

    workers: int | None
    executor: str
    address: str | None


def _run(
    suite: Suite,
    results: Path,
    device: str,
    where: Where,
    against: str | None,
    traces: Path | None,
    limit_time_s: float | None,
) -> None:
    from rich.console import Console

    from ganbench import pipeline
    from ganbench.cli.progress import told, watched
    from ganbench.report.tables import print_tables, write_report

    beside = _reference(suite, results, device, against) if against else None
    with watched() as watcher:
        done = pipeline.run(
            suite,
            results=results,
            device=device,
            watcher=watcher,
            command=command_line(),
            profile=traces,
            limit_time_s=limit_time_s,
            **where,
        )
    with told(watcher):
        rank_by = suite.evaluation.rank_by  # replicas of a suite that ranked by another metric may be among these
        own = done.results()
        print_tables(beside.ranked_with(own) if beside else own, Console(), rank_by)
        if beside:
            _say_reference(beside, done)
        markdown, csv, page, *pictures = write_report(done.folder, rank_by, beside)
        drawn = f"; pictures: {pictures[0].parent} ({len(pictures)} files)" if pictures else ""
        if traces:
            _say_traces(done, traces)
        close(done, f"report: {page}; tables: {markdown}, {csv}{drawn}")


def _say_traces(done: Run, folder: Path) -> None:
    """Where the traces are and what opens them, or why there are none."""
    click.echo()
    if done.traces:
        count = f"{len(done.traces)} trace{'' if len(done.traces) == 1 else 's'}"
        click.echo(f"profile: {folder} ({count}; open one in https://ui.perfetto.dev or chrome://tracing)")
    elif not any(ensemble.replicas[0].cell.trained for ensemble in done.plan.ensembles):
        click.echo("profile: nothing was left to train, so there is no trace; choose another folder with --results")
    else:
        click.echo(f"profile: no trace could be written to {folder}")


def _reference(suite: Suite, results: Path, device: str, against: str) -> Reference:
    """What a run is ranked among, read before it trains: a mistake in it must not cost the run."""
    from ganbench import pipeline
    from ganbench.report.against import read_reference
    from ganbench.store import reference

    planned = pipeline.plan(suite, results=results, device=device)
    folder = reference(suite.name) if against == "reference" else Path(against)
    return read_reference(folder, [replica.definition for replica in planned.replicas])


def _say_reference(beside: Reference, done: Run) -> None:
    """The verdicts against the reference; on stderr what differs from it."""
    from ganbench.report.against import told_apart
    from ganbench.store import open_results

    click.echo()
    for sentence in told_apart(beside.ranked_with(done.results()), done.plan.suite.evaluation.rank_by):
        click.echo(sentence)
    made = [result for result in open_results(done.folder) if result.replica_id in done.statuses]
    for note in (*beside.notes, *(f"differs from the reference: {what}" for what in beside.differences(made))):
        click.echo(f"warning: {note}", err=True)


def close(done: Run, also: str) -> None:
    """Says how a run's replicas ended and where they are; exits with 1 where an error ended one."""
    from ganbench.cli.progress import duration, spending
    from ganbench.pipeline import FINISHED
    from ganbench.report.wording import inert
    from ganbench.store.aside import ASIDE

    counts = {**dict.fromkeys(FINISHED, 0), **done.counts()}
    click.echo(f"\n{', '.join(f'{count} {status}' for status, count in counts.items())}; {duration(done.wall_s)}")
    click.echo(f"results: {done.folder} ({also})")
    if told := spending(done.spent, done.wall_s):
        click.echo(told, err=True)
    for why in done.restarted:
        click.echo(f"warning: trained from the beginning: {inert(why)}", err=True)
    if done.damaged:
        told = f"{len(done.damaged)} damaged file{'' if len(done.damaged) == 1 else 's'}"
        click.echo(
            f"warning: {told} set aside in {done.folder / ASIDE}, and made anew where this run needs them", err=True
        )
    _say_diverged(done)
    if counts.keys() - set(FINISHED):
        _say_failures(done)
        sys.exit(FAILED)


def _say_diverged(done: Run) -> None:
    """One line on stderr for each objective from outside that diverged, with the files and lines of its losses."""
    from ganbench import catalogue
    from ganbench.plugins import line_of
    from ganbench.report.wording import inert

    diverged: dict[str, list[Replica]] = {}
    for replica in done.plan.replicas:
        objective = replica.cell.objective
        name = objective.place or objective.name
        if done.statuses.get(replica.replica_id) == "diverged" and catalogue.OBJECTIVES.sources(name):
            diverged.setdefault(name, []).append(replica)
    for name, replicas in diverged.items():
        objective = replicas[0].cell.objective
        losses = (getattr(objective.instance, f"{player.lower()}_loss") for player in objective.instance.players)
        lines = " and ".join(map(line_of, losses))
        said = f"diverged: {len(replicas)} replicas of {objective.name}, whose losses are at {lines};"
        click.echo(inert(f"{said} see whether one is no number: ganbench check {shlex.quote(name)}"), err=True)


def _say_plan(suite: Suite, results: Path, device: str, where: Where, limit_time_s: float | None) -> None:
    """Every cell with what of it is stored, then ensembles, time and memory."""
    from ganbench import pipeline
    from ganbench.cli.progress import duration, opening
    from ganbench.report.wording import inert

    plan = pipeline.limited(pipeline.plan(suite, results=results, device=device), limit_time_s, **where)
    cells: dict[str, list[Replica]] = {}
    for replica in plan.replicas:
        cells.setdefault(replica.definition["cell_id"], []).append(replica)
    lines = [("target", "objective", "replicas", "stored", "iterations")]
    for replicas in cells.values():
        cell = replicas[0].cell
        stored = sum(plan.statuses.get(replica.replica_id) in pipeline.FINISHED for replica in replicas)
        lines.append(
            (
                inert(cell.target_label),
                inert(cell.label),
                f"{len(replicas):,}",
                f"{stored:,}",
                f"{cell.iterations or 0:,}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    click.echo(f"{suite.name}: {opening(plan)}\n")
    for target, objective, *counts in lines:
        numbers = "  ".join(f"{count:>{width}}" for count, width in zip(counts, widths[2:], strict=True))
        click.echo(f"{target:<{widths[0]}}  {objective:<{widths[1]}}  {numbers}")
    for note in plan.notes:
        click.echo(inert(note))
    cost = pipeline.estimate(plan, **where)
    click.echo(
        f"\n{cost.ensembles:,} ensembles of width {suite.execution.width} for {cost.workers} workers, {plan.device}"
    )
    if cost.seconds:
        parts = f"training {duration(cost.training_s)}, evaluation {duration(cost.evaluation_s)}"
        click.echo(f"about {duration(cost.seconds)} ({parts}) and {cost.memory_mb:,.0f} MB for all processes together")
    click.echo(cost.words)


def _say_failures(done: Run) -> None:
    """One line on stderr for each distinct error, with the replicas that it ended."""
    from ganbench.report.wording import inert

    found = done.results()
    failed = found[found.status == "failed"].drop_duplicates("replica_id").sort_values(["target", "label", "seed"])
    errors = failed.groupby(failed.error.fillna("no reason is stored").str.partition("\n")[0], sort=False)
    for error, replicas in list(errors)[:SHOWN_ERRORS]:
        first = replicas.iloc[0]
        where = inert(f"{first.target} {first.label} seed {first.seed}")
        click.echo(f"failed: {len(replicas)} replicas, first {where}: {inert(error)}", err=True)
    if len(errors) > SHOWN_ERRORS:
        click.echo(f"failed: {len(errors) - SHOWN_ERRORS} more distinct errors", err=True)
    click.echo(f"the tracebacks are in {done.folder}; the same command tries the failed replicas again", err=True)
