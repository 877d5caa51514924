"""A small game for laws: smooth players of a few dozen parameters and keyed batches, in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench import streams
from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Batch, Objective, Player, Regulariser, penalised_d_loss, penalised_g_loss
from ganbench.targets.mixtures import Ring8
from ganbench.theory.law import Subject
from ganbench.training.ensemble import Game, lane
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import SGD

LATENT, PACKS = 3, 6
TARGET = Ring8()
NETWORK = MLP(width=8, depth=2, activation="softplus")
"""Smooth, so that a kink under a difference quotient is the loss's own."""

Params = dict[str, Tensor]
Loss = Callable[[Params], Tensor]


@dataclass(frozen=True)
class Small:
    """An objective with all its regularisers, both players and the fields of one batch.

    `fields` holds every declared draw and no other, with weights w and r that differ from sample to sample; their rows
    are single samples, of which every `packing` make one row of the `batch`.
    """

    objective: Objective
    G: Player
    D: Player
    fields: dict[str, Tensor]

    @property
    def batch(self) -> Batch:
        """The fields as the losses see them, PACKS rows."""
        return Batch.of(self.fields, self.objective.packing)

    def loss(self, player: str) -> Loss:
        """What a player descends, penalties included, as a function of its parameters."""
        b = self.batch
        if player == "D":
            return lambda p: penalised_d_loss(self.objective, fresh(self.G), self.D.with_params(p), b)
        return lambda p: penalised_g_loss(self.objective, self.G.with_params(p), fresh(self.D), b)

    def params(self, player: str) -> Params:
        """The parameters of "D" or "G"."""
        return (self.D if player == "D" else self.G).params

    def with_fields(self, fields: dict[str, Tensor]) -> Small:
        """The same players on another batch."""
        return Small(self.objective, self.G, self.D, fields)


def fresh(player: Player) -> Player:
    """The same player without remembered answers."""
    return player.with_params(player.params)


def small(subject: Subject, seed: int = 0) -> Small:
    """The small game of a subject."""
    game = small_game(subject.objective, subject.regularisers)
    state = game.initial_state([seed])
    objective = subject.objective.bind(TARGET).with_added(subject.regularisers)
    G = Player(game.generator(), lane(state["G"], 0), objective.packing)
    return Small(objective, G, Player(game.critic(), lane(state["D"], 0)), keyed_fields(objective, seed))


def small_game(
    objective: Objective, regularisers: tuple[Regulariser, ...], width: int = 1, precision: str = "fp64"
) -> Game:
    """An ensemble of small games under plain gradient descent, eager."""
    return Game(
        objective=objective,
        optimiser=SGD(),
        network=NETWORK,
        target=TARGET if objective.needs_target else None,
        latent=LATENT,
        shape=TARGET.shape,
        batch=PACKS * objective.packing,
        width=width,
        compiled=False,
        device="cpu",
        precision=precision,
        regularisers=regularisers,
    )


def keyed_fields(objective: Objective, seed: int, step: int = 0) -> dict[str, Tensor]:
    """The fields of one replica's batch for an objective, float64, with rows of single samples."""
    rows, d = PACKS * objective.packing, TARGET.shape[0]
    sizes: dict[str, tuple[int, ...]] = {"z": (LATENT,), "z2": (LATENT,), "u": (), "w": (), "r": ()}
    fields = {}
    for name in ("x", "z", "w", "r", *sorted(objective.all_draws())):
        law = streams.uniform if name == "u" else streams.normal
        drawn = law(streams.generator(seed, f"law.{name}", step), rows, *sizes.get(name, (d,)))
        fields[name] = torch.from_numpy(drawn).double()
    fields |= {name: fields[name].softmax(0) for name in ("w", "r")}
    return {**fields, "t": torch.tensor(1.0, dtype=torch.float64)}


@dataclass(frozen=True)
class KeyedSteps:
    """The fields of every step of an ensemble (R, B, ...), float64."""

    objective: Objective
    seeds: tuple[int, ...]

    def at(self, step: int) -> dict[str, Tensor]:
        """Fields by name, without the iteration, which the loop gives."""
        each = [keyed_fields(self.objective, seed, step) for seed in self.seeds]
        return {name: torch.stack([fields[name] for fields in each]) for name in each[0] if name != "t"}


@dataclass(frozen=True)
class Seat:
    """A replica of a small ensemble: an objective, what is added to it, and a seed."""

    objective: Objective
    regularisers: tuple[Regulariser, ...]
    seed: int


RATE = 1e-3
"""Of descent: at larger ones a penalty of weight 1000 throws the critic about until rounding decides where it is."""


def trained(seats: list[Seat], iterations: int) -> Training:
    """Small games of one shape after some iterations of gradient descent, float64, through the library's own loop."""
    first = seats[0]
    game = small_game(first.objective, first.regularisers, len(seats))
    lanes = [Lane(s.objective, SGD(lr_d=RATE, lr_g=RATE), s.seed, s.regularisers) for s in seats]
    steps = KeyedSteps(first.objective.with_added(first.regularisers), tuple(s.seed for s in seats))
    training = Training(game, lanes, TARGET, draws=steps)
    training.advance(iterations)
    return training


def weights(params: Params) -> Tensor:
    """All parameters of a player, in one vector."""
    return torch.cat([p.flatten() for p in params.values()]) if params else torch.zeros(0, dtype=torch.float64)


def both(training: Training, i: int) -> Tensor:
    """All parameters of both players of a lane, in one vector."""
    return torch.cat([weights(lane(training.state[player], i)) for player in ("D", "G")])
