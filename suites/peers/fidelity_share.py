"""Where the time of FID goes for an ensemble of 16 with 5,000 images of MNIST each, on one core.

The images are held-out digits with noise, so that no feature of them is known. Shares of processor time: the pass
through the classifier (64 features), moments and matrix root, and the rest, which turns samples into bytes and hashes
them. KID, precision and recall follow on the same features.

    OMP_NUM_THREADS=1 python suites/peers/fidelity_share.py FOLDER_OF_MNIST10K [REPLICAS] [SAMPLES]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

from ganbench import streams
from ganbench.metrics import fidelity
from ganbench.metrics.features import Extractor
from ganbench.metrics.fidelity import FID, KID, Precision
from ganbench.targets.datasets import MNIST
from ganbench.training.device import prepare_process

spent: dict[str, float] = {}


def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with its processor seconds added to `spent`."""

    def measured(*arguments: Any) -> Any:
        began = time.process_time()
        try:
            return function(*arguments)
        finally:
            spent[name] = spent.get(name, 0.0) + time.process_time() - began

    return measured


def main(folder: str, replicas: int = 16, samples: int = 5000) -> None:
    os.environ["GANBENCH_DATA"] = folder
    prepare_process(threads=1)
    target = MNIST()
    true = target.reference(streams.generator(0, "peers.true"), samples)
    FID().prepare(target)
    FID().measure(true, true, target)  # imports, and the features of the true images: they are kept
    spent.clear()
    with (
        patch.object(Extractor, "_pass", timed("features", Extractor._pass)),
        patch.object(fidelity, "moments", timed("moments and root", fidelity.moments)),
        patch.object(fidelity, "fid", timed("moments and root", fidelity.fid)),
    ):
        for replica in range(replicas):
            noise = streams.generator(replica, "peers.noise").standard_normal(true.shape)
            generated = np.clip(true + 0.2 * noise, -1, 1)
            for metric in (FID(), KID(), Precision()):
                timed(type(metric).__name__, metric.measure)(generated, true, target)
    total = spent["FID"]
    spent["the rest of FID"] = total - spent["features"] - spent["moments and root"]
    for name in ("features", "moments and root", "the rest of FID", "FID", "KID", "Precision"):
        print(f"{name:18} {spent[name]:7.2f} s  {100 * spent[name] / total:6.1f}% of FID")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
