"""Gradient optimisers for one replica, as pure functions of parameters, gradients and state; every rate can be swept.

`lr_d` and `lr_g` are the rates of the discriminator and of the generator; all other numbers are shared by both. `ema`
is the decay of a running mean of the generator's weights, which is measured beside the generator; 0 means none.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganbench.fields import Swept, ranged

Tensors = dict[str, Tensor]
State = dict[str, Any]


@dataclass(frozen=True)
class Optimiser:
    """Plain gradient descent's fields; the state is a dict of tensors per parameter, plus the count of steps taken."""

    lr_d: Swept = ranged(1e-3, above=0, at_most=1e3)
    lr_g: Swept = ranged(1e-3, above=0, at_most=1e3)
    ema: float = ranged(0.0, at_least=0, below=1)

    slots: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = ""
    extrapolates: ClassVar[bool] = False  # a step takes the gradients at a point ahead, given by `extrapolate`

    @property
    def gradients_per_step(self) -> int:
        """Gradients that one step takes of each of its players."""
        return 1 + self.extrapolates

    def rate(self, player: str) -> Any:
        """The learning rate of player "D" or "G"."""
        return self.lr_d if player == "D" else self.lr_g

    def initial_state(self, params: Tensors) -> State:
        """Zeros like the parameters for every slot."""
        first = next(iter(params.values()))
        slots = {slot: {k: torch.zeros_like(p) for k, p in params.items()} for slot in self.slots}
        return {**slots, "steps": torch.zeros_like(first.flatten()[0])}

    def step(self, player: str, params: Tensors, grads: Tensors, state: State) -> tuple[Tensors, State]:
        """Parameters and state after one descent step of a player."""
        raise NotImplementedError  # the contract: every optimiser states it

    def extrapolate(self, player: str, params: Tensors, grads: Tensors, state: State) -> tuple[Tensors, State]:
        """Parameters and state at the point ahead, whose gradients `step` then takes from where it stood."""
        raise NotImplementedError  # the contract: an optimiser that extrapolates states it

    def with_swept(self, swept: dict[str, Tensor]) -> Optimiser:
        """The same optimiser with tensors in place of its numbers; nothing is checked again."""
        other = copy.copy(self)
        for name, value in swept.items():
            object.__setattr__(other, name, value)
        return other


@dataclass(frozen=True)
class SGD(Optimiser):
    """Gradient descent: p <- p - lr * grad."""

    source = "Robbins and Monro 1951"

    def step(self, player: str, params: Tensors, grads: Tensors, state: State) -> tuple[Tensors, State]:
        rate = self.rate(player)
        return {k: p - rate * grads[k] for k, p in params.items()}, {"steps": state["steps"] + 1}


@dataclass(frozen=True)
class RMSProp(Optimiser):
    """Gradients divided by the root of their running mean square; eps outside the root, as in PyTorch."""

    alpha: Swept = ranged(0.99, at_least=0, below=1)
    eps: Swept = ranged(1e-8, above=0)

    slots = ("square",)
    source = "Tieleman and Hinton 2012, lecture 6.5"

    def step(self, player: str, params: Tensors, grads: Tensors, state: State) -> tuple[Tensors, State]:
        square = {k: self.alpha * s + (1 - self.alpha) * grads[k].square() for k, s in state["square"].items()}
        rate = self.rate(player)
        moved = {k: p - rate * grads[k] / (square[k].sqrt() + self.eps) for k, p in params.items()}
        return moved, {"square": square, "steps": state["steps"] + 1}


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adaptive moments with bias correction; eps outside the root, as in PyTorch."""

    beta1: Swept = ranged(0.5, at_least=0, below=1)
    beta2: Swept = ranged(0.9, at_least=0, below=1)
    eps: Swept = ranged(1e-8, above=0)

    slots: ClassVar[tuple[str, ...]] = ("first", "second")
    source = "Kingma and Ba 2015, arXiv:1412.6980, algorithm 1"

    def step(self, player: str, params: Tensors, grads: Tensors, state: State) -> tuple[Tensors, State]:
        moments, (correction, root) = self.moments(grads, state)
        rate = self.rate(player) / correction
        first, second = moments["first"], moments["second"]
        moved = {k: p - rate * first[k] / (second[k].sqrt() / root + self.eps) for k, p in params.items()}
        return moved, moments

    def moments(self, grads: Tensors, state: State) -> tuple[State, Tensor]:
        """The state after gradients have entered it, and (2,): 1 - beta1^steps and the root of 1 - beta2^steps."""
        steps = state["steps"] + 1
        first = {k: self.beta1 * m + (1 - self.beta1) * grads[k] for k, m in state["first"].items()}
        second = {k: self.beta2 * v + (1 - self.beta2) * grads[k].square() for k, v in state["second"].items()}
        # stacked, since a compiler would compute powers anew for every parameter
        corrections = torch.stack([1 - self.beta1**steps, (1 - self.beta2**steps).sqrt()])
        return {"first": first, "second": second, "steps": steps}, corrections


@dataclass(frozen=True)
class ExtraAdam(Adam):
    """Adam with extrapolation: the gradients at the point that a first Adam step reaches move the players from before.

    Both gradients enter the moments, whose bias correction so counts two steps. The paper draws a new batch for the
    second gradient; here both are of one batch, which is charged once, while two gradient steps are charged. It is the
    paper's method where updates are simultaneous; where they alternate, each player extrapolates alone.
    """

    source = "Gidel et al. 2019, arXiv:1802.10551, algorithm 4, option 1"
    extrapolates = True

    def extrapolate(self, player: str, params: Tensors, grads: Tensors, state: State) -> tuple[Tensors, State]:
        return self.step(player, params, grads, state)


@dataclass(frozen=True)
class OptimisticAdam(Adam):
    """Adam that takes twice its present move and takes back its previous one: p <- p - lr (2 move - previous move).

    A move is the corrected first moment over the root of the corrected second one plus eps; the one before the first
    step is 0, so that the first step is twice Adam's.
    """

    slots = ("first", "second", "previous")
    source = "Daskalakis et al. 2018, arXiv:1711.00141, algorithm 1"

    def step(self, player: str, params: Tensors, grads: Tensors, state: State) -> tuple[Tensors, State]:
        moments, (correction, root) = self.moments(grads, state)
        second = moments["second"]
        moves = {k: m / correction / (second[k].sqrt() / root + self.eps) for k, m in moments["first"].items()}
        rate, previous = self.rate(player), state["previous"]
        moved = {k: p - rate * (2 * moves[k] - previous[k]) for k, p in params.items()}
        return moved, {**moments, "previous": moves}
