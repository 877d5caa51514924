"""A checkpoint with a right digest that keeps what no ensemble has written is refused or passed over."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_worker import job, outcomes

from ganbench.execution import worker
from ganbench.execution.measurement import COLUMNS
from ganbench.execution.worker import Outcome, new_training
from ganbench.store import Row
from ganbench.suite import Cell
from ganbench.training.checkpoint import Checkpoint, CheckpointError

STRANGE: dict[str, Any] = {
    "a row that is a list": ("rows", [[1]]),
    "rows that are a text": ("rows", "rows"),
    "a row without a metric": ("rows", [{"iteration": 1}]),
    "a row of a column of its own": ("more", 1),
    "a value that is a text": ("value", "high"),
    "a value that is none": ("value", None),
    "a count that is a fraction": ("iteration", 0.5),
    "a count of many digits": ("iteration", 10**30),
    "a status of its own": ("status", "won"),
    "a status that is a list": ("status", []),
    "info that is a list": ("info", []),
    "a name that is a list": ("id", []),
}


def rewritten(path: Path, change: Callable[[list[Any]], Any]) -> None:
    """A checkpoint that keeps other things of its replicas under a right digest."""
    found = Checkpoint.read(path)
    replicas = found.kept["replicas"]
    Checkpoint(
        found.iteration, found.seconds, {**found.kept, "replicas": change(replicas) or replicas}, found.arrays
    ).write(path)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a job with a checkpoint that has rows."""
    folder = tmp_path_factory.mktemp("begun")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "CHECKPOINT_S", 0.0)
        outcomes(job(folder))
    assert Checkpoint.read(folder / "checkpoint").kept["replicas"][0]["rows"]
    return folder


@pytest.mark.parametrize(("key", "value"), STRANGE.values(), ids=STRANGE)
def test_a_checkpoint_that_keeps_what_no_store_could_take_is_refused(key: str, value: Any, begun: Path, tmp_path: Path):
    def change(replicas: list[Any]) -> None:
        (replicas[0] if key in replicas[0] else replicas[0]["rows"][0])[key] = value

    shutil.copy(begun / "checkpoint", tmp_path)
    rewritten(tmp_path / "checkpoint", change)
    asked = job(tmp_path)
    training = new_training(asked, [Cell.from_definition(d["cell"]) for d in asked.definitions])
    with pytest.raises(CheckpointError, match=r"damaged|other replicas"):
        worker._resume(training, tmp_path / "checkpoint", [Outcome(d) for d in asked.definitions])


def test_rows_have_the_columns_of_the_store():
    assert {name: kind.__name__ for name, kind in COLUMNS.items()} == {
        name: str(kind) for name, kind in Row.__annotations__.items()
    }


@pytest.mark.parametrize("replicas", [5, "replicas", [5], [{"id": []}]])
def test_checkpoints_that_keep_no_replicas_are_passed_over_when_others_are_removed(
    replicas: Any, begun: Path, tmp_path: Path
):
    for name in ("a.safetensors", "b.safetensors"):
        shutil.copy(begun / "checkpoint", tmp_path / name)
    rewritten(tmp_path / "a.safetensors", lambda _: replicas)
    worker.remove_checkpoints(tmp_path, [d["replica_id"] for d in job(tmp_path).definitions])
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
