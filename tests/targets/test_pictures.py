"""Folders of pictures: what is read of good ones, how bad ones are refused, and how pictures are resized."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganbench.targets.imagefiles import load_images
from ganbench.targets.pictures import ImageFileError, fitted, resized


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
    images = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 1, 4, 4)
    assert np.array_equal(resized(images, 4), images)


def test_halving_a_picture_keeps_its_mean():
    # Lanczos' weights sum to one; at the borders and by rounding up to a grey level may go
    images = np.random.Generator(np.random.Philox(0)).integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
    means = resized(images, 8).mean(axis=(1, 2, 3))
    assert means == pytest.approx(images.mean(axis=(1, 2, 3)), abs=4)


def test_a_link_that_leads_nowhere_is_refused_with_its_name(tmp_path: Path):
    (tmp_path / "a.png").symlink_to("nowhere")
    with pytest.raises(ImageFileError, match=r"a\.png: cannot be read \(No such file"):
        load_images(tmp_path, 0)
