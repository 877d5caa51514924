"""Deliberate mistakes in real objectives, each caught by a law that the unchanged objective keeps.

Over 250 lines: one list of mistakes, read as a whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench.fields import Swept, ranged, swept_fields
from ganbench.objectives.contract import Batch, Network, Objective, Player, Regulariser, mean
from ganbench.objectives.cramer import Cramer
from ganbench.objectives.dragan import DRAGAN, LocalPenalty
from ganbench.objectives.em import EM
from ganbench.objectives.kernel import Energy
from ganbench.objectives.minimax import Minimax, NonSaturating
from ganbench.objectives.regularisers import (
    R1,
    Consensus,
    GradientPenalty,
    InstanceNoise,
    SpectralNorm,
    WeightClipping,
    gradients,
)
from ganbench.objectives.relativistic import Relativistic
from ganbench.objectives.wasserstein import Wasserstein, WassersteinClip, WassersteinGP
from ganbench.theory import extremes, generic, penalties, stepping
from ganbench.theory.checking import ALL_LAWS, check
from ganbench.theory.law import Subject
from ganbench.theory.subjects import subject
from ganbench.training.ensemble import Game
from ganbench.training.loop import Training

LAWS = {law.name: law for law in ALL_LAWS}


@dataclass(frozen=True)
class Mutation:
    """A mistake, as another class in the place of a spec's own, and the laws of which one at least must see it."""

    mistake: str
    spec: str
    cls: type[Objective]
    laws: tuple[str, ...]


class SaturatingSwapped(Minimax):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(b.r, F.logsigmoid(D(G(b.z))))


class DescendsItsOwnScore(NonSaturating):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return mean(b.r, F.logsigmoid(D(G(b.z))))


class FlippedDiscriminator(Minimax):
    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -super().d_loss(G, D, b)


class FlippedCritic(Wasserstein):
    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -super().d_loss(G, D, b)


class FlippedEmbedding(Cramer):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -super().g_loss(G, D, b)


class FlippedRelativistic(Relativistic):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return self.d_loss(G, D, b)


class WithoutPenalty(WassersteinGP):
    def regularisers(self) -> tuple[Regulariser, ...]:
        return ()


class AlwaysTen(WassersteinGP):
    def regularisers(self) -> tuple[Regulariser, ...]:
        return (GradientPenalty(10.0, self.slope),)


class Unclipped(WassersteinClip):
    def regularisers(self) -> tuple[Regulariser, ...]:
        return ()


class IgnoresAdded(Minimax):
    def all_regularisers(self) -> tuple[Regulariser, ...]:
        return self.regularisers()


class UniformWeights(EM):
    def e_step(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return torch.full_like(b.z[:, 0], 1 / b.z.shape[0])


class Unnormalised(EM):
    def e_step(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return torch.sigmoid(D(G(b.z)))


class Frozen(NonSaturating):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(b.r, F.logsigmoid(D(G(b.z).detach())))


class Biased(Energy):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        x, v = b.x, G(b.z)
        within = b.w @ self.kernel(x, x) @ b.w + b.r @ self.kernel(v, v) @ b.r
        return within - 2 * b.w @ self.kernel(x, v) @ b.r


class GeneratorFirst(Minimax):
    def schedule(self):  # the type of a step is the contract's
        return super().schedule()[::-1]


class Sigmoid(NonSaturating):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -mean(b.r, torch.sigmoid(D(G(b.z))).log())


class Dropout(Minimax):
    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return super().d_loss(G, D, b) * (1 + 0.01 * torch.rand(()))


class Ordered(Minimax):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return F.logsigmoid(-D(G(b.z)))[0]


class Detached(NonSaturating):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        v = F.logsigmoid(D(G(b.z)))
        return -mean(b.r, v) - mean(b.r, v.square()).detach()


@dataclass(frozen=True)
class ReadsItsDefault(WassersteinGP):
    weight: Swept = ranged(10.0, at_least=0)

    def regularisers(self) -> tuple[Regulariser, ...]:
        return (GradientPenalty(type(self)().weight, self.slope),)


class BatchSpread(LocalPenalty):
    """The penalty of published code: its noise has the standard deviation of the whole batch."""

    def d_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor:
        slopes = gradients(objective.score(G, D, b), b.x + b.x.std().detach() * b.noise)
        return self.weight * mean(b.w, (slopes.norm(dim=1) - self.slope).square())


class BatchDRAGAN(DRAGAN):
    def regularisers(self) -> tuple[Regulariser, ...]:
        return (BatchSpread(self.weight, self.slope, self.spread),)


MUTATIONS = (
    Mutation("minimax's generator is non-saturating's", "minimax", SaturatingSwapped, ("generator's gradient, table",)),
    Mutation("G's sign is flipped", "non-saturating", DescendsItsOwnScore, ("opposition",)),
    Mutation("D's sign is flipped", "minimax", FlippedDiscriminator, ("opposition",)),
    Mutation("the critic's sign is flipped", "wasserstein-gp", FlippedCritic, ("opposition",)),
    Mutation("the energy distance's sign is flipped", "cramer", FlippedEmbedding, ("opposition",)),
    Mutation("both players share a loss", "relativistic", FlippedRelativistic, ("opposition",)),
    Mutation("the penalty is dropped", "wasserstein-gp", WithoutPenalty, ("numbers",)),
    Mutation("the penalty's weight is not read", "wasserstein-gp", AlwaysTen, ("numbers",)),
    Mutation("the penalty's weight is the class's", "wasserstein-gp[weight=1]", ReadsItsDefault, ("numbers",)),
    Mutation("clipping is dropped", "wasserstein-clip", Unclipped, ("numbers",)),
    Mutation("an added R1 is dropped", "minimax + r1", IgnoresAdded, ("penalties",)),
    Mutation("em weighs all latents alike", "em", UniformWeights, ("numbers", "em, likelihood")),
    Mutation("em's weights do not sum to 1", "em", Unnormalised, ("shapes",)),
    Mutation("generated samples are detached", "non-saturating", Frozen, ("descent",)),
    Mutation("equal samples count as pairs", "energy", Biased, ("sample gradient, energy",)),
    Mutation("the generator steps first", "minimax", GeneratorFirst, ("schedule",)),
    Mutation("log of a sigmoid that is 0", "non-saturating", Sigmoid, ("extremes",)),
    Mutation("a loss draws for itself", "minimax", Dropout, ("deterministic",)),
    Mutation("a loss sees one sample alone", "minimax", Ordered, ("no order",)),
    Mutation("a part of a loss is detached", "non-saturating", Detached, ("gradients",)),
    Mutation("a penalty takes the batch's deviation", "dragan", BatchDRAGAN, ("samples apart",)),
)


def mutated(mutation: Mutation) -> Subject:
    """The spec's subject with the mutated class in the place of its own, under the same name and values."""
    real = subject(mutation.spec)
    known = {f.name: getattr(real.objective, f.name) for f in dataclasses.fields(real.objective)}
    own = {f.name for f in dataclasses.fields(mutation.cls)}
    values = {name: value for name, value in known.items() if name in own}
    return dataclasses.replace(real, objective=mutation.cls(**values))


def failing(checked: Subject, names: tuple[str, ...]) -> set[str]:
    """Those of some laws that a subject breaks, by their numbers and not by an error."""
    verdicts = check(checked, [LAWS[name] for name in names])
    assert [verdict.error for verdict in verdicts] == [""] * len(names)
    return {verdict.law.name for verdict in verdicts if not verdict.holds}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.mistake)
def test_a_mistake_is_caught(mutation: Mutation):
    assert failing(mutated(mutation), mutation.laws) == set(mutation.laws)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.mistake)
def test_without_the_mistake_the_same_laws_hold(mutation: Mutation):
    assert failing(subject(mutation.spec), mutation.laws) == set()


@dataclass(frozen=True)
class Replacement:
    """A mistake in the library, put in the place of a method, the spec on which it shows and the laws that see it."""

    mistake: str
    owner: type
    method: str
    by: Callable[..., object]
    spec: str
    laws: tuple[str, ...]


def whole_weight(self: R1, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor:
    slopes = gradients(objective.score(G, D, b), b.x)
    return self.weight * mean(b.w, slopes.flatten(1).square().sum(1))


def at_generated(self: R1, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor:
    slopes = gradients(objective.score(G, D, b), G(b.z))
    return self.weight / 2 * mean(b.w, slopes.flatten(1).square().sum(1))


def unweighted(self: GradientPenalty, objective: Objective, G: Network, D: Network, b: Batch) -> Tensor:
    u = b.u[:, None]
    slopes = gradients(objective.score(G, D, b), u * b.x + (1 - u) * G(b.z))
    return mean(b.w, (slopes.norm(dim=1) - self.slope).square())


def unchanged(self: Regulariser, critic: Player) -> Player:
    return critic


def real_alone(self: InstanceNoise, G: Player, b: Batch) -> tuple[Player, Batch]:
    return G, b.with_x(b.x + self.sd * b.noise)


def other_player_alone(self: Consensus, objective: Objective, G: Player, D: Player, b: Batch) -> Tensor:
    slopes = torch.func.grad(lambda p: objective.g_loss(G.with_params(p), D, b))(G.params)
    return self.weight / 2 * torch.stack([g.square().sum() for g in slopes.values()]).sum()


def shared(self: Game, owners: list[Any]) -> dict[str, Tensor]:
    """The last replica's numbers for all replicas."""
    numbers = {name: float(getattr(owners[-1], name)) for name in swept_fields(type(owners[0]))}
    return {name: torch.full((len(owners),), value, dtype=self.dtype) for name, value in numbers.items()}


def backwards(loop: Callable[..., Any]) -> Callable[..., Any]:
    """The loop with the steps of each iteration from last to first."""

    def iterate(self: Training, *state: Any) -> Any:
        self._schedule = self._schedule[::-1]
        found = loop(self, *state)
        self._schedule = self._schedule[::-1]
        return found

    return iterate


REPLACEMENTS = (
    Replacement("R1 weighs gamma, not gamma / 2", R1, "d_term", whole_weight, "minimax + r1", ("penalties",)),
    Replacement("R1 at generated samples", R1, "d_term", at_generated, "minimax + r1", ("penalties",)),
    Replacement(
        "the penalty is unweighted", GradientPenalty, "d_term", unweighted, "wasserstein-gp", ("penalties", "numbers")
    ),
    Replacement(
        "spectral norm is dropped", SpectralNorm, "reparametrise", unchanged, "wasserstein-sn", ("regularisers",)
    ),
    Replacement("nothing is clipped", WeightClipping, "project", unchanged, "minimax + clip", ("regularisers",)),
    Replacement(
        "noise on real samples alone", InstanceNoise, "inputs", real_alone, "hinge + instance-noise", ("regularisers",)
    ),
    Replacement("half a consensus", Consensus, "d_term", other_player_alone, "hinge + consensus", ("regularisers",)),
    Replacement("replicas share numbers", Game, "_swept", shared, "wasserstein-gp", ("alone", "numbers")),
    Replacement(
        "training steps backwards",
        Training,
        "_iterate",
        backwards(Training._iterate),
        "minimax",
        ("iteration", "dirac-gan, radius"),
    ),
)


@pytest.mark.parametrize("replacement", REPLACEMENTS, ids=lambda r: r.mistake)
def test_a_mistake_in_the_library_is_caught(replacement: Replacement, monkeypatch: pytest.MonkeyPatch):
    assert failing(subject(replacement.spec), replacement.laws) == set()
    monkeypatch.setattr(replacement.owner, replacement.method, replacement.by)
    assert failing(subject(replacement.spec), replacement.laws) == set(replacement.laws)


def test_every_law_of_every_objective_is_broken_by_some_mistake():
    named = {law for mistake in (*MUTATIONS, *REPLACEMENTS) for law in mistake.laws}
    assert {law.name for law in (*generic.LAWS, *stepping.LAWS, *extremes.LAWS, *penalties.LAWS)} <= named
