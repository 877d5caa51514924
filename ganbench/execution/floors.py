"""Floors that are kept between processes and runs: sixteen exact distances take seconds, and never differ."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from ganbench.fields import settable
from ganbench.folders import cache_folder, write_file
from ganbench.metrics.contract import Metric
from ganbench.metrics.floors import floor
from ganbench.planning import digest, sources_version
from ganbench.targets.contract import Target
from ganbench.training.device import execution_identity

LIBRARIES = ("scipy", "POT")
"""What metrics compute with, beside torch and NumPy."""


@lru_cache(maxsize=4096)
def kept_floor(metric: Metric, target: Target, n: int) -> float:
    """The floor of a metric, bit for bit as `metrics.floors.floor` gives it, measured once on a machine.

    Kept in the cache folder by all that can change it: metric, target, n, their sources, libraries and instruction set.
    Where a setting, an extractor or a set of images decides it, or nothing can be written, it is measured each time.
    """
    if metric.known_floor is not None or metric.uses_features or vars(metric) or target.reference_limit is not None:
        return floor(metric, target, n)
    file = _file(metric, target, n)
    with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        content = file.read_text()
        kept = float(json.loads(content)["floor"])
        if content == _written(kept):
            return kept
    value = floor(metric, target, n)
    with suppress(OSError):
        write_file(file, _written(value).encode())
    return value


def _written(value: float) -> str:
    """The text of a floor, which says its own SHA-256: a flipped bit would leave another number."""
    return json.dumps({"floor": value, "sha256": hashlib.sha256(json.dumps(value).encode()).hexdigest()})


def _file(metric: Metric, target: Target, n: int) -> Path:
    kinds = (type(metric), type(target))
    about = {
        "kinds": [f"{kind.__module__}:{kind.__qualname__}" for kind in kinds],
        "fields": {name: getattr(target, name) for name in settable(type(target))},
        "n": n,
        "sources": sources_version({floor.__module__, *(kind.__module__ for kind in kinds)}),
        "libraries": {name: version(name) for name in LIBRARIES},
        "identity": execution_identity("cpu"),
    }
    return cache_folder() / "floors" / f"{digest(about)}.json"
