"""The Jacobian of a small game's joint gradient field: whether its flow turns inwards, outwards or in circles."""

from __future__ import annotations

import torch
from torch import Tensor

from ganbench.metrics.dynamics.contract import Diagnostic, Position, Reading, View, joined, playing, without_critic
from ganbench.objectives.contract import penalised_d_loss, penalised_g_loss
from ganbench.suite import Cell

MOST_PARAMETERS = 200
"""Of both players together; the Jacobian has their square."""


class GameJacobian(Diagnostic):
    """Largest real and largest imaginary part among the eigenvalues of the flow's Jacobian.

    The flow is that of simultaneous gradient descent, each player on its own loss with its regularisers, at unit rates:
    d/dt (D, G) = -(grad_D L_D, grad_G L_G). Near an equilibrium a negative real part everywhere means that it attracts;
    imaginary parts turn. Games of at most 200 parameters; NaN where the Jacobian is not finite.
    """

    source = "Mescheder et al. 2017, arXiv:1705.10461, section 3"
    readings = (
        Reading("game_jacobian_real", "1 / time of the flow", "lower"),
        Reading("game_jacobian_imaginary", "1 / time of the flow"),
    )

    def inapplicable(self, cell: Cell) -> str | None:
        if reason := without_critic(cell):
            return reason
        assert cell.network is not None, "a cell that is trained has a network"
        (channels, *rest), m = cell.target.instance.shape, playing(cell).packing
        outputs = playing(cell).critic_outputs(m * cell.latent)
        critic = cell.network.instance.critic((m * channels, *rest), outputs)
        generator = cell.network.instance.generator(cell.latent, cell.target.instance.shape)
        count = sum(p.numel() for module in (critic, generator) for p in module.parameters())
        return f"{count:,} parameters, and at most {MOST_PARAMETERS} are possible" if count > MOST_PARAMETERS else None

    def measure(self, view: View) -> tuple[Tensor, ...]:
        # eigenvalues of a general matrix are LAPACK's, on the CPU
        matrices = view.each(jacobian).double().cpu()
        finite = matrices.flatten(1).isfinite().all(1)
        values = torch.linalg.eigvals(torch.where(finite[:, None, None], matrices, 0.0))
        nothing = torch.full(finite.shape, torch.nan, dtype=torch.float64)
        parts = values.real.amax(1), values.imag.abs().amax(1)
        return tuple(torch.where(finite, part, nothing) for part in parts)


def jacobian(p: Position) -> Tensor:
    """Of -(grad_D L_D, grad_G L_G) in the parameters of D, then of G (P, P), at one position."""

    def field(params: dict[str, dict[str, Tensor]]) -> Tensor:
        G, D = p.G.with_params(params["G"]), p.D.with_params(params["D"])
        grads = (
            torch.func.grad(lambda own: penalised_d_loss(p.objective, G, D.with_params(own), p.b))(D.params),
            torch.func.grad(lambda own: penalised_g_loss(p.objective, G.with_params(own), D, p.b))(G.params),
        )
        return -torch.cat([joined(g) for g in grads])

    columns = torch.func.jacrev(field)({"D": p.D.params, "G": p.G.params})
    return torch.cat([c.flatten(1) for player in ("D", "G") for c in columns[player].values()], dim=1)
