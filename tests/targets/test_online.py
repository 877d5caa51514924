"""Named sets: where they are looked for, when they are fetched, and what is kept of a download."""

from __future__ import annotations

import dataclasses
import errno
import importlib.machinery
import importlib.util
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganbench.targets import online
from ganbench.targets.imageset import image_set
from ganbench.targets.online import SOURCES, keep, load_named
from ganbench.targets.pictures import ImageFileError

SIZES = {"mnist": {"train": 6, "test": 4}, "cifar10": {"train": 4, "test": 4}}
SIZES |= {"celeba": {"train": 4, "valid": 2, "test": 2}, "fashion-mnist": {"train": 4, "test": 4}}
FIRST_SHADE = {"train": 10, "valid": 110, "test": 210}


class Hub(types.ModuleType):
    """What stands in for the `datasets` library: grey or coloured pictures, each of one shade, counted per split."""

    def __init__(self) -> None:
        super().__init__("datasets")
        self.__spec__ = importlib.machinery.ModuleSpec("datasets", None)
        self.asked: list[tuple[str, str]] = []
        self.missing = 0
        self.fails_at = -1

    def load_dataset(self, repository: str, *, split: str) -> Any:
        self.asked.append((repository, split))
        (source, sizes) = next((s, SIZES[n]) for n, s in SOURCES.items() if s.repository == repository)
        size = (178, 218) if source.resize else (source.side, source.side)
        hub = self

        class Table:
            def __len__(self) -> int:
                return sizes[split] - hub.missing

            def __iter__(self) -> Iterator[dict[str, Any]]:
                for i in range(len(self)):
                    if i == hub.fails_at:
                        raise ConnectionError("the line went dead")
                    shade = FIRST_SHADE[split] + i
                    grey = "mnist" in repository
                    picture = Image.new("L", size, shade) if grey else Image.new("RGB", size, (shade, 0, 255))
                    yield {source.image: picture, source.label or "Male": i % 2}

        return Table()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """A hub that can be reached, a cache without data, and no data folder."""
    fake = Hub()
    monkeypatch.setitem(sys.modules, "datasets", fake)
    monkeypatch.setattr(online, "unreachable", lambda: "")
    small = {name: dataclasses.replace(source, sizes=SIZES[name]) for name, source in SOURCES.items()}
    monkeypatch.setattr(online, "SOURCES", small)
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GANBENCH_DATA", raising=False)
    return fake


def shades(name: str, split: str = "", resolution: int = 0) -> list[int]:
    content = load_named(name, split, resolution).content
    return sorted(int(image[0, 0, 0]) for image in content.images)


def cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "unreachable", lambda: "there is no network")


@pytest.mark.parametrize("name", SIZES)
def test_a_set_is_fetched_once_and_then_read_from_the_cache(name: str, hub: Hub, monkeypatch: pytest.MonkeyPatch):
    first = load_named(name, "", 0)
    assert hub.asked == [(SOURCES[name].repository, "train")]
    assert first.split == "train"
    assert len(first.content.images) == SIZES[name]["train"]
    cut_off(monkeypatch)
    second = load_named(name, "train", first.resolution)
    assert second.content.sha256 == first.content.sha256
    assert len(hub.asked) == 1


def test_a_set_has_its_usual_side_channels_and_classes(hub: Hub):
    found = {name: load_named(name, "", 0).content for name in SIZES}
    assert {name: content.images.shape[1:] for name, content in found.items()} == {
        "mnist": (1, 28, 28),
        "fashion-mnist": (1, 28, 28),
        "cifar10": (3, 32, 32),
        "celeba": (3, 64, 64),
    }
    assert {name: content.classes for name, content in found.items()} == {
        "mnist": 2,
        "fashion-mnist": 2,
        "cifar10": 2,
        "celeba": 0,
    }


def test_all_splits_together_are_those_that_the_hub_has(hub: Hub):
    assert shades("celeba", "all") == [10, 11, 12, 13, 110, 111, 210, 211]
    assert [split for _, split in hub.asked] == ["train", "valid", "test"]


def test_another_resolution_of_a_small_set_needs_no_second_download(hub: Hub):
    assert shades("cifar10") == shades("cifar10", resolution=16)
    assert load_named("cifar10", "", 16).content.images.shape == (4, 3, 16, 16)
    assert len(hub.asked) == 1


def test_a_set_of_another_size_than_was_published_is_refused_and_not_kept(hub: Hub, tmp_path: Path):
    hub.missing = 1
    with pytest.raises(ImageFileError, match="ylecun/mnist: train: found 5 images, expected 6; the set on the hub has"):
        load_named("mnist", "", 0)
    assert not list(tmp_path.rglob("*.*"))


def test_a_download_that_breaks_off_leaves_nothing(hub: Hub, tmp_path: Path):
    hub.fails_at = 3
    with pytest.raises(ImageFileError, match=r"ylecun/mnist: the download failed .*the line went dead.*run again"):
        load_named("mnist", "", 0)
    assert not list(tmp_path.rglob("*.*"))
    hub.fails_at = -1
    assert len(shades("mnist")) == 6


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(online.os, "replace", stop)
    content = image_set(np.zeros((2, 1, 4, 4), dtype=np.uint8), None)
    with pytest.raises(KeyboardInterrupt):
        keep(tmp_path / "kept.npz", content)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("when", ["no folder", "full disk"])
def test_a_set_that_cannot_be_kept_is_an_error_that_names_the_folder_and_the_variable(
    when: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if when == "no folder":
        (tmp_path / "cache").write_text("a file where the folder should be")
    else:
        monkeypatch.setattr(online.np, "savez", full)
    folder = re.escape(str(tmp_path / "cache" / "data"))
    with pytest.raises(ImageFileError, match=f"^{folder}: cannot keep mnist-train-28.npz there .*GANBENCH_CACHE"):
        load_named("mnist", "", 0)
    assert not list(tmp_path.rglob("*.*"))


def test_a_kept_set_that_was_altered_is_refused_and_not_fetched_over(hub: Hub, tmp_path: Path):
    load_named("mnist", "", 0)
    path = tmp_path / "cache" / "data" / "mnist-train-28.npz"
    with np.load(path) as arrays:
        changed = {**arrays, "images": arrays["images"] + 1}
    np.savez(path, **changed)
    with pytest.raises(ImageFileError, match=r"mnist-train-28\.npz: found an altered file .*; remove it"):
        load_named("mnist", "", 0)
    assert len(hub.asked) == 1


def bundled(folder: Path, shade: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shaded = np.full((4, 28, 28), shade, dtype=np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None]
    np.savez(folder / "mnist10k.npz", images=shaded, labels=np.arange(4))


def test_mnist_is_looked_for_in_the_data_folder_then_in_the_cache_then_on_the_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bundled(tmp_path / "mine", 40)
    bundled(tmp_path / "cache" / "data", 80)
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path / "mine"))
    assert shades("mnist") == [40, 41, 42, 43]
    (tmp_path / "mine" / "mnist10k.npz").unlink()
    assert shades("mnist") == [80, 81, 82, 83]
    assert load_named("mnist", "", 0).split == "test"
    assert hub.asked == []
    (tmp_path / "cache" / "data" / "mnist10k.npz").unlink()
    assert shades("mnist") == [10, 11, 12, 13, 14, 15]
    assert load_named("mnist", "", 0).split == "train"


def test_the_bundled_mnist_is_no_training_split(hub: Hub, tmp_path: Path):
    bundled(tmp_path / "cache" / "data", 80)
    assert shades("mnist", "test") == [80, 81, 82, 83]
    assert shades("mnist", "train") == [10, 11, 12, 13, 14, 15]


def test_a_kept_set_may_lie_in_the_data_folder_of_a_machine_without_network(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    load_named("celeba", "", 0)
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path / "cache" / "data"))
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "empty"))
    cut_off(monkeypatch)
    assert shades("celeba") == [10, 11, 12, 13]


def test_without_network_the_message_says_what_is_missing_and_the_two_ways_to_mend_it(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path / "mine"))
    cut_off(monkeypatch)
    with pytest.raises(ImageFileError) as refused:
        load_named("mnist", "", 0)
    assert str(refused.value) == (
        f"mnist: found no mnist10k.npz or mnist-train-28.npz in {tmp_path / 'mine'} and {tmp_path / 'cache' / 'data'}, "
        "and cannot fetch it: there is no network. Give --data a folder with mnist10k.npz (any .npz goes by "
        "images[path=...]), or install ganbench[images] and run once with a network"
    )
