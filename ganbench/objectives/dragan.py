"""DRAGAN: the non-saturating game with a penalty on D's slope around the data."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench.fields import Swept, ranged
from ganbench.objectives.contract import Batch, Network, Objective, Regulariser, mean, norm
from ganbench.objectives.minimax import NonSaturating
from ganbench.objectives.regularisers import gradients


@dataclass(frozen=True)
class LocalPenalty(Regulariser):
    """A penalty on slopes of D other than `slope` at noisy real samples; `spread` is the noise's standard deviation.

    A sample's term depends on that sample and its noise alone.
    """

    weight: Swept = ranged(10.0, at_least=0)
    slope: Swept = ranged(1.0, at_least=0)
    spread: Swept = ranged(0.5, at_least=0, unit="data units")

    draws = ("noise",)
    source = "Kodali et al. 2017, arXiv:1705.07215, equation 1"
    formula = "D: + weight E (|grad f(x + spread noise)| - slope)^2"
    year = 2017

    def d_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor:
        slopes = gradients(objective.score(G, D, b), b.x + self.spread * b.noise)
        return self.weight * mean(b.w, (norm(slopes) - self.slope).square())


@dataclass(frozen=True)
class DRAGAN(NonSaturating):
    """The non-saturating game with a penalty on D's slope at real samples moved by noise of deviation `spread`.

    Paper and code differ: the paper draws the noise from N(0, c I) with c about 10; its code, which is older, takes
    uniform noise on [0, s/2], with s the standard deviation of all numbers of the batch, and that of a large study
    (Lucic et al. 2018, arXiv:1711.10337) uniform noise on [-s/2, s/2]. Here it is the paper's law: a statistic of the
    batch would let one sample change another's penalty. The default suits data of unit deviation, not the paper's.
    Under the penalty the best D is not the log ratio of minimax.

    >>> DRAGAN(spread=0.1).regularisers()
    (LocalPenalty(weight=10.0, slope=1.0, spread=0.1),)
    """

    weight: Swept = ranged(10.0, at_least=0)
    slope: Swept = ranged(1.0, at_least=0)
    spread: Swept = ranged(0.5, at_least=0, unit="data units")

    source = "Kodali et al. 2017, arXiv:1705.07215, equation 1"
    formula = (
        "D: max E log D(x) + E log(1 - D(G(z))) - weight E (|grad D(x + spread noise)| - slope)^2;"
        "  G: max E log D(G(z));  slopes are the logit's"
    )
    year = 2017

    def regularisers(self) -> tuple[Regulariser, ...]:
        return (LocalPenalty(self.weight, self.slope, self.spread),)

    def optimal_score(self, log_ratio: Tensor) -> None:  # type: ignore[override]  # the penalty has no pointwise optimum
        return None
