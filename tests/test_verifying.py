"""`verify` reads every stored file, finds what is wrong with any, and trains some replicas again to the same bits."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from small_runs import folder, ran, suite
from stored import ROW

import ganbench.store.compaction as compaction
from ganbench import store
from ganbench.cli import main
from ganbench.execution.tasks import Finished, Task
from ganbench.execution.worker import OUT_OF_MEMORY, Outcome
from ganbench.pipeline import Run, run
from ganbench.planning import digest
from ganbench.store.container import Row, encode, open_result
from ganbench.training import device
from ganbench.training.checkpoint import Checkpoint
from ganbench.verifying import verify

__all__ = ["folder", "ran"]  # fixtures


def ganbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def trained(folder: Path) -> Path:
    """The file of a replica that was trained."""
    return next(p for p in sorted(folder.glob("*.parquet")) if store.read(p).definition["label"] == "wasserstein-clip")


def rewritten(path: Path, change: Callable[[dict, list[Row]], None]) -> Path:
    """A result with another content under a right digest."""
    found = open_result(path)
    payload, rows = json.loads(json.dumps(found.payload)), [Row(**row) for row in found.table().to_pylist()]
    change(payload, rows)
    path.write_bytes(encode(payload, rows))
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-1])
    return path


def without_arrays(folder: Path) -> Path:
    path = trained(folder).with_suffix(".safetensors")
    path.unlink()
    return path


def another_seed(folder: Path) -> Path:
    def change(payload: dict, rows: list[Row]) -> None:
        payload["definition"]["seed"] += 100

    return rewritten(trained(folder), change)


def measured(folder: Path) -> Path:
    return cut(store.write_measurements(folder, trained(folder).stem, "kid", [ROW]))


def costs(folder: Path) -> Path:
    store.keep_costs(folder, {"a": 1.5})
    return cut(folder / "costs.json")


def checkpoint(folder: Path) -> Path:
    path = folder / "checkpoints" / "a.safetensors"
    Checkpoint(7, 1.5, {}, {"a": np.arange(3.0)}).write(path)
    return cut(path)


def derived(folder: Path) -> Path:
    """A derived file that says of a replica what its own file does not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "WORTH", 1)
        patch.setattr(compaction, "SETTLED_S", -1)
        path = trained(folder)
        whole, seen = path.read_bytes(), path.stat()
        rewritten(path, lambda payload, rows: payload["info"].update(notes="other"))
        content = path.read_bytes()
        compacted = compaction._encoded({(path.name, len(whole), seen.st_mtime_ns): open_result(path)})
        assert content != whole
        (folder / compaction.COMPACTED).write_bytes(compacted)
        path.write_bytes(whole)
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    return folder / compaction.COMPACTED


def piped(folder: Path) -> Path:
    os.mkfifo(folder / compaction.COMPACTED)
    return folder / compaction.COMPACTED


SPOILED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a replica cut off": (lambda folder: cut(trained(folder)), "corrupt"),
    "a seed altered under a right digest": (another_seed, "its definition was altered"),
    "arrays that are not there": (without_arrays, "no such file"),
    "arrays cut off": (lambda folder: cut(trained(folder).with_suffix(".safetensors")), "SHA-256"),
    "a later measurement cut off": (measured, "corrupt"),
    "a record cut off": (lambda folder: cut(next(folder.glob("runs/*.json"))), "does not match"),
    "a checkpoint cut off": (checkpoint, "the checkpoint is damaged"),
    "a table of costs cut off": (costs, "no JSON"),
    **({"a pipe for a derived file": (piped, "no plain file")} if hasattr(os, "mkfifo") else {}),
    "a derived file that contradicts": (derived, "does not say what the results' own files say"),
}


def test_sound_results_are_read_whole_and_nothing_is_wrong(ran: Run):
    found = verify(ran.folder, retrain=0)
    assert found.wrong == []
    assert found.files == {"replicas": 24, "arrays": 24, "records of runs": 1}


@pytest.mark.parametrize(("spoil", "told"), SPOILED.values(), ids=SPOILED)
def test_what_is_wrong_is_listed_with_its_file_and_exit_code_1(folder: Path, spoil: Callable[[Path], Path], told: str):
    path = spoil(folder)
    found = ganbench("verify", folder, "--retrain", "0")
    (line,) = [line for line in found.stdout.splitlines() if line.startswith("WRONG: ")]
    assert found.exit_code == 1
    assert line.startswith(f"WRONG: {path}: ")
    assert told in line


def test_replicas_chosen_at_random_come_to_their_stored_bits_again(ran: Run):
    before = {path: path.read_bytes() for path in ran.folder.rglob("*") if path.is_file()}
    found = verify(ran.folder, retrain=4, seed=1)
    assert found.wrong == []
    assert (len(found.repeated), found.repeatable) == (4, 24)
    assert {path: path.read_bytes() for path in ran.folder.rglob("*") if path.is_file()} == before


def test_a_value_altered_under_a_right_digest_is_found_by_training_again(folder: Path):
    def change(payload: dict, rows: list[Row]) -> None:
        rows[0] = Row(**{**vars(rows[0]), "value": rows[0].value + 1e-12})

    path = rewritten(trained(folder), change)
    for other in folder.glob("*.parquet"):
        if other != path:
            other.unlink()
    assert verify(folder, retrain=0).wrong == []
    (wrong,) = verify(folder, retrain=1).wrong
    made = open_result(path).payload["definition"]
    name = f"{made['target_label']} {made['label']} seed {made['seed']}"
    assert wrong == f"{path}: {name}, trained again, differs: value"


def test_a_cell_altered_under_a_right_digest_is_found_by_its_cell_id_and_not_trained(folder: Path):
    path = rewritten(trained(folder), lambda payload, rows: payload["definition"]["cell"].update(batch=64))
    found = verify(folder, retrain=1)
    (wrong,) = found.wrong
    assert wrong.startswith(f"{path}: its cell was altered")
    assert (len(found.repeated), found.repeatable) == (1, 23)


def test_a_sound_checkpoint_is_read_and_counted(folder: Path):
    Checkpoint(7, 1.5, {}, {"a": np.arange(3.0)}).write(folder / "checkpoints" / "a.safetensors")
    found = verify(folder, retrain=0)
    assert (found.wrong, found.files["checkpoints"]) == ([], 1)


def test_replicas_of_another_torch_are_not_trained_again_and_counted(ran: Run, monkeypatch: pytest.MonkeyPatch):
    here = device.execution_identity("cpu")
    monkeypatch.setattr(device, "execution_identity", lambda device: {**here, "torch": "1.0"})
    found = verify(ran.folder, retrain=1)
    assert (found.repeatable, found.repeated) == (0, [])
    assert found.unrepeatable == {f"made with torch {here['torch']}, here 1.0": 24}


def test_replicas_of_other_code_are_not_trained_again_and_counted(ran: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganbench.verifying.code_version", lambda cell: "other")
    found = verify(ran.folder, retrain=1)
    assert (found.repeatable, found.unrepeatable) == (0, {"made by other code": 24})


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda definition: definition["execution"].pop(key)


def at(place: str, key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda definition: definition[place].update({key: value})


STRANGE: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no code": (without("code"), "an older version stored it, without code"),
    "no threads": (without("threads"), "an older version stored it, without threads"),
    "no width": (without("width"), "an older version stored it, without width"),
    "width 0": (at("execution", "width", 0), "made as no suite can ask for: width"),
    "a million threads": (at("execution", "threads", 10**6), "made as no suite can ask for: threads"),
    "an unknown lift": (at("execution", "lift", "crane"), "made as no suite can ask for: lift_cpu"),
    "no evaluation": (at("cell", "evaluation", None), "cannot be rebuilt by this version"),
    "no batch": (lambda definition: definition["cell"].pop("batch"), "cannot be rebuilt by this version"),
}


@pytest.mark.parametrize(("change", "told"), STRANGE.values(), ids=STRANGE)
def test_what_a_stranger_says_of_an_execution_is_refused_in_a_line_and_never_run(
    folder: Path, change: Callable[[dict[str, Any]], Any], told: str
):
    whole = store.read(trained(folder))
    definition = json.loads(json.dumps(whole.definition))
    change(definition)
    definition["replica_id"] = digest([definition["cell_id"], definition["seed"], definition["execution"]])
    for path in folder.glob("*.parquet"):
        path.unlink()
    store.write(folder, dataclasses.replace(whole, definition=definition))
    found = ganbench("verify", folder, "--retrain", "1")
    assert found.exit_code == 0
    assert "trained again: 0 of the 0 replicas" in found.stdout
    assert told in found.stdout
    again = ganbench("evaluate", folder, "--metric", "sliced_w1")
    assert again.exit_code == (0 if told.endswith("code") else 2)  # to measure needs none
    assert len(again.stderr.splitlines()) <= 1


@pytest.mark.parametrize("status", ["failed", OUT_OF_MEMORY])
def test_a_replica_that_an_error_ends_here_counts_as_not_repeatable_and_not_as_another(
    ran: Run, monkeypatch: pytest.MonkeyPatch, status: str
):
    def ended(tasks: list[Task], *_: object) -> Iterator[Finished]:
        for task in tasks:
            yield Finished(task.number, [Outcome(d, status, info={"error": "no room"}) for d in task.job.definitions])

    monkeypatch.setattr("ganbench.execution.local.run_local", ended)
    found = verify(ran.folder, retrain=2)
    assert (found.wrong, found.repeated) == ([], [])
    assert found.unrepeatable == {"could not be trained again: no room": 2}


def test_a_parent_of_several_suites_is_verified_with_all_of_them(folder: Path):
    shutil.copytree(folder, folder.parent / "again")
    cut(trained(folder.parent / "again"))
    found = verify(folder.parent, retrain=0)
    assert found.files["replicas"] == 48
    assert len(found.wrong) == 1


def test_a_folder_without_results_is_refused(tmp_path: Path):
    found = ganbench("verify", tmp_path)
    assert found.exit_code == 2
    assert "no stored replica here" in found.stderr


PLUGIN = """\
from pathlib import Path
from ganbench.objectives.contract import Objective, mean
Path(__file__).with_name("imported").touch()
class Mine(Objective):
    def d_loss(self, G, D, b, /): return mean(b.w, (D(b.x) - 1) ** 2) + mean(b.r, D(G(b.z)) ** 2)
    def g_loss(self, G, D, b, /): return mean(b.r, (D(G(b.z)) - 1) ** 2)
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Results of an objective of a person's own file that is not imported now, and the mark that its import leaves."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    changes: Any = {"objectives": [f"{tmp_path / 'mine.py'}:Mine"], "targets": ["ring8"], "seeds": 1}
    done = run(suite(), **changes, settings={"baselines": []}, results=tmp_path / "results", device="cpu", workers=1)
    mark = tmp_path / "imported"
    mark.unlink()
    for name in [name for name in sys.modules if name.startswith("ganbench_outside_")]:
        monkeypatch.delitem(sys.modules, name)
    return done.folder, mark


COMMANDS = {
    "report": lambda folder: ("report", folder),
    "compare": lambda folder: ("compare", folder, folder),
    "merge": lambda folder: ("merge", folder, "-o", folder.parent / "merged"),
    "verify": lambda folder: ("verify", folder, "--retrain", "1"),
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_code_from_outside_that_results_name_is_not_imported(outside: tuple[Path, Path], arguments: Callable):
    folder, mark = outside
    assert ganbench(*arguments(folder)).exit_code == 0
    assert not mark.exists()


def test_evaluate_refuses_code_from_outside_that_only_results_name_and_says_how_to_name_it(
    outside: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
):
    folder, mark = outside
    found = ganbench("evaluate", folder, "--metric", "sliced_w1")
    assert found.exit_code == 2
    assert f"-o {mark.parent / 'mine.py'}:Mine" in found.stderr
    assert not mark.exists()


@pytest.mark.parametrize("command", [("verify", "--retrain", "1"), ("evaluate", "--metric", "sliced_w1")])
def test_code_from_outside_is_run_where_the_command_line_names_it(
    outside: tuple[Path, Path], command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    folder, mark = outside
    monkeypatch.chdir(mark.parent)
    assert ganbench(*command, folder, "-o", "mine.py:Mine").exit_code == 0
    assert mark.exists()
