"""Benchmarks and evaluates GAN objectives: many seeds at once, metrics with a known truth, honest statistics.

Everything that the command line does is one call here: `run`, `plan`, `estimate`, `load_results`, `evaluate`, `tune`,
`write_report`, and the registries OBJECTIVES, TARGETS, NETWORKS, OPTIMISERS, METRICS and BASELINES.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# name -> where it stands; imported on first use, so that `import ganbench` costs nothing
_PLACES = {
    "run": "pipeline:run",
    "plan": "pipeline:plan",
    "estimate": "pipeline:estimate",
    "evaluate": "pipeline:evaluate",
    "tune": "tuning:tune",
    "load_suite": "suite:load_suite",
    "load_results": "store:load_results",
    "write_report": "report.tables:write_report",
    "OBJECTIVES": "catalogue:OBJECTIVES",
    "TARGETS": "catalogue:TARGETS",
    "NETWORKS": "catalogue:NETWORKS",
    "OPTIMISERS": "catalogue:OPTIMISERS",
    "METRICS": "catalogue:METRICS",
    "BASELINES": "catalogue:BASELINES",
}

__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'ganbench' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(importlib.import_module(f"ganbench.{module}"), attribute)
