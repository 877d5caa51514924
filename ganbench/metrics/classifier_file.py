"""Trained classifiers, one safetensors file for each labelled data set in the cache folder, verified when read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ganbench.folders import cache_folder, write_file
from ganbench.metrics.classifier import RECIPE, Network, trained_network
from ganbench.targets.images import Images

REMEDY = "remove the file; the next run trains the classifier anew"


class ClassifierFileError(ValueError):
    """A classifier's file that cannot be used: which, why and what to do."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network with what is known of it; `path` is its file and `sha256` the digest of its weights."""

    network: Network
    path: Path
    image_shape: tuple[int, int, int]
    data_name: str
    data_sha256: str
    accuracy: float
    sha256: str

    @property
    def instrument(self) -> str:
        """What stands beside every number that it made: data, accuracy on the held-out fifth, weights."""
        return f"classifier {self.data_name} {100 * self.accuracy:.1f}% {self.sha256[:8]}"


def classifier(target: Images) -> Classifier:
    """The classifier of a target's labelled images: read from its file, or trained and stored where there is none.

    Two processes that train it at once write equal bytes. Raises ClassifierFileError where its file is damaged.
    """
    path = cache_folder() / "classifiers" / f"{target.data_name}-{target.sha256[:12]}.safetensors"
    found = read_classifier(path) if path.exists() else None
    if found is None:
        _write(path, target)
        found = read_classifier(path)
    assert found is not None  # it was written by this recipe
    if found.data_sha256 != target.sha256:
        at_fault = f"trained on the data {found.data_sha256[:12]}, expected {target.sha256[:12]}"
        raise ClassifierFileError(f"{path}: {at_fault}; {REMEDY}")
    return found


def read_classifier(path: Path) -> Classifier | None:
    """The classifier in a file, verified, or None where another recipe made it; once per process while it stays.

    Raises ClassifierFileError where the file is damaged.
    """
    status = path.stat()
    return _read(path, (status.st_mtime_ns, status.st_size))


def _write(path: Path, target: Images) -> None:
    labelled = target.labelled()
    assert labelled is not None  # metrics have refused a target without labels
    images, labels = labelled
    network, accuracy = trained_network(images, labels, target.content.classes)
    weights = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in network.state_dict().items()}
    about = {
        "recipe": RECIPE,
        "data_name": target.data_name,
        "data_sha256": target.sha256,
        "accuracy": accuracy,
        "image_shape": images.shape[1:],
        "classes": target.content.classes,
        "weights_sha256": _digest("", weights),
    }
    text = json.dumps(about)
    # one key of metadata: the file holds several in no fixed order, and two trainings must write equal bytes
    packed = save(weights, metadata={"ganbench": json.dumps({"about": text, "sha256": _digest(text, weights)})})
    try:
        write_file(path, packed)
    except OSError as error:
        remedy = "make room or set GANBENCH_CACHE to another folder"
        raise ClassifierFileError(f"{path}: cannot be written ({error.strerror}); {remedy}") from None


@lru_cache(maxsize=16)
def _read(path: Path, version: tuple[int, int]) -> Classifier | None:
    """`version`, the file's time and size, only tells a replaced file apart."""
    try:
        with safe_open(path, framework="numpy") as file:
            kept = json.loads(file.metadata()["ganbench"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
        altered = kept["sha256"] != _digest(kept["about"], weights)
    except (SafetensorError, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ClassifierFileError(f"{path}: truncated, or no classifier of ganbench ({error}); {REMEDY}") from None
    if altered:
        raise ClassifierFileError(f"{path}: altered, the content does not match its SHA-256; {REMEDY}")
    about = json.loads(kept["about"])
    if about["recipe"] != RECIPE:
        return None
    channels, height, width = image_shape = about["image_shape"]
    network = Network((channels, height, width), about["classes"])
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    network.requires_grad_(False).eval()
    known = ("data_name", "data_sha256", "accuracy", "weights_sha256")
    return Classifier(network, path, tuple(image_shape), *(about[name] for name in known))


def _digest(about: str, weights: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(weights):
        digest.update(f"{name} {weights[name].dtype} {weights[name].shape}".encode())
        digest.update(weights[name].tobytes())
    return digest.hexdigest()
