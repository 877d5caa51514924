"""A finite set of images in memory: sorted by content, which splits it into two halves, with its digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images (N, c, h, w) uint8 in the order of their BLAKE2b hashes, with classes 0 to `classes` - 1 where known.

    The first half is the players', the next, of the same size, is held out, an odd last one is in neither. So the split
    depends on nothing but the images. Equal images are neighbours in that order: at most one group of duplicates can
    lie in both halves. `sha256` is the digest of shapes, images and classes, the same for any order that they came in.
    """

    images: UInt8[np.ndarray, "N c h w"]
    labels: Int[np.ndarray, " N"] | None
    classes: int
    sha256: str

    @property
    def side(self) -> int:
        """Height and width of a square image in pixels; 0 where images are not square."""
        height, width = self.images.shape[2:]
        return height if height == width else 0

    @property
    def half(self) -> int:
        """Images in each half."""
        return len(self.images) // 2

    @property
    def players(self) -> slice:
        return slice(0, self.half)

    @property
    def held_out(self) -> slice:
        return slice(self.half, 2 * self.half)

    def moments(self) -> tuple[Float[np.ndarray, "c h w"], float]:
        """Mean of the players' pixels, and root mean squared distance of an image from it, in grey levels."""
        players = self.images[self.players]
        total = np.zeros(players.shape[1:], dtype=np.int64)
        squares = 0
        for start in range(0, len(players), 1024):  # a copy of all images in 8 bytes would not fit
            block = players[start : start + 1024].astype(np.int64)
            total += block.sum(axis=0)
            squares += int((block**2).sum())
        mean = total / len(players)
        return mean, float(np.sqrt(squares / len(players) - (mean**2).sum()))


def image_set(images: UInt8[np.ndarray, "N c h w"], labels: Int[np.ndarray, " N"] | None) -> ImageSet:
    """The set of some images; any integers may be labels, and become classes in ascending order."""
    digests = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
    names, classes = np.unique(labels, return_inverse=True) if labels is not None else (np.zeros(0), None)
    # labels decide between equal images, so that the order they came in never matters
    keys = [(digest, 0 if classes is None else int(classes[i])) for i, digest in enumerate(digests)]
    order = np.array(sorted(range(len(images)), key=keys.__getitem__), dtype=np.int64)
    images = images[order]
    classes = classes[order].astype(np.int64) if classes is not None else None
    content = hashlib.sha256(repr((images.shape, len(names))).encode())
    content.update(np.ascontiguousarray(images).data)
    if classes is not None:
        content.update(classes.astype("<i8").tobytes())
    return ImageSet(images, classes, len(names), content.hexdigest())
