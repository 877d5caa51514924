"""The work that all participants do: the game, its sizes, its numbers, and the data that a check drops in.

Neither torch nor JAX is imported: each participant brings one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

LATENT, DATA = 2, 2
"""Dimensions of a latent and of a sample."""
EMBEDDING = 16
"""Outputs of the critic of cramer."""
PENALTY, SLOPE, EPS = 10.0, 1.0, 1e-12
"""Weight and slope of the gradient penalty, and what keeps the root of a norm smooth: ganbench's defaults."""
RADIUS, SD, MODES = 2.0, 0.05, 8
"""The target, ring8."""

D_STEPS = {"non-saturating": 1, "wasserstein-gp": 5, "cramer": 5, "em": 1}
"""Steps of the discriminator before the generator's, ganbench's defaults."""
DRAWS = {
    "non-saturating": {"D": ("x", "z"), "G": ("z",)},
    "wasserstein-gp": {"D": ("x", "z", "u"), "G": ("z",)},
    "cramer": {"D": ("x", "z", "z2", "u"), "G": ("x", "z", "z2")},
    "em": {"D": ("x", "z"), "G": ()},  # the latents are held
}
"""What a gradient step of each player uses: data, latents, more latents, numbers uniform on [0, 1)."""


@dataclass(frozen=True)
class Work:
    """One objective at one size: MLPs of `depth` hidden layers of `hidden` units, ring8, Adam."""

    objective: str
    hidden: int
    batch: int
    depth: int = 2
    device: str = "cpu"
    precision: str = "fp32"
    rate: float = 1e-3
    beta1: float = 0.5
    beta2: float = 0.9
    adam_eps: float = 1e-8

    @property
    def schedule(self) -> tuple[str, ...]:
        """The players of an iteration's gradient steps, in order."""
        return ("D",) * D_STEPS[self.objective] + ("G",)

    def draws(self, player: str) -> tuple[str, ...]:
        """Fields that a gradient step of a player uses."""
        return DRAWS[self.objective][player]

    @property
    def outputs(self) -> int:
        """Numbers that the critic gives for a sample."""
        return EMBEDDING if self.objective == "cramer" else 1

    @property
    def dtype(self) -> str:
        return "float64" if self.precision == "fp64" else "float32"

    @property
    def name(self) -> str:
        return f"{self.objective}, H={self.hidden} B={self.batch}"


class Runner(NamedTuple):
    """A participant ready to be timed, compiled and warm."""

    run: Callable[[int], Any]  # trains so many iterations and returns when all is done
    replicas: int  # which an iteration of `run` trains
    chunk: int = 1  # `run` takes multiples of it
    said: dict[str, Any] = {}  # noqa: RUF012  what a participant reports about itself; never changed


def dropped_in(work: Work, iterations: int, replicas: int) -> dict[str, np.ndarray]:
    """The same data for every participant: fields (steps + 1, R, B, ...); the last step's are the probe.

    The losses that are compared are those on the probe, after each iteration.
    """
    rng = np.random.default_rng(0)
    rows = (iterations * len(work.schedule) + 1, replicas, work.batch)
    angle = 2 * np.pi * rng.integers(0, MODES, rows) / MODES
    x = RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=-1) + SD * rng.standard_normal((*rows, DATA))
    fields = {
        "x": x,
        "z": rng.standard_normal((*rows, LATENT)),
        "z2": rng.standard_normal((*rows, LATENT)),
        "u": rng.random(rows),
    }
    # all participants start from the float32 numbers, also where they compute in float64
    return {name: fields[name].astype(np.float32).astype(work.dtype) for name in work.draws("D")}


def initial_weights(work: Work, replicas: int) -> list[dict[str, list[np.ndarray]]]:
    """ganbench's initial weights of the seeds 0, 1, ...: for "D" and "G", weight and bias of each layer in turn."""
    from ganbench.networks.initialisation import initial_params
    from ganbench.networks.mlp import MLP

    network = MLP(width=work.hidden, depth=work.depth)
    modules = {"D": network.critic((DATA,), work.outputs), "G": network.generator(LATENT, (DATA,))}
    return [
        {
            player: [p.astype(work.dtype) for p in initial_params(module, seed, player).values()]
            for player, module in modules.items()
        }
        for seed in range(replicas)
    ]
