"""What an ensemble sets in a network: initial weights, from the seed alone, and how convolutions are computed."""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from ganbench import streams

WAYS = ("products", "torch")
"""Ways to compute a convolution that has a choice, and says so by its attribute `way`."""


def initial_params(module: nn.Module, seed: int, player: str) -> dict[str, np.ndarray]:
    """Parameter name -> float32 array.

    Weights and biases are uniform within 1 / sqrt(fan in) of zero, as in PyTorch; a layer with `fixed_start` keeps the
    values that it was made with: gains are 1 and their biases 0.
    """
    fan_in, fixed = {}, {}
    for prefix, layer in module.named_modules():
        for name, p in layer.named_parameters(recurse=False):
            full = f"{prefix}.{name}" if prefix else name
            if getattr(layer, "fixed_start", False):
                fixed[full] = p.detach().numpy().copy()
            else:
                weight = layer.get_parameter("weight")
                fan_in[full] = weight[0].numel()
    drawn = {}
    for name, p in module.named_parameters():
        if name in fixed:
            drawn[name] = fixed[name]
            continue
        u = streams.uniform(streams.generator(seed, f"initial.{player}.{name}"), *p.shape)
        drawn[name] = ((2 * u - 1) / np.float32(math.sqrt(fan_in[name]))).astype(np.float32)
    return drawn


def with_convolution(module: nn.Module, way: str) -> nn.Module:
    """The module with all its convolutions computed in a way, "products" or "torch"; a network without any stays so.

    Parameters and their gradients are the same in both, but for rounding.
    """
    assert way in WAYS, way
    for layer in module.modules():
        # known by the attribute: networks/conv.py, imported here, would be code of networks without convolutions too
        if getattr(layer, "way", None) in WAYS:
            setattr(layer, "way", way)  # noqa: B010  torch declares attributes of modules as tensors
    return module
