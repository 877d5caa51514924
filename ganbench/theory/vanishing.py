"""Vanishing gradients: against a frozen generator a better discriminator leaves minimax's generator nothing to follow.

Eight Gaussians on a ring against a random generator near the origin: two supports that hardly meet. The discriminator
has three layers of 256 units and takes Adam's steps of 1e-3 at a batch of 64: in 1,000 of them minimax loses 4.4 to 5.9
decades over seeds 0 to 2. A width of 128 loses 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganbench.networks.initialisation import initial_params
from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Batch, Objective, Player
from ganbench.targets.mixtures import Ring8
from ganbench.theory.discriminator import family, of_loss
from ganbench.theory.finding import Finding
from ganbench.theory.frozen import Critics
from ganbench.theory.law import Comparison, Law, Subject
from ganbench.training.draws import Draws, latents
from ganbench.training.optimisers import Adam

SOURCE = "Arjovsky and Bottou 2017, arXiv:1701.04862, theorem 2.4 and figure 2"

STEPS, BATCH, LATENTS = 1000, 64, 512
SETTLED = 100
"""Steps after which the discriminator has slopes; an untrained one gives every generator a small gradient."""
MARKS = (0, *(int(10 ** (k / 8)) for k in range(8, 24)), STEPS)
"""Discriminator steps after which gradients are measured: 0, then evenly in their logarithm from 10 on."""

CRITIC = MLP(width=256, depth=3, activation="relu")
GENERATOR = MLP(width=64, depth=2).generator(2, (2,))

_trained: dict[Hashable, list[dict[str, Tensor]]] = {}


def generator(seed: int) -> Player:
    """The frozen generator of a seed: initial weights, latents (B, 2) -> (B, 2)."""
    return Player(GENERATOR, {k: torch.from_numpy(p) for k, p in initial_params(GENERATOR, seed, "G").items()})


def discriminators(objective: Objective, seed: int) -> list[dict[str, Tensor]]:
    """The discriminator's parameters at every mark; cached per process by what its loss depends on."""
    key = (of_loss(objective), seed)
    if key not in _trained:
        draws, G = Draws([seed], Ring8(), BATCH, 2, frozenset(), "cpu"), generator(seed)
        critics = Critics(objective, CRITIC, Adam(lr_d=1e-3, beta1=0.9, beta2=0.999), 2, (seed,), STEPS)
        kept = []

        def fields(step: int) -> dict[str, Tensor]:
            drawn = draws.at(step)
            return {"x": drawn["x"], "z": G.answer(drawn["z"][0])[None]}

        def watch(step: int, params: dict[str, Tensor]) -> None:
            if step in MARKS:
                kept.append({k: p[0].clone() for k, p in params.items()})

        critics.trained(fields, watch)
        _trained[key] = kept
    return _trained[key]


def gradient_norms(objective: Objective, seed: int = 0) -> list[float]:
    """Norm of the gradient of the objective's own g_loss in all weights of the generator, at every mark."""
    G, module = generator(seed), CRITIC.critic((2,), 1)
    z = latents([seed], "theory.z", 0, LATENTS, 2, "cpu")[0]
    b = Batch(x=torch.zeros(LATENTS, 2), z=z)

    def norm(params: dict[str, Tensor]) -> float:
        D = Player(module, params)
        gradient = torch.func.grad(lambda p: objective.g_loss(G.with_params(p), D, b))(G.params)
        return math.sqrt(sum(float(g.square().sum()) for g in gradient.values()))

    return [norm(params) for params in discriminators(objective, seed)]


def elsewhere(name: str) -> Callable[[Subject], str | None]:
    """Why a statement on one objective's generator does not apply, or None where it does."""

    def reason(subject: Subject) -> str | None:
        if family(subject) != name:
            return f"a statement on {name}"
        if subject.objective.packing > 1 or subject.playing.all_regularisers():
            return "packs or regularisers change the discriminator"
        return None

    return reason


def decades(subject: Subject) -> Iterator[Comparison]:
    """Decades between the first norm and the last."""
    norms = gradient_norms(subject.objective)
    yield Comparison(3.5, math.log10(norms[0] / norms[-1]), 0.0, ">=", f"decades lost in {STEPS:,} discriminator steps")


def remains(subject: Subject) -> Iterator[Comparison]:
    """The least norm once the discriminator has slopes."""
    norms = gradient_norms(subject.objective)
    least = min(norm for mark, norm in zip(MARKS, norms, strict=True) if mark >= SETTLED)
    yield Comparison(1.0, least, 0.0, ">=", f"least gradient norm, discriminator steps {SETTLED} to {STEPS:,}")


VANISHES = Law(
    "vanishing gradient",
    "Against a frozen generator minimax's gradient loses at least 3.5 decades while the discriminator trains",
    SOURCE,
    decades,
    elsewhere("minimax"),
)
REMAINS = Law(
    "gradient that stays",
    "Against a frozen generator the non-saturating gradient stays at 1 or above while the discriminator trains",
    SOURCE,
    remains,
    elsewhere("non-saturating"),
)
LAWS: tuple[Law, ...] = (VANISHES, REMAINS)


@dataclass(frozen=True)
class VanishingGradients(Finding):
    """The norm of the generator's gradient against discriminator steps.

    `d_steps` (marks,); `gradient_norm` (subjects, marks), in the order of `subjects`.
    """

    source = SOURCE
    target = "ring8"
    laws = LAWS
    subjects = ("minimax", "non-saturating")

    def arrays(self, seed: int) -> dict[str, np.ndarray]:
        from ganbench.theory.subjects import subject

        norms = [gradient_norms(subject(text).objective, seed) for text in self.subjects]
        return {"d_steps": np.array(MARKS), "gradient_norm": np.array(norms)}
