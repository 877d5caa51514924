"""What a diagnostic is: numbers about the players of each replica in training, on draws of its own.

It changes nothing of the training: it reads the state, and its draws have streams of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from ganbench.objectives.contract import Batch, Objective, Player, seen
from ganbench.suite import Cell
from ganbench.targets.contract import Target
from ganbench.training.draws import Draws
from ganbench.training.ensemble import looped
from ganbench.training.loop import Training

BATCHES = 4
"""Batches of the game that are joined into the one on which a diagnostic is measured."""

Fields = dict[str, Tensor]


@dataclass(frozen=True)
class Reading:
    """One number of a diagnostic: its name among the metrics, unit and direction, "" where neither way is better."""

    name: str
    unit: str
    direction: str = ""


@dataclass(frozen=True)
class Position:
    """One replica at one moment: its objective, its players and a batch."""

    objective: Objective
    G: Player
    D: Player
    b: Batch

    def seen(self) -> Position:
        """With players and batch as the losses see them: a normalised critic, noise on the inputs."""
        return Position(self.objective, *seen(self.objective, self.G, self.D, self.b))


class View:
    """An ensemble in training as a diagnostic sees it; `draws` are keyed by its name and the evaluation's number."""

    def __init__(self, training: Training, target: Target, stream: str):
        self.game, self.state, self.swept = training.game, training.state, training.swept
        self.target = target.to(self.game.device)
        self._iteration = training.iteration
        needed = self.game.objective.with_added(self.game.regularisers).all_draws()
        sizes = self.game.batch, self.game.latent, needed, self.game.device
        self._draws = Draws(training.seeds, target, *sizes, prefix=f"{stream}.")

    @property
    def samples(self) -> int:
        """Real samples in a batch of `fields`, as many as generated ones."""
        return BATCHES * self.game.batch

    def step_fields(self, step: int) -> Fields:
        """Fields of a gradient step (R, B, ...), in the game's precision."""
        drawn = {name: v.to(self.game.dtype) for name, v in self._draws.at(step).items()}
        t = torch.full((self.game.width,), float(self._iteration), device=self.game.device, dtype=self.game.dtype)
        return {**drawn, "t": t}

    def fields(self, first: int = 0) -> Fields:
        """Fields of BATCHES steps from `first` on, joined (R, BATCHES * B, ...)."""
        steps = [self.step_fields(first + i) for i in range(BATCHES)]
        joined = {name: torch.cat([step[name] for step in steps], dim=1) for name in steps[0] if name != "t"}
        return {**joined, "t": steps[0]["t"]}

    def each(
        self, one: Callable[[Position], Any], fields: Fields | None = None, state: dict[str, Any] | None = None
    ) -> Any:
        """What a function of one replica's position gives for each, stacked over R; in another state where given.

        Held latents have the weights that an E-step gives them.
        """
        given = self.fields() if fields is None else fields

        generator, critic = self.game.generator().to("meta"), self.game.critic().to("meta")
        m = self.game.objective.packing

        def found(state: dict[str, Any], swept: dict[str, Any], own: Fields) -> Any:
            objective, b = self.game.playing(swept), Batch.of(own, m)
            p = Position(objective, Player(generator, state["G"], m), Player(critic, state["D"]), b)
            if objective.hold:
                at = p.seen()
                b.r = objective.e_step(at.G, at.D, at.b)
            return one(p)

        lift = looped if self.game.lift == "loop" else vmap
        with torch.no_grad():
            return lift(found)(self.state if state is None else state, self.swept, given)


class Diagnostic:
    """A subclass says which numbers it reads, where it can, and gives them; one with settings is a frozen dataclass."""

    source: ClassVar[str]
    readings: ClassVar[tuple[Reading, ...]]

    @property
    def unit(self) -> str:
        """Units of all readings, in their order."""
        return ", ".join(dict.fromkeys(reading.unit for reading in self.readings))

    @property
    def instrument(self) -> str:
        """What besides the state decides the values, in a few words; "" for nothing."""
        return ""

    def inapplicable(self, cell: Cell) -> str | None:
        """Why the diagnostic cannot be measured on a cell that is trained, or None where it can."""
        return None

    def measure(self, view: View) -> tuple[Tensor, ...]:
        """A value for each reading, each of shape (R,)."""
        raise NotImplementedError  # the contract: every diagnostic states it

    def observe(self, training: Training, target: Target, number: int) -> list[tuple[dict[str, Any], np.ndarray]]:
        """What rows of the store say of each reading, and its value for every lane (R,), at an evaluation's number."""
        view = View(training, target, f"{type(self).__name__}.{number}")
        about = {"n": view.samples, "instrument": self.instrument}
        return [
            ({"metric": reading.name, "unit": reading.unit, "direction": reading.direction, **about}, v.cpu().numpy())
            for reading, v in zip(self.readings, self.measure(view), strict=True)
        ]


def playing(cell: Cell) -> Objective:
    """A cell's objective with the regularisers that were added to it."""
    found: Objective = cell.objective.instance
    return found.with_added(tuple(part.instance for part in cell.regularisers))


def without_critic(cell: Cell) -> str | None:
    """Why a cell has no critic to look at, or None where it has one."""
    judged = cell.objective.instance.judged and "D" in cell.objective.instance.players
    return None if judged else f"{cell.objective.name} has no critic"


def joined(grads: dict[str, Tensor]) -> Tensor:
    """All gradients as one vector."""
    return torch.cat([g.flatten() for g in grads.values()])
