"""Benchmarks and evaluates GAN objectives: many seeds at once, metrics with a known truth, honest statistics.

Everything that the command line does is one call here. `run`, `plan` and `tune` take a suite, its name or its path, and
what is changed in it by keyword, as `apply_overrides` does; `estimate` takes a plan. `load_results` gives what `rank`,
`print_tables`, `to_markdown`, `to_csv` and `write_report` make tables of; `evaluate` measures stored generators anew;
`compare` says what changed between two folders, `merge` unites several, `verify` checks what is stored, and
`ganbench.tables` has more tables. A finished `tune` has `winners()` and `to_markdown()`. The registries hold everything
that has a name.
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
    "evaluate": "measuring:evaluate",
    "tune": "tuning:tune",
    "load_suite": "suite:load_suite",
    "apply_overrides": "suite:apply_overrides",
    "load_results": "store:load_results",
    "rank": "report.ranking:rank",
    "print_tables": "report.tables:print_tables",
    "to_markdown": "report.tables:to_markdown",
    "to_csv": "report.tables:to_csv",
    "write_report": "report.tables:write_report",
    "compare": "report.comparing:compare_folders",
    "merge": "store:merge",
    "verify": "verifying:verify",
    "OBJECTIVES": "catalogue:OBJECTIVES",
    "TARGETS": "catalogue:TARGETS",
    "NETWORKS": "catalogue:NETWORKS",
    "OPTIMISERS": "catalogue:OPTIMISERS",
    "METRICS": "catalogue:METRICS",
    "BASELINES": "catalogue:BASELINES",
}

__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> Any:
    if name == "tables":
        return importlib.import_module("ganbench.tables")
    if name not in _PLACES:
        raise AttributeError(f"module 'ganbench' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(importlib.import_module(f"ganbench.{module}"), attribute)
