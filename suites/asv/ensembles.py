"""The ensembles that the benchmarks train: any objective on ring8, one step of each player in an iteration."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import torch

from ganbench.catalogue import OBJECTIVES
from ganbench.networks.mlp import MLP
from ganbench.targets.mixtures import Ring8
from ganbench.training.device import prepare_process
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import Adam

FAMILIES: dict[str, tuple[dict[str, float], Adam]] = {
    "minimax": ({}, Adam(2.12e-3, 3.87e-3, beta1=0.5, beta2=0.9)),
    "non-saturating": ({}, Adam(4.54e-4, 2.65e-4, beta1=0.0, beta2=0.9)),
    "em": ({}, Adam(2.12e-3, 3.87e-3, beta1=0.5, beta2=0.9)),
    "wasserstein-gp": ({"weight": 1.11}, Adam(5.69e-3, 3.61e-3, beta1=0.0, beta2=0.9)),
    "cramer": ({"weight": 0.295}, Adam(6.38e-4, 3.6e-4, beta1=0.0, beta2=0.9)),
}
"""The five families with the fields and the optimiser that `toy2d` gives them: their quality is to tell something."""
REPLICAS, HIDDEN, BATCH = 8, 64, 128
"""The size of `toy2d`, at which objectives are compared."""

ADAM = Adam(lr_d=1e-3, lr_g=1e-3, beta1=0.5, beta2=0.9)


@lru_cache(maxsize=1)  # asv sets up before each sample: only the first one compiles
def training(
    objective: str, code: str, replicas: int = REPLICAS, hidden: int = HIDDEN, batch: int = BATCH, device: str = "cpu"
) -> Training:
    """An ensemble, warm, of "compiled" or "eager" code.

    Raises NotImplementedError, by which asv skips, where the device is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise NotImplementedError("torch sees no CUDA device here")
    prepare_process(threads=1)
    target = Ring8()
    # wasserstein-gp takes five steps of its critic by default: with one, iterations of all objectives compare
    fields, optimiser = FAMILIES.get(objective, ({}, ADAM))
    played = dataclasses.replace(OBJECTIVES.load(objective)(), d_steps=1, **fields)
    game = Game(
        objective=played,
        optimiser=optimiser,
        network=MLP(width=hidden, depth=2),
        target=target.to(device) if played.needs_target else None,
        latent=2,
        shape=target.shape,
        batch=batch,
        width=replicas,
        compiled=code == "compiled",
        device=device,
        draws="counter" if device == "cuda" else "numpy",  # as suites have it
    )
    made = Training(game, [Lane(played, optimiser, seed) for seed in range(replicas)], target)
    made.prepare()
    return made
