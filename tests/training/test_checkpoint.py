"""A checkpoint is whole or an error, and a run resumed from one is the run that never stopped."""

from __future__ import annotations

import os
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ensembles import SMALL, lane, new, same_bits, trained

from ganbench.catalogue import OBJECTIVES
from ganbench.execution import worker
from ganbench.execution.worker import Job, Outcome, run_ensemble
from ganbench.objectives.em import EM
from ganbench.planning import plan_replicas
from ganbench.suite import Cell, parse_suite, resolve
from ganbench.training.checkpoint import Checkpoint, CheckpointError
from ganbench.training.loop import Lane
from ganbench.training.optimisers import SGD, Adam

CHECKPOINT = Checkpoint(7, 1.5, {"rows": [1, "two"]}, {"a": np.arange(3.0), "b": np.ones((1, 2), np.float32)})
SUITE = """\
name = "tiny"
targets = ["ring8"]
objectives = ["{objective}"]
network = "mlp[width=8,depth=1]"
seeds = 3
[budget]
currency = "iterations"
amount = 12
[training]
batch = 16
[evaluation]
times = 4
samples = 20
final_samples = 30
metrics = ["energy_distance", "modes_covered"]
rank_by = "energy_distance"
"""
STOPS = (1, 7, 8, 10, 12)
"""Iterations in which a run is stopped: the first and the last, before and at a snapshot, and after an evaluation."""


class Stopped(Exception):
    """The machine went down."""


def job(folder: Path, objective: str) -> Job:
    suite = parse_suite(SUITE.format(objective=objective))
    execution = {
        "compiled": False,
        "width": 8,
        "threads": 1,
        "lift": "vmap",
        "precision": "fp32",
        "convolution": "products",
        "draws": "numpy",
    }
    replicas = plan_replicas(suite, resolve(suite), execution)
    return Job(tuple(r.definition for r in replicas), "cpu", str(folder / "checkpoint"))


def outcomes(job: Job, stop_at: int | None = None) -> list[Outcome]:
    """What becomes of a job's replicas; stopped in an iteration, whose checkpoint is that of the one before."""
    done = 0

    def report(iterations: int) -> None:
        nonlocal done
        done += iterations
        if done == stop_at:
            raise Stopped

    cells = [Cell.from_definition(d["cell"]) for d in job.definitions]
    return run_ensemble(job, cells, report)


def lasting(outcome: Outcome) -> Any:
    """What an outcome says of anything but time and memory."""
    timeless = [{k: v for k, v in row.items() if k != "seconds"} for row in outcome.rows]
    return outcome.status, repr(timeless), outcome.info.get("diverged_at"), sorted(outcome.arrays)


@pytest.fixture(autouse=True)
def _a_checkpoint_at_every_iteration(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "CHECKPOINT_S", 0.0)
    monkeypatch.setattr(worker, "FIRST_STRETCH", 1)
    monkeypatch.setattr(worker, "STRETCH_S", 0.0)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    CHECKPOINT.write(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_what_is_read_is_what_was_written(written: Path):
    found = Checkpoint.read(written)
    assert (found.iteration, found.seconds, found.kept) == (7, 1.5, {"rows": [1, "two"]})
    assert set(found.arrays) == {"a", "b"}
    assert all(
        np.array_equal(found.arrays[k], v) and found.arrays[k].dtype == v.dtype for k, v in CHECKPOINT.arrays.items()
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_a_checkpoint_is_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="no plain file"):
        Checkpoint.read(tmp_path / "a.safetensors")


def test_writing_leaves_the_checkpoint_alone_in_its_folder(written: Path):
    assert [f.name for f in written.parent.iterdir()] == ["checkpoint"]


def test_a_write_that_fails_leaves_the_checkpoint_before_it(written: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Checkpoint(8, 2.0, {}, {}).write(written)
    assert Checkpoint.read(written).iteration == 7
    assert [f.name for f in written.parent.iterdir()] == ["checkpoint"]


def test_a_checkpoint_cut_off_anywhere_is_an_error(written: Path):
    whole = written.read_bytes()
    for length in range(len(whole)):
        written.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="damaged"):
            Checkpoint.read(written)


@pytest.mark.parametrize("flipped", [0x01, 0x80, 0xFF])
def test_a_checkpoint_with_a_flipped_byte_anywhere_is_an_error(written: Path, flipped: int):
    whole = written.read_bytes()
    for place in range(len(whole)):
        written.write_bytes(whole[:place] + bytes([whole[place] ^ flipped]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match="damaged"):
            Checkpoint.read(written)


def test_a_checkpoint_of_another_ensemble_is_refused(tmp_path: Path):
    trained([3], 1).save(tmp_path / "checkpoint", {}, {})
    other = new([Lane(EM(), SGD(), 3)], SMALL)
    with pytest.raises(CheckpointError, match="the checkpoint of another ensemble"):
        other.load(tmp_path / "checkpoint")


def test_a_training_loaded_from_a_checkpoint_goes_on_as_if_it_never_stopped(tmp_path: Path):
    whole, stopped = trained([3, 4], 5), trained([3, 4], 2)
    stopped.save(tmp_path / "checkpoint", {"rows": 1}, {"snapshot": np.ones(3)})
    resumed = new([Lane(whole.game.objective, Adam(), seed) for seed in (3, 4)], SMALL)
    kept, arrays = resumed.load(tmp_path / "checkpoint")
    assert resumed.seconds == stopped.seconds
    resumed.advance(5)
    assert (kept, list(arrays)) == ({"rows": 1}, ["snapshot"])
    assert all(same_bits(lane(whole, i), lane(resumed, i)) for i in range(2))


# one stop for each objective, and every iteration for one of them below: what is stopped is the same code
@pytest.mark.parametrize(("objective", "stop"), list(zip(OBJECTIVES.names(), cycle(STOPS), strict=False)))
def test_a_run_stopped_and_resumed_is_the_run_never_stopped(tmp_path: Path, objective: str, stop: int):
    whole, stopped = outcomes(job(tmp_path / "whole", objective)), job(tmp_path / "stopped", objective)
    with pytest.raises(Stopped):
        outcomes(stopped, stop)
    for expected, found in zip(whole, outcomes(stopped), strict=True):
        assert lasting(found) == lasting(expected)
        assert all(np.array_equal(found.arrays[k], v) for k, v in expected.arrays.items())


def test_a_run_stopped_in_every_iteration_is_the_run_never_stopped(tmp_path: Path):
    whole, stopped = outcomes(job(tmp_path / "whole", "em")), job(tmp_path / "stopped", "em")
    for iteration in range(1, 12):
        with pytest.raises(Stopped):
            outcomes(stopped, iteration)
        assert _iterations_done(stopped) == iteration - 1
    assert [lasting(o) for o in outcomes(stopped)] == [lasting(o) for o in whole]


def _iterations_done(job: Job) -> int:
    path = Path(job.checkpoint)
    return Checkpoint.read(path).iteration if path.exists() else 0


def test_a_replica_that_diverged_before_the_checkpoint_stays_diverged(tmp_path: Path):
    lanes = [Lane(EM(), SGD(lr_d=3e38), 3), Lane(EM(), SGD(), 3)]
    training = new(lanes, SMALL)
    training.advance(2)
    training.save(tmp_path / "checkpoint", {}, {})
    resumed = new(lanes, SMALL)
    resumed.load(tmp_path / "checkpoint")
    resumed.advance(3)
    assert resumed.alive().tolist()[:2] == [False, True]
    assert resumed.diverged_at()[0] == training.diverged_at()[0] > 0


def test_replicas_with_the_checkpoint_of_others_start_from_zero_and_say_why(tmp_path: Path):
    stopped = job(tmp_path / "stopped", "em")
    with pytest.raises(Stopped):
        outcomes(stopped, 2)
    others = outcomes(Job(stopped.definitions[::-1], "cpu", stopped.checkpoint))
    assert all("the checkpoint of other replicas" in outcome.info["restarted"] for outcome in others)
    whole = outcomes(job(tmp_path / "whole", "em"))
    assert [lasting(outcome) for outcome in others] == [lasting(outcome) for outcome in whole[::-1]]
