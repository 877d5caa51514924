"""Where both densities are known, and the logarithm of their ratio: what an optimal discriminator is a function of."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganbench.metrics.dynamics.contract import playing, without_critic
from ganbench.objectives.contract import Regulariser
from ganbench.suite import Cell
from ganbench.targets.contract import Target
from ganbench.training.ensemble import Game


def log_ratio(game: Game, target: Target, params: dict[str, Tensor], v: Tensor) -> Tensor:
    """log p_r - log p_g at v, the generator's parameters held fixed (P,); of a pack the sum over its samples."""
    rows = v.reshape(game.objective.packing * v.shape[0], *game.shape)
    generated = game.network.generator_log_density(params, rows)
    true = target.log_density(rows)  # type: ignore[attr-defined]  # asked in unknown_optimum
    return (true - generated).reshape(v.shape[0], -1).sum(1)


def best_score(cell: Cell, ratios: Tensor) -> Tensor:
    """The optimal critic of a cell at log ratios of the densities, where `unknown_optimum` finds nothing against it."""
    found = playing(cell).bind(cell.target.instance).optimal_score(ratios)
    assert found is not None, "unknown_optimum has asked"
    return found


def unknown_optimum(cell: Cell) -> str | None:
    """Why the optimal discriminator of a cell is not known, or None where it is."""
    objective = playing(cell)
    if reason := without_critic(cell):
        return reason
    if not hasattr(cell.target.instance, "log_density"):
        return f"the density of {cell.target.name} is not known"
    assert cell.network is not None, "a cell that is trained has a network"
    if not hasattr(cell.network.instance, "generator_log_density"):
        return f"the density of the samples of {cell.network.name} is not known"
    coordinates = math.prod(cell.target.instance.shape)
    if cell.latent < coordinates:
        return f"samples of {cell.latent} latents have no density in {coordinates} dimensions"
    if any(type(r).inputs is not Regulariser.inputs for r in objective.all_regularisers()):
        return "noise on the inputs changes both densities"
    if objective.bind(cell.target.instance).optimal_score(torch.zeros(1)) is None:
        return f"{cell.objective.name} has no optimal critic that is a function of the densities' ratio"
    return None
