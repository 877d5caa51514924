"""The generator's gradient: its size, and its angle to the gradient of the divergence that theory says it descends."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ganbench.metrics.dynamics.contract import Diagnostic, Position, Reading, View, joined
from ganbench.metrics.dynamics.densities import best_score, log_ratio, unknown_optimum
from ganbench.objectives.contract import Player, penalised_g_loss
from ganbench.suite import Cell


class GeneratorGradientNorm(Diagnostic):
    """Euclidean norm of the gradient of the generator's loss, with its regularisers, in all its parameters.

    It vanishes where a loss saturates: minimax loses orders of magnitude against a good discriminator.
    """

    source = "Arjovsky and Bottou 2017, arXiv:1701.04862, figures 2 and 3"
    readings = (Reading("generator_gradient_norm", "loss / parameter"),)

    def measure(self, view: View) -> tuple[Tensor, ...]:
        def one(p: Position) -> Tensor:
            loss = torch.func.grad(lambda params: penalised_g_loss(p.objective, p.G.with_params(params), p.D, p.b))
            return joined(loss(p.G.params)).norm()

        return (view.each(one),)


class Optimum(Player):
    """The optimal critic, which no step moves: an objective that looks ahead finds it where it is."""

    def __init__(self, score: Callable[[Tensor], Tensor]):
        super().__init__(torch.nn.Identity(), {"none": torch.zeros(())})
        self.score = score

    def answer(self, v: Tensor) -> Tensor:
        return self.score(v)

    def with_params(self, params: Mapping[str, Tensor]) -> Player:
        return Optimum(self.score)


class GradientCosine(Diagnostic):
    """Cosine between the generator's gradient and the one that it has at the optimal discriminator, held fixed.

    That other gradient is the gradient of the objective's divergence, 2 JSD for minimax. Both are of the loss without
    regularisers, on the same samples. 1: the discriminator points where the divergence falls fastest; NaN where one of
    the gradients is zero, or where a density of zero is met.
    """

    source = "Goodfellow et al. 2014, arXiv:1406.2661, proposition 1; Arjovsky and Bottou 2017, arXiv:1701.04862, 2.5"
    readings = (Reading("gradient_cosine", "cosine", "higher"),)

    def inapplicable(self, cell: Cell) -> str | None:
        if reason := unknown_optimum(cell):
            return reason
        slopes = torch.func.grad(lambda ratios: best_score(cell, ratios).sum())(torch.tensor([-2.0, 0.5, 1.0]))
        return None if slopes.any() else f"the optimal critic of {cell.objective.name} is flat and gives no gradient"

    def measure(self, view: View) -> tuple[Tensor, ...]:
        def one(raw: Position) -> Tensor:
            p = raw.seen()

            def best(v: Tensor) -> Tensor:
                found = p.objective.optimal_score(log_ratio(view.game, view.target, p.G.params, v))
                assert found is not None, "asked in inapplicable"
                return found

            def gradient(D: Player) -> Tensor:
                b = p.b
                if p.objective.hold:
                    # each discriminator's own weights: those of the present one belong to another divergence
                    b = b.with_r(p.objective.e_step(p.G, D, b))
                loss = torch.func.grad(lambda params: p.objective.g_loss(p.G.with_params(params), D, b))
                return joined(loss(p.G.params))

            found, true = gradient(p.D), gradient(Optimum(best))
            return found @ true / (found.norm() * true.norm())

        return (view.each(one),)
