"""Seconds of training: of every objective at one size, and of two over replicas, size and device.

A call trains so many iterations of an ensemble, in whole blocks of draws, and waits for the device; compilation and
warm-up are over before. `ganbench report --asv` divides by iterations and replicas.
"""

from __future__ import annotations

from ganbench.catalogue import OBJECTIVES

from .ensembles import BATCH, FAMILIES, HIDDEN, REPLICAS, training

ITERATIONS = 32


class _Ensemble:
    """Trains on and on: what an ensemble costs does not depend on how far it is."""

    param_names = ("objective", "code", "replicas", "hidden", "batch", "device", "iterations")
    # a sample is some tenths of a second already
    number, repeat, rounds, warmup_time, timeout = 1, (3, 12, 2.0), 1, 0.0, 300.0

    def setup(
        self, objective: str, code: str, replicas: int, hidden: int, batch: int, device: str, iterations: int
    ) -> None:
        self.ensemble = training(objective, code, replicas, hidden, batch, device)

    def time_training(self, *parameters: object) -> None:
        self.ensemble.advance(self.ensemble.iteration + ITERATIONS)


class EveryObjective(_Ensemble):
    params = (OBJECTIVES.names(), ["eager"], [REPLICAS], [HIDDEN], [BATCH], ["cpu"], [ITERATIONS])


class FamiliesCompiled(_Ensemble):
    params = (list(FAMILIES), ["compiled"], [REPLICAS], [HIDDEN], [BATCH], ["cpu"], [ITERATIONS])


class Replicas(_Ensemble):
    params = (
        ["non-saturating", "wasserstein-gp"],
        ["compiled"],
        [2, 8, 32],
        [64],
        [256],
        ["cpu", "cuda"],
        [ITERATIONS],
    )


class Sizes(_Ensemble):
    params = (["non-saturating", "wasserstein-gp"], ["compiled"], [8], [64, 128], [512], ["cpu", "cuda"], [ITERATIONS])
