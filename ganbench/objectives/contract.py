"""What an objective is: the losses of both players for ONE replica, as in the paper, and the order of their steps.

Read this first. A loss holds no state and draws no randomness: all of it arrives as data in the `Batch`, so that one
seed gives every objective the same weights, data and latents, and so that a loss can be tested on numbers. The lift to
many replicas stands in `training/ensemble.py` and nowhere else.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

from ganbench.fields import FieldError, ranged

Step = Literal["D", "G", "DG"]
"""One gradient step of the discriminator, of the generator, or of both at once from the same point."""

Network = Callable[[Tensor], Tensor]


class Player:
    """A network with its parameters; generator and discriminator are Players."""

    def __init__(self, module: torch.nn.Module, params: dict[str, Tensor]):
        self.module = module
        self.params = params
        self._answers: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, v: Tensor) -> Tensor:
        # a loss and its penalty ask the same questions: one forward pass and one backward pass serve both
        if id(v) not in self._answers:
            self._answers[id(v)] = (v, functional_call(self.module, self.params, (v,)))
        return self._answers[id(v)][1]

    def with_params(self, params: dict[str, Tensor]) -> Player:
        """The same network with other parameters."""
        return Player(self.module, params)


class Batch:
    """Everything random that one step uses, for one replica; B samples.

    `x` real samples (B, *d); `z` and `z2` independent latents (B, z); `u` uniform on [0, 1) (B,); `noise` standard
    normal like x; `w` weight of each real sample and `r` weight of each latent, each (B,) with sum 1, uniform unless
    given; `t` the iteration, shape (). An objective names the fields beyond x and z that it needs in `draws`.
    """

    def __init__(
        self,
        x: Tensor,
        z: Tensor,
        z2: Tensor | None = None,
        u: Tensor | None = None,
        noise: Tensor | None = None,
        w: Tensor | None = None,
        r: Tensor | None = None,
        t: Tensor | None = None,
    ):
        self.x, self.z = x, z
        optional = {"z2": z2, "u": u, "noise": noise, "t": t}
        self.__dict__.update({name: value for name, value in optional.items() if value is not None})
        self.w = torch.full_like(x.flatten(1)[:, 0], 1 / x.shape[0]) if w is None else w
        self.r = torch.full_like(z[:, 0], 1 / z.shape[0]) if r is None else r

    def __getattr__(self, name: str) -> Tensor:
        if name in ("z2", "u", "noise"):
            raise AttributeError(f'the batch holds no "{name}": name it in the draws of the objective or regulariser')
        raise AttributeError(name)


class Regulariser:
    """What can be added to any objective: noise on inputs, penalties, a reparametrised or projected critic."""

    draws: ClassVar[tuple[str, ...]] = ()

    def d_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor | float:
        """Added to the discriminator's loss."""
        return 0.0

    def g_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor | float:
        """Added to the generator's loss."""
        return 0.0

    def reparametrise(self, critic: Player) -> Player:
        """The critic as every loss sees it; differentiated through."""
        return critic

    def project(self, critic: Player) -> Player:
        """The critic after one of its steps; not differentiated."""
        return critic


@dataclass(frozen=True)
class Objective:
    """A game between a generator G and a discriminator or critic D; subclasses write down its losses.

    Raises FieldError where simultaneous updates meet more than one step of a player.
    """

    d_steps: int = ranged(1, at_least=1, at_most=1000)
    g_steps: int = ranged(1, at_least=1, at_most=1000)
    order: str = ranged("DG", choices=("DG", "GD"))
    updates: str = ranged("alternating", choices=("alternating", "simultaneous"))

    source: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    year: ClassVar[int] = 0
    draws: ClassVar[tuple[str, ...]] = ()
    hold: ClassVar[bool] = False  # one batch of latents for the whole iteration, weighted by e_step
    g_step_uses_real: ClassVar[bool] = False  # the generator's loss reads b.x
    needs_target: ClassVar[bool] = False  # a loss or the e_step reads self.target, set by bind
    target: ClassVar[Any] = None

    def __post_init__(self) -> None:
        if self.updates == "simultaneous" and (self.d_steps, self.g_steps) != (1, 1):
            raise FieldError(
                "updates",
                f"simultaneous updates take one step of each player, found d_steps={self.d_steps} and"
                f" g_steps={self.g_steps}; set both to 1",
            )

    def schedule(self) -> tuple[Step, ...]:
        """The steps of one iteration, in order."""
        if self.updates == "simultaneous":
            return ("DG",)
        d: list[Step] = ["D"] * self.d_steps
        g: list[Step] = ["G"] * self.g_steps
        return tuple(d + g if self.order == "DG" else g + d)

    def regularisers(self) -> tuple[Regulariser, ...]:
        """The regularisers that belong to this objective."""
        return ()

    def critic_outputs(self, latent: int) -> int:
        """Numbers that D gives per sample; where 1, D returns shape (B,). `latent` is the dimension of z."""
        return 1

    def e_step(self, G: Network, D: Network, b: Batch, /) -> Float[Tensor, "B"]:
        """Weights of the held latents, with sum 1; without gradient, once per iteration where `hold` is true."""
        return b.r

    def value(self, G: Network, D: Network, b: Batch, /) -> Float[Tensor, ""]:
        """The game's value without penalties, where D ascends it."""
        return -self.d_loss(G, D, b)

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Float[Tensor, ""]:
        """What D descends, without penalties."""
        raise NotImplementedError  # the contract: every objective states it

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Float[Tensor, ""]:
        """What G descends."""
        raise NotImplementedError  # the contract: every objective states it

    def score(self, G: Network, D: Network, b: Batch, /) -> Network:
        """The scalar per sample whose slope penalties see."""
        return D

    def sample(self, G: Network, z: Tensor, noise: Tensor, /) -> Tensor:
        """Generated samples (B, *d) from latents (B, z) and standard normal noise (B, *d)."""
        return G(z)

    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        """D at its optimum as a function of log p_r - log p_g; None where theory gives no pointwise one."""
        return None

    def all_draws(self) -> frozenset[str]:
        """Batch fields beyond x and z that this objective and its regularisers need."""
        return frozenset(self.draws).union(*(r.draws for r in self.regularisers()))

    def bind(self, target: Any) -> Objective:
        """The same objective knowing its target, where it needs to."""
        return self._with({"target": target}) if self.needs_target else self

    def with_swept(self, swept: dict[str, Tensor]) -> Objective:
        """The same objective with tensors in place of its swept numbers; nothing is checked again."""
        return self._with(swept)

    def _with(self, attributes: dict[str, Any]) -> Objective:
        other = copy.copy(self)
        for name, value in attributes.items():
            object.__setattr__(other, name, value)
        return other


def penalised_d_loss(objective: Objective, G: Network, D: Player, b: Batch) -> Tensor:
    """The discriminator's loss with its regularisers: what training descends."""
    D = reparametrised(objective, D)
    return objective.d_loss(G, D, b) + sum(r.d_term(objective, G, D, b) for r in objective.regularisers())


def penalised_g_loss(objective: Objective, G: Network, D: Player, b: Batch) -> Tensor:
    """The generator's loss with its regularisers: what training descends."""
    D = reparametrised(objective, D)
    return objective.g_loss(G, D, b) + sum(r.g_term(objective, G, D, b) for r in objective.regularisers())


def reparametrised(objective: Objective, D: Player) -> Player:
    """The critic as the losses of an objective see it."""
    for r in objective.regularisers():
        D = r.reparametrise(D)
    return D


def mean(weights: Float[Tensor, "B"], v: Float[Tensor, "B"]) -> Float[Tensor, ""]:
    """Weighted mean; the weights sum to 1."""
    return (weights * v).sum()


def norm(v: Float[Tensor, "B *d"]) -> Float[Tensor, "B"]:
    """Euclidean norm of each sample, smooth at zero."""
    # eps inside the root: the slope of |v| at v = 0 is NaN, and one NaN ends the replica
    return (v.flatten(1).square().sum(1) + 1e-12).sqrt()
