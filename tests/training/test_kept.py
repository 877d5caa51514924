"""Compiled steps that are kept on disk: found without tracing, with the same bits, and only where nothing differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ensembles import ADAM, SMALL, new
from torch.utils import _pytree as pytree

from ganbench.folders import cache_folder
from ganbench.objectives.em import EM
from ganbench.training import compilation, kept
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


@pytest.mark.parametrize(("part", "other"), [("AT_FIRST", "another"), ("_processor", lambda: "another")])
def test_code_of_other_sources_or_another_processor_is_not_taken(
    part: str, other: Any, monkeypatch: pytest.MonkeyPatch
):
    compiled_once()
    monkeypatch.setattr(kept, part, other)
    monkeypatch.setattr(kept, "sources", lambda: kept.AT_FIRST)
    monkeypatch.setattr(compilation, "_traced", forbidden)
    with pytest.raises(AssertionError, match="traced"):
        compiled_once()


@pytest.mark.parametrize("name", ["objective.py", "products.cpp"])
def test_a_change_of_any_source_is_seen(name: str, tmp_path: Path):
    (tmp_path / "training").mkdir()
    source = tmp_path / "training" / name
    source.write_text("1")
    before = kept.sources(tmp_path)
    source.write_text("2")
    assert kept.sources(tmp_path) != before


def test_nothing_is_taken_or_kept_once_sources_have_changed(monkeypatch: pytest.MonkeyPatch):
    compiled_once()
    notes = set((cache_folder() / "steps").glob("*.json"))
    monkeypatch.setattr(kept, "sources", lambda: "edited since")
    compiled_once("new code")
    assert set((cache_folder() / "steps").glob("*.json")) == notes
    monkeypatch.setattr(compilation, "_traced", forbidden)
    with pytest.raises(AssertionError, match="traced"):
        compiled_once()


def damaged_note(folder: Path) -> None:
    (note,) = folder.glob("*.json")
    note.write_text(note.read_text()[:-5])


def damaged_library(folder: Path) -> None:
    for library in folder.glob("*.so"):
        content = library.read_bytes()
        library.unlink()  # in a new file: this process has the old one loaded
        library.write_bytes(content[: len(content) // 2])


def missing_library(folder: Path) -> None:
    for library in folder.glob("*.so"):
        library.unlink()


def note_of_numbers(folder: Path) -> None:
    (note,) = folder.glob("*.json")
    note.write_text(json.dumps({"library": 3, "operators": ["../x"]}))


@pytest.mark.parametrize("damage", [damaged_note, damaged_library, missing_library, note_of_numbers])
def test_damaged_code_is_made_anew_and_kept_again(damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch):
    first = compiled_once()
    damage(cache_folder() / "steps")
    assert torch.equal(compiled_once(), first)
    monkeypatch.setattr(compilation, "_traced", forbidden)
    assert torch.equal(compiled_once(), first)


def test_code_that_gives_other_bits_when_called_by_itself_is_not_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept, "_called", lambda _: lambda *leaves: [leaves[0] + 1])
    compiled_once()
    assert list((cache_folder() / "steps").glob("*.json")) == []


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
    training = new([Lane(EM(), ADAM, seed) for seed in range(2)], SMALL, compiled=True, name=name)
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
