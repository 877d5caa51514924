"""Laws of every regulariser, an objective's own or added: closed forms, and samples that stay apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ganbench.objectives.contract import Batch, Network, Player, Regulariser, penalised_d_loss, seen
from ganbench.objectives.dragan import LocalPenalty
from ganbench.objectives.regularisers import (
    R1,
    R2,
    Consensus,
    GradientPenalty,
    InstanceNoise,
    SpectralNorm,
    WeightClipping,
)
from ganbench.theory.generic import CONTRACT, distance
from ganbench.theory.law import Comparison, Law, Subject
from ganbench.theory.small import LATENT, PACKS, Loss, Params, Small, fresh, small

SLOPE = 1.7
"""Length of the gradient of the linear critic."""


def linear(subject: Subject) -> Small:
    """The small game against a critic a v + c with |a| = SLOPE, every output alike."""
    game = small(subject)
    m, d = game.objective.packing, game.fields["x"].shape[1]
    outputs = game.objective.critic_outputs(m * LATENT)
    a = torch.linspace(1, 2, m * d, dtype=torch.float64)
    params = {"0.weight": (SLOPE * a / a.norm()).repeat(outputs, 1), "0.bias": torch.full((outputs,), 0.3).double()}
    module = nn.Sequential(nn.Linear(m * d, outputs), *([nn.Flatten(0)] if outputs == 1 else []))
    return Small(game.objective, game.G, Player(module, params), game.fields)


def stated(subject: Subject) -> tuple[Regulariser, ...]:
    """The regularisers that the objective states and those that the spec adds, whatever the objective makes of them."""
    return (*subject.objective.regularisers(), *subject.regularisers)


def closed(subject: Subject) -> Iterator[Comparison]:
    """What a linear and a curved critic pay beside their loss, against the closed form of their penalties together.

    A form takes the length of the score's slope at each of its points, by differences: |a| where the score is a linear
    critic, and another function where it is made of it, as in cramer.
    """
    forms = [(r, form) for r in stated(subject) if (form := known_form(r))]
    names = " + ".join(type(r).__name__ for r, _ in forms)
    for kind, game in (("linear", linear(subject)), ("curved", small(subject))):
        G, D, b = players_seen(game)
        score = game.objective.score(G, D, b)
        expected = sum(float(form(r, score, G, b)) for r, form in forms)
        others = sum(r.d_term(game.objective, G, D, b) for r in stated(subject) if not known_form(r))
        paid = penalised_d_loss(game.objective, fresh(game.G), fresh(game.D), game.batch)
        measured = float(paid - game.objective.d_loss(G, D, b) - others)
        # 1e-5: the norm's eps gives a slope of 0 a length of 1e-6
        yield Comparison(expected, measured, 1e-5 * max(1, expected), about=f"{kind} critic, {names}")


def no_known_penalty(subject: Subject) -> str | None:
    """Why no closed form applies."""
    return None if any(map(known_form, stated(subject))) else "it has no penalty of a known closed form"


def known_form(regulariser: Regulariser) -> Form | None:
    """The closed form of a penalty; none where a subclass has a term of its own."""
    kinds = (kind for kind in PENALTIES if isinstance(regulariser, kind))
    return next((PENALTIES[kind] for kind in kinds if type(regulariser).d_term is kind.d_term), None)


def bounded(subject: Subject) -> Iterator[Comparison]:
    """What regularisers that are no penalties make of a critic, its inputs or its loss, against what they promise."""
    for regulariser in stated(subject):
        yield from PROMISES.get(type(regulariser), lambda r, game: ())(regulariser, small(subject))


def no_promise(subject: Subject) -> str | None:
    """Why there is nothing that regularisers promise."""
    return None if any(type(r) in PROMISES for r in stated(subject)) else "nothing bounds, blurs or joins its players"


def apart(subject: Subject) -> Iterator[Comparison]:
    """For each penalty, how far two samples together change it otherwise than each alone; the most over all pairs."""
    game = small(subject)
    for regulariser in filter(per_sample, stated(subject)):

        def penalty(rows: tuple[int, ...], r: Regulariser = regulariser) -> float:
            G, D, b = players_seen(game.with_fields(shifted(game, rows)))
            return float(r.d_term(game.objective, G, D, b))

        base, alone = penalty(()), [penalty((i,)) for i in range(PACKS)]
        pairs = itertools.combinations(range(PACKS), 2)
        worst = max(abs(penalty((i, j)) - alone[i] - alone[j] + base) for i, j in pairs)
        yield Comparison(0, worst, 1e-10 * max(1, abs(base)), about=type(regulariser).__name__)


def none_per_sample(subject: Subject) -> str | None:
    """Why no penalty is a sum over samples."""
    return None if any(map(per_sample, stated(subject))) else "it has no penalty of single samples"


def per_sample(regulariser: Regulariser) -> bool:
    """Whether a regulariser is a penalty of single samples: consensus is one of the batch's gradient."""
    return type(regulariser).d_term is not Regulariser.d_term and not isinstance(regulariser, Consensus)


def shifted(game: Small, rows: tuple[int, ...]) -> dict[str, Tensor]:
    """The fields with some rows of the losses' batch moved elsewhere, in all but the weights."""
    m, fields = game.objective.packing, dict(game.fields)
    for name in fields.keys() - {"w", "r", "t"}:
        fields[name] = fields[name].clone()
        for row in rows:
            own = fields[name][row * m : (row + 1) * m]
            own.copy_(own * 0.5 if name == "u" else own + 0.7)
    return fields


def players_seen(game: Small) -> tuple[Player, Player, Batch]:
    """Players and batch as the losses see them."""
    return seen(game.objective, fresh(game.G), fresh(game.D), game.batch)


def lengths(score: Network, v: Tensor, h: float = 1e-6) -> Tensor:
    """Length of the slope of each sample's score by differences, (B,)."""
    flat = v.detach()
    steps = h * torch.eye(flat.shape[1], dtype=flat.dtype)
    return torch.stack([(score(flat + s) - score(flat - s)) / (2 * h) for s in steps]).norm(dim=0)


def gradient_penalty(r: GradientPenalty, score: Network, G: Player, b: Batch) -> Tensor:
    """weight E (|slope| - r.slope)², between real and generated samples."""
    u = b.u[:, None]
    return r.weight * (b.w * (lengths(score, u * b.x + (1 - u) * G(b.z)) - r.slope).square()).sum()


def local_penalty(r: LocalPenalty, score: Network, G: Player, b: Batch) -> Tensor:
    """weight E (|slope| - r.slope)², at noisy real samples."""
    return r.weight * (b.w * (lengths(score, b.x + r.spread * b.noise) - r.slope).square()).sum()


def r1(r: R1, score: Network, G: Player, b: Batch) -> Tensor:
    """weight / 2 E |slope|² at real samples."""
    return r.weight / 2 * (b.w * lengths(score, b.x).square()).sum()


def r2(r: R2, score: Network, G: Player, b: Batch) -> Tensor:
    """weight / 2 E |slope|² at generated samples."""
    return r.weight / 2 * (b.r * lengths(score, G(b.z)).square()).sum()


def spectral(r: SpectralNorm, game: Small) -> Iterator[Comparison]:
    """The largest singular value of each weight as the losses see it."""
    _, D, _ = players_seen(game)
    for name, p in D.params.items():
        if p.dim() > 1:
            yield Comparison(1, float(torch.linalg.matrix_norm(p, 2)), 1e-6, about=f"singular value of {name}")


def clipped(r: WeightClipping, game: Small) -> Iterator[Comparison]:
    """The largest parameter of a critic after a step, and what clipping changed of those within its bound."""
    largest = max(float(p.abs().max()) for p in game.D.params.values())
    wide = game.D.with_params({k: p * 2 * r.bound / largest for k, p in game.D.params.items()})
    after = r.project(wide).params
    bound = float(r.bound)
    yield Comparison(bound, max(float(p.abs().max()) for p in after.values()), 1e-12 * bound, about="largest parameter")
    changed = max(float(((after[k] - p) * (p.abs() <= bound)).abs().max()) for k, p in wide.params.items())
    yield Comparison(0, changed, about="change within the bound")


def blurred(r: InstanceNoise, game: Small) -> Iterator[Comparison]:
    """How far inputs are from themselves plus sd times the batch's noise."""
    b = game.batch
    G, noisy = r.inputs(fresh(game.G), b)
    yield Comparison(0, distance(noisy.x, b.x + r.sd * b.noise), 1e-12, about="real samples")
    yield Comparison(0, distance(G(noisy.z), fresh(game.G)(b.z) + r.sd * b.noise_z), 1e-12, about="generated samples")


def joined(r: Consensus, game: Small) -> Iterator[Comparison]:
    """Half the squared norm of both players' gradients by differences, as either player pays it."""
    G, D, b = players_seen(game)
    objective = game.objective
    norm = quotients(lambda p: objective.d_loss(fresh(G), D.with_params(p), b), D.params)
    norm += quotients(lambda p: objective.g_loss(G.with_params(p), fresh(D), b), G.params)
    expected = float(r.weight) / 2 * norm
    for player, term in (("D", r.d_term), ("G", r.g_term)):
        yield Comparison(expected, float(term(objective, G, D, b)), 1e-6 * max(1, expected), about=f"{player}'s term")


def quotients(loss: Loss, own: Params, h: float = 1e-6) -> float:
    """The squared norm of a gradient by differences, one parameter after the other."""
    total = 0.0
    for name, p in own.items():
        for i in range(p.numel()):
            step = torch.zeros_like(p).flatten()
            step[i] = h
            ahead, behind = (float(loss({**own, name: p + s * step.reshape(p.shape)})) for s in (1, -1))
            total += ((ahead - behind) / (2 * h)) ** 2
    return total


Form = Callable[[Any, Network, Player, Batch], Tensor]

PENALTIES: dict[type[Regulariser], Form] = {
    GradientPenalty: gradient_penalty,
    LocalPenalty: local_penalty,
    R1: r1,
    R2: r2,
}
"""Penalty -> its closed form."""

PROMISES: dict[type[Regulariser], Callable[[Any, Small], Iterable[Comparison]]] = {
    SpectralNorm: spectral,
    WeightClipping: clipped,
    InstanceNoise: blurred,
    Consensus: joined,
}
"""Other regulariser -> what it promises."""

LAWS = (
    Law(
        "penalties",
        "Penalties are their closed forms: weight (|a| - slope)² or weight / 2 |a|² on a linear critic a v",
        "Gulrajani et al. 2017, arXiv:1704.00028, equation 3; Mescheder et al. 2018, arXiv:1801.04406, equation 9",
        closed,
        no_known_penalty,
    ),
    Law("regularisers", "What bounds, blurs or joins the players does what it promises", CONTRACT, bounded, no_promise),
    Law("samples apart", "Another sample changes no sample's penalty", CONTRACT, apart, none_per_sample),
)
