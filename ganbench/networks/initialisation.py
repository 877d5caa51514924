"""Initial weights of one replica from its seed alone, whatever the objective and the ensemble."""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from ganbench import streams
from ganbench.networks.mlp import BatchStats


def initial_params(module: nn.Module, seed: int, player: str) -> dict[str, np.ndarray]:
    """Parameter name -> float32 array.

    Weights and biases are uniform within 1 / sqrt(fan in) of zero, as in PyTorch; gains are 1 and their biases 0.
    """
    fan_in, fixed = {}, {}
    for prefix, layer in module.named_modules():
        for name, p in layer.named_parameters(recurse=False):
            full = f"{prefix}.{name}" if prefix else name
            if isinstance(layer, BatchStats):
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
