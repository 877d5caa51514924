"""Suites: TOML -> Suite -> cells, with every message that a person's input can cause. Needs no torch.

`loading` reads and checks files and command lines by `schema` and `spec`; `document` and `positions` know where each
value stood; `resolver` and `assemble` make the `cells`, and only they load the classes that a suite names.
"""

from __future__ import annotations

from ganbench.suite.cells import Budget, Cell, Cost, Evaluation, Part, iteration_cost
from ganbench.suite.loading import Suite, SuiteError, apply_overrides, load_suite, parse_suite, shipped_suites
from ganbench.suite.resolver import resolve, search_space
from ganbench.suite.spec import Choices, Grid, Interval, Spec, SpecError, parse_spec, parse_value

__all__ = [
    "Budget",
    "Cell",
    "Choices",
    "Cost",
    "Evaluation",
    "Grid",
    "Interval",
    "Part",
    "Spec",
    "SpecError",
    "Suite",
    "SuiteError",
    "apply_overrides",
    "iteration_cost",
    "load_suite",
    "parse_spec",
    "parse_suite",
    "parse_value",
    "resolve",
    "search_space",
    "shipped_suites",
]
