"""How good the samples are after a fixed budget, so that a change that is faster and worse is seen."""

from __future__ import annotations

import numpy as np

from ganbench.metrics.transport import W1
from ganbench.statistics import interquartile_mean
from ganbench.targets.mixtures import Ring8
from ganbench.training.loop import Training, true_samples

from .ensembles import FAMILIES, training

ITERATIONS = 1500
SAMPLES = 500


def _w1(ensemble: Training) -> float:
    """Interquartile mean over the seeds of the exact W1 of equally many generated and true samples."""
    target, samples = Ring8(), ensemble.samples("asv", 0, SAMPLES).astype(float)
    each = [
        W1().measure(generated, true_samples(target, seed, 0, SAMPLES), target)
        if np.isfinite(generated).all()
        else np.inf
        for seed, generated in zip(ensemble.seeds, samples, strict=True)
    ]
    return float(interquartile_mean(np.array(each)))


class AfterTraining:
    """W1 on ring8 of each family, compiled, over 8 seeds; 3,000 gradient steps of both players together."""

    params = (list(FAMILIES), [ITERATIONS])
    param_names = ("objective", "iterations")
    unit, timeout = "data units", 300.0

    def track_w1(self, objective: str, iterations: int) -> float:
        ensemble = training(objective, "compiled")
        ensemble.advance(iterations)
        return _w1(ensemble)


def track_w1_before_training() -> float:
    """W1 of the generators as they start: the same for every objective."""
    return _w1(training("minimax", "eager"))


track_w1_before_training.unit = "data units"  # type: ignore[attr-defined]  # how asv is told
