"""The duality gap: what each player could still win against the other as it stands, by worst-case players."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganbench.fields import ranged
from ganbench.metrics.dynamics.contract import Diagnostic, Position, Reading, View, without_critic
from ganbench.objectives.contract import Batch, Network, Objective, Regulariser
from ganbench.suite import Cell
from ganbench.training.ensemble import Game, lifted


@dataclass(frozen=True)
class ZeroSum(Objective):
    """The game of an objective's value alone: D ascends it, G descends it. Its critic's regularisers stay."""

    of: Objective = dataclasses.field(default_factory=Objective)

    def regularisers(self) -> tuple[Regulariser, ...]:
        return tuple(r for r in self.of.regularisers() if bounds_critic(r))

    def critic_outputs(self, latent: int) -> int:
        return self.of.critic_outputs(latent)

    def value(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return self.of.value(G, D, b)

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -self.of.value(G, D, b)

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return self.of.value(G, D, b)

    def score(self, G: Network, D: Network, b: Batch, /) -> Network:
        return self.of.score(G, D, b)

    def bind(self, target: Any) -> Objective:
        return self._with({"of": self.of.bind(target)})

    def with_swept(self, swept: dict[str, Tensor]) -> Objective:
        return self._with({"of": self.of.with_swept(swept)})


def bounds_critic(regulariser: Regulariser) -> bool:
    """Whether a regulariser says which critics there are; one with a term for G as well changes the game itself."""
    return type(regulariser).g_term is Regulariser.g_term


@dataclass(frozen=True)
class DualityGap(Diagnostic):
    """max over D of V(G, D), less min over G of V(G, D), each approached by `steps` steps of that player alone.

    A worst-case player that becomes non-finite stands where it was last finite; the reading is then still at most the
    gap.

    V is the objective's value without penalties. From the present state, each player takes the library's own steps with
    the cell's optimiser from an empty state, on fresh batches, the critic under its regularisers; both end on one
    held-out batch. 0 at an equilibrium. So few steps find less than the worst case: the value is below the gap, up to
    sampling noise, and compares at equal steps only.
    """

    steps: int = ranged(100, at_least=1, at_most=100_000)

    source = "Grnarova et al. 2019, arXiv:1811.05512, section 3"
    readings = (Reading("duality_gap", "value of the game", "lower"),)

    @property
    def instrument(self) -> str:
        return f"{self.steps} steps of each player alone"

    def inapplicable(self, cell: Cell) -> str | None:
        return without_critic(cell)

    def measure(self, view: View) -> tuple[Tensor, ...]:
        game, swept = zero_sum(view)
        start = {**view.state, **{f"optimiser_{p}": game.optimiser_state(view.state[p]) for p in "DG"}}
        state = {"D": start, "G": start}
        with torch.no_grad():
            for step in range(self.steps):
                fields = view.step_fields(step)
                for player, before in state.items():
                    state[player] = lifted(game, player, (before, swept, fields))(before, swept, fields)
        held_out = view.fields(first=self.steps)
        best, worst = (view.each(value, held_out, {**view.state, p: state[p][p]}) for p in "DG")
        return (best - worst,)


def zero_sum(view: View) -> tuple[Game, dict[str, Any]]:
    """The game of the value, and its swept numbers."""
    kept = [bounds_critic(r) for r in view.game.regularisers]
    regularisers = tuple(r for r, keep in zip(view.game.regularisers, kept, strict=True) if keep)
    swept = [s for s, keep in zip(view.swept["regularisers"], kept, strict=True) if keep]
    objective = ZeroSum(packing=view.game.objective.packing, of=view.game.objective)
    # eager: two more compilations would outlast the steps
    game = dataclasses.replace(
        view.game,
        objective=objective,
        regularisers=regularisers,
        optimiser=dataclasses.replace(view.game.optimiser, ema=0.0),
        compiled=False,
    )
    return game, {**view.swept, "regularisers": swept}


def value(raw: Position) -> Tensor:
    """V at one position."""
    p = raw.seen()
    return p.objective.value(p.G, p.D, p.b)
