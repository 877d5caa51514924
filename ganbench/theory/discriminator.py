"""The discriminator at its optimum: a trained one reaches it, nothing beats it, and its loss there is a divergence.

Over 250 lines: the laws of one theme with what each measures.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganbench.networks.initialisation import initial_params
from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Batch, Objective, Player
from ganbench.theory.densities import (
    Gaussian,
    Pair,
    equal_masses,
    hellinger,
    jsd,
    kl_to_data,
    kl_to_generated,
    normal_weights,
    pearson,
    total_variation,
    triangular,
)
from ganbench.theory.finding import Finding
from ganbench.theory.law import Comparison, Law, Subject

GOODFELLOW = "Goodfellow et al. 2014, arXiv:1406.2661"

PAIRS = tuple(Pair(Gaussian(0.0), Gaussian(mean, sd)) for mean, sd in ((1.0, 1.5), (0.6, 1.4), (-1.0, 1.2)))
"""p_g wider than p_r: their ratio is bounded, and with it every score."""

PATH = tuple(Pair(Gaussian(0.0), Gaussian(2 - t / 5, 1.5 - t / 20)) for t in range(11))
"""Generators from N(2, 1.5²) to the data, N(0, 1)."""

CRITIC = MLP(width=16, depth=2, activation="tanh")
STEPS, DESCENTS = 100, 100
"""Of Adam, which copes with kinks, and then of L-BFGS, which finishes."""


def family(subject: Subject) -> str:
    """The registered name that a subject goes by, without fields and regularisers.

    Truths that belong to one objective are looked up by it: the name is the claim. An objective from outside claims
    nothing by its base class.
    """
    return subject.name.replace("[", " ").split(" ")[0]


def without_optimum(subject: Subject) -> str | None:
    """Why a law on the optimal discriminator does not apply, or None where it does."""
    if subject.objective.packing > 1:
        return "the discriminator sees packs"
    if subject.playing.all_regularisers():
        return "regularisers move the optimum"
    if subject.objective.optimal_score(torch.zeros(1, dtype=torch.float64)) is None:
        return "theory gives no pointwise optimum"
    return None


def of_loss(objective: Objective) -> Hashable:
    """What a discriminator's loss depends on: objectives with equal keys share their trained discriminators."""
    base = {f.name for f in dataclasses.fields(Objective)}
    own = [(f.name, getattr(objective, f.name)) for f in dataclasses.fields(objective) if f.name not in base]
    return type(objective).d_loss, tuple(own), objective.added


_learned: dict[Hashable, Player] = {}


def learned(objective: Objective, pair: Pair, seed: int = 0) -> Player:
    """A network that has descended the objective's d_loss against a frozen generator until it stands still.

    All nodes in every step, so that there is no sampling noise; cached per process. Sources of the descent: Adam, then
    L-BFGS with strong Wolfe conditions, Nocedal and Wright 2006, algorithm 7.5.
    """
    key = (of_loss(objective), pair, seed)
    if key not in _learned:
        module, b = CRITIC.critic((1,), 1), training_nodes(objective, pair)
        params = {k: torch.from_numpy(p).double() for k, p in initial_params(module, seed, "D").items()}
        D = Player(module, {k: p.requires_grad_() for k, p in params.items()})

        def loss() -> Tensor:
            # a Player remembers its answers: after a step they are those of other weights
            value = objective.d_loss(pair.generator, D.with_params(D.params), b)
            for p, gradient in zip(params.values(), torch.autograd.grad(value, list(params.values())), strict=True):
                p.grad = gradient
            return value

        with torch.enable_grad():
            adam = torch.optim.Adam(params.values(), lr=0.05, betas=(0.9, 0.99))
            cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
            for _ in range(STEPS):
                adam.step(loss)
                cosine.step()
            rest = {"max_iter": DESCENTS, "history_size": 50, "tolerance_grad": 1e-9, "line_search_fn": "strong_wolfe"}
            torch.optim.LBFGS(list(params.values()), **rest).step(loss)  # type: ignore[arg-type]  # its stubs take no dict of mixed values
        _learned[key] = D.with_params({k: p.detach() for k, p in params.items()})
    return _learned[key]


def training_nodes(objective: Objective, pair: Pair) -> Batch:
    """Few quadrature nodes; 2,000 of equal weight where the objective holds a bank, whose r no discriminator sees."""
    if objective.hold:
        nodes = equal_masses(2000)
        return pair.batch(nodes, torch.full_like(nodes, 1 / len(nodes)))
    # wide enough that data cover all of the samples' mass too: in reverse KL's loss it is what the data's tail bears
    nodes = torch.linspace(-8, 8, 161, dtype=torch.float64)
    return pair.batch(nodes, normal_weights(nodes))


def as_probability(objective: Objective, score: Tensor) -> Tensor | None:
    """p_r / (p_r + p_g) for which a score is the optimum, of its shape; None where that is not one number."""
    log_ratio = torch.linspace(-20, 20, 40_001, dtype=torch.float64)
    optimum = objective.optimal_score(log_ratio)
    assert optimum is not None
    if not bool((optimum.diff() > 0).all()):
        return None
    found = np.interp(score.detach().numpy(), optimum.numpy(), log_ratio.numpy())
    return torch.sigmoid(torch.from_numpy(found))


def reached(subject: Subject) -> Iterator[Comparison]:
    """The largest error of a trained discriminator over the central 99% of mass, and the regret of its loss."""
    objective = subject.objective
    for pair in PAIRS:
        D, v = learned(objective, pair), pair.central()
        with torch.no_grad():
            score = D(v[:, None])
        about = named(pair)
        probability = as_probability(objective, score)
        if probability is not None:
            error = (probability - torch.sigmoid(pair.log_ratio(v))).abs().max()
            yield Comparison(0.0, float(error), 0.02, about=f"max |D - p_r/(p_r+p_g)|, {about}")
        b = training_nodes(objective, pair)
        with torch.no_grad():
            least = objective.d_loss(pair.generator, pair.optimum(objective), b)
            loss = objective.d_loss(pair.generator, D, b)
        # where the optimum jumps, a network can only come near
        tolerance = 0.05 if probability is None else 0.01
        yield Comparison(float(least), float(loss), tolerance, about=f"loss of the trained discriminator, {about}")


def named(pair: Pair) -> str:
    """A pair in a comparison's words."""
    return " against ".join(f"N({p.mean:g}, {p.sd:g}²)" for p in (pair.r, pair.g))


STEP = 1e-3
"""Of a perturbation: small enough that a first-order gain would outweigh the second-order loss of an optimum."""


def unbeaten(subject: Subject) -> Iterator[Comparison]:
    """The most that a bump on the optimal discriminator gains, over bumps of both signs at points of the line."""
    objective = subject.objective
    for pair in PAIRS:
        D, b = pair.optimum(objective), pair.d_batch(objective)
        least = objective.d_loss(pair.generator, D, b)
        losses = [
            objective.d_loss(pair.generator, _bumped(D, centre, size), b)
            for centre in np.linspace(-2.5, 2.5, 11)
            for size in (STEP, -STEP)
        ]
        gain = float(least - torch.stack(losses).min())
        # latents of equal weight miss some of the mass in the tails; an optimum that is wrong by .1 gains 1e-5
        tolerance = 1e-8 if objective.hold else 1e-12
        yield Comparison(0.0, gain, tolerance, "<=", f"gain of a bump on D*, {named(pair)}")


def _bumped(D: Callable[[Tensor], Tensor], centre: float, size: float) -> Callable[[Tensor], Tensor]:
    return lambda v: D(v) + size * torch.exp(-2 * (v[:, 0] - centre).square())


F_DIVERGENCES: dict[str, Callable[[Pair], Tensor]] = {
    "kl": kl_to_generated,
    "reverse-kl": kl_to_data,
    "pearson": pearson,
    "hellinger": hellinger,
    "js": lambda pair: 2 * jsd(pair),
}
"""D_f(p_r || p_g) of f-gan's divergences, normalised as Nowozin et al. 2016, arXiv:1606.00709, table 1 has them."""


def _log_4_less_2_jsd(objective: Objective, pair: Pair) -> Tensor:
    return math.log(4) - 2 * jsd(pair)


def _least_squares(objective: Objective, pair: Pair) -> Tensor:
    width = getattr(objective, "b", 1.0) - getattr(objective, "a", 0.0)
    return width**2 / 8 * (2 - triangular(pair))


LOSSES: dict[str, Callable[[Objective, Pair], Tensor]] = {
    "minimax": _log_4_less_2_jsd,
    "non-saturating": _log_4_less_2_jsd,
    "em": _log_4_less_2_jsd,
    "ml": _log_4_less_2_jsd,
    "unrolled": _log_4_less_2_jsd,
    "f-gan": lambda objective, pair: -F_DIVERGENCES[str(getattr(objective, "divergence", ""))](pair),
    "lsgan": _least_squares,
    "lsgan-sigmoid": _least_squares,
    "hinge": lambda objective, pair: 2 - 2 * total_variation(pair),
}
"""Registered name -> the discriminator's loss at its optimum."""


def without_loss(subject: Subject) -> str | None:
    """Why the loss at the optimum is not known, or None where it is."""
    return without_optimum(subject) or (None if family(subject) in LOSSES else "its loss at the optimum is not stated")


def along_the_path(subject: Subject) -> Iterator[Comparison]:
    """The discriminator's loss at its optimum for generators from far away to the data."""
    objective, loss = subject.objective, LOSSES[family(subject)]
    found = [float(optimal_loss(objective, pair)) for pair in PATH]
    tolerance = accuracy(objective)
    for pair, measured in zip(PATH, found, strict=True):
        yield Comparison(float(loss(objective, pair)), measured, tolerance, about=f"loss at D*, {named(pair)}")
    yield Comparison(found[-1], max(found), tolerance, about="loss at D* is largest where p_g = p_r")


def accuracy(objective: Objective) -> float:
    """How exact the quadrature of an objective's losses is at its optimum."""
    if as_probability(objective, torch.zeros(1)) is None:
        return 5e-3  # the optimum jumps between two nodes
    return 1e-3 if objective.hold else 1e-5  # a bank of equal weights misses some of the mass in the tails


def optimal_loss(objective: Objective, pair: Pair) -> Tensor:
    """The objective's own d_loss at its own optimum, by quadrature."""
    return objective.d_loss(pair.generator, pair.optimum(objective), pair.d_batch(objective))


REACHED = Law(
    "optimal discriminator",
    "A discriminator trained to convergence is p_r/(p_r+p_g), read off its score, over the central 99% of mass",
    f"{GOODFELLOW}, proposition 1",
    reached,
    without_optimum,
)
UNBEATEN = Law(
    "nothing beats the optimum",
    "The discriminator's loss is stationary at the stated optimum, and no nearby discriminator has a lower one",
    f"{GOODFELLOW}, proposition 1",
    unbeaten,
    without_optimum,
)
ALONG_THE_PATH = Law(
    "loss at the optimum",
    "At D* the discriminator's loss is that of a divergence, log 4 - 2 JSD for minimax, and largest at p_g = p_r",
    f"{GOODFELLOW}, theorem 1; Nowozin et al. 2016, arXiv:1606.00709; Mao et al. 2017, arXiv:1611.04076",
    along_the_path,
    without_loss,
)
LAWS: tuple[Law, ...] = (REACHED, UNBEATEN, ALONG_THE_PATH)


@dataclass(frozen=True)
class OptimalDiscriminator(Finding):
    """The learned discriminator beside the optimal one, and the game's value beside the divergence.

    `points` (pairs, n) in data units with `optimal` and `learned` D (pairs, n), between 0 and 1; `generators` mean and
    sd of p_g (pairs, 2); `path` mean and sd along a path of generators (11, 2) with `value` C(G), in nats, and `jsd`.
    """

    source = f"{GOODFELLOW}, proposition 1 and theorem 1"
    laws = LAWS
    subjects = ("minimax",)

    def arrays(self, seed: int) -> dict[str, np.ndarray]:
        from ganbench.objectives.minimax import Minimax

        objective = Minimax()
        points = [pair.central()[:: max(1, len(pair.central()) // 200)][:200] for pair in PAIRS]
        with torch.no_grad():
            D = [
                torch.sigmoid(learned(objective, pair, seed)(v[:, None])) for pair, v in zip(PAIRS, points, strict=True)
            ]
        return {
            "points": torch.stack(points).numpy(),
            "optimal": torch.stack([torch.sigmoid(p.log_ratio(v)) for p, v in zip(PAIRS, points, strict=True)]).numpy(),
            "learned": torch.stack(D).numpy(),
            "generators": np.array([[pair.g.mean, pair.g.sd] for pair in PAIRS]),
            "path": np.array([[pair.g.mean, pair.g.sd] for pair in PATH]),
            "value": np.array([-float(optimal_loss(objective, pair)) for pair in PATH]),
            "jsd": np.array([float(jsd(pair)) for pair in PATH]),
        }
