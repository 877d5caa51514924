"""What a run shows on stderr while it lasts: a bar on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from ganbench.pipeline import FINISHED, Plan, Watcher
from ganbench.planning import Replica
from ganbench.report.wording import inert
from ganbench.study import Spent

LINE_S = 5.0
"""Seconds between two lines, at least."""
SILENCE_S = 10.0
"""Seconds after which a step is a line too, though no cell has finished."""
SHOWN_S = 0.05
"""Seconds below which what a run did is not worth a word."""
LABEL = 26
"""Characters of a cell's name in the bar."""


@contextmanager
def watched() -> Iterator[Progressing]:
    """The watcher for where stderr goes; an interrupt inside says what is kept."""
    console = Console(stderr=True)
    watcher = Bar(console) if console.is_terminal else Lines(console)
    with told(watcher), watcher:
        yield watcher


@contextmanager
def told(watcher: Progressing) -> Iterator[None]:
    """An interrupt inside says what is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(watcher.kept()) from None


class Progressing(Watcher):
    """Counts what is done; use it as a context, so that the terminal is left as it was found."""

    def __init__(self, console: Console):
        self.console = console
        self.plan: Plan | None = None
        self.steps = 0
        self.statuses: dict[str, str] = {}
        self.began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def begin(self, plan: Plan) -> None:
        self.plan, self.statuses = plan, dict(plan.statuses)
        self.say(f"{inert(plan.suite.name)}: {opening(plan)}")
        for note in plan.notes:
            self.say(note)

    def advance(self, steps: int, label: str) -> None:
        # a worker that died repeats steps that were counted once
        self.steps = min(self.steps + steps, self.plan.steps if self.plan else 0)

    def requeued(self, replica: Replica, reason: str) -> None:
        where = inert(f"{replica.cell.target_label} {replica.cell.label} from seed {replica.seed} on")
        self.say(f"{where}: its worker {inert(reason)}; queued again")

    def stored(self, replica: Replica, status: str) -> None:
        self.statuses[replica.replica_id] = status

    def say(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True)

    def kept(self) -> str:
        """What an interrupt leaves, and how to go on."""
        if self.plan is None:
            return "nothing was trained yet"
        kept = sum(status in FINISHED for status in self.statuses.values())
        where = f"{kept} of {len(self.plan.replicas)} replicas are kept in {self.plan.folder}"
        return f"{where}; the same command goes on from there"


def opening(plan: Plan) -> str:
    """What a plan will do, in one line."""
    done = sum(status in FINISHED for status in plan.statuses.values())
    cells = len({replica.definition["cell_id"] for replica in plan.replicas})
    stored = {0: "none", len(plan.replicas): "all"}.get(done, f"{done:,}")
    todo = f"{plan.steps:,} gradient steps to take" if plan.ensembles else "nothing to train"
    return f"{cells:,} cells, {len(plan.replicas):,} replicas, {stored} of them stored already; {todo}"


class Lines(Progressing):
    """Plain lines: one for a finished cell, at most one every few seconds; one for the next step after a silence."""

    def __init__(self, console: Console):
        super().__init__(console)
        self.said = time.perf_counter()

    def advance(self, steps: int, label: str) -> None:
        super().advance(steps, label)
        if time.perf_counter() - self.said >= SILENCE_S:
            self._tell(f"training {label}")

    def stored(self, replica: Replica, status: str) -> None:
        super().stored(replica, status)
        assert self.plan is not None, "a run begins before it stores"
        cell = [r for r in self.plan.replicas if r.definition["cell_id"] == replica.definition["cell_id"]]
        found = Counter(self.statuses.get(r.replica_id) for r in cell)
        if None not in found and time.perf_counter() - self.said >= LINE_S:
            counts = ", ".join(f"{count} {name}" for name, count in found.items())
            self._tell(f"{replica.cell.target_label} {replica.cell.label}: {counts}")

    def _tell(self, news: str) -> None:
        """How far the whole is, and what is new."""
        assert self.plan is not None, "a run begins before it advances"
        self.said = time.perf_counter()
        done = f"{len(self.statuses)} of {len(self.plan.replicas)} replicas"
        share = f", {self.steps / self.plan.steps:.0%} of the gradient steps" if self.plan.steps else ""
        self.say(f"{self.said - self.began:.0f} s: {done}{share}; {inert(news)}")


class Bar(Progressing):
    """A bar that vanishes at the end."""

    def __init__(self, console: Console):
        super().__init__(console)
        self.progress = Progress(
            TextColumn("{task.fields[label]}", markup=False),
            BarColumn(bar_width=None),
            Steps(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            # compiling takes many seconds without a step
            speed_estimate_period=120,
            expand=True,
        )

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def begin(self, plan: Plan) -> None:
        super().begin(plan)
        if plan.ensembles:
            self.task = self.progress.add_task("", total=plan.steps or None, label="starting workers".ljust(LABEL))
            self.progress.start()

    def advance(self, steps: int, label: str) -> None:
        super().advance(steps, label)
        shown = inert(label) if len(label) <= LABEL else f"{inert(label)[: LABEL - 1]}…"
        self.progress.update(self.task, completed=self.steps, label=shown.ljust(LABEL))


class Steps(ProgressColumn):
    """Gradient steps done, of those to do."""

    def render(self, task: Task) -> Text:
        total = "?" if task.total is None else _short(task.total)
        return Text(f"{_short(task.completed):>5}/{total} steps")


def _short(count: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"


def spending(spent: Spent, wall_s: float) -> str:
    """Where a run's time went, in one line; nothing where nothing was to do."""
    if not spent.processes:
        return ""
    doings = {**spent.doings, "starting and waiting": spent.waiting_s}
    told = ", ".join(f"{doing} {duration(seconds)}" for doing, seconds in doings.items() if seconds >= SHOWN_S)
    count = f"{spent.processes} process{'' if spent.processes == 1 else 'es'}"
    beside = f"storing {duration(spent.store_s)}, progress {duration(spent.progress_s)}"
    share = f"evaluating, storing and progress: {spent.beside_s() / wall_s:.0%} of {duration(wall_s)}"
    return f"time on {count}: {told}; beside them: {beside} ({share})"


def duration(seconds: float) -> str:
    """Seconds in words: one decimal under a minute, none above."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
