"""An ensemble of 16 against a plain PyTorch loop, side by side on one core: replica iterations per second.

Same networks, batch, optimiser and losses (non-saturating, hidden width 64, two hidden layers, batch 256, Adam,
ring8), one thread. The plain loop trains one seed at a time, as the tutorials do. Rounds alternate, so that both see
the same machine.

    OMP_NUM_THREADS=1 python suites/peers/plain_loop.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from ganbench.networks.mlp import MLP
from ganbench.objectives.minimax import NonSaturating
from ganbench.targets.mixtures import Ring8
from ganbench.training.device import prepare_process
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import Adam

WIDTH, BATCH, HIDDEN, LATENT = 16, 256, 64, 2
LOOP_ITERATIONS, ENSEMBLE_ITERATIONS = 400, 100


def plain_loop() -> Callable[[], float]:
    """A round of the loop that people write: gives seconds per iteration."""
    target, network = Ring8(), MLP(width=HIDDEN)
    G, D = network.generator(LATENT, target.shape), network.critic(target.shape, 1)
    optimiser_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.9))
    optimiser_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.9))

    def real() -> torch.Tensor:
        return target.sample(torch.rand(BATCH, target.uniforms), torch.randn(BATCH, target.normals))

    def iterate() -> None:
        optimiser_d.zero_grad()
        fake = G(torch.randn(BATCH, LATENT)).detach()
        (-F.logsigmoid(D(real())).mean() - F.logsigmoid(-D(fake)).mean()).backward()
        optimiser_d.step()
        optimiser_g.zero_grad()
        (-F.logsigmoid(D(G(torch.randn(BATCH, LATENT)))).mean()).backward()
        optimiser_g.step()

    def round_s() -> float:
        began = time.perf_counter()
        for _ in range(LOOP_ITERATIONS):
            iterate()
        return (time.perf_counter() - began) / LOOP_ITERATIONS

    round_s()  # warm-up
    return round_s


def ensemble() -> Callable[[], float]:
    """A round of ganbench's ensemble, draws included: gives seconds per iteration and replica."""
    objective, optimiser, target = NonSaturating(), Adam(), Ring8()
    game = Game(objective, optimiser, MLP(width=HIDDEN), None, LATENT, target.shape, BATCH, WIDTH, True, "cpu")
    training = Training(game, [Lane(objective, optimiser, seed) for seed in range(WIDTH)], target)
    training.prepare()

    def round_s() -> float:
        began = time.perf_counter()
        training.advance(training.iteration + ENSEMBLE_ITERATIONS)
        return (time.perf_counter() - began) / ENSEMBLE_ITERATIONS / WIDTH

    round_s()  # warm-up
    return round_s


def main() -> None:
    prepare_process(threads=1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    loop, many = plain_loop(), ensemble()
    pairs = [(loop(), many()) for _ in range(rounds)]
    ratios = [a / b for a, b in pairs]
    for name, seconds in zip(("plain loop", f"ensemble of {WIDTH}"), zip(*pairs, strict=True), strict=True):
        median, best = statistics.median(seconds), min(seconds)
        print(f"{name:15s} {median * 1e3:.3f} ms per iteration and replica (median of {rounds}; best {best * 1e3:.3f})")
    print(f"ratio           {statistics.median(ratios):.2f} (median of pairs; {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
