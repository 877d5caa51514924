"""Image sets from files: a .npz or a folder of PNG and JPEG, checked before they are used, kept in memory."""

from __future__ import annotations

import hashlib
import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from ganbench.registry import shown
from ganbench.targets.imageset import ImageSet, image_set
from ganbench.targets.pictures import ImageFileError, check_size, collect, opened, resized

BOMB_BYTES, BOMB_RATIO = 64 * 2**20, 200
"""An array beyond so many bytes that shrank by more than this ratio is a decompression bomb, not images."""

ENDINGS = (".png", ".jpg", ".jpeg")

SETS_IN_MEMORY = 4
_in_memory: dict[tuple[str, str, int], ImageSet] = {}
"""Path, stamp and resolution -> set: building a target twice reads its file once."""


def load_images(path: Path, resolution: int) -> ImageSet:
    """The images of a .npz or a folder; resolution 0 leaves them as they are, else they become squares of that side.

    Kept in memory per process, by size and time of change. Raises ImageFileError.
    """
    try:
        files = sorted(_image_files(path)) if path.is_dir() else None
        if files is None and not path.is_file():
            raise ImageFileError(f"{path}: no such file or folder; give a .npz or a folder of PNG or JPEG images")
        key = (str(path.resolve()), _stamp(path, files or [""]), resolution)
    except OSError as error:
        where = error.filename or path
        raise ImageFileError(f"{where}: cannot be read ({error.strerror}); give a file or a folder that can") from None
    if key not in _in_memory:
        content = _from_npz(path, resolution) if files is None else _from_folder(path, files, resolution)
        while len(_in_memory) >= SETS_IN_MEMORY:
            del _in_memory[next(iter(_in_memory))]
        # a target records the side that it found, and may be built from that record next
        _in_memory[key] = _in_memory[(*key[:2], content.side)] = content
    return _in_memory[key]


def _stamp(path: Path, files: list[str]) -> str:
    """A digest of the sizes and times of change of some files under a path."""
    found = [(file, (path / file).stat()) for file in files]
    entries = "\n".join(f"{file}/{stat.st_size}/{stat.st_mtime_ns}" for file, stat in found)
    return hashlib.sha256(entries.encode(errors="surrogateescape")).hexdigest()


def read_npz(path: Path) -> tuple[UInt8[np.ndarray, "N c h w"], Int[np.ndarray, " N"] | None, str]:
    """Images, labels where it has some, and the digest that it carries, "" for none. Raises ImageFileError."""
    try:
        with zipfile.ZipFile(path) as archive:
            shape, labelled, digested = _check_members(path, archive)
        with np.load(path, allow_pickle=False) as arrays:
            images = arrays["images"]
            labels = arrays["labels"].astype(np.int64) if labelled else None
            digest = str(arrays["sha256"]) if digested else ""
    except ImageFileError:
        raise
    except (
        *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
        *(OSError, EOFError, ValueError, RuntimeError),  # RuntimeError: an encrypted archive
    ) as error:
        raise ImageFileError(
            f"{path}: found a broken file ({shown(str(error))}), expected a whole .npz; copy it anew or write it by "
            "numpy.savez"
        ) from None
    images = np.ascontiguousarray(images[:, None] if len(shape) == 3 else images.transpose(0, 3, 1, 2))
    return images, labels, digest


def _check_members(path: Path, archive: zipfile.ZipFile) -> tuple[tuple[int, ...], bool, bool]:
    """Shape of the images, whether labels and a digest come with them, read off the headers. Raises ImageFileError."""
    members = archive.namelist()
    found = {name.removesuffix(".npy") for name in members}
    if "images" not in found:
        arrays = shown(", ".join(sorted(found))) or "no array"
        raise ImageFileError(f'{path}: found {arrays}, expected an array "images" and, if you like, "labels"')
    for name in ("images", "labels", "sha256"):
        # of two that NumPy takes for one array, it could load the other than was checked
        if (spelled := [m for m in members if m.removesuffix(".npy") == name]) not in ([], [f"{name}.npy"]):
            raise ImageFileError(
                f"{path}: {name}: found {' and '.join(spelled)} in the archive, expected one {name}.npy; write it anew "
                "by numpy.savez"
            )
    shape, kind = _header(archive, "images")
    if kind != np.uint8:
        raise ImageFileError(f"{path}: images: found {kind}, expected uint8, 0 to 255; convert them")
    expected = "expected (N, height, width) or (N, height, width, 1 or 3)"
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise ImageFileError(f"{path}: images: found shape {shape}, {expected}")
    check_size(path, shape[0], shape[3] if len(shape) == 4 else 1, shape[1], shape[2])
    member = archive.getinfo("images.npy")
    size = int(np.prod(shape, dtype=object))
    if size > BOMB_BYTES and size > BOMB_RATIO * member.compress_size:
        raise ImageFileError(
            f"{path}: images: {size:,} bytes shrank to {member.compress_size:,}, which no images do: a decompression "
            "bomb; write real images by numpy.savez"
        )
    if "labels" in found:
        labels, kind = _header(archive, "labels")
        if kind.kind not in "iu":
            raise ImageFileError(f"{path}: labels: found {kind}, expected integers, a class for each image")
        if labels != shape[:1]:
            raise ImageFileError(f"{path}: labels: found shape {labels}, expected ({shape[0]},), one for each image")
    if "sha256" in found and _header(archive, "sha256") != ((), np.dtype("U64")):
        raise ImageFileError(f"{path}: sha256: found no text of 64 characters; remove it and write the digest anew")
    return shape, "labels" in found, "sha256" in found


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array, without its values. Raises ValueError where there is no such header."""
    with archive.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name}: version {version} of the format, expected (1, 0) or (2, 0)")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        try:
            shape, _, kind = read(member)
        except (SyntaxError, TypeError, tokenize.TokenError, MemoryError) as error:  # MemoryError: nested too deeply
            raise ValueError(f"{name}: a header that is no description of an array: {error}") from None
    return shape, kind


def _from_npz(path: Path, resolution: int) -> ImageSet:
    images, labels, digest = read_npz(path)
    content = image_set(images, labels)
    if digest and content.sha256 != digest:
        raise ImageFileError(
            f"{path}: found an altered file (digest {content.sha256[:12]}), expected the one that was written "
            f"({shown(digest[:12])}); remove it and make it anew"
        )
    if resolution in (0, content.side):
        return content
    return image_set(resized(content.images, resolution), content.labels)


def _image_files(folder: Path) -> Iterator[str]:
    """Paths of PNG and JPEG files anywhere under a folder, relative to it."""
    for parent, _, files in os.walk(folder):
        for file in files:
            if file.lower().endswith(ENDINGS):
                yield Path(parent, file).relative_to(folder).as_posix()


def _from_folder(folder: Path, files: list[str], resolution: int) -> ImageSet:
    if not files:
        raise ImageFileError(f"{folder}: found no image, expected files that end in {', '.join(ENDINGS)}")
    images = collect(opened(folder, files), len(files), resolution, folder)
    classes = {name: number for number, name in enumerate(sorted({f.split("/")[0] for f in files if "/" in f}))}
    # one folder for all, or images beside folders, name no classes
    labelled = len(classes) > 1 and all("/" in f for f in files)
    labels = np.array([classes[f.split("/")[0]] for f in files], dtype=np.int64) if labelled else None
    return image_set(images, labels)
