"""Compiled steps that are kept on disk: found without tracing, with the same bits, and only where nothing differs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ensembles import ADAM, BIG, new
from torch.utils import _pytree as pytree

from ganbench import pipeline
from ganbench.execution.worker import _name_of_steps
from ganbench.folders import cache_folder
from ganbench.objectives.minimax import NonSaturating
from ganbench.training import compilation, kept, sources
from ganbench.training import ensemble as ensembles
from ganbench.training.compilation import compiled
from ganbench.training.loop import Lane, Training


@pytest.fixture(autouse=True)
def new_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code is kept in a folder of the test's own; what this process has compiled is forgotten."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ensembles, "_codes", {})


def example(rows: int = 8) -> tuple[list[torch.Tensor]]:
    return ([torch.linspace(-1, 1, rows * 32).reshape(2, rows, 16), torch.linspace(0, 1, 512).reshape(2, 16, 16)],)


def function(pair: list[torch.Tensor]) -> torch.Tensor:
    return torch.bmm(*pair).tanh() + 1


def forbidden(*_: Any) -> Any:
    raise AssertionError("traced")


def compiled_once(what: str = "a test", of: Callable[..., Any] = function, rows: int = 8) -> torch.Tensor:
    structure = pytree.tree_structure(torch.zeros(()))
    return compiled(of, example(rows), what, structure)(*example(rows))


def test_kept_code_is_called_without_tracing_and_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch):
    first = compiled_once()
    monkeypatch.setattr(compilation, "_traced", forbidden)
    assert torch.equal(compiled_once(), first)


@pytest.mark.parametrize(
    "other", [{"what": "another"}, {"rows": 16}, {"what": ""}], ids=["another name", "other shapes", "no name"]
)
def test_code_of_another_name_or_shape_is_not_taken(other: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    compiled_once()
    monkeypatch.setattr(compilation, "_traced", forbidden)
    with pytest.raises(AssertionError, match="traced"):
        compiled_once(**other)


@pytest.mark.parametrize(
    ("owner", "part", "other"),
    [
        (sources, "unchanged", lambda: "other sources"),
        (kept, "_processor", lambda: "another processor"),
        (torch.version, "git_version", "another build"),
        (sysconfig, "get_config_var", lambda name: "cpython-399"),
    ],
)
def test_code_of_other_sources_or_another_machine_or_python_is_not_taken(
    owner: Any, part: str, other: Any, monkeypatch: pytest.MonkeyPatch
):
    compiled_once()
    monkeypatch.setattr(owner, part, other)
    monkeypatch.setattr(compilation, "_traced", forbidden)
    with pytest.raises(AssertionError, match="traced"):
        compiled_once()


@pytest.mark.parametrize("name", ["objective.py", "products.cpp"])
def test_a_change_of_any_source_is_seen(name: str, tmp_path: Path):
    (tmp_path / "training").mkdir()
    source = tmp_path / "training" / name
    source.write_text("1")
    before = sources.digest_of(tmp_path)
    source.write_text("2")
    assert sources.digest_of(tmp_path) != before


def test_sources_that_cannot_be_read_have_no_digest(tmp_path: Path):
    (tmp_path / ".#unsaved.py").symlink_to(tmp_path / "nowhere")
    assert sources.digest_of(tmp_path) == ""


def test_nothing_is_taken_or_kept_once_sources_have_changed(monkeypatch: pytest.MonkeyPatch):
    compiled_once()
    notes = set((cache_folder() / "steps").glob("*.json"))
    monkeypatch.setattr(sources, "digest_of", lambda: "edited since")
    compiled_once("new code")
    assert set((cache_folder() / "steps").glob("*.json")) == notes
    monkeypatch.setattr(compilation, "_traced", forbidden)
    with pytest.raises(AssertionError, match="traced"):
        compiled_once()


OTHER_PROCESS = """
import sys
from ganbench.training.device import prepare_process
prepare_process(1)
import test_kept
test_kept.compilation._traced = test_kept.forbidden
sys.meta_path.insert(0, test_kept.NoCompiler())
print(test_kept.compiled_once().numpy().tobytes().hex())
"""


class NoCompiler:
    """Lets nothing import torch's compiler."""

    def find_spec(self, name: str, *_: Any) -> None:
        assert not name.startswith(("torch._inductor", "torch._dynamo")), name


def test_another_process_finds_kept_code_and_needs_no_compiler():
    first = compiled_once()
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    again = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr[-2000:]
    assert again.stdout.strip() == first.numpy().tobytes().hex()


CHANGES: dict[str, dict[str, Any]] = {
    "objective": {"objectives": ["minimax"]},
    "field of an objective": {"objectives": ["non-saturating[packing=2]"]},
    "regulariser": {"objectives": ["non-saturating + r1"]},
    "network": {"network": "mlp[width=32]"},
    "latent": {"settings": {"training.latent": 5}},
    "batch": {"settings": {"training.batch": 64}},
    "optimiser": {"objectives": ["non-saturating[ema=.99]"]},
    "threads": {"settings": {"execution.threads": 2}},
    "width": {"settings": {"execution.width": 16}},
    "precision": {"settings": {"execution.precision": "bf16"}},
    "lift": {"settings": {"execution.lift_cpu": "loop"}},
}


def name_of_steps(**changes: Any) -> str:
    planned = pipeline.plan(
        "toy2d", **{"objectives": ["non-saturating"], "targets": ["ring8"], "seeds": 1, "device": "cpu", **changes}
    )
    replica = next(replica for replica in planned.replicas if replica.cell.trained)
    return _name_of_steps(replica.cell, replica.definition["execution"])


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_a_step_changes_its_name(change: str):
    assert name_of_steps(**CHANGES[change]) != name_of_steps()


def test_a_target_changes_a_name_where_the_objective_knows_it_alone():
    assert name_of_steps(targets=["grid25"]) == name_of_steps()
    knows = {"objectives": ["em[prior=target]"]}
    assert name_of_steps(**knows, targets=["grid25"]) != name_of_steps(**knows)


def test_an_objective_from_outside_has_no_name(tmp_path: Path):
    text = "from ganbench.objectives.minimax import NonSaturating\n\n\nclass Mine(NonSaturating):\n    pass\n"
    (tmp_path / "mine.py").write_text(text)
    assert name_of_steps(objectives=[f"{tmp_path / 'mine.py'}:Mine"]) == ""


def damaged_note(folder: Path) -> None:
    (note,) = folder.glob("*.json")
    note.write_text(note.read_text()[:-5])


def damaged_library(folder: Path) -> None:
    for library in folder.glob("*.so"):
        content = library.read_bytes()
        library.unlink()  # in a new file: this process has the old one loaded
        library.write_bytes(content[: len(content) // 2])


def longer_library(folder: Path) -> None:
    """It would load: its digest alone tells."""
    for library in folder.glob("*.so"):
        content = library.read_bytes()
        library.unlink()
        library.write_bytes(content + b"\0")


def missing_library(folder: Path) -> None:
    for library in folder.glob("*.so"):
        library.unlink()


def note_of_numbers(folder: Path) -> None:
    (note,) = folder.glob("*.json")
    note.write_text(json.dumps([3, {"library": "../x"}]))


@pytest.mark.parametrize("damage", [damaged_note, damaged_library, longer_library, missing_library, note_of_numbers])
def test_damaged_code_is_made_anew_and_kept_again(damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch):
    first = compiled_once()
    (note,) = (cache_folder() / "steps").glob("*.json")
    assert kept.find(note.stem) is not None
    damage(cache_folder() / "steps")
    assert kept.find(note.stem) is None
    assert torch.equal(compiled_once(), first)
    monkeypatch.setattr(compilation, "_traced", forbidden)
    assert torch.equal(compiled_once(), first)


def test_code_that_gives_other_bits_when_called_by_itself_is_not_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept, "_called", lambda _: lambda *leaves: [leaves[0] + 1])
    compiled_once()
    assert list((cache_folder() / "steps").glob("*.json")) == []


def test_a_library_that_cannot_be_loaded_hinders_nothing(monkeypatch: pytest.MonkeyPatch):
    def unloadable(path: Path) -> Any:
        raise ImportError(f"{path}: failed to map segment from shared object")

    monkeypatch.setattr(kept, "_loaded", unloadable)
    assert torch.equal(compiled_once(), compiled_once())
    assert list((cache_folder() / "steps").glob("*.json")) == []


def test_code_that_nobody_has_used_for_months_is_removed(monkeypatch: pytest.MonkeyPatch):
    compiled_once("old")
    compiled_once("old, but used")
    folder, long_ago = cache_folder() / "steps", time.time() - 2 * kept.UNUSED_S
    before = set(folder.glob("*.json"))
    for path in folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    compiled_once("old, but used")
    compiled_once("new")
    assert len(before & set(folder.glob("*.json"))) == 1
    monkeypatch.setattr(compilation, "_traced", forbidden)
    compiled_once("old, but used")
    compiled_once("new")


def test_a_disk_that_refuses_keeps_nothing_and_hinders_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "steps").write_text("a file where a folder is expected")
    assert torch.equal(compiled_once(), function(*example()))


def test_a_function_that_brings_tensors_of_its_own_is_not_kept():
    own = torch.arange(16.0)
    found = compiled_once(of=lambda pair: torch.bmm(*pair) + own)
    assert torch.allclose(found, torch.bmm(*example()[0]) + own)
    assert list((cache_folder() / "steps").glob("*.json")) == []


def trained(name: str) -> Training:
    objective = NonSaturating(updates="simultaneous")  # one graph to compile instead of two
    training = new([Lane(objective, ADAM, seed) for seed in range(2)], BIG, compiled=True, name=name)
    training.advance(5)
    return training


def test_a_training_with_kept_steps_has_the_bits_of_one_that_traced_them(monkeypatch: pytest.MonkeyPatch):
    first = trained("a game")
    monkeypatch.setattr(ensembles, "_codes", {})
    monkeypatch.setattr(compilation, "_traced", forbidden)
    again = trained("a game")
    assert all(torch.equal(a, b) for a, b in zip(first._leaves, again._leaves, strict=True))


def test_a_game_without_a_name_keeps_nothing():
    trained("")
    assert list((cache_folder() / "steps").glob("*")) == []
