"""At the optimal discriminator, each generator's gradient is that of a divergence: N(0, 1) against N(mu, 1)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ganbench.objectives.contract import Batch
from ganbench.objectives.em import EM
from ganbench.objectives.minimax import Minimax, NonSaturating

MUS = (0.5, 1.0, 2.0, 4.0)
JSD = dict(zip(MUS, (0.030311, 0.111421, 0.336831, 0.632720), strict=True))
GRADIENTS = {
    Minimax: (0.235264, 0.397973, 0.449600, 0.137195),
    NonSaturating: (0.264736, 0.602027, 1.550400, 3.862805),
    EM: (0.25, 0.5, 1.0, 2.0),
}
EXPECTED = [(cls, mu, g) for cls, gs in GRADIENTS.items() for mu, g in zip(MUS, gs, strict=True)]

# the trapezoid rule converges faster than any power for these integrands; the nodes stand in for latents
NODES = torch.linspace(-12, 12, 4001, dtype=torch.float64)
NORMAL = torch.softmax(-NODES.square() / 2, 0)


def optimal(objective: Minimax, mu: float):
    """The objective's own optimum, for log p_r - log p_g = mu²/2 - mu v."""
    return lambda v: objective.optimal_score(mu**2 / 2 - mu * v[:, 0])


def quadrature(objective: Minimax, mu: float) -> Batch:
    b = Batch(x=NODES[:, None], z=NODES[:, None], w=NORMAL, r=NORMAL)
    if not objective.hold:
        return b
    r = NORMAL * objective.e_step(lambda z: z + mu, optimal(objective, mu), b)
    return Batch(x=b.x, z=b.z, w=NORMAL, r=r / r.sum())


@pytest.mark.parametrize(("cls", "mu", "expected"), EXPECTED)
def test_the_generator_s_gradient_has_its_closed_form(cls: type[Minimax], mu: float, expected: float):
    objective = cls()
    b, D = quadrature(objective, mu), optimal(objective, mu)

    def loss(shift: Tensor) -> Tensor:
        return objective.g_loss(lambda z: z + shift, D, b)

    gradient = torch.func.grad(loss)(torch.tensor(mu, dtype=torch.float64))
    assert float(gradient) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("mu", MUS)
def test_the_game_s_value_at_the_optimum_is_2_jsd_minus_log_4(mu: float):
    value = Minimax().value(lambda z: z + mu, optimal(Minimax(), mu), quadrature(Minimax(), mu))
    assert float(value) == pytest.approx(2 * JSD[mu] - math.log(4), abs=2e-6)
