"""Seconds of each metric against the number of samples."""

from __future__ import annotations

import itertools

import numpy as np

from ganbench import streams
from ganbench.catalogue import METRICS
from ganbench.metrics.contract import Metric
from ganbench.targets.contract import Target
from ganbench.targets.images import Digits
from ganbench.targets.mixtures import Ring8
from ganbench.targets.stacked import StackedDigits
from ganbench.training.device import prepare_process

CALLS = itertools.count()
"""Each call measures samples of its own: features of images that a process has seen are kept."""


class EveryMetric:
    """On the first of ring8, digits and stacked-digits where it applies, with features where it needs them.

    The classifier that gives these is trained before.
    """

    params = (METRICS.names(), [200, 800])
    param_names = ("metric", "n")
    # the first call, which imports what a metric needs, is no sample
    number, repeat, rounds, warmup_time, timeout = 1, (3, 10, 1.0), 1, 0.001, 300.0

    def setup(self, metric: str, n: int) -> None:
        prepare_process(threads=1)
        self.metric: Metric = METRICS.load(metric)()
        targets: list[Target] = [Ring8(), Digits(), StackedDigits()]
        self.target = next(target for target in targets if self.metric.inapplicable(target) is None)
        self.metric.prepare(self.target)
        call = next(CALLS)
        self.true = self.target.reference(streams.generator(call, "asv.true"), n)
        noise = streams.generator(call, "asv.noise").normal(size=self.true.shape)
        # neither true samples, whose transport is found faster than that of a generator in training, nor all noise
        self.generated = (
            self.target.oracle(streams.generator(call, "asv.generated"), n) + 0.1 * self.target.scale * noise
        )

    def time_value(self, metric: str, n: int) -> None:
        self.metric.estimate(np.asarray(self.generated), self.true, self.target)
