"""Laws of every objective's losses, from outside or in: deterministic, finite, symmetric, differentiated rightly."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ganbench import streams
from ganbench.objectives.contract import Player, seen
from ganbench.plugins import line_of
from ganbench.theory.law import Comparison, Law, Subject
from ganbench.theory.small import PACKS, Params, Small, fresh, small, weights

CONTRACT = "the contract of objectives"


def shapes(subject: Subject) -> Iterator[Comparison]:
    """Axes of each loss, whether it is finite, gradients of a wrong shape, weights of an E-step, shape of a sample."""
    game = small(subject)
    for player in game.objective.players:
        loss, own = game.loss(player), game.params(player)
        value, written = loss(own), line_of(getattr(game.objective, f"{player.lower()}_loss"))
        yield Comparison(0, value.dim(), about=f"axes of {player}'s loss")
        yield Comparison(1, bool(value.isfinite().all()), about=f"{player}'s loss is finite ({written})")
        gradient = torch.func.grad(loss)(own)
        wrong = sum(gradient[k].shape != p.shape for k, p in own.items())
        yield Comparison(0, wrong, about=f"gradients of {player} of another shape than their parameters")
    r = e_step(game)
    yield Comparison(1, float(r.sum()) if r.shape == (PACKS,) else float("nan"), 1e-12, about="sum of the E-step's r")
    x, z = game.fields["x"], game.fields["z"]
    sample = game.objective.sample(Player(game.G.module, game.G.params), z, torch.zeros_like(x))
    yield Comparison(0, sample.shape != x.shape, about="samples of another shape than the data")


def deterministic(subject: Subject) -> Iterator[Comparison]:
    """Differences between each loss, its gradient, and the same computed anew."""
    game, again = small(subject), small(subject)
    for player in game.objective.players:
        own = game.params(player)
        yield Comparison(0, distance(game.loss(player)(own), again.loss(player)(own)), about=f"{player}'s loss")
        first, second = (weights(torch.func.grad(g.loss(player))(own)) for g in (game, again))
        yield Comparison(0, distance(first, second), about=f"{player}'s gradient")


def unordered(subject: Subject) -> Iterator[Comparison]:
    """Differences of each loss when all fields of a batch are permuted alike, relative; of an E-step's weights too."""
    game = small(subject)
    order, m = torch.tensor([3, 0, 5, 1, 4, 2]), game.objective.packing
    rows = (order[:, None] * m + torch.arange(m)).flatten()
    other = game.with_fields({k: v[rows] if v.dim() else v for k, v in game.fields.items()})
    for player in game.objective.players:
        own = game.params(player)
        yield Comparison(0, relative(other.loss(player)(own), game.loss(player)(own)), 1e-11, about=f"{player}'s loss")
    if game.objective.hold:
        yield Comparison(0, relative(e_step(other), e_step(game)[order]), 1e-11, about="the E-step's weights")


def differentiated(subject: Subject) -> Iterator[Comparison]:
    """Each loss's slope by autograd, over its difference quotient, along three directions."""
    game = small(subject)
    for player in game.objective.players:
        loss, own = game.loss(player), game.params(player)
        gradient = torch.func.grad(loss)(own)
        for i in range(3):
            direction, quotient = away_from_kinks(loss, own, f"{player}.{i}")
            slope = float(sum((gradient[k] * direction[k]).sum() for k in own))
            # a slope far under the loss's own size is lost in the rounding of the quotient
            tolerance = 1e-6 * max(abs(quotient), 1e-3, 1e-3 * abs(float(loss(own))))
            yield Comparison(quotient, slope, tolerance, about=f"{player} along direction {i + 1}")


def away_from_kinks(
    loss: Callable[[Params], Tensor], own: Params, stream: str, h: float = 1e-5
) -> tuple[Params, float]:
    """A direction of unit length and the difference quotient along it.

    The first of eight keyed directions whose quotients forwards and backwards agree to a thousandth: between two that
    do not, a hinge or a clamp has its kink, where a gradient is one-sided and a quotient means nothing.
    """
    middle = float(loss(own))
    for attempt in range(8):
        drawn = {
            k: torch.from_numpy(streams.normal(streams.generator(attempt, f"law.direction.{stream}.{k}"), *p.shape))
            for k, p in own.items()
        }
        length = weights(drawn).norm()
        direction = {k: v.double() / length for k, v in drawn.items()}
        ahead, behind = (float(loss(moved(own, direction, s))) for s in (h, -h))
        quotient, bend = (ahead - behind) / (2 * h), abs(ahead - 2 * middle + behind) / h
        if bend <= 1e-3 * max(abs(quotient), 1):
            break
    return direction, quotient


def descending(subject: Subject) -> Iterator[Comparison]:
    """What a small step against its own gradient takes off a loss, as a share of the step times the gradient's norm."""
    game = small(subject)
    for player in game.objective.players:
        loss, own = game.loss(player), game.params(player)
        gradient = torch.func.grad(loss)(own)
        slope = float(weights(gradient).norm())
        length = 1e-5
        drop = float(loss(own) - loss(moved(own, gradient, -length / slope if slope else 0.0)))
        share = drop / (length * slope) if slope else float("nan")
        yield Comparison(0.5, share, relation=">=", about=f"{player}'s step")


def opposed(subject: Subject) -> Iterator[Comparison]:
    """Cosine of the generator's step and of what closes the gap in score between real and generated samples.

    The discriminator has opened the gap by forty steps of equal length on its own loss, with real samples moved apart,
    so that there is something to tell. The regularisers stay out: what they add may outweigh a loss.
    """
    game = small(subject)
    objective, b = game.objective.with_added(()), game.batch
    b, D = b.with_x(b.x + 3), game.D

    def d_loss(params: Params) -> Tensor:
        return objective.d_loss(fresh(game.G), D.with_params(params), b)

    def g_loss(params: Params) -> Tensor:
        return objective.g_loss(game.G.with_params(params), fresh(D), b)

    def gap(params: Params) -> Tensor:
        G = game.G.with_params(params)
        score = objective.score(G, fresh(D), b)
        return score(b.x).mean() - score(G(b.z)).mean()

    for _ in range(40):
        gradient = torch.func.grad(d_loss)(D.params)
        D = D.with_params(moved(D.params, gradient, -0.05 / (float(weights(gradient).norm()) + 1e-12)))
    opened = float(gap(game.G.params))
    step, closing = -weights(torch.func.grad(g_loss)(game.G.params)), -weights(torch.func.grad(gap)(game.G.params))
    cosine = float(step @ closing / (step.norm() * closing.norm()))
    yield Comparison(0.1, cosine if opened > 0 else -cosine, relation=">=", about="cosine")


def no_opposition(subject: Subject) -> str | None:
    """Why two players do not pull one score to and fro."""
    if "D" not in subject.objective.players:
        return "it has no discriminator"
    return None if subject.objective.judged else "its networks are no adversaries"


def e_step(game: Small) -> Tensor:
    """The weights that the E-step gives, (PACKS,)."""
    players = game.G.with_params(game.G.params), game.D.with_params(game.D.params)
    return game.objective.e_step(*seen(game.objective, *players, game.batch))


def moved(own: Params, direction: Params, length: float) -> Params:
    """Parameters after a step along a direction."""
    return {k: p + length * direction[k] for k, p in own.items()}


def distance(a: Tensor, b: Tensor) -> float:
    """The largest difference."""
    return float((a - b).abs().max())


def relative(a: Tensor, b: Tensor) -> float:
    """The largest difference over the largest entry of b, or over 1 where that is smaller."""
    return distance(a, b) / max(1.0, float(b.abs().max()))


LAWS = (
    Law("shapes", "Each loss is one finite number and its gradient has the parameters' shapes", CONTRACT, shapes),
    Law("deterministic", "Losses and gradients are the same when computed anew", CONTRACT, deterministic),
    Law(
        "no order",
        "A joint permutation of all fields of a batch changes no loss",
        "samples are exchangeable",
        unordered,
    ),
    Law("gradients", "Autograd gives the difference quotients of both losses", "calculus", differentiated),
    Law("descent", "A small step against its own gradient lowers a player's own loss", "calculus", descending),
    Law(
        "opposition",
        "Against D trained on its own loss, G's step moves the score of its samples towards that of real ones",
        "Goodfellow et al. 2014, arXiv:1406.2661, section 3",
        opposed,
        no_opposition,
    ),
)
