"""The critic: how steep it is where it is asked, and how far from the optimum that theory knows."""

from __future__ import annotations

import torch
from torch import Tensor

from ganbench.metrics.dynamics.contract import Diagnostic, Position, Reading, View, without_critic
from ganbench.metrics.dynamics.densities import best_score, log_ratio, unknown_optimum
from ganbench.objectives.contract import norm
from ganbench.objectives.regularisers import gradients
from ganbench.suite import Cell


class CriticSlope(Diagnostic):
    """Mean and largest slope |grad D| at real and at generated samples, in equal shares; of f, where that is the score.

    A Wasserstein critic is as good as its bound: its gap divided by its slope can be compared with distances.
    """

    source = "Gulrajani et al. 2017, arXiv:1704.00028, section 4"
    readings = (
        Reading("critic_slope_mean", "score / data unit"),
        Reading("critic_slope_max", "score / data unit"),
    )

    def inapplicable(self, cell: Cell) -> str | None:
        return without_critic(cell)

    def measure(self, view: View) -> tuple[Tensor, ...]:
        def one(raw: Position) -> tuple[Tensor, Tensor]:
            p = raw.seen()
            score = p.objective.score(p.G, p.D, p.b)
            slopes = torch.cat([norm(gradients(score, v)) for v in (p.b.x, p.G(p.b.z))])
            return slopes.mean(), slopes.amax()

        mean, largest = view.each(one)
        return mean, largest


class DiscriminatorError(Diagnostic):
    """Mean of |sigmoid(D) - p_r / (p_r + p_g)| at real and at generated samples, in equal shares; 0 at the optimum."""

    source = "Goodfellow et al. 2014, arXiv:1406.2661, proposition 1"
    readings = (Reading("discriminator_error", "probability", "lower"),)

    def inapplicable(self, cell: Cell) -> str | None:
        if reason := unknown_optimum(cell):
            return reason
        ratios = torch.tensor([-3.0, 0.5, 2.0])
        if not torch.allclose(best_score(cell, ratios), ratios):
            return f"sigmoid(D) of {cell.objective.name} is no probability"
        return None

    def measure(self, view: View) -> tuple[Tensor, ...]:
        def one(raw: Position) -> Tensor:
            p = raw.seen()
            errors = [
                p.D(v).sigmoid() - log_ratio(view.game, view.target, p.G.params, v).sigmoid()
                for v in (p.b.x, p.G(p.b.z))
            ]
            return torch.cat(errors).abs().mean()

        return (view.each(one),)
