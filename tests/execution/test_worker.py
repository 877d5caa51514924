"""What becomes of an ensemble's replicas: one that cannot be measured ends alone, and a bad checkpoint ends none."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

from ganbench.catalogue import BASELINES
from ganbench.execution import worker
from ganbench.execution.worker import Job, Outcome, new_training, run_job
from ganbench.metrics.contract import NonFiniteSamples
from ganbench.planning import plan_replicas
from ganbench.suite import Cell, parse_suite, resolve
from ganbench.training.checkpoint import Checkpoint
from ganbench.training.loop import Training

SUITE = """\
name = "tiny"
targets = ["ring8"]
{kind} = ["{name}"]
network = "mlp[width=8,depth=1]"
seeds = 3
[budget]
currency = "iterations"
amount = {iterations}
[training]
batch = 16
[evaluation]
times = 4
samples = 20
final_samples = 30
metrics = ["energy_distance"]
rank_by = "energy_distance"
"""
EXECUTION = {
    "compiled": False,
    "width": 4,
    "threads": 1,
    "lift": "vmap",
    "precision": "fp32",
    "convolution": "products",
    "draws": "numpy",
}
FAILS, ITERATIONS, POINTS = 1, 40, (10, 20, 30, 40)
"""The seed that something happens to, and when replicas are measured."""


def job(folder: Path, name: str = "minimax", iterations: int = ITERATIONS, device: str = "cpu") -> Job:
    kind = "baselines" if name in BASELINES.places else "objectives"
    suite = parse_suite(SUITE.format(kind=kind, name=name, iterations=iterations))
    replicas = plan_replicas(suite, resolve(suite), EXECUTION)
    return Job(tuple(r.definition for r in replicas), device, str(folder / "checkpoint"))


def outcomes(job: Job) -> list[Outcome]:
    return run_job(job, lambda iterations: None)


def same(a: Outcome, b: Outcome) -> bool:
    """Whether two outcomes are equal in all but time and memory."""
    rows = [[{**row, "seconds": 0} for row in outcome.rows] for outcome in (a, b)]
    arrays = a.arrays.keys() == b.arrays.keys() and all(np.array_equal(v, b.arrays[k]) for k, v in a.arrays.items())
    return a.status == b.status and repr(rows[0]) == repr(rows[1]) and arrays


def raises(monkeypatch: pytest.MonkeyPatch, error: Exception, number: int, seeds: tuple[int, ...] = (FAILS,)) -> None:
    """Lets the evaluation of a number raise an error for some seeds."""
    measure = worker.measure

    def failing(cell: Cell, generated: np.ndarray, seed: int, at: int, *arguments: Any) -> Any:
        if seed in seeds and at == number:
            raise error
        return measure(cell, generated, seed, at, *arguments)

    monkeypatch.setattr(worker, "measure", failing)


def snapshots(outcome: Outcome) -> list[int]:
    return sorted(int(name.partition("/")[2]) for name in outcome.arrays if name.startswith("snapshot/"))


def test_an_error_in_measuring_fails_its_replica_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = outcomes(job(tmp_path))
    raises(monkeypatch, RuntimeError("exact W1 did not finish"), number=1)
    found = outcomes(job(tmp_path))
    assert [o.status for o in found] == ["completed", "failed", "completed"]
    assert found[FAILS].info["error"] == "RuntimeError: exact W1 did not finish"
    assert "in failing" in found[FAILS].info["traceback"]
    assert same(found[0], whole[0])
    assert same(found[2], whole[2])


def test_an_error_in_fitting_a_baseline_fails_its_replica_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measure = worker.measure_baseline

    def failing(cell: Cell, seed: int, device: str) -> Any:
        if seed == FAILS:
            raise RuntimeError("no fit")
        return measure(cell, seed, device)

    monkeypatch.setattr(worker, "measure_baseline", failing)
    assert [o.status for o in outcomes(job(tmp_path, "trivial"))] == ["completed", "failed", "completed"]


def test_data_that_do_not_fit_into_memory_fail_all_replicas_at_any_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def too_large(definition: Any) -> Cell:
        raise MemoryError("202,599 images")

    monkeypatch.setattr(Cell, "from_definition", too_large)
    found = outcomes(job(tmp_path))
    assert [(o.status, o.info["error"]) for o in found] == [("failed", "MemoryError: 202,599 images")] * 3


def test_an_ensemble_whose_replicas_all_failed_trains_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    reached: list[int] = []
    monkeypatch.setattr(Training, "advance", _noting(Training.advance, reached))
    raises(monkeypatch, RuntimeError("no metric"), number=1, seeds=(0, 1, 2))
    assert {o.status for o in outcomes(job(tmp_path))} == {"failed"}
    assert max(reached) == POINTS[1]


def _noting(advance: Any, reached: list[int]) -> Any:
    def noting(self: Training, to: int) -> None:
        reached.append(to)
        advance(self, to)

    return noting


def test_who_goes_on_from_a_checkpoint_measures_a_failed_replica_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = outcomes(job(tmp_path / "whole"))
    monkeypatch.setattr(worker, "CHECKPOINT_S", 0.0)
    with monkeypatch.context() as failing:
        raises(failing, RuntimeError("the disk was full"), number=2)
        assert [o.status for o in outcomes(job(tmp_path))] == ["completed", "failed", "completed"]
    assert (tmp_path / "checkpoint").exists()
    assert all(same(a, b) for a, b in zip(outcomes(job(tmp_path)), whole, strict=True))


def test_a_replica_whose_samples_overflow_is_frozen_where_they_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    raises(monkeypatch, NonFiniteSamples("infinite"), number=1)
    first, frozen, last = outcomes(job(tmp_path))
    assert (first.status, frozen.status, last.status) == ("completed", "diverged", "completed")
    assert frozen.info["diverged_at"] == POINTS[1]
    after = [n for n in snapshots(frozen) if n >= POINTS[1]]
    assert len(after) > 2
    assert all(np.array_equal(frozen.arrays[f"snapshot/{n}"], frozen.arrays[f"snapshot/{after[0]}"]) for n in after)
    assert max(row["iteration"] for row in frozen.rows) == POINTS[0]


def poisoned(monkeypatch: pytest.MonkeyPatch, lane: int, at: int) -> None:
    """Lets a weight of a lane's discriminator be no number in an iteration."""
    advance = Training.advance

    def poisoning(self: Training, to: int) -> None:
        if self.iteration < at <= to:
            advance(self, at - 1)
            leaves, structure = pytree.tree_flatten(self.state)
            leaves[0] = leaves[0].clone()
            leaves[0][lane, 0] = torch.nan
            self.state = pytree.tree_unflatten(leaves, structure)
        advance(self, to)

    monkeypatch.setattr(Training, "advance", poisoning)


def check_poisoned(folder: Path, lanes: range, iterations: range) -> None:
    """A replica that is poisoned has diverged there, was measured until then, and its neighbours know nothing of it."""
    whole = outcomes(job(folder))
    for lane, at in itertools.product(lanes, iterations):
        with pytest.MonkeyPatch.context() as patch:
            poisoned(patch, lane, at)
            found = outcomes(job(folder))
        assert [o.status for o in found] == ["diverged" if i == lane else "completed" for i in range(3)]
        assert [o.info.get("diverged_at") for o in found] == [at if i == lane else None for i in range(3)]
        assert all(same(found[i], whole[i]) for i in range(3) if i != lane)
        measured = [row for row in found[lane].rows if row["metric"] == "energy_distance"]
        assert sorted({row["iteration"] for row in measured}) == [point for point in POINTS if point < at]


def test_a_replica_that_is_no_number_has_diverged_there_and_its_neighbours_are_as_ever(tmp_path: Path):
    check_poisoned(tmp_path, range(3), range(21, 22))


@pytest.mark.torture
def test_a_replica_that_is_no_number_at_any_iteration_has_diverged_there_and_its_neighbours_are_as_ever(tmp_path: Path):
    check_poisoned(tmp_path, range(3), range(1, ITERATIONS + 1))


def test_there_are_ten_snapshots_however_seldom_a_replica_is_measured(tmp_path: Path):
    assert snapshots(outcomes(job(tmp_path))[0]) == [4, 8, 12, 16, 20, 24, 28, 32, 36, 40]


def test_fewer_iterations_than_ten_have_a_snapshot_each(tmp_path: Path):
    assert snapshots(outcomes(job(tmp_path, iterations=7))[0]) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(("target", "shape"), [("ring8", (500, 2)), ("digits", (64, 1, 8, 8))])
def test_a_snapshot_of_training_holds_500_points_or_64_images(
    target: str, shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(f"{__name__}.SUITE", SUITE.replace("ring8", target))
    assert outcomes(job(tmp_path, iterations=1))[0].arrays["snapshot/1"].shape == shape


def test_snapshots_change_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    many = outcomes(job(tmp_path, "em"))
    monkeypatch.setattr(worker, "SNAPSHOTS", 1)
    few = outcomes(job(tmp_path, "em"))
    for a, b in zip(many, few, strict=True):
        a.arrays = {name: array for name, array in a.arrays.items() if name in b.arrays}
        assert same(a, b)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", bytes(1000)])
def test_an_ensemble_with_a_damaged_checkpoint_starts_anew_and_says_why(tmp_path: Path, content: bytes):
    whole = outcomes(job(tmp_path))
    (tmp_path / "checkpoint").write_bytes(content)
    found = outcomes(job(tmp_path))
    assert all("checkpoint: the checkpoint is damaged" in outcome.info["restarted"] for outcome in found)
    assert all(same(a, b) for a, b in zip(found, whole, strict=True))


def test_a_checkpoint_that_another_run_removes_before_it_is_read_counts_as_none(tmp_path: Path, monkeypatch):
    def removed_first(path: Path) -> Checkpoint:
        path.unlink()
        return real(path)

    (tmp_path / "checkpoint").touch()
    real = Checkpoint.read
    monkeypatch.setattr(Checkpoint, "read", removed_first)
    found = outcomes(job(tmp_path))
    assert [(o.status, "restarted" in o.info) for o in found] == [("completed", False)] * 3


def test_an_ensemble_without_a_checkpoint_says_nothing_of_a_restart(tmp_path: Path):
    assert all("restarted" not in outcome.info for outcome in outcomes(job(tmp_path)))


def test_all_that_an_ensemble_trains_with_lies_on_its_device(tmp_path: Path):
    asked = job(tmp_path, "em[prior=target]", device="meta")
    training = new_training(asked, [Cell.from_definition(d["cell"]) for d in asked.definitions])
    tables = [value for value in vars(training.game.target).values() if isinstance(value, torch.Tensor)]
    tensors = [*pytree.tree_leaves((training.state, training.swept)), *tables]
    assert len(tables) > 0
    assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_an_ensemble_runs_as_its_execution_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said = {"compiled": True, "lift": "loop", "precision": "bf16", "convolution": "torch"}
    monkeypatch.setattr(f"{__name__}.EXECUTION", {**EXECUTION, **said})
    asked = job(tmp_path)
    game = new_training(asked, [Cell.from_definition(d["cell"]) for d in asked.definitions]).game
    assert {name: getattr(game, name) for name in said} == said


def test_who_goes_on_from_a_checkpoint_tells_of_the_seconds_since_then_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "CHECKPOINT_S", 0.0)
    share = float(str(EXECUTION["width"])) / 3  # of three replicas, who have the padding's seconds as well
    assert all(o.spent["training"] == pytest.approx(o.info["training_s"] * share) for o in outcomes(job(tmp_path)))
    last = outcomes(job(tmp_path))  # from a checkpoint within the last stretch
    assert all(0 < o.spent["training"] < o.info["training_s"] * share for o in last)
    assert all(0 < o.spent["evaluating"] < o.info["evaluation_s"] * share for o in last)
