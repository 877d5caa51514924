"""The Ray executor: every ensemble a task of a cluster, of one machine or many; the driver hears them all."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganbench.execution.interrupts import handlers_kept
from ganbench.execution.machine import cores
from ganbench.execution.node import Began, Files, How, Relayed, end, work
from ganbench.execution.tasks import Event, Finished, Progress, Queue, Task
from ganbench.folders import write_file

PASSED = ("GANBENCH_DATA", "GANBENCH_CACHE", "HF_HUB_OFFLINE", "ATEN_CPU_CAPABILITY", "CXX")
"""Variables of the driver that hold for its workers."""
REACH_S = 5.0
"""Seconds for the cluster's address to answer."""
LOOK_S = 1.0
"""Seconds between two looks at tasks that say nothing."""
GRACE_S = 60.0
"""Seconds beyond the suite's limit that a node has to tell of a silent worker, before it counts as silent itself."""
ALONE_S = 60.0
"""Seconds for which no node may fit an ensemble, as while the only one is replaced."""


@contextmanager
def on_ray(
    address: str | None, threads: int, device: str, silence_s: float, workers: int | None = None
) -> Iterator[OnRay]:
    """The executor of a cluster: that of an address, else the running one that Ray finds, else one of this machine.

    Raises ValueError where Ray is missing, the address does not answer, or no node has what an ensemble needs.
    """
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
    except ImportError:
        raise ValueError("executor \"ray\": found no Ray; install it: pip install 'ganbench[ray]'") from None
    ours = not ray.is_initialized()
    if not ours and address not in (None, found := ray.get_runtime_context().gcs_address):
        raise ValueError(f"address {address}: this process is in the cluster of {found} already; leave it out")
    try:
        if ours:
            with handlers_kept():
                _connect(ray, address)
        executor = OnRay(ray, threads, device, silence_s, workers)
        executor.check()
        yield executor
    finally:
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    """Joins a cluster, or starts one. Raises ValueError where that fails."""
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is not None:
        _reach(address)
    try:
        try:
            ray.init(address or "auto", **quiet)
        except ConnectionError:
            if address is not None:
                raise
            ray.init("local", num_cpus=cores(), include_dashboard=False, **quiet)
    except Exception as error:  # another version of Ray or Python, a start that took too long: Ray raises any kind
        raise ValueError(f'executor "ray": no cluster at {address or "hand"}: {str(error).strip()}') from None


def _reach(address: str) -> None:
    """Raises ValueError where nothing answers at HOST:PORT: Ray itself would wait for a minute and more."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        how = "HOST:PORT of the cluster's head, such as 10.0.0.1:6379; the driver itself runs on a node of the cluster"
        raise ValueError(f'address: found "{address}"; expected {how}')
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        raise ValueError(f"address {address}: no answer ({error}); start Ray there: ray start --head") from None


@dataclass
class Given:
    """A task that the cluster has: when it was last heard of, and once it has begun, where it is."""

    task: Task
    heard: float = field(default_factory=time.monotonic)
    began: Began | None = None


class OnRay:
    """Gives ensembles to a cluster, a few more than fit at once, so that no node waits for the driver."""

    def __init__(self, ray: Any, threads: int, device: str, silence_s: float, most: int | None):
        self.ray, self.most, self.silence_s = ray, most, silence_s
        self.needs = {"CPU": threads, "GPU": int(device == "cuda")}
        variables = {name: os.environ[name] for name in PASSED if name in os.environ}
        self.how = How(threads, silence_s, variables, os.getcwd(), kept=device != "cuda")
        options = {"num_cpus": threads, "num_gpus": self.needs["GPU"], "num_returns": "streaming"}
        # Ray's own retries would not know of the losses that the queue counts
        self.work = ray.remote(work).options(**options, max_retries=0, name="ganbench")
        self.queue, self.given = Queue([]), dict[Any, Given]()

    @property
    def workers(self) -> int:
        return min(self.most or self._room(), self._room())

    def check(self) -> None:
        """Raises ValueError where no node can ever take an ensemble."""
        if not self._room():
            asked = ", ".join(f"{many:g} {kind}" for kind, many in self.needs.items() if many)
            nodes = [node["Resources"] for node in self._nodes()]
            there = "; ".join(", ".join(f"{node.get(kind, 0):g} {kind}" for kind in self.needs) for node in nodes)
            mend = "add such a node, or lower execution.threads" + " or use --device cpu" * bool(self.needs["GPU"])
            raise ValueError(
                f"an ensemble asks for {asked} on one node; the cluster's nodes have {there or 'left'}; {mend}"
            )

    def run(self, tasks: list[Task]) -> Generator[Event, None, None]:
        self.queue, alone = Queue(tasks), time.monotonic()
        try:
            while self.queue.pending or self.given:
                self._give()
                spoke, _ = self.ray.wait(list(self.given), timeout=LOOK_S, fetch_local=False)
                for stream in spoke:
                    yield from self._hear(stream)
                yield from self._lose_silent()
                if spoke or any(given.began for given in self.given.values()):
                    alone = time.monotonic()
                elif time.monotonic() - alone > ALONE_S:
                    self.check()
                    alone = time.monotonic()
        finally:
            for stream in self.given:
                self.ray.cancel(stream, force=True)
            self.given.clear()

    def _nodes(self) -> list[dict[str, Any]]:
        return [node for node in self.ray.nodes() if node["Alive"]]

    def _room(self) -> int:
        """Ensembles for which the living nodes have room at once."""
        asked = {kind: many for kind, many in self.needs.items() if many}
        nodes = [node["Resources"] for node in self._nodes()]
        return sum(min(int(node.get(kind, 0) // many) for kind, many in asked.items()) for node in nodes)

    def _give(self) -> None:
        if not self.queue.pending:
            return
        # a cluster that grows by demand must see some
        most = self.most or 2 * self._room() + 2
        while self.queue.pending and len(self.given) < most:
            task = self.queue.pending.pop(0)
            checkpoint = Path(task.job.checkpoint)
            content = checkpoint.read_bytes() if checkpoint.exists() else None
            self.given[self.work.remote(task, content, self.how)] = Given(task)

    def _hear(self, stream: Any) -> Iterator[Event]:
        given = self.given[stream]
        try:
            said = self.ray.get(next(stream))
        except StopIteration:
            yield from self._lose(stream, "ended without a word")
            return
        except self.ray.exceptions.RayError as error:
            yield from self._lose(stream, f"or its node ended: {_told(error)}")
            return
        given.heard = time.monotonic()
        number = given.task.number
        if isinstance(said, Began):
            given.began = said
        elif isinstance(said, Relayed):
            _write(said.files)
            yield Progress(number, said.iterations)
        elif said.unfit:
            where = given.began.node if given.began else "a node"
            how = "install the same there, or start Ray without that node; what is stored is kept"
            raise ValueError(f"{where} cannot give the bits of this plan: {said.unfit}; {how}")
        elif said.lost:
            yield from self._lose(stream, said.lost)
        else:
            del self.given[stream]
            _write(said.files)
            yield Finished(number, said.outcomes)

    def _lose(self, stream: Any, reason: str) -> Iterator[Event]:
        yield from self.queue.lost(self.given.pop(stream).task, reason)

    def _lose_silent(self) -> Iterator[Event]:
        """Ends tasks of which the node itself says nothing any more, which is for its own clock to prevent."""
        allowed = self.silence_s + GRACE_S
        for stream, given in list(self.given.items()):
            if given.began is None or time.monotonic() - given.heard <= allowed:
                continue
            if self.ray.wait([stream], timeout=0, fetch_local=False)[0]:
                continue  # it is this process that did not listen, as one that was stopped for a while
            self._end(given.began)
            self.ray.cancel(stream, force=True)
            yield from self._lose(stream, f"and its node {given.began.node} said nothing for {allowed:g} s")

    def _end(self, began: Began) -> None:
        place = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(began.node_id, soft=False)
        killer = self.ray.remote(end).options(num_cpus=0, max_retries=0, scheduling_strategy=place)
        killer.remote(began.processes)


def _told(error: Exception) -> str:
    """The first line of what Ray says, or the error that the task itself raised."""
    cause = getattr(error, "cause", None)
    words = f"{type(cause).__name__}: {cause}" if cause is not None else str(error).strip()
    return f"{type(error).__name__}: {words.splitlines()[0] if words else 'no words'}"


def _write(files: Files) -> None:
    """Makes this machine's files what a node said they are. Raises OSError that names the file."""
    for path, content in ((Path(name), content) for name, content in files.items()):
        if content is None:
            path.unlink(missing_ok=True)
        else:
            write_file(path, content)
