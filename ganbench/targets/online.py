"""Named image sets: found in the data folder, in the cache, or fetched once from the Hugging Face hub and kept.

No revision is pinned: what was fetched is known by its digest, which is part of a study's identity.
"""

from __future__ import annotations

import importlib.util
import os
import queue
import socket
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ganbench.folders import cache_folder, data_folder
from ganbench.registry import shown
from ganbench.targets.imagefiles import load_images
from ganbench.targets.imageset import ImageSet, image_set
from ganbench.targets.pictures import ImageFileError, collect

CONNECT_S = 1.2
"""Seconds that the hub has to answer: offline, its own library would wait 25."""


@dataclass(frozen=True)
class Source:
    """A set on the hub: its repository, columns, sizes of its splits, and the side of its squares in pixels.

    Where `resize` is set, images come in another size and are kept at the side that was asked for.
    """

    repository: str
    image: str
    label: str | None
    sizes: dict[str, int]
    side: int
    resize: bool = False
    bundled: str = ""
    bundled_split: str = ""

    def parts(self, split: str) -> list[str]:
        return list(self.sizes) if split == "all" else [split]


SOURCES = {
    "mnist": Source(
        *("ylecun/mnist", "image", "label", {"train": 60_000, "test": 10_000}, 28),
        bundled="mnist10k.npz",
        bundled_split="test",
    ),
    "fashion-mnist": Source("zalando-datasets/fashion_mnist", "image", "label", {"train": 60_000, "test": 10_000}, 28),
    "cifar10": Source("uoft-cs/cifar10", "img", "label", {"train": 50_000, "test": 10_000}, 32),
    "celeba": Source(
        "flwrlabs/celeba", "image", None, {"train": 162_770, "valid": 19_867, "test": 19_962}, 64, resize=True
    ),
}


@dataclass(frozen=True)
class Found:
    """A named set with the split and the side that it was found to have, and its file."""

    content: ImageSet
    split: str
    resolution: int
    path: Path


@dataclass(frozen=True)
class Wanted:
    """A named set as it is asked for: the files that may hold it with their splits, and the folders to look in."""

    name: str
    split: str
    resolution: int
    files: tuple[tuple[str, str], ...]
    folders: tuple[Path, ...]

    def found(self) -> tuple[Path, str] | None:
        """The first of the files that is there, and its split."""
        places = ((folder / file, split) for file, split in self.files for folder in self.folders)
        return next(((path, split) for path, split in places if path.is_file()), None)


def wanted(name: str, split: str, resolution: int) -> Wanted:
    """Split "" is that of the bundled file where there is one, else "train"; resolution 0 is the usual one."""
    source = SOURCES[name]
    resolution = resolution or source.side
    folders = tuple(folder for folder in (data_folder(), cache_folder() / "data") if folder is not None)
    bundled = [(source.bundled, source.bundled_split)] if source.bundled and split in ("", source.bundled_split) else []
    split = split or "train"
    kept = f"{name}-{split}-{resolution if source.resize else source.side}.npz"
    return Wanted(name, split, resolution, (*bundled, (kept, split)), folders)


def require(name: str, split: str, resolution: int) -> None:
    """Raises ImageFileError where a named set is neither here nor to be fetched, within two seconds; loads nothing."""
    asked = wanted(name, split, resolution)
    if asked.found() is None and (reason := unreachable()):
        names, places = " or ".join(file for file, _ in asked.files), " and ".join(map(str, asked.folders))
        raise ImageFileError(
            f"{name}: found no {names} in {places}, and cannot fetch it: {reason}. Give --data a folder with "
            f"{asked.files[0][0]} (any .npz goes by images[path=...]), or install ganbench[images] and run once "
            "with a network"
        )


def load_named(name: str, split: str, resolution: int) -> Found:
    """A named set, as `wanted` says. Raises ImageFileError as `require` does, and for a file that is damaged."""
    require(name, split, resolution)
    asked, source = wanted(name, split, resolution), SOURCES[name]
    here = asked.found()
    if here is None:
        here = asked.folders[-1] / asked.files[-1][0], asked.split
        fetch(source, asked.split, asked.resolution if source.resize else 0, here[0])
    path, split = here
    return Found(load_images(path, asked.resolution), split, asked.resolution, path)


def unreachable() -> str:
    """Why nothing can be fetched now; "" where the hub can be."""
    if importlib.util.find_spec("datasets") is None:
        return 'the library "datasets" is not installed'
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        if os.environ.get(variable, "").upper() in ("1", "ON", "YES", "TRUE"):
            return f"{variable} is set"
    hub = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    address = urlsplit(urllib.request.getproxies().get(urlsplit(hub).scheme) or hub)
    answers: queue.Queue[str] = queue.Queue()

    def connect() -> None:
        try:
            port = address.port or (80 if address.scheme == "http" else 443)
            socket.create_connection((address.hostname or "", port), timeout=CONNECT_S).close()
            answers.put("")
        except (OSError, ValueError) as error:  # ValueError: the environment names no host or port
            answers.put(str(error))

    # in a thread that may be left behind: looking up a name has no time-out
    threading.Thread(target=connect, daemon=True).start()
    try:
        answer = answers.get(timeout=CONNECT_S)
    except queue.Empty:
        answer = f"no answer in {CONNECT_S} s"
    # without the name and the password that a proxy may be given
    return f"{shown(address.netloc.rpartition('@')[2] or hub)} cannot be reached ({shown(answer)})" if answer else ""


def fetch(source: Source, split: str, resolution: int, path: Path) -> None:
    """Writes a set of the hub to a file, whole or not at all. Raises ImageFileError."""
    import datasets  # lazy: an extra, and seconds of imports

    labels: list[int] = []

    def rows(parts: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for part, table in parts.items():
            for i, row in enumerate(table):
                if source.label is not None:
                    labels.append(int(row[source.label]))
                yield f"{source.repository} {part} {i}", row[source.image]

    try:
        parts = {part: datasets.load_dataset(source.repository, split=part) for part in source.parts(split)}
        for part, table in parts.items():
            if len(table) != source.sizes[part]:
                raise ImageFileError(
                    f"{source.repository}: {part}: found {len(table):,} images, expected {source.sizes[part]:,}; "
                    "the set on the hub has changed: give yours by images[path=...]"
                )
        images = collect(rows(parts), sum(map(len, parts.values())), resolution, path)
    except ImageFileError:
        raise
    except Exception as error:  # the library raises its own, those of its transport and those of its file system
        raise ImageFileError(
            f"{source.repository}: the download failed ({type(error).__name__}: {shown(str(error))}); "
            "nothing was kept: run again"
        ) from error
    keep(path, image_set(images, np.array(labels, dtype=np.int64) if source.label is not None else None))


def keep(path: Path, content: ImageSet) -> None:
    """Writes a set with its digest to a file, whole or not at all, whoever else writes it at the same time.

    Raises ImageFileError where the folder cannot be written or is full.
    """
    arrays: dict[str, np.ndarray] = {"images": content.images.transpose(0, 2, 3, 1)}
    if content.labels is not None:
        arrays["labels"] = content.labels
    try:
        _write(path, arrays, content.sha256)
    except OSError as error:
        raise ImageFileError(
            f"{path.parent}: cannot keep {path.name} there ({error.strerror or error}); make room, or set "
            "GANBENCH_CACHE to a folder that can be written"
        ) from error


def _write(path: Path, arrays: dict[str, np.ndarray], sha256: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, sha256=np.array(sha256), **arrays)  # type: ignore[arg-type]  # no pickle is given
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
