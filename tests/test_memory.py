"""A cell that does not fit into memory is planned anew at half its width, under an identity of its own."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import SUITE

from ganbench import store
from ganbench.execution import local, worker
from ganbench.execution.machine import out_of_memory
from ganbench.execution.tasks import Finished, Task
from ganbench.pipeline import plan, run
from ganbench.planning import narrower
from ganbench.suite import parse_suite

WIDE = SUITE.replace("width = 2", "width = 8").replace("seeds = 2", "seeds = 3")


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for ensembles of at most 4 of em's replicas; workers are this process."""
    new_training = worker.new_training

    def limited(job: worker.Job, cells: list[Any]) -> Any:
        if cells[0].objective.name == "em" and job.execution["width"] > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return new_training(job, cells)

    def here(tasks: list[Task], *_: Any) -> Iterator[Finished]:
        for task in tasks:
            yield Finished(task.number, worker.run_job(task.job, lambda iterations: None))

    monkeypatch.setattr(worker, "new_training", limited)
    monkeypatch.setattr(local, "run_local", here)


def test_a_cell_that_does_not_fit_is_trained_at_half_the_width_and_says_so(tmp_path: Path, scarce: None):
    found = run(parse_suite(WIDE), results=tmp_path, device="cpu")
    assert set(found.counts()) == {"completed"}
    results = found.results().drop_duplicates("replica_id").set_index("label")
    assert set(results.width["em"]) == {4}
    assert set(results.width["minimax"]) == {8}
    assert all("out of memory at width 8, so trained at width 4" in note for note in results.notes["em"])
    assert results.notes["minimax"].isna().all()


def test_what_was_narrowed_stays_so_and_is_not_trained_again(tmp_path: Path, scarce: None):
    suite = parse_suite(WIDE)
    before = plan(suite, results=tmp_path, device="cpu")
    run(suite, results=tmp_path, device="cpu")
    after = plan(suite, results=tmp_path, device="cpu")
    assert not after.ensembles
    assert [note.partition(":")[0] for note in after.notes] == ["em on gaussian1d", "em on ring8"]
    changed = {
        b.cell.label for b, a in zip(before.replicas, after.replicas, strict=True) if b.replica_id != a.replica_id
    }
    assert changed == {"em"}
    assert {b.definition["cell_id"] for b in before.replicas} == {a.definition["cell_id"] for a in after.replicas}


def test_without_a_narrower_ensemble_the_replicas_fail_with_the_reason(tmp_path: Path, scarce: None):
    # 8 x 4 is a multiple of 32 and 4 x 4 is not
    found = run(parse_suite(WIDE.replace("batch = 32", "batch = 4")), results=tmp_path, device="cpu")
    assert found.counts()["failed"] == 6
    results = found.results()
    failed = results[results.status == "failed"]
    assert set(failed.label) == {"em"}
    assert failed.error.str.contains("CUDA out of memory").all()


def test_memory_is_given_back_when_nothing_of_the_ensemble_is_held_any_more(tmp_path: Path, monkeypatch):
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    def exhausted(job: worker.Job, cells: list[Any]) -> Any:
        weights = torch.zeros(1000)
        held.append(weakref.ref(weights))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(worker, "new_training", exhausted)
    monkeypatch.setattr(worker, "release_memory", lambda device: alive.append(held[0]() is not None))
    planned = plan(parse_suite(WIDE), results=tmp_path, device="cpu")
    ensemble = next(e for e in planned.ensembles if e.replicas[0].cell.trained)
    checkpoint = tmp_path / "old.safetensors"
    checkpoint.write_bytes(b"the start of the wider ensemble")
    job = worker.Job(tuple(r.definition for r in ensemble.replicas), "cpu", str(checkpoint))
    assert {outcome.status for outcome in worker.run_job(job, lambda iterations: None)} == {worker.OUT_OF_MEMORY}
    # the checkpoint of another ensemble was refused first, and training begun anew
    assert set(alive) == {False}
    assert not checkpoint.exists()


def test_what_an_error_ended_is_not_tried_again_for_the_sake_of_what_was_too_wide(
    tmp_path: Path, scarce: None, monkeypatch: pytest.MonkeyPatch
):
    limited, tried = worker.new_training, []

    def broken(job: worker.Job, cells: list[Any]) -> Any:
        if cells[0].objective.name == "minimax":
            tried.append(cells[0].target.name)
            raise RuntimeError("broken")
        return limited(job, cells)

    monkeypatch.setattr(worker, "new_training", broken)
    found = run(parse_suite(WIDE), results=tmp_path, device="cpu")
    assert found.counts() == {"completed": 18, "failed": 6}
    assert sorted(tried) == ["gaussian1d", "ring8"]


@pytest.mark.parametrize(
    ("width", "batch", "half"), [(8, 32, 4), (2, 64, None), (8, 4, None), (16, 4, 8), (3, 32, None)]
)
def test_half_a_width_keeps_the_bits_of_its_replicas_or_is_none(width: int, batch: int, half: int | None):
    assert narrower(width, batch) == half


def test_the_narrower_of_two_widths_stays(tmp_path: Path):
    store.keep_widths(tmp_path, {"a": 4})
    assert store.keep_widths(tmp_path, {"a": 8, "b": 2}) == store.read_widths(tmp_path) == {"a": 4, "b": 2}


def test_an_allocation_that_no_memory_can_hold_is_known_as_such():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert out_of_memory(caught.value)
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
