"""The inside of a Ray task: one ensemble in a worker process beside it, the same process that the local executor has.

Ray's own process stays small and alive: it sees how the worker ends, ends one that is silent, and relays what it says
with the files that it writes, so that no node needs a disk that another one sees.
"""

from __future__ import annotations

import os
import platform
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ganbench.execution.local import LOOK_S, Lost, Worker
from ganbench.execution.tasks import Task
from ganbench.execution.worker import Job, Outcome, set_aside_path

RELAY_S = 5.0
"""Seconds between two reports of progress to the driver, which hears thousands of nodes."""

Files = dict[str, bytes | None]
"""Path on the driver's machine -> content; None for a file that is gone."""


@dataclass(frozen=True)
class How:
    """What a worker has on whatever node it starts, beside the machine's own variables."""

    threads: int
    silence_s: float
    variables: dict[str, str]
    folder: str
    kept: bool  # whether the worker waits for the next ensemble; on a GPU it would hold memory that others need


@dataclass(frozen=True)
class Began:
    """A node has a task: its name, Ray's id of it, and the processes that have the task there."""

    node: str
    node_id: str
    processes: tuple[int, ...]


@dataclass(frozen=True)
class Relayed:
    """Iterations newly finished, and what of the job's files is new."""

    iterations: int
    files: Files


@dataclass(frozen=True)
class Ended:
    """The outcomes of a task, or in `lost` why its worker is lost, or in `unfit` why this node can have none."""

    outcomes: list[Outcome]
    files: Files
    lost: str = ""
    unfit: str = ""


_kept: list[tuple[How, Worker]] = []
# a process that Ray gives several tasks keeps one worker between them: to import torch takes seconds


def work(task: Task, checkpoint: bytes | None, how: How) -> Iterator[Began | Relayed | Ended]:
    """What becomes of a task, as told by its worker; `checkpoint` is what it goes on from."""
    worker = _employed(how)
    yield Began(platform.node(), node_id(), (os.getpid(), worker.process.pid))
    with TemporaryDirectory(prefix="ganbench-") as scratch:
        files = Mirror(task.job, Path(scratch), checkpoint)
        try:
            worker.give(replace(task, job=files.job))
            yield from _relayed(worker, files)
        except Lost as loss:
            yield Ended([], {}, lost=str(loss))
        except OSError:
            yield Ended([], {}, lost="ended while it had nothing to do")
        finally:
            if worker.task is not None or not how.kept:
                worker.stop()


def node_id() -> str:
    """What Ray calls the node that this task is on."""
    import ray

    return ray.get_runtime_context().get_node_id()


def _employed(how: How) -> Worker:
    """The worker that this process kept, or a new one."""
    while _kept:
        known, worker = _kept.pop()
        if known == how and worker.process.poll() is None and not worker.pipe.closed:
            break
        worker.stop()
    else:
        folder = how.folder if Path(how.folder).is_dir() else None  # paths in a suite may start at it
        worker = Worker(how.threads, how.silence_s, how.variables, elsewhere=True, folder=folder)
    if how.kept:
        _kept.append((how, worker))
    return worker


def _relayed(worker: Worker, files: Mirror) -> Iterator[Relayed | Ended]:
    iterations, told = 0, 0.0
    while True:
        if not wait([worker.pipe], min(max(0.0, worker.patience_s()), LOOK_S)):
            worker.check()
            continue
        kind, content = worker.hear()
        if kind == "progress":
            iterations += content
            changed = files.changed()
            if changed or time.monotonic() - told >= RELAY_S:
                yield Relayed(iterations, changed)
                iterations, told = 0, time.monotonic()
        elif kind == "outcomes":
            worker.task = None
            yield Relayed(iterations, {})
            yield Ended(content, files.changed())
            return
        elif kind == "unfit":
            worker.task = None
            yield Ended([], {}, unfit=content)
            return


class Mirror:
    """The files of a job in a folder of this node, and what of them the driver does not know yet."""

    def __init__(self, job: Job, folder: Path, checkpoint: bytes | None):
        # under its own name, by which an outcome tells of one that was set aside
        there, here = Path(job.checkpoint), folder / Path(job.checkpoint).name
        # what was set aside comes first: it is kept before its own name is free
        self.places = {str(set_aside_path(there)): set_aside_path(here), job.checkpoint: here}
        if job.trace:
            self.places[job.trace] = folder / "trace"
        if checkpoint is not None:
            here.write_bytes(checkpoint)
        self.job = replace(job, checkpoint=str(here), trace=str(folder / "trace") if job.trace else "")
        self.seen = {path: _state(here) for path, here in self.places.items()}

    def changed(self) -> Files:
        """The files that were written, replaced or removed since this was last asked."""
        found: Files = {}
        for path, here in self.places.items():
            state = _state(here)
            if state != self.seen[path]:
                self.seen[path] = state
                found[path] = here.read_bytes() if state else None
        return found


def _state(path: Path) -> tuple[Any, ...]:
    try:
        seen = path.stat()
    except FileNotFoundError:
        return ()
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


def end(processes: tuple[int, ...]) -> None:
    """Kills processes of this node, which may be stopped and so deaf to whatever else asks them to end."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
