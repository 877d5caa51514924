"""Files of images (.npz): what is read from good ones, and how bad ones are refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbench.targets.imagefiles import load_images, read_npz
from ganbench.targets.imageset import image_set
from ganbench.targets.online import keep
from ganbench.targets.pictures import ImageFileError

GREY = (np.arange(6 * 4 * 4) * 2).astype(np.uint8).reshape(6, 4, 4)
LABELS = np.array([0, 1, 0, 1, 0, 1])


def saved(**arrays: Any) -> Callable[[Path], Any]:
    return lambda path: np.savez(path, **arrays)


def written(content: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(content)


def whole() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=GREY, labels=LABELS)
    return buffer.getvalue()


def one_pixel_altered() -> bytes:
    content = bytearray(whole())
    content[content.index(GREY.tobytes()) + 40] ^= 1
    return bytes(content)


def claiming(shape: tuple[int, ...]) -> bytes:
    """A .npz whose header promises more pixels than follow it."""
    member, buffer = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("images.npy", member.getvalue() + b"\0" * 100)
    return buffer.getvalue()


def a_bomb(path: Path) -> None:
    np.savez_compressed(path, images=np.zeros((70, 1024, 1024), dtype=np.uint8))


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def array(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def described(header: str) -> bytes:
    """A .npz of 96 pixels under a header that some hand wrote."""
    return zipped(("images.npy", b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + bytes(96)))


def damaged_lzma() -> bytes:
    content = bytearray(zipped(("images.npy", array(GREY)), compression=zipfile.ZIP_LZMA))
    content[content.index(b"images.npy") + len("images.npy") + 4] = 0xFF  # what the compression was set to
    return bytes(content)


BAD = {
    "a text": (written(b"no images here"), "found a broken file"),
    "an empty file": (written(b""), "found a broken file"),
    "half a file": (written(whole()[:250]), "found a broken file"),
    "a file without its last byte": (written(whole()[:-1]), "found a broken file"),
    "one pixel altered": (written(one_pixel_altered()), "found a broken file .*CRC"),
    "fewer pixels than promised": (written(claiming((10, 8, 8))), "found a broken file"),
    "pixels beyond any memory": (written(claiming((10**6, 1000, 1000))), "found 1,000,000,000,000 bytes of pixels"),
    "sides too long": (written(claiming((10, 5000, 8))), "found images of 8x5000 pixels, expected sides of 1 to 1024"),
    "a negative side": (written(claiming((10, -8, 8))), "found images of 8x-8 pixels"),
    "zeros that were gigabytes": (a_bomb, "a decompression bomb"),
    "no .npy at images": (
        written(zipped(("images", array(GREY)))),
        "images: found images in .*expected one images.npy",
    ),
    "no .npy at labels": (
        written(zipped(("images.npy", array(GREY)), ("labels", array(LABELS)))),
        "labels: found labels in the archive, expected one labels.npy; write it anew",
    ),
    "images twice": (
        written(zipped(("images.npy", array(GREY)), ("images", array(GREY)))),
        "images: found images.npy and images in the archive, expected one images.npy",
    ),
    "a damaged LZMA member": (written(damaged_lzma()), r"found a broken file \(.*; copy it anew"),
    "a header out of line": (
        written(described("  {'descr': '|u1',\n 'fortran_order': False,\n'shape': (6, 4, 4), }\n 1\n")),
        "found a broken file .*images: a header that is no description",
    ),
    "a header of a list as a key": (written(described("{[]: 1}\n")), "a header that is no description of an array"),
    "a header nested deeply": (written(described("-" * 9000 + "1\n")), "a header that is no description of an array"),
    "no images": (saved(pictures=GREY), 'found pictures, expected an array "images"'),
    "floats": (saved(images=GREY / 255), "images: found float64, expected uint8"),
    "NaN": (saved(images=np.full((6, 4, 4), np.nan)), "images: found float64, expected uint8"),
    "objects": (saved(images=np.array([None] * 6)), "images: found object, expected uint8"),
    "flat images": (saved(images=GREY.reshape(6, 16)), r"images: found shape \(6, 16\), expected \(N, height, width\)"),
    "two channels": (saved(images=GREY[..., None].repeat(2, 3)), r"images: found shape \(6, 4, 4, 2\)"),
    "a single image": (saved(images=GREY[:1]), "found 1 images, expected at least 2"),
    "fewer labels": (saved(images=GREY, labels=LABELS[:5]), r"labels: found shape \(5,\), expected \(6,\)"),
    "labels by two": (saved(images=GREY, labels=LABELS[:, None]), r"labels: found shape \(6, 1\), expected \(6,\)"),
    "labels of floats": (saved(images=GREY, labels=LABELS / 2), "labels: found float64, expected integers"),
    "labels of objects": (saved(images=GREY, labels=np.array([None] * 6)), "labels: found object, expected integers"),
    "another's digest": (saved(images=GREY, sha256=np.array("0" * 64)), "found an altered file .*remove it"),
    "a digest of no length": (saved(images=GREY, sha256=np.array("0")), "sha256: found no text of 64 characters"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_npz_is_refused_with_its_name(name: str, tmp_path: Path):
    (write, message), path = BAD[name], tmp_path / "bad.npz"
    write(path)
    with pytest.raises(ImageFileError, match=message) as refused:
        load_images(path, 0)
    assert str(path) in str(refused.value)


def test_a_missing_file_is_refused_with_its_name(tmp_path: Path):
    with pytest.raises(ImageFileError, match=r"nowhere\.npz: no such file or folder; give a \.npz"):
        load_images(tmp_path / "nowhere.npz", 0)


@pytest.mark.parametrize("path", ["a" * 300, "a/\0"])
def test_a_path_that_no_file_can_have_is_refused(path: str):
    with pytest.raises(ImageFileError, match="; give a"):
        load_images(Path(path), 0)


def test_a_name_that_commands_a_terminal_is_told_by_its_codes():
    with pytest.raises(ImageFileError, match=r"^a\\x1b\[2Jb: no such file"):
        load_images(Path("a\x1b[2Jb"), 0)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_a_kept_file_with_any_byte_altered_is_refused_or_holds_the_same_images(
    place: float, bits: int, tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.mktemp("altered") / "kept.npz"
    content = image_set(GREY[:, None], LABELS)
    keep(path, content)
    altered = bytearray(path.read_bytes())
    altered[int(place * len(altered))] ^= bits
    path.write_bytes(altered)
    try:
        found = load_images(path, 0)
    except ImageFileError:
        return
    assert np.array_equal(found.images, content.images)
    assert found.sha256 == content.sha256


def test_an_array_with_channels_last_has_them_first(tmp_path: Path):
    colours = np.arange(6 * 4 * 5 * 3, dtype=np.uint8).reshape(6, 4, 5, 3)
    np.savez(tmp_path / "colours.npz", images=colours)
    images, labels, _ = read_npz(tmp_path / "colours.npz")
    assert images.shape == (6, 3, 4, 5)
    assert np.array_equal(images[2, 1], colours[2, :, :, 1])
    assert labels is None


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64])
def test_labels_of_any_integer_type_become_classes_in_ascending_order(kind: type, tmp_path: Path):
    np.savez(tmp_path / "labelled.npz", images=GREY, labels=(LABELS * 40 + 7).astype(kind))
    found = load_images(tmp_path / "labelled.npz", 0)
    class_of = {image.tobytes(): label for image, label in zip(GREY, LABELS, strict=True)}
    assert found.classes == 2
    assert found.labels is not None
    assert [class_of[image.tobytes()] for image in found.images] == found.labels.tolist()


def test_a_file_is_read_once_until_it_changes(tmp_path: Path):
    path = tmp_path / "images.npz"
    np.savez(path, images=GREY)
    first = load_images(path, 0)
    assert load_images(path, 0) is first
    assert load_images(path, 4) is first  # 4 is the side that it has
    np.savez(path, images=GREY + 1, more=GREY)
    assert load_images(path, 0).sha256 != first.sha256
