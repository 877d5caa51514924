"""The network that names the class of an image and gives its features, and how it is trained.

Training draws keyed randomness on one thread of the CPU, so that one kind of machine and version of torch always make
the same network; elsewhere sums round differently, and its file can be copied. It sees four fifths of the labelled
images; the last fifth measures its accuracy. The fifth is chosen by a hash of its own, so that a half of the data that
players see and the half that metrics use have equal shares in it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from ganbench import streams

RECIPE = 1
"""Number of this network and training; another number trains every classifier anew."""

FEATURES = 64
FEWEST_IMAGES = 10

BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
EPOCHS, FEWEST_SEEN, MOST_SEEN = 8, 30_000, 300_000


class Network(nn.Module):
    """Images (n, c, h, w) of 0 to 255 -> features (n, 64) of mean square 1 and logits (n, classes).

    Convolutions of stride 2 down to 4x4 or less, one linear layer to the features, one to the logits. The features are
    taken before their rectifier: behind it many would be zero for all images, and their covariance singular.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int = 32):
        super().__init__()
        channels, *size = shape
        stride = 1 if max(size) <= 16 else 2
        layers: list[nn.Module] = [_empty(nn.Conv2d, channels, width, 5, stride, 2), nn.ReLU()]
        size = [math.ceil(side / stride) for side in size]
        while max(size) > 4:
            layers += [_empty(nn.Conv2d, width, 64, 3, 2, 1), nn.ReLU()]
            width, size = 64, [math.ceil(side / 2) for side in size]
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.features = _empty(nn.Linear, width * math.prod(size), FEATURES)
        self.head = _empty(nn.Linear, FEATURES, classes)

    def forward(self, images: Tensor) -> tuple[Float[Tensor, "n 64"], Float[Tensor, "n classes"]]:
        features = self.features(self.body(images.float() / 127.5 - 1))
        return features, self.head(F.relu(features))


def _empty(layer: type[nn.Module], *arguments: int) -> nn.Module:
    """A layer whose weights are not set yet, so that no generator of torch is drawn from."""
    return nn.utils.skip_init(layer, *arguments)


def trained_network(
    images: UInt8[np.ndarray, "N c h w"], labels: Int[np.ndarray, " N"], classes: int
) -> tuple[Network, float]:
    """The network trained on four fifths of some labelled images, and its accuracy on the last fifth."""
    training, held_out = split(images)
    channels, height, width = images.shape[1:]
    network = Network((channels, height, width), classes)
    with _alone():
        _initialise(network)
        _train(network, images[training], labels[training])
        _rescale(network, images[training])
        return network, _accuracy(network, images[held_out], labels[held_out])


def split(images: UInt8[np.ndarray, "N c h w"]) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
    """Indices of four fifths of the images and of the last fifth, by a keyed hash of their bytes.

    Not the order that divides them into the players' half and the held-out half: it would put the fifth in the latter.
    """
    digests = [
        hashlib.blake2b(image.tobytes(), digest_size=16, key=b"ganbench.classifier").digest() for image in images
    ]
    order = np.array(sorted(range(len(images)), key=lambda i: (digests[i], i)), dtype=np.int64)
    four_fifths = len(images) * 4 // 5
    return order[:four_fifths], order[four_fifths:]


def _initialise(network: Network) -> None:
    """Normal weights of variance 2 / fan in (He et al. 2015, arXiv:1502.01852), biases 0."""
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if weights.ndim == 1:
                weights.zero_()
                continue
            draws = streams.normal(streams.generator(0, f"classifier.initial.{name}"), *weights.shape)
            weights.copy_(torch.from_numpy(draws) * math.sqrt(2 / weights[0].numel()))


def _train(network: Network, images: UInt8[np.ndarray, "N c h w"], labels: Int[np.ndarray, " N"]) -> None:
    """AdamW on cross-entropy; the rate climbs for a tenth of the steps and then falls to zero on a line."""
    rng = streams.generator(0, "classifier.training")
    batch = min(BATCH, len(images))
    seen = min(max(EPOCHS * len(images), FEWEST_SEEN), MOST_SEEN)
    steps = seen // batch
    # augmented by a shift where that is a small part of the image: on 8x8 digits it cost accuracy
    reach = min(images.shape[2:]) // 28
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    order = np.empty(0, dtype=np.int64)
    for step in range(steps):
        if len(order) < batch:
            order = rng.permutation(len(images))
        chosen, order = order[:batch], order[batch:]
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * min(10 * (step + 1) / steps, 1 - step / steps)
        shifted = _shifted(images[chosen], rng, reach)
        loss = F.cross_entropy(network(torch.from_numpy(shifted))[1], torch.from_numpy(labels[chosen]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _rescale(network: Network, images: UInt8[np.ndarray, "N c h w"]) -> None:
    """Divides the features so that their mean square is 1, and multiplies the head: no logit changes.

    Else their scale, an accident of training, would decide whether a polynomial kernel sees more than its top degree.
    """
    with torch.no_grad():
        squares = [network(torch.from_numpy(images[i : i + 256]))[0].square().sum() for i in range(0, len(images), 256)]
        scale = math.sqrt(float(torch.stack(squares).sum()) / (len(images) * FEATURES))
        for weights in network.features.parameters():
            weights.div_(scale)
        network.head.get_parameter("weight").mul_(scale)


def _shifted(
    images: UInt8[np.ndarray, "b c h w"], rng: np.random.Generator, reach: int
) -> UInt8[np.ndarray, "b c h w"]:
    """Images each moved by up to `reach` pixels along both axes; the edge is repeated."""
    if reach == 0:
        return images
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
    offsets = rng.integers(0, 2 * reach + 1, (len(images), 2))
    moved = [image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, offsets, strict=True)]
    return np.stack(moved)


def _accuracy(network: Network, images: UInt8[np.ndarray, "N c h w"], labels: Int[np.ndarray, " N"]) -> float:
    with torch.no_grad():
        found = [network(torch.from_numpy(images[i : i + 256]))[1].argmax(dim=1) for i in range(0, len(images), 256)]
    return float((torch.cat(found).numpy() == labels).mean())


@contextmanager
def _alone() -> Iterator[None]:
    """One thread and gradients, whatever the caller runs with: sums of several threads round differently."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(threads)
