"""The law of extreme logits: a step on them is finite where the exact value is, and else marks its replica alone."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.utils import _pytree as pytree

from ganbench.networks.parameters import Parameters
from ganbench.objectives.contract import Player
from ganbench.theory.generic import CONTRACT, e_step
from ganbench.theory.law import Comparison, Law, Subject
from ganbench.theory.small import LATENT, TARGET, Small, small, small_game, weights
from ganbench.training.ensemble import one_step

EXTREME = 1e4
SIGNS = tuple(itertools.product((1.0, -1.0), repeat=2))


@dataclasses.dataclass(frozen=True)
class Affine:
    """An affine generator and an affine critic, which can be set to give the logits that a law wants."""

    def generator(self, latent: int, shape: tuple[int, ...]) -> nn.Module:
        """Latents (B, latent) -> samples (B, d)."""
        return nn.Linear(latent, shape[0])

    def critic(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Samples (B, d) -> (B, outputs), or (B,) where outputs is 1."""
        return nn.Sequential(nn.Linear(shape[0], outputs), *([nn.Flatten(0)] if outputs == 1 else []))


def extreme(subject: Subject) -> Iterator[Comparison]:
    """Whether a step on logits of +-1e4 keeps its replica alive, and what it changes in the replica beside it.

    Where a loss or its gradient leaves float32, judged by its growth from logits of 16 to 32 in float64, the replica
    must be marked as diverged, its parameters kept, exactly where it computes no finite numbers.
    """
    for step in dict.fromkeys(subject.objective.schedule()):
        _, undisturbed = after_a_step(subject, step, (1.0, -1.0))
        for real, generated in SIGNS:
            about = f"{step} on D(x) = {real * EXTREME:+.0e}, D(G(z)) = {generated * EXTREME:+.0e}"
            alive, beside = after_a_step(subject, step, (real * EXTREME, generated * EXTREME))
            yield Comparison(0, float((beside - undisturbed).abs().max()), about=f"the replica beside {about}")
            expected = representable(subject, step, real, generated) or finite(subject, step, real, generated)
            yield Comparison(expected, alive, about=f"alive after {about}")
    if subject.objective.hold:
        for sign in (1.0, -1.0):
            r = e_step(affine(subject, (1.0, sign * EXTREME), torch.float32))
            yield Comparison(1, float(r.sum()), 1e-5, about=f"sum of the E-step's r on D(G(z)) = {sign * EXTREME:+.0e}")


def after_a_step(subject: Subject, step: str, logits: tuple[float, float]) -> tuple[bool, Tensor]:
    """Whether a replica of these logits is alive after a step, and the parameters of one of ordinary logits beside it.

    Its parameters are finite in either case, or the parameters of the other one are given as NaN.
    """
    game = dataclasses.replace(small_game(subject.objective, subject.regularisers, 2, "fp32"), network=Affine())
    state = game.initial_state([0, 1])
    games = [affine(subject, each, torch.float32) for each in (logits, (1.0, -1.0))]
    for player in ("D", "G"):
        own = {k: torch.stack([g.params(player)[k] for g in games]) for k in state[player]}
        state[player] = Parameters.joined(own, leading=1) if own else {}
    fields = {k: torch.stack([g.fields[k] for g in games]) for k in games[0].fields}
    swept = game.swept([subject.objective] * 2, [game.optimiser] * 2, [subject.regularisers] * 2)
    with torch.no_grad():
        after = vmap(one_step(game, step))(state, swept, fields)
    moved = [both_of(after, i) for i in range(2)]
    return bool(after["alive"][0]), moved[1] if moved[0].isfinite().all() else moved[1] * torch.nan


def both_of(state: dict[str, Any], i: int) -> Tensor:
    """All parameters of both players of a lane of a state, in one vector."""
    return torch.cat([leaf[i].flatten() for player in ("D", "G") for leaf in pytree.tree_leaves(state[player])])


def affine(subject: Subject, logits: tuple[float, float], dtype: torch.dtype = torch.float64) -> Small:
    """Affine players that give these logits, nearly alike, on real and on generated samples.

    Without a discriminator the samples themselves lie there.
    """
    game, d = small(subject), TARGET.shape[0]
    m, judged = game.objective.packing, "D" in game.objective.players
    x_at, g_at = (1.0, -1.0) if judged else logits
    x = torch.cat([torch.full_like(game.fields["x"][:, :1], x_at), game.fields["x"][:, 1:]], 1)
    fields = {k: v.to(dtype) for k, v in {**game.fields, "x": x}.items()}
    # the first coordinate tells real from generated; the others keep slopes from being exactly 0
    G_params = {"weight": torch.full((d, LATENT), 0.1), "bias": torch.zeros(d)}
    G_params["weight"][0], G_params["bias"][0] = 0.0, g_at
    G = Player(nn.Linear(LATENT, d), {k: p.to(dtype) for k, p in G_params.items()}, m)
    if not judged:
        return Small(game.objective, G, Player(nn.Identity(), {}), fields)
    outputs, (real, generated) = game.objective.critic_outputs(m * LATENT), logits
    D_params = {"0.weight": torch.full((outputs, m * d), 0.1), "0.bias": torch.empty(outputs)}
    D_params["0.weight"][:, 0], D_params["0.bias"][:] = (real - generated) / 2, (real + generated) / 2
    D = Player(Affine().critic((m * d,), outputs), {k: p.to(dtype) for k, p in D_params.items()})
    return Small(game.objective, G, D, fields)


def representable(subject: Subject, step: str, real: float, generated: float) -> bool:
    """Whether losses and gradients at logits of 1e4 are numbers of float32, going on as they grow from 16 to 32."""
    games = [affine(subject, (real * size, generated * size)) for size in (16.0, 32.0)]
    for player in step:
        found = []
        for game in games:
            own, loss = game.params(player), game.loss(player)
            gradient = weights(torch.func.grad(loss)(own)).abs().max()
            found.append((abs(float(loss(own))), float(gradient)))
        for at_16, at_32 in zip(*found, strict=True):
            degree = max(0.0, math.log2((at_32 + 1) / (at_16 + 1)))
            if math.log10(at_32 + 1) + degree * math.log10(EXTREME / 32) > 38:
                return False
    return True


def finite(subject: Subject, step: str, real: float, generated: float) -> bool:
    """Whether losses and gradients computed in float32 at logits of 1e4 are finite."""
    game = affine(subject, (real * EXTREME, generated * EXTREME), torch.float32)
    found = [torch.func.grad_and_value(game.loss(player))(game.params(player)) for player in step]
    return all(bool(weights(gradient).isfinite().all() and loss.isfinite()) for gradient, loss in found)


LAWS = (
    Law("extremes", "Losses are finite on logits of +-1e4 where their values are float32 numbers", CONTRACT, extreme),
)
