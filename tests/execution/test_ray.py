"""A Ray cluster of three nodes on this machine: the bits of a local run, whatever dies on the way.

Over 300 lines: its cluster is made once for a file, in 10 to 20 s.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
from tiny import files, numbers

from ganbench import pipeline
from ganbench.execution import cluster, tasks, worker
from ganbench.execution.cluster import OnRay, on_ray
from ganbench.execution.tasks import Finished, Progress, Requeued, Task
from ganbench.execution.worker import Job
from ganbench.planning import Replica
from ganbench.study import Watcher
from ganbench.suite import Cell, Suite, apply_overrides, parse_suite

ray = pytest.importorskip("ray", reason="Ray is not installed; pip install 'ganbench[ray]'")
pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="finds workers through /proc, as on Linux")

# enough iterations that a node can be lost in the middle of an ensemble
SUITE = (
    tiny.SUITE.replace("amount = 4", "amount = 600").replace('"w1"', '"sliced_w1"').replace("seeds = 2", "seeds = 6")
)
SUITE = SUITE.replace('["gaussian1d", "ring8"]', '["ring8"]').replace('["oracle", "trivial"]', '["trivial"]')
SUITE = SUITE.replace('["minimax", "em"]', '["minimax"]')
REPLICAS = 12
NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """The cluster, which this process joins only where a test does."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # else whatever else a busy machine does goes before these tests
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  Ray spells it so
    made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    for _ in range(2):
        made.add_node(**NODE)
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def bits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run on this machine alone comes to."""
    folder = tmp_path_factory.mktemp("local")
    assert pipeline.run(suite(), results=folder / "results", device="cpu", workers=2).counts() == {
        "completed": REPLICAS
    }
    return numbers(folder)


def suite(silence_s: float = 60.0) -> Suite:
    return apply_overrides(parse_suite(SUITE), settings={"limits.silence_s": silence_s})


class Told(Watcher):
    """What a run tells of, and something to do at each progress until it is done."""

    def __init__(self, until: Callable[[], bool] = lambda: True):
        self.until, self.done = until, False
        self.counts, self.reasons = Counter[str](), list[str]()

    def advance(self, steps: int, label: str) -> None:
        self.done = self.done or self.until()

    def stored(self, replica: Replica, status: str) -> None:
        self.counts[replica.replica_id] += 1

    def requeued(self, replica: Replica, reason: str) -> None:
        self.reasons.append(reason)


@pytest.mark.torture  # a minute and more on a busy machine
def test_a_cluster_gives_the_bits_of_this_machine_alone(nodes: Any, bits: dict[str, Any], tmp_path: Path):
    told, handlers = Told(), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    pipeline.run(suite(), results=tmp_path / "results", device="cpu", watcher=told, **on(nodes))
    assert numbers(tmp_path) == bits
    assert set(told.counts.values()) == {1}
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert not ray.is_initialized()


@pytest.mark.torture  # a minute and more on a busy machine
def test_a_node_that_is_lost_on_the_way_costs_no_replica_and_doubles_none(
    nodes: Any, bits: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Known(OnRay):
        def __init__(self, *arguments: Any):
            super().__init__(*arguments)
            teams.append(self)

    def lose() -> bool:
        """Whether a node that has an ensemble, and is not the head, is gone now."""
        (team,) = teams
        busy = {given.began.node_id for given in team.given.values() if given.began}
        found = [node for node in nodes.worker_nodes if node.node_id in busy]
        if found:
            nodes.remove_node(found[0], allow_graceful=False)
        return bool(found)

    teams: list[OnRay] = []
    monkeypatch.setattr(cluster, "OnRay", Known)
    told = Told(lose)
    try:
        pipeline.run(suite(), results=tmp_path / "results", device="cpu", watcher=told, **on(nodes))
    finally:
        nodes.add_node(**NODE)
    assert told.done
    assert len([reason for reason in told.reasons if "its node ended" in reason]) == 1
    assert numbers(tmp_path) == bits
    assert told.counts == dict.fromkeys(bits, 1)


def on(nodes: Any) -> dict[str, Any]:
    return {"executor": "ray", "address": nodes.address}


def command(folder: Path, *options: str) -> subprocess.Popen[str]:
    """`ganbench run` of the suite in a folder."""
    (folder / "tiny.toml").write_text(SUITE)
    return subprocess.Popen(
        [sys.executable, "-m", "ganbench", "run", "--suite", "tiny.toml", "--device", "cpu", *options],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # in the background of a script Ctrl-C is ignored, and a child inherits that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def after_the_first_replica(folder: Path, number: signal.Signals, *options: str) -> tuple[int, str, float]:
    """Exit code, stderr and seconds to stop of a run that got a signal once a replica was stored."""
    process = command(folder, *options)
    while process.poll() is None and not files(folder):
        time.sleep(0.01)
    process.send_signal(number)
    began = time.perf_counter()
    _, said = process.communicate(timeout=30)
    return process.returncode, said, time.perf_counter() - began


@pytest.mark.torture  # a minute and more on a busy machine
def test_a_run_whose_driver_is_killed_goes_on_from_what_is_stored(nodes: Any, bits: dict[str, Any], tmp_path: Path):
    after_the_first_replica(tmp_path, signal.SIGKILL, "--executor", "ray", "--address", nodes.address)
    before = files(tmp_path)
    assert 0 < len(before) < REPLICAS
    again = command(tmp_path, "--executor", "ray", "--address", nodes.address)
    again.communicate()
    assert again.returncode == 0
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    assert numbers(tmp_path) == bits


@pytest.mark.torture  # a minute and more on a busy machine
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_stops_within_five_seconds_on_all_nodes_and_the_run_can_be_finished_here(
    number: signal.Signals, code: int, nodes: Any, bits: dict[str, Any], tmp_path: Path
):
    options = ("--executor", "ray", "--address", nodes.address)
    returned, said, seconds = after_the_first_replica(tmp_path, number, *options)
    kept = len(files(tmp_path))
    assert (returned, seconds < 5, 0 < kept < REPLICAS) == (code, True, True)
    assert said.endswith(
        f"interrupted: {kept} of {REPLICAS} replicas are kept in results/tiny; the same command goes on from there\n"
    )
    end = time.monotonic() + 5
    while found := workers_of(tmp_path):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    pipeline.run(suite(), results=tmp_path / "results", device="cpu", workers=2)
    assert numbers(tmp_path) == bits


def workers_of(folder: Path) -> list[int]:
    """The worker processes of a driver that was started in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line, at = (process / "cmdline").read_bytes(), (process / "cwd").readlink()
        except OSError:
            continue
        if b"ganbench.execution.process" in line and at == folder:
            found.append(int(process.name))
    return found


@pytest.fixture
def joined(nodes: Any, tmp_path: Path) -> Iterator[tuple[OnRay, Task]]:
    """An executor in a process that stays in the cluster, and one ensemble."""
    planned = pipeline.plan(suite(), objectives=["minimax"], seeds=2, results=tmp_path, device="cpu")
    with on_ray(nodes.address, 1, "cpu", silence_s=5.0) as team:
        yield team, pipeline._tasks(planned)[0]


def after_progress(team: OnRay, task: Task, do: Callable[[tuple[int, ...]], object]) -> list[Any]:
    """What happens to a task with whose processes, Ray's and the worker, something is done when it has begun."""
    events = team.run([task])
    found: list[Any] = [next(events)]
    assert isinstance(found[0], Progress)
    (given,) = team.given.values()
    assert given.began is not None
    do(given.began.processes)
    return [*found, *events]


def statuses(event: Any) -> list[str]:
    assert isinstance(event, Finished)
    return [outcome.status for outcome in event.outcomes]


def reasons(events: list[Any]) -> list[str]:
    return [event.reason for event in events if isinstance(event, Requeued)]


@pytest.mark.torture  # a minute and more on a busy machine
@pytest.mark.parametrize(
    ("number", "which", "reason"),
    [
        (signal.SIGKILL, 1, "ended with signal 9 (SIGKILL)"),
        (signal.SIGSTOP, 1, "said nothing for 5 s, the suite's limits.silence_s"),
        (signal.SIGKILL, 0, "or its node ended"),
    ],
)
def test_an_ensemble_whose_worker_dies_or_hangs_is_trained_by_another(
    number: signal.Signals, which: int, reason: str, joined: tuple[OnRay, Task]
):
    events = after_progress(*joined, lambda processes: os.kill(processes[which], number))
    assert [found for found in reasons(events) if found.startswith(reason)]
    assert statuses(events[-1]) == ["completed", "completed"]


@pytest.mark.torture  # a minute and more on a busy machine
def test_an_ensemble_of_which_a_whole_node_says_nothing_is_ended_and_trained_by_another(
    joined: tuple[OnRay, Task], monkeypatch: pytest.MonkeyPatch
):
    def freeze(processes: tuple[int, ...]) -> None:
        frozen.extend(processes)
        for process in processes:
            os.kill(process, signal.SIGSTOP)

    monkeypatch.setattr(cluster, "GRACE_S", 2.0)
    frozen: list[int] = []
    events = after_progress(*joined, freeze)
    assert [reason for reason in reasons(events) if reason.endswith("said nothing for 7 s")]
    assert statuses(events[-1]) == ["completed", "completed"]
    assert [process for process in frozen if alive(process)] == []


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"  # one that waits to be reaped has ended


CRASH = """
import ctypes
from ganbench.objectives.minimax import Minimax
class Mine(Minimax):
    def d_loss(self, G, D, b, /): return ctypes.string_at(0)
"""


@pytest.mark.torture  # a minute and more on a busy machine
def test_a_null_pointer_in_an_objective_fails_its_own_replicas_alone_and_with_the_reason(
    nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tasks, "REQUEUED", 1)  # each time costs a start; the local tests wait for all of them
    (tmp_path / "crash.py").write_text(CRASH)
    changes: Any = {"objectives": [f"{tmp_path / 'crash.py'}:Mine", "minimax"], "seeds": 2, "iterations": 4}
    ran = pipeline.run(suite(), **changes, results=tmp_path, device="cpu", **on(nodes))
    results = ran.results().drop_duplicates("replica_id")
    assert results.groupby("label").status.agg(set).to_dict() == {
        "crash.py:Mine": {"failed"},
        "minimax": {"completed"},
        "trivial": {"completed"},
    }
    (error,) = results[results.status == "failed"].error.unique()
    assert error == "its worker was lost 2 times; the last one ended with signal 11 (SIGSEGV)"


@pytest.mark.torture  # a minute and more on a busy machine
def test_an_ensemble_begun_here_goes_on_from_its_checkpoint_in_the_cluster(
    joined: tuple[OnRay, Task], monkeypatch: pytest.MonkeyPatch
):
    team, task = joined
    done = 0

    def report(iterations: int) -> None:
        nonlocal done
        if done:
            raise SystemExit  # with a checkpoint of so many
        done += iterations

    monkeypatch.setattr(worker, "CHECKPOINT_S", 0.0)
    monkeypatch.setattr(worker, "STRETCH_S", 0.0)
    worker.run_job(task.job, report)
    iterations = Cell.from_definition(task.job.definitions[0]["cell"]).iterations
    assert iterations is not None
    assert 0 < done < iterations
    team.how = replace(team.how, silence_s=60.0)  # a worker that is lost to a busy machine would tell its steps twice
    events = list(team.run([task]))
    assert isinstance(events[0], Progress)
    assert events[0].iterations == done
    assert sum(event.iterations for event in events if isinstance(event, Progress)) == iterations
    assert statuses(events[-1]) == ["completed", "completed"]


@pytest.mark.torture  # a minute and more on a busy machine
def test_a_node_of_another_version_ends_the_run_and_says_what_differs(joined: tuple[OnRay, Task]):
    team, task = joined
    (first, *others) = task.job.definitions
    other = {**first, "execution": {**first["execution"], "torch": "1.0"}}
    job = Job((other, *others), task.job.device, task.job.checkpoint)
    with pytest.raises(ValueError, match=r"cannot give the bits of this plan: torch .*, planned with 1\.0; install"):
        list(team.run([Task(0, job, "")]))


@pytest.mark.torture  # a minute and more on a busy machine
def test_what_no_node_has_is_refused_at_once_with_what_the_cluster_has(nodes: Any, tmp_path: Path):
    options = ("--executor", "ray", "--address", nodes.address, "--set", "execution.threads=3")
    asked = command(tmp_path, *options)
    _, said = asked.communicate()
    assert asked.returncode == 2
    assert "an ensemble asks for 3 CPU on one node; the cluster's nodes have 1 CPU, 0 GPU; 1 CPU, 0 GPU; 1 CPU" in said
    assert not (tmp_path / "results" / "tiny" / "runs").exists()
