"""Critics trained against a frozen generator, an ensemble at once, by the library's own discriminator step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Objective, Player
from ganbench.training.ensemble import Game, State, lane, one_step
from ganbench.training.optimisers import Adam


@dataclass(frozen=True)
class Frozen:
    """A generator that gives its latents as they are, so that they are the samples, beside the critic of an MLP."""

    critics: MLP

    def generator(self, latent: int, shape: tuple[int, ...]) -> nn.Module:
        """The identity."""
        return nn.Identity()

    def critic(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Samples (B, *shape) -> (B,)."""
        return self.critics.critic(shape, outputs)


@dataclass(frozen=True)
class Critics:
    """An ensemble of critics of one objective in training; a lane is a seed.

    `decay`: the learning rate falls to 0 along a quarter of a cosine over `steps`, else it is constant.
    """

    objective: Objective
    network: MLP
    optimiser: Adam
    dimension: int
    seeds: tuple[int, ...]
    steps: int
    precision: str = "fp32"
    decay: bool = False

    @property
    def game(self) -> Game:
        """The game of which only the discriminator's step is taken."""
        width = len(self.seeds)
        return Game(
            objective=self.objective,
            optimiser=self.optimiser,
            network=Frozen(self.network),
            target=None,
            latent=self.dimension,
            shape=(self.dimension,),
            batch=1,  # of no use here: the fields bring their own
            width=width,
            compiled=False,
            device="cpu",
            precision=self.precision,
            regularisers=self.objective.added,
        )

    def trained(
        self,
        fields: Callable[[int], dict[str, Tensor]],
        watch: Callable[[int, dict[str, Tensor]], None] = lambda step, params: None,
    ) -> dict[str, Tensor]:
        """Parameters (R, ...) after all steps; `fields` gives each step's (R, B, ...), z being the generated samples.

        `watch` is called with 0, 1, ... steps taken and the parameters then.
        """
        game, width = self.game, len(self.seeds)
        state = self._start(game)
        swept = game.swept([self.objective] * width, [self.optimiser] * width, [self.objective.added] * width)
        rate, step = swept["optimiser"]["lr_d"], vmap(one_step(game, "D"))
        with torch.no_grad():
            for i in range(self.steps):
                watch(i, state["D"])
                if self.decay:
                    swept["optimiser"]["lr_d"] = rate * (1 + math.cos(math.pi * i / self.steps)) / 2
                state = step(state, swept, {"t": torch.full((width,), i + 1.0, dtype=game.dtype), **fields(i)})
            watch(self.steps, state["D"])
        return state["D"]

    def _start(self, game: Game) -> State:
        D = game._stack(game.critic(), list(self.seeds), "D")
        width = len(self.seeds)
        return {
            "D": D,
            "G": {},
            "optimiser_D": game.optimiser_state(D),
            "optimiser_G": {},
            "alive": torch.ones(width, dtype=torch.bool),
            "diverged_at": torch.full((width,), -1.0),
        }

    def player(self, params: dict[str, Tensor], i: int) -> Player:
        """The critic of one lane as the losses see it."""
        D = Player(self.game.critic(), lane(params, i))
        for regulariser in self.objective.all_regularisers():
            D = regulariser.reparametrise(D)
        return D


def repeated(values: dict[str, Any], lanes: int) -> dict[str, Tensor]:
    """Fields of one replica, the same in every lane (R, B, ...)."""
    return {name: v.expand(lanes, *v.shape) for name, v in values.items()}
