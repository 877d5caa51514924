"""An example of every registered target, small and without network: sets from outside are the digits of scikit-learn.

They lie where the library keeps what it has fetched, in the cache of this session.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from ganbench.catalogue import TARGETS
from ganbench.folders import cache_folder
from ganbench.suite.cells import Part
from ganbench.suite.spec import parse_spec
from ganbench.targets.contract import Target
from ganbench.targets.images import Images
from ganbench.targets.imageset import image_set
from ganbench.targets.online import keep

KEPT = {
    "images": "example.npz",
    "mnist": "mnist-train-28.npz",
    "stacked-mnist": "mnist-train-28.npz",
    "fashion-mnist": "fashion-mnist-train-28.npz",
    "cifar10": "cifar10-train-32.npz",
    "celeba": "celeba-train-8.npz",
}


def digits(channels: int) -> np.ndarray:
    """The digits as grey or tinted images (N, c, 8, 8) of 0 to 255."""
    tints = np.array([1.0, 0.7, 0.4])[:channels, None, None]
    return np.rint(load_digits().images[:, None] * 255 / 16 * tints).astype(np.uint8)


@lru_cache(maxsize=1)
def _folder() -> Path:
    folder, labels = cache_folder() / "data", load_digits().target.astype(np.int64)
    for name, file in KEPT.items():
        images = digits(3 if name in ("cifar10", "celeba") else 1)
        keep(folder / file, image_set(images, None if name == "celeba" else labels))
    return folder


def example(name: str) -> str:
    """The spec of a small target of a registered kind, as a suite writes it."""
    if name == "images":
        return f'images[path="{_folder() / KEPT[name]}"]'
    return f"{name}[split=train,resolution=8]" if name in KEPT and _folder() else name


def built(name: str) -> Target:
    return Part.from_definition(TARGETS, {"name": name, "fields": parse_spec(example(name)).fields}).instance


EXAMPLES = [built(name) for name in TARGETS.names()]


def _kind(target: Target) -> object:
    """What two targets share that differ by their data alone."""
    return (type(target).sample, target.labelled() is None) if isinstance(target, Images) else target


DISTINCT = list({_kind(target): target for target in reversed(EXAMPLES)}.values())[::-1]
"""Examples without those that another one differs from by its data alone."""
