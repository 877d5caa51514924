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
from ganbench.plugins import of_shape

Step = Literal["D", "G", "DG"]
"""One gradient step of the discriminator, of the generator, or of both at once from the same point."""

Network = Callable[[Tensor], Tensor]


class Player:
    """A network with its parameters; generator and discriminator are Players."""

    def __init__(self, module: torch.nn.Module, params: dict[str, Tensor], packing: int = 1):
        self.module = module
        self.params = params
        self.packing = packing  # rows of the network's own batch that are one row to the losses
        self._answers: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, v: Tensor) -> Tensor:
        # a loss and its penalty ask the same questions: one forward pass and one backward pass serve both
        if id(v) not in self._answers:
            self._answers[id(v)] = (v, self.answer(v))
        return self._answers[id(v)][1]

    def answer(self, v: Tensor) -> Tensor:
        """The network's output on v, computed anew."""
        m = self.packing
        if m == 1:
            return functional_call(self.module, self.params, (v,))
        return packed(functional_call(self.module, self.params, (v.reshape(m * v.shape[0], -1),)), m)

    def with_params(self, params: dict[str, Tensor]) -> Player:
        """The same network with other parameters."""
        return Player(self.module, params, self.packing)


def packed(v: Float[Tensor, "B *d"], m: int) -> Float[Tensor, "P *e"]:
    """Every m rows joined into one along their first axis: points (B/m, m d), images (B/m, m channels, ...)."""
    return v.reshape(v.shape[0] // m, m * v.shape[1], *v.shape[2:])


class Batch:
    """Everything random that one step uses, for one replica; B samples.

    `x` real samples (B, *d); `z` and `z2` independent latents (B, z); `u` uniform on [0, 1) (B,); `noise`, `noise_z`
    and `noise_z2` standard normal like x, for x, G(z) and G(z2); `w` weight of each real sample and `r` weight of each
    latent, each (B,) with sum 1, uniform unless given; `t` the iteration, shape (). An objective names the fields
    beyond x and z that it needs in `draws`.
    """

    def __init__(
        self,
        x: Tensor,
        z: Tensor,
        z2: Tensor | None = None,
        u: Tensor | None = None,
        noise: Tensor | None = None,
        noise_z: Tensor | None = None,
        noise_z2: Tensor | None = None,
        w: Tensor | None = None,
        r: Tensor | None = None,
        t: Tensor | None = None,
    ):
        self.x, self.z = x, z
        optional = {"z2": z2, "u": u, "noise": noise, "noise_z": noise_z, "noise_z2": noise_z2, "t": t}
        self.__dict__.update({name: value for name, value in optional.items() if value is not None})
        self.w = torch.full_like(x.flatten(1)[:, 0], 1 / x.shape[0]) if w is None else w
        self.r = torch.full_like(z[:, 0], 1 / z.shape[0]) if r is None else r

    def __getattr__(self, name: str) -> Tensor:
        if name in DRAWS:
            raise AttributeError(f'the batch holds no "{name}": name it in the draws of the objective or regulariser')
        raise AttributeError(name)

    @classmethod
    def of(cls, fields: dict[str, Tensor], packing: int = 1) -> Batch:
        """The batch of a step's fields, each `packing` of its samples joined into one.

        A pack has the sum of its samples' weights w and its first sample's u; the r of an e_step is each pack's own.
        """
        if packing == 1:
            return cls(**fields)
        packs = fields["x"].shape[0] // packing
        made = {name: packed(v, packing) for name, v in fields.items() if v.dim() > 1}
        for name in ("u", "w", "r"):
            if name in fields and fields[name].shape[0] == packs:
                made[name] = fields[name]
            elif name in fields:
                rows = fields[name].reshape(packs, packing)
                made[name] = rows[:, 0] if name == "u" else rows.sum(1)
        return cls(**made, t=fields.get("t"))

    def with_x(self, x: Tensor) -> Batch:
        """The same batch with other real samples."""
        other = copy.copy(self)
        other.x = x
        return other


DRAWS = ("z2", "u", "noise", "noise_z", "noise_z2")
"""Fields of a batch that are drawn only where an objective or a regulariser names them."""


class Regulariser:
    """What can be added to any objective: noise on inputs, penalties, a reparametrised or projected critic.

    A subclass with numbers is a frozen dataclass; one that is registered states source and formula.
    """

    source: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    year: ClassVar[int] = 0
    draws: ClassVar[tuple[str, ...]] = ()

    def inputs(self, G: Player, b: Batch) -> tuple[Player, Batch]:
        """Generator and batch as every loss sees them."""
        return G, b

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

    def with_swept(self, swept: dict[str, Tensor]) -> Regulariser:
        """The same regulariser with tensors in place of its swept numbers; nothing is checked again."""
        other = copy.copy(self)
        for name, value in swept.items():
            object.__setattr__(other, name, value)
        return other


@dataclass(frozen=True)
class Objective:
    """A game between a generator G and a discriminator or critic D; subclasses write down its losses.

    With a `packing` of m every m samples are one input of the discriminator, which so sees a lack of variety (PacGAN,
    Lin et al. 2018, arXiv:1712.04086). An objective without a critic has the players ("G",); its D is the identity.

    Raises FieldError where simultaneous updates meet more than one step of a player, or a critic that does not exist.
    """

    d_steps: int = ranged(1, at_least=1, at_most=1000)
    g_steps: int = ranged(1, at_least=1, at_most=1000)
    order: str = ranged("DG", choices=("DG", "GD"))
    updates: str = ranged("alternating", choices=("alternating", "simultaneous"))
    packing: int = ranged(1, at_least=1, at_most=64)

    players: ClassVar[tuple[str, ...]] = ("D", "G")
    source: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    year: ClassVar[int] = 0
    draws: ClassVar[tuple[str, ...]] = ()
    hold: ClassVar[bool] = False  # one batch of latents for the whole iteration, weighted by e_step
    judged: ClassVar[bool] = True  # D judges samples, so that regularisers can be added
    g_step_uses_real: ClassVar[bool] = False  # the generator's loss reads b.x
    needs_target: ClassVar[bool] = False  # a loss or the e_step reads self.target, set by bind
    target: ClassVar[Any] = None
    added: ClassVar[tuple[Regulariser, ...]] = ()  # by a suite, see with_added

    def __post_init__(self) -> None:
        if self.updates == "simultaneous" and (self.d_steps, self.g_steps) != (1, 1):
            raise FieldError(
                "updates",
                f"simultaneous updates take one step of each player, found d_steps={self.d_steps} and"
                f" g_steps={self.g_steps}; set both to 1",
            )
        if "D" not in self.players:
            for field, alone in (("d_steps", 1), ("order", "DG"), ("updates", "alternating")):
                if getattr(self, field) != alone:
                    raise FieldError(field, "this objective has no discriminator; remove the field")

    def schedule(self) -> tuple[Step, ...]:
        """The steps of one iteration, in order."""
        if self.updates == "simultaneous":
            return ("DG",)
        d: list[Step] = ["D"] * self.d_steps if "D" in self.players else []
        g: list[Step] = ["G"] * self.g_steps
        return tuple(d + g if self.order == "DG" else g + d)

    def regularisers(self) -> tuple[Regulariser, ...]:
        """The regularisers that belong to this objective."""
        return ()

    def all_regularisers(self) -> tuple[Regulariser, ...]:
        """Its own regularisers, then those that were added."""
        return (*self.regularisers(), *self.added)

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
        return frozenset(self.draws).union(*(r.draws for r in self.all_regularisers()))

    def bind(self, target: Any) -> Objective:
        """The same objective knowing its target, where it needs to."""
        return self._with({"target": target}) if self.needs_target else self

    def with_added(self, regularisers: tuple[Regulariser, ...]) -> Objective:
        """The same objective with regularisers beyond its own."""
        return self._with({"added": regularisers}) if regularisers else self

    def with_swept(self, swept: dict[str, Tensor]) -> Objective:
        """The same objective with tensors in place of its swept numbers; nothing is checked again."""
        return self._with(swept)

    def _with(self, attributes: dict[str, Any]) -> Objective:
        other = copy.copy(self)
        for name, value in attributes.items():
            object.__setattr__(other, name, value)
        return other


def penalised_d_loss(objective: Objective, G: Player, D: Player, b: Batch) -> Tensor:
    """The discriminator's loss with its regularisers: what training descends.

    Raises ObjectiveError where the objective gives no single number.
    """
    G, D, b = seen(objective, G, D, b)
    return of_shape((), objective.d_loss, G, D, b) + sum(
        r.d_term(objective, G, D, b) for r in objective.all_regularisers()
    )


def penalised_g_loss(objective: Objective, G: Player, D: Player, b: Batch) -> Tensor:
    """The generator's loss with its regularisers: what training descends.

    Raises ObjectiveError where the objective gives no single number.
    """
    G, D, b = seen(objective, G, D, b)
    return of_shape((), objective.g_loss, G, D, b) + sum(
        r.g_term(objective, G, D, b) for r in objective.all_regularisers()
    )


def seen(objective: Objective, G: Player, D: Player, b: Batch) -> tuple[Player, Player, Batch]:
    """Both players and the batch as the losses of an objective see them."""
    for r in objective.all_regularisers():
        D = r.reparametrise(D)
        G, b = r.inputs(G, b)
    return G, D, b


def mean(weights: Float[Tensor, "B"], v: Float[Tensor, "B"]) -> Float[Tensor, ""]:
    """Weighted mean; the weights sum to 1."""
    return (weights * v).sum()


def norm(v: Float[Tensor, "B *d"]) -> Float[Tensor, "B"]:
    """Euclidean norm of each sample, smooth at zero."""
    # eps inside the root: the slope of |v| at v = 0 is NaN, and one NaN ends the replica
    return (v.flatten(1).square().sum(1) + 1e-12).sqrt()
