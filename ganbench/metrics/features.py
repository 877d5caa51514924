"""Features of image sets: one pass through an extractor serves every metric on a set."""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ganbench.metrics.classifier import FEWEST_IMAGES
from ganbench.metrics.classifier_file import Classifier, classifier
from ganbench.metrics.inception import inception_network, inception_weights
from ganbench.targets.contract import Target
from ganbench.targets.images import Images

SETS_KEPT = 4
VALUES_KEPT = 2**27  # of the target's own images: 1 GiB

Forward = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Single images (n, c, h, w) uint8 -> features (n, d) and logits (n, classes)."""


@dataclass(frozen=True, eq=False)
class Features:
    """What an extractor says of n images, in the order of `hash_order`, so that no metric depends on theirs.

    An image that consists of s single ones has the features of all of them, one after the other, and s rows of logits.
    """

    values: Float[np.ndarray, "n d"]
    logits: Float[np.ndarray, "n_times_s classes"]

    @property
    def classes(self) -> Int[np.ndarray, " n_times_s"]:
        """The most likely class of each single image."""
        return self.logits.argmax(axis=1)


class Extractor:
    """A network with its name, applied to sets of images with the memory of what it has seen.

    It remembers the last few sets, and single images of the target's data as long as the process lives: true sets are
    drawn from those again and again. Batches always have `batch` images, the last one filled up with black ones, since
    other sizes may choose other kernels, which round differently. `channels` are those of a single image, of which an
    image holds one or several; None takes each image whole.
    """

    def __init__(self, instrument: str, channels: int | None, batch: int, forward: Forward, device: str = "cpu"):
        self.instrument = instrument
        self.device = device
        self._channels = channels
        self._batch = batch
        self._forward = forward
        self._sets: OrderedDict[bytes, Features] = OrderedDict()
        self._own: set[bytes] = set()
        self._rows: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def remember(self, images: UInt8[np.ndarray, "N c h w"]) -> None:
        """Names single images that are worth remembering."""
        self._own.update(_digests(images))

    def __call__(self, images: UInt8[np.ndarray, "n c h w"]) -> Features:
        """The features of a set of images."""
        key = hashlib.blake2b(repr(images.shape).encode() + images.tobytes(), digest_size=16).digest()
        if key not in self._sets:
            self._sets[key] = self._extract(images[hash_order(images)])
        self._sets.move_to_end(key)
        if len(self._sets) > SETS_KEPT:
            self._sets.popitem(last=False)
        return self._sets[key]

    def _extract(self, images: UInt8[np.ndarray, "n c h w"]) -> Features:
        singles = images.reshape(-1, self._channels or images.shape[1], *images.shape[2:])
        digests = _digests(singles)
        # each image once: a collapsed generator repeats few
        missing = {digest: i for i, digest in enumerate(digests) if digest not in self._rows}
        found = dict(zip(missing, self._pass(singles[list(missing.values())]), strict=True))
        rows = [self._rows[digest] if digest in self._rows else found[digest] for digest in digests]
        values = np.stack([features for features, _ in rows]).reshape(len(images), -1)
        logits = np.stack([logits for _, logits in rows])
        room = VALUES_KEPT // (len(rows[0][0]) + len(rows[0][1])) - len(self._rows)
        kept = [digest for digest in found if digest in self._own][: max(room, 0)]
        self._rows |= {digest: found[digest] for digest in kept}
        return Features(values, logits)

    def _pass(self, singles: UInt8[np.ndarray, "n c h w"]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Features and logits of each single image, float64."""
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for start in range(0, len(singles), self._batch):
            block = singles[start : start + self._batch]
            batch = np.zeros((self._batch, *block.shape[1:]), dtype=np.uint8)
            batch[: len(block)] = block
            with torch.no_grad(), _unrounded(self.device):
                features, logits = self._forward(torch.from_numpy(batch).to(self.device))
            rows = zip(features[: len(block)].double().cpu().numpy(), logits.double().cpu().numpy(), strict=False)
            # copies: a view of a row would keep its whole batch in memory
            found += [(a.copy(), b.copy()) for a, b in rows]
        return found


@contextmanager
def _unrounded(device: str) -> Iterator[None]:
    """Products in fp32 with the same kernels at each call, whatever precision a training on this GPU has asked for."""
    if device == "cpu":
        yield
        return
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.deterministic
    torch.set_float32_matmul_precision("highest")
    cudnn.allow_tf32, cudnn.deterministic = False, True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32, cudnn.deterministic = before[1:]


def extractor(target: Images, name: str = "classifier", weights: str = "", device: str = "cpu") -> Extractor:
    """The extractor of a name for a target, one per process, with its file verified and its network loaded.

    `weights` is the path of the Inception network's file. Raises ValueError that says what is missing or damaged.
    """
    if name == "classifier":
        made = _of_classifier(classifier(target), device)
    else:
        path = inception_weights(weights)
        status = path.stat()
        made = _of_inception(path, (status.st_mtime_ns, status.st_size), device)
    _remember_data(made, target)
    return made


def inapplicable(target: Target, name: str = "classifier") -> str | None:
    """Why an extractor has no features for a target, or None where it has."""
    if not isinstance(target, Images):
        return "its samples are no images"
    if name != "classifier":
        channels = target.image_shape[0]
        return None if channels in (1, 3) else f"Inception sees 1 or 3 channels, and the images have {channels}"
    if not target.modes:
        return 'the images have no labels to train a classifier on; take the extractor "inception-v3-compat"'
    if target.content.classes < 2:
        return "all images have one label, from which no classifier learns"
    if len(target.content.images) < FEWEST_IMAGES:
        return f"found {len(target.content.images)} labelled images, expected at least {FEWEST_IMAGES} for a classifier"
    return None


@lru_cache(maxsize=8)
def _of_classifier(found: Classifier, device: str) -> Extractor:
    network = copy.deepcopy(found.network).to(device)  # a copy: `to` moves a network itself, which others hold
    return Extractor(found.instrument, found.image_shape[0], 256, network, device)


@lru_cache(maxsize=2)
def _of_inception(path: Path, version: tuple[int, int], device: str) -> Extractor:
    network, sha256 = inception_network(path)
    network.to(device)
    return Extractor(f"inception-v3-compat {sha256[:8]}", None, 4 if device == "cpu" else 64, network, device)


@lru_cache(maxsize=8)
def _remember_data(made: Extractor, target: Images) -> None:
    labelled = target.labelled()
    made.remember(target.content.images if labelled is None else labelled[0])


def hash_order(images: UInt8[np.ndarray, "n c h w"]) -> Int[np.ndarray, " n"]:
    """The indices of images in the order of the hashes of their bytes, the same for any order they come in.

    As good as random for the images, so that the first k of them are a random part.
    """
    digests = _digests(images)
    return np.array(sorted(range(len(images)), key=digests.__getitem__), dtype=np.int64)


def _digests(images: UInt8[np.ndarray, "n c h w"]) -> list[bytes]:
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
