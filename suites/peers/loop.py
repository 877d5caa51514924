"""The plain PyTorch loop that people write: one seed at a time, modules, autograd, torch.optim.Adam; compiled or not.

Settings: `adam` is "default", "foreach", "fused" or "compiled"; `joined` lets the discriminator see real and generated
samples in one pass; `compiled` compiles the losses with their gradients; `graph` captures an iteration in a CUDA graph.

Over 250 lines: a peer is read whole, as somebody would write it without ganbench.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suites.peers.work import (
    DATA,
    EPS,
    LATENT,
    MODES,
    PENALTY,
    RADIUS,
    SD,
    SLOPE,
    Runner,
    Work,
    dropped_in,
    initial_weights,
)

Fields = dict[str, Tensor]


def mlp(inputs: int, outputs: int, work: Work) -> nn.Sequential:
    sizes = [inputs, *[work.hidden] * work.depth, outputs]
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers += [*([nn.ReLU()] if i else []), nn.Linear(a, b)]
    return nn.Sequential(*layers)


def norm(v: Tensor) -> Tensor:
    return (v.square().sum(1) + EPS).sqrt()


class Losses:
    """Both players' losses of one objective, on one batch."""

    def __init__(self, work: Work, D: nn.Module, G: nn.Module, joined: bool, functional: bool):
        self.objective, self.D, self.G, self.joined, self.functional = work.objective, D, G, joined, functional

    def d(self, b: Fields, fake: Tensor, other: Tensor | None = None) -> Tensor:
        """The critic's loss, given detached samples G(z), and for cramer G(z2)."""
        match self.objective:
            case "non-saturating" | "em":
                real, made = self._scores(b["x"], fake)
                return -F.logsigmoid(real).mean() - F.logsigmoid(-made).mean()
            case "wasserstein-gp":
                real, made = self._scores(b["x"], fake)
                return made.mean() - real.mean() + self._penalty(lambda v: self.D(v), b, fake)
        assert other is not None, "cramer has a second sample"
        h_real, h_fake, anchor = self._scores(b["x"], fake, other)

        def f(h: Tensor) -> Tensor:
            return norm(h - anchor) - norm(h)

        return f(h_fake).mean() - f(h_real).mean() + self._penalty(lambda v: f(self.D(v)), b, fake)

    def g(self, b: Fields, fake: Tensor, other: Tensor | None = None) -> Tensor:
        """The generator's loss, given G(z), for em the weights r in the batch, and for cramer G(z2)."""
        match self.objective:
            case "non-saturating":
                return -F.logsigmoid(self.D(fake)).mean()
            case "em":
                return -(b["r"] * F.logsigmoid(self.D(fake)[:, 0])).sum()
            case "wasserstein-gp":
                return -self.D(fake).mean()
        assert other is not None, "cramer has a second sample"
        h_real, (h_fake, h_other) = self.D(b["x"]), self._scores(fake, other)
        return (norm(h_fake - h_real) + norm(h_other - h_real) - norm(h_fake - h_other)).mean()

    def weights(self, fake: Tensor) -> Tensor:
        """em: the E-step."""
        return torch.softmax(F.logsigmoid(self.D(fake)[:, 0]), dim=0)

    def samples(self, b: Fields) -> list[Tensor]:
        """G(z), and G(z2) where it is drawn."""
        if "z2" not in b:
            return [self.G(b["z"])]
        if self.joined:
            return list(self.G(torch.cat([b["z"], b["z2"]])).chunk(2))
        return [self.G(b["z"]), self.G(b["z2"])]

    def _scores(self, *parts: Tensor) -> list[Tensor]:
        if self.joined:
            return list(self.D(torch.cat(parts)).chunk(len(parts)))
        return [self.D(part) for part in parts]

    def _penalty(self, score: Callable[[Tensor], Tensor], b: Fields, fake: Tensor) -> Tensor:
        u = b["u"][:, None]
        v = u * b["x"] + (1 - u) * fake
        if self.functional:  # the compiler differentiates torch.func twice, autograd once
            slopes = torch.func.grad(lambda v: score(v).sum())(v)
        else:
            v.requires_grad_()
            (slopes,) = torch.autograd.grad(score(v).sum(), v, create_graph=True)
        return PENALTY * (norm(slopes) - SLOPE).square().mean()


class Replica:
    """One seed in training."""

    def __init__(self, work: Work, adam: str = "default", joined: bool = False, compiled: bool = False):
        self.work, self.compiled = work, compiled
        kind = {"device": work.device, "dtype": getattr(torch, work.dtype)}
        self.D, self.G = mlp(DATA, work.outputs, work).to(**kind), mlp(LATENT, DATA, work).to(**kind)
        self.losses = Losses(work, self.D, self.G, joined, functional=compiled)
        flags: dict[str, Any] = {} if adam in ("default", "compiled") else {adam: True}
        if work.device == "cuda" and adam == "fused":
            flags["capturable"] = True
        self.optimisers = {
            player: torch.optim.Adam(net.parameters(), work.rate, (work.beta1, work.beta2), work.adam_eps, **flags)
            for player, net in (("D", self.D), ("G", self.G))
        }
        self.d_loss, self.g_loss, self.e_step = self._d_loss, self._g_loss, self._e_step
        self.moves = {player: optimiser.step for player, optimiser in self.optimisers.items()}
        if compiled:
            self.d_loss, self.g_loss, self.e_step = map(torch.compile, (self.d_loss, self.g_loss, self.e_step))
        if adam == "compiled":
            self.moves = {player: torch.compile(move) for player, move in self.moves.items()}

    def _d_loss(self, b: Fields) -> Tensor:
        with torch.no_grad():
            made = self.losses.samples(b)
        return self.losses.d(b, *made)

    def _g_loss(self, b: Fields) -> Tensor:
        return self.losses.g(b, *self.losses.samples(b))

    def _e_step(self, b: Fields) -> Tensor:
        with torch.no_grad():
            return self.losses.weights(self.G(b["z"]))

    def start(self, weights: dict[str, list[np.ndarray]]) -> None:
        with torch.no_grad():
            for net, values in ((self.D, weights["D"]), (self.G, weights["G"])):
                for p, value in zip(net.parameters(), values, strict=True):
                    p.copy_(torch.from_numpy(value))

    def iterate(self, step: Callable[[str], Fields]) -> None:
        """One iteration; `step` gives the fields of a gradient step of "D" or "G"."""
        if self.work.objective == "em":
            return self._iterate_em(step)
        for player in self.work.schedule:
            if player == "D":
                self._descend("D", self.d_loss(step("D")))
            else:
                # the critic's parameters need no gradient here, which saves their products
                self.D.requires_grad_(False)
                self._descend("G", self.g_loss(step("G")))
                self.D.requires_grad_(True)

    def _iterate_em(self, step: Callable[[str], Fields]) -> None:
        b = step("D")
        if self.compiled:
            b["r"] = self.e_step(b)
            self._descend("D", self.d_loss(b))
            step("G")
            self.D.requires_grad_(False)
            self._descend("G", self.g_loss(b))
        else:
            # the latents are held: one pass of the generator serves all three
            fake = self.G(b["z"])
            b["r"] = self.losses.weights(fake.detach()).detach()
            self._descend("D", self.losses.d(b, fake.detach()))
            step("G")
            self.D.requires_grad_(False)
            self._descend("G", self.losses.g(b, fake))
        self.D.requires_grad_(True)

    def _descend(self, player: str, loss: Tensor) -> None:
        self.optimisers[player].zero_grad()
        loss.backward()
        self.moves[player]()

    def probed(self, b: Fields) -> tuple[float, float]:
        """Both losses as they stand."""
        if self.work.objective == "em":
            b = {**b, "r": self._e_step(b)}
        return self._d_loss(b).item(), self._g_loss(b).item()


def drawing(work: Work) -> Callable[[str], Fields]:
    """Draws what a gradient step of a player uses, from torch's own generator."""
    angle = 2 * math.pi / MODES * torch.arange(MODES, device=work.device)
    centres = RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)
    rows, device = work.batch, work.device
    each = {
        "x": lambda: (
            centres[torch.randint(MODES, (rows,), device=device)] + SD * torch.randn(rows, DATA, device=device)
        ),
        "z": lambda: torch.randn(rows, LATENT, device=device),
        "z2": lambda: torch.randn(rows, LATENT, device=device),
        "u": lambda: torch.rand(rows, device=device),
    }
    return lambda player: {name: each[name]() for name in work.draws(player)}


def trajectory(work: Work, setting: dict[str, Any], iterations: int, replicas: int) -> np.ndarray:
    """Losses of D and G on the probe after each iteration (iterations, R, 2), from the data that is dropped in."""
    prepare(work)
    fields = {name: torch.from_numpy(v).to(work.device) for name, v in dropped_in(work, iterations, replicas).items()}
    weights = initial_weights(work, replicas)
    found = np.empty((iterations, replicas, 2))
    made = Replica(work, **_of_replica(setting))
    for r in range(replicas):
        made.start(weights[r])
        for optimiser in made.optimisers.values():
            optimiser.state.clear()
        steps = iter([{name: v[s, r] for name, v in fields.items()} for s in range(len(fields["x"]))])
        probe = {name: v[-1, r] for name, v in fields.items()}
        for i in range(iterations):
            made.iterate(lambda player, steps=steps: next(steps))  # type: ignore[misc]
            found[i, r] = made.probed(probe)
    return found


def runner(work: Work, setting: dict[str, Any], seeds: int) -> Runner:
    """Trains one seed, drawing in the loop: the others would follow it, at the same cost."""
    prepare(work)
    replica, step = Replica(work, **_of_replica(setting)), drawing(work)

    def eager(iterations: int) -> None:
        for _ in range(iterations):
            replica.iterate(step)
        if work.device == "cuda":
            torch.cuda.synchronize()

    eager(3)  # warm-up
    if setting.get("graph"):
        graph = _captured(lambda: replica.iterate(step))

        def replay(iterations: int) -> None:
            for _ in range(iterations):
                graph.replay()
            torch.cuda.synchronize()

        replay(3)
        return Runner(replay, 1)
    return Runner(eager, 1)


def _captured(iterate: Callable[[], None]) -> Any:
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # CUDA graphs want their warm-up on another stream
        iterate()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        iterate()
    return graph


def _of_replica(setting: dict[str, Any]) -> dict[str, Any]:
    return {name: setting[name] for name in ("adam", "joined", "compiled") if name in setting}


def prepare(work: Work) -> None:
    torch.set_float32_matmul_precision("high" if work.precision == "tf32" else "highest")
