"""What an objective is: the losses of both players for ONE replica, as in the paper, and the order of their steps.

Read this first. A loss holds no state and draws no randomness: all of it arrives as data in the `Batch`, so that one
seed gives every objective the same weights, data and latents, and so that a loss can be tested on numbers. The lift to
many replicas stands in `training/ensemble.py` and nowhere else.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from jaxtyping import Float
from torch import Tensor

from ganbench.fields import FieldError, ranged
from ganbench.objectives.players import DRAWS, Batch, Network, Player, mean, norm, packed
from ganbench.plugins import of_shape
from ganbench.registry import shown

__all__ = [
    "DRAWS",
    "Batch",
    "Network",
    "Objective",
    "Player",
    "Regulariser",
    "Step",
    "flaw",
    "mean",
    "norm",
    "packed",
    "penalised_d_loss",
    "penalised_g_loss",
    "seen",
]

Step = Literal["D", "G", "DG"]
"""One gradient step of the discriminator, of the generator, or of both at once from the same point."""


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
    inner_steps: ClassVar[int] = 0  # gradient steps of D inside one of G, which budgets charge
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
    if D.joins:
        D.ask_both(b.x, G(b.z))
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


def flaw(objective: type[Objective]) -> str:
    """What keeps a class from being a game, to be read after its name; "" where nothing does."""
    players, draws = objective.players, objective.draws
    if players not in (("D", "G"), ("G",)):
        return f'.players: found {shown(repr(players))}; expected ("D", "G"), or ("G",) without a critic'
    for player in players:
        loss = f"{player.lower()}_loss"
        if getattr(objective, loss) is getattr(Objective, loss):
            return f" has no {loss}; write def {loss}(self, G, D, b, /)"
    if not isinstance(draws, tuple) or not set(draws) <= set(DRAWS):
        return f".draws: found {shown(repr(draws))}; expected a tuple of names among {', '.join(DRAWS)}"
    example = objective()
    steps = example.schedule()
    if not steps or not set(steps) <= set(get_args(Step)):
        return f".schedule: found {shown(repr(steps))}; expected steps among {', '.join(get_args(Step))}"
    if not all(isinstance(each, Regulariser) for each in example.regularisers()):
        return f".regularisers: found {shown(repr(example.regularisers()))}; expected instances of Regulariser"
    return ""
