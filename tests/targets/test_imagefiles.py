"""Image files: what is read from good ones, and how bad ones are refused."""

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
from PIL import Image

from ganbench.targets.imagefiles import load_images, read_npz
from ganbench.targets.imageset import image_set
from ganbench.targets.online import keep
from ganbench.targets.pictures import ImageFileError, fitted, resized

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


def test_a_link_that_leads_nowhere_is_refused_with_its_name(tmp_path: Path):
    (tmp_path / "a.png").symlink_to("nowhere")
    with pytest.raises(ImageFileError, match=r"a\.png: cannot be read \(No such file"):
        load_images(tmp_path, 0)


@settings(max_examples=300, deadline=None)
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


def picture(path: Path, size: tuple[int, int] = (6, 6), mode: str = "L", shade: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, shade if mode == "L" else (shade,) * len(mode)).save(path)


def test_a_folder_is_searched_for_png_and_jpeg_of_any_case(tmp_path: Path):
    for shade, name in enumerate(["a.png", "b.JPG", "deep/er/c.jpeg", "d.PNG"]):
        picture(tmp_path / name, shade=shade * 60)
    (tmp_path / "notes.txt").write_text("not an image")
    found = load_images(tmp_path, 0)
    assert found.images.shape == (4, 1, 6, 6)
    assert sorted(int(image[0, 0, 0]) for image in found.images) == [0, 60, 120, 180]


def test_sub_folders_that_hold_all_images_are_classes_by_name(tmp_path: Path):
    for shade, name in enumerate(["cats/1.png", "cats/2.png", "ants/1.png", "ants/deep/2.png"]):
        picture(tmp_path / name, shade=shade)
    found = load_images(tmp_path, 0)
    assert found.labels is not None
    assert {int(i[0, 0, 0]): int(c) for i, c in zip(found.images, found.labels, strict=True)} == {
        0: 1,
        1: 1,
        2: 0,
        3: 0,
    }


@pytest.mark.parametrize("names", [["a/1.png", "b/1.png", "2.png"], ["a/1.png", "a/2.png"], ["1.png", "2.png"]])
def test_images_beside_sub_folders_or_in_a_single_one_have_no_classes(names: list[str], tmp_path: Path):
    for shade, name in enumerate(names):
        picture(tmp_path / name, shade=shade)
    assert load_images(tmp_path, 0).labels is None


def test_a_new_image_in_a_folder_is_seen(tmp_path: Path):
    for shade, name in enumerate(["a.png", "b.png"]):
        picture(tmp_path / name, shade=shade)
    first = load_images(tmp_path, 0)
    assert load_images(tmp_path, 0) is first
    picture(tmp_path / "c.png", shade=9)
    assert len(load_images(tmp_path, 0).images) == 3


def half_a_picture(folder: Path) -> None:
    noise = np.random.Generator(np.random.Philox(1)).integers(0, 256, (40, 40), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "b.png")
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:800])


def a_gif(folder: Path) -> None:
    Image.new("L", (6, 6)).save(folder / "b.png", format="GIF")


BAD_PICTURES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "half a picture": (half_a_picture, r"b\.png: found a broken image"),
    "a text": (lambda folder: (folder / "b.png").write_text("hello"), r"b\.png: found a broken image"),
    "another format": (a_gif, r"b\.png: found a broken image"),
    "another size": (
        lambda folder: picture(folder / "b.png", (6, 5)),
        r"b\.png: found 6x5 pixels in grey, expected 6x6 pixels in grey as .*a\.png has; give resolution=",
    ),
    "another mode": (
        lambda folder: picture(folder / "b.png", mode="RGB"),
        r"b\.png: found 6x6 pixels in RGB, expected 6x6 pixels in grey .*convert all to grey or all to RGB",
    ),
    "transparency": (lambda folder: picture(folder / "b.png", mode="RGBA"), r'b\.png: found colour mode "RGBA"'),
    "a name that commands a terminal": (
        lambda folder: (folder / "b\x1b[2J.png").write_text("hello"),
        r"b\\x1b\[2J\.png: found a broken image",
    ),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_a_bad_picture_in_a_folder_is_refused_with_its_name(name: str, tmp_path: Path):
    (write, message) = BAD_PICTURES[name]
    picture(tmp_path / "a.png")
    write(tmp_path)
    with pytest.raises(ImageFileError, match=message):
        load_images(tmp_path, 0)


def test_a_picture_that_unpacks_beyond_pillow_s_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("a.png", "b.png"):
        picture(tmp_path / name, (20, 20))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 399)
    with pytest.raises(ImageFileError, match=r"a\.png: found a broken image .*exceeds limit of 399 pixels"):
        load_images(tmp_path, 0)


def test_a_folder_without_images_is_refused_with_its_name(tmp_path: Path):
    with pytest.raises(ImageFileError, match=r"found no image, expected files that end in \.png, \.jpg, \.jpeg") as no:
        load_images(tmp_path, 0)
    assert str(tmp_path) in str(no.value)


def test_a_resolution_makes_pictures_of_any_size_squares_of_that_side(tmp_path: Path):
    picture(tmp_path / "a.png", (30, 20), shade=40)
    picture(tmp_path / "b.png", (9, 90), shade=80)
    found = load_images(tmp_path, 8)
    assert found.images.shape == (2, 1, 8, 8)
    assert {tuple(np.unique(image)) for image in found.images} == {(40,), (80,)}


@pytest.mark.parametrize("size", [(12, 4), (4, 12)])
def test_a_square_is_cut_out_of_the_centre(size: tuple[int, int]):
    image = Image.new("L", size, 0)
    image.paste(200, ((size[0] - 4) // 2, (size[1] - 4) // 2, (size[0] + 4) // 2, (size[1] + 4) // 2))
    assert (fitted(image, 4) == 200).all()


def test_a_picture_of_the_asked_size_keeps_its_pixels():
    assert np.array_equal(resized(GREY[:, None], 4), GREY[:, None])


def test_halving_a_picture_keeps_its_mean():
    # Lanczos' weights sum to one; at the borders and by rounding up to a grey level may go
    images = np.random.Generator(np.random.Philox(0)).integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
    means = resized(images, 8).mean(axis=(1, 2, 3))
    assert means == pytest.approx(images.mean(axis=(1, 2, 3)), abs=4)
