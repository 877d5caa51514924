"""How an ensemble of convolutional replicas runs fastest: side by side on one thread, per replica and iteration.

Two ways to write a convolution, torch's own and ganbench's matrix products; two ways to run an ensemble, `vmap` over
the replicas and a loop over them; each eager and compiled. "torch loop eager" is the loop over single replicas that
people write. One iteration is a step of the discriminator and one of the generator, width 16, batch 64, Adam. Every
strategy starts from the same weights, and their first gradients are compared before anything is timed. Rounds
alternate, so that all see the same machine.

    OMP_NUM_THREADS=1 python suites/peers/conv_strategies.py [SIDE] [OBJECTIVE] [ROUNDS] [REPLICAS]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ganbench.catalogue import OBJECTIVES
from ganbench.networks.conv import ChannelsFirst, ChannelsLast, Conv, Doubling, Halving
from ganbench.training.device import prepare_process
from ganbench.training.ensemble import Game, lifted
from ganbench.training.optimisers import Adam

WIDTH, BATCH, LATENT = 16, 64, 16
ROUND_S = 0.5
TOLERANCE = 1e-4
"""Of the largest gradient of a parameter: fp32 sums of another order."""

Strategy = tuple[str, str, bool]
STRATEGIES: tuple[Strategy, ...] = tuple(
    (way, lift, compiled) for way in ("torch", "products") for lift in ("loop", "vmap") for compiled in (False, True)
)
PLAIN = STRATEGIES[0]


class TorchHalving(nn.Conv2d):
    """torch's convolution with ganbench's parameters."""

    def __init__(self, own: Halving):
        outputs, inputs = own.weight.shape[:2]
        super().__init__(inputs, outputs, 4, stride=2, padding=1)


class TorchDoubling(nn.Module):
    """torch's transposed convolution with ganbench's parameters."""

    def __init__(self, own: Doubling):
        super().__init__()
        self.weight, self.bias = own.weight, own.bias

    def forward(self, v: Tensor) -> Tensor:
        o, c = self.bias.shape[0], v.shape[1]
        kernel = self.weight.reshape(2, 2, o, c, 2, 2).permute(3, 2, 4, 0, 5, 1).reshape(c, o, 4, 4)
        return F.conv_transpose2d(v, kernel, self.bias, stride=2, padding=1)


@dataclass(frozen=True)
class TorchConv(Conv):
    """`conv` with torch's convolutions, channels first; its parameters have the same names and shapes."""

    def generator(self, latent: int, shape: tuple[int, ...]) -> nn.Module:
        linear, unflatten, *layers = super().generator(latent, shape).children()
        return nn.Sequential(linear, nn.Sequential(unflatten, ChannelsFirst()), *map(in_torch_s_way, layers))

    def critic(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        *layers, linear, last = super().critic(shape, outputs).children()
        return nn.Sequential(*map(in_torch_s_way, layers), linear, last)


def in_torch_s_way(layer: nn.Module) -> nn.Module:
    """A layer for channels first; what the linear layers see keeps its order."""
    if isinstance(layer, Halving):
        return TorchHalving(layer)
    if isinstance(layer, Doubling):
        return TorchDoubling(layer)
    if isinstance(layer, nn.Flatten):
        return nn.Sequential(ChannelsLast(), layer)
    return nn.Identity() if isinstance(layer, ChannelsFirst | ChannelsLast) else layer


class Runner:
    """One strategy, ready to run: its game and its compiled steps."""

    def __init__(self, strategy: Strategy, objective_name: str, side: int, replicas: int):
        way, lift, compiled = strategy
        objective, optimiser, shape = OBJECTIVES.load(objective_name)(), Adam(), (1, side, side)
        network = (TorchConv if way == "torch" else Conv)(width=WIDTH)
        game = Game(objective, optimiser, network, None, LATENT, shape, BATCH, replicas, compiled, "cpu", lift)
        rng = torch.Generator().manual_seed(0)
        self.replicas = replicas
        self.state = game.initial_state(list(range(replicas)))
        self.swept = game.swept([objective] * replicas, [optimiser] * replicas)
        self.fields = {
            "x": torch.rand(replicas, BATCH, *shape, generator=rng) * 2 - 1,
            "z": torch.randn(replicas, BATCH, LATENT, generator=rng),
            "z2": torch.randn(replicas, BATCH, LATENT, generator=rng),
            "u": torch.rand(replicas, BATCH, generator=rng),
            "t": torch.ones(replicas),
        }
        needed = {"x", "z", "t", *objective.all_draws()}
        self.fields = {name: values for name, values in self.fields.items() if name in needed}
        self.steps: list[Callable[..., Any]] = [
            lifted(game, step, (self.state, self.swept, self.fields)) for step in ("D", "G")
        ]
        self.iterations = max(1, round(ROUND_S / (self.round_s(1) * replicas)))

    def gradients(self) -> list[Tensor]:
        """A tenth of the first gradients of all parameters: Adam's first moments after one iteration."""
        state = self.state
        for step in self.steps:
            state = step(state, self.swept, self.fields)
        return pytree.tree_leaves([state["optimiser_D"]["first"], state["optimiser_G"]["first"]])

    @torch.no_grad()
    def round_s(self, iterations: int | None = None) -> float:
        """Seconds per replica and iteration."""
        state, iterations = self.state, iterations or self.iterations
        began = time.perf_counter()
        for _ in range(iterations):
            for step in self.steps:
                state = step(state, self.swept, self.fields)
        return (time.perf_counter() - began) / iterations / self.replicas


def difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """The largest difference of two lists of gradients, in parts of each parameter's largest."""
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected, strict=True))


def main() -> int:
    prepare_process(threads=1)
    arguments = dict(enumerate(sys.argv[1:]))
    side, name = int(arguments.get(0, 8)), arguments.get(1, "non-saturating")
    rounds, replicas = int(arguments.get(2, 7)), int(arguments.get(3, 8))
    runners = {strategy: Runner(strategy, name, side, replicas) for strategy in STRATEGIES}
    expected = runners[PLAIN].gradients()
    for strategy, runner in runners.items():
        apart = difference(runner.gradients(), expected)
        if not apart < TOLERANCE:
            print(f"{strategy}: other gradients than {PLAIN}, {apart:.1e} apart", file=sys.stderr)
            return 1
    seconds: dict[Strategy, list[float]] = {strategy: [] for strategy in STRATEGIES}
    for _ in range(rounds):
        for strategy, runner in runners.items():
            seconds[strategy].append(runner.round_s())
    print(f"{name}, {side}x{side}x1, width {WIDTH}, batch {BATCH}, {replicas} replicas; median of {rounds} rounds")
    print("convolutions  lift  code      ms per replica and iteration   torch loop eager / this (least to most)")
    for (way, lift, compiled), times in seconds.items():
        ratios = [plain / this for plain, this in zip(seconds[PLAIN], times, strict=True)]
        words = f"{statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        code = "compiled" if compiled else "eager"
        print(f"{way:12s}  {lift}  {code:8s}  {statistics.median(times) * 1e3:8.3f}{'':21s} {words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
