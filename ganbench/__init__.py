"""Benchmarks and evaluates GAN objectives: many seeds at once, metrics with a known truth, honest statistics.

Everything that the command line does is one call here: `run`, `plan`, `estimate`, `load_results`, `evaluate`, `tune`,
and the registries `objectives`, `targets`, `networks`, `optimisers`, `metrics`, `baselines`.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

__version__ = "0.1.0"

# name -> where it stands; imported on first use, so that `import ganbench` costs nothing
_PLACES = {
    "run": "pipeline:run",
    "plan": "pipeline:plan",
    "estimate": "pipeline:estimate",
    "evaluate": "pipeline:evaluate",
    "tune": "tune:tune",
    "load_suite": "suite:load_suite",
    "load_results": "store:load_results",
    "objectives": "catalogue:OBJECTIVES",
    "targets": "catalogue:TARGETS",
    "networks": "catalogue:NETWORKS",
    "optimisers": "catalogue:OPTIMISERS",
    "metrics": "catalogue:METRICS",
    "baselines": "catalogue:BASELINES",
}

__all__ = ["__version__", *_PLACES]


class _Package(types.ModuleType):
    """The package itself: `ganbench.plan` and `ganbench.tune` are the calls, also once the files of these names are in.

    Importing a file sets it as an attribute of its package, over whatever is there; a property stays.
    """


def _place(name: str) -> property:
    def find(package: _Package) -> Any:
        module, _, attribute = _PLACES[name].partition(":")
        return getattr(importlib.import_module(f"ganbench.{module}"), attribute)

    return property(find, lambda package, imported_file: None)


for _name in _PLACES:
    setattr(_Package, _name, _place(_name))
sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    # type checkers read from this that the names above exist
    raise AttributeError(f"module 'ganbench' has no attribute {name!r}")
