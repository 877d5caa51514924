"""Pictures as Pillow reads them: opened with its guards on, of one size and colour mode, resized where asked."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ganbench.registry import shown

LARGEST_SIDE = 1024
LARGEST_BYTES = 8 * 2**30
"""Pixels of a set, a byte each: three times those of CelebA at 64x64."""
CHANNELS = {"L": 1, "RGB": 3}
"""Pillow's name of a colour mode -> channels."""


class ImageFileError(ValueError):
    """Images that cannot be used; the message names their file, what was found, what was expected and what to do."""

    def __init__(self, message: str):
        super().__init__(harmless(message))


def harmless(text: str) -> str:
    """A text whose characters cannot command a terminal: whoever made a folder chose the names in it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def check_size(path: Path, count: int, channels: int, height: int, width: int) -> None:
    """Raises ImageFileError where a set has too few images, or too many or too large ones for a memory."""
    if count < 2:
        raise ImageFileError(f"{path}: found {count} images, expected at least 2, one for each half")
    if not (1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE):
        raise ImageFileError(
            f"{path}: found images of {width}x{height} pixels, expected sides of 1 to {LARGEST_SIDE}; "
            "of a folder, give resolution="
        )
    if count * height * width * channels > LARGEST_BYTES:
        raise ImageFileError(
            f"{path}: found {count * height * width * channels:,} bytes of pixels, expected at most {LARGEST_BYTES:,}; "
            "give fewer images or a smaller resolution"
        )


def opened(folder: Path, files: list[str]) -> Iterator[tuple[str, Any]]:
    """Path and decoded image of each file. Raises ImageFileError where one is broken."""
    from PIL import Image  # lazy: no other target needs it

    for file in files:
        name = str(folder / file)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(name, formats=("PNG", "JPEG")) as image:
                    image.load()
                    yield name, image
        except (
            *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error),
            *(Image.DecompressionBombError, Image.DecompressionBombWarning),
        ) as error:
            raise ImageFileError(
                f"{name}: found a broken image ({shown(str(error))}), expected a PNG or JPEG; replace or remove it"
            ) from None


def collect(
    images: Iterable[tuple[str, Any]], count: int, resolution: int, source: Path
) -> UInt8[np.ndarray, "N c h w"]:
    """Pillow images with their names as one array, all grey or all RGB. Raises ImageFileError."""
    collected = np.zeros((0, 0, 0, 0), dtype=np.uint8)
    first = ""
    for i, (name, image) in enumerate(images):
        if image.mode not in CHANNELS:
            raise ImageFileError(f'{name}: found colour mode "{image.mode}", expected "L" (grey) or "RGB"; convert it')
        grey = fitted(image, resolution)
        if i == 0:
            first = name
            channels, height, width = grey.shape
            check_size(source, count, channels, height, width)
            collected = np.empty((count, *grey.shape), dtype=np.uint8)
        if grey.shape != collected.shape[1:]:
            raise ImageFileError(
                f"{name}: found {_size(grey.shape)}, expected {_size(collected.shape[1:])} as {first} has; "
                "give resolution= for images of one size, and convert all to grey or all to RGB"
            )
        collected[i] = grey
    return collected


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[2]}x{shape[1]} pixels in {'grey' if shape[0] == 1 else 'RGB'}"


def fitted(image: Any, resolution: int) -> UInt8[np.ndarray, "c h w"]:
    """A Pillow image as an array: as it is at resolution 0, else its central square, resampled by Lanczos' filter."""
    from PIL import Image  # lazy: no other target needs it

    if resolution and image.size != (resolution, resolution):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.crop((left, top, left + side, top + side))
        image = square.resize((resolution, resolution), Image.Resampling.LANCZOS)
    grey = np.asarray(image, dtype=np.uint8)
    return grey[None] if grey.ndim == 2 else grey.transpose(2, 0, 1)


def resized(images: UInt8[np.ndarray, "N c h w"], resolution: int) -> UInt8[np.ndarray, "N c r r"]:
    """The central squares of images at another resolution."""
    from PIL import Image  # lazy: no other target needs it

    pictures = [np.squeeze(image, 0) if len(image) == 1 else image.transpose(1, 2, 0) for image in images]
    return np.stack([fitted(Image.fromarray(np.ascontiguousarray(p)), resolution) for p in pictures])
