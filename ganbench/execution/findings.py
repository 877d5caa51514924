"""From laws to rows: what a finding measures, and the arrays of its figure.

Apart from `measurement`: no replica that is trained computes its numbers with a law, so none has one in its code.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ganbench.catalogue import COMPARED
from ganbench.suite import Cell
from ganbench.theory.law import Comparison, Law, Subject
from ganbench.theory.subjects import subject


def measure_finding(cell: Cell, seed: int) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, np.ndarray]]:
    """Rows, info and arrays of a finding: a row for each comparison of its laws on the subjects to which they apply.

    metric: law, subject and what the comparison is about; value: measured; floor: expected; spread: tolerance; flag:
    "fails", or "" where it holds; instrument: the relation, then the law's source. A law that raises, or compares
    nothing, ends the replica. The info names the subjects, in the order in which arrays have them.
    """
    finding, began = cell.objective.instance, time.perf_counter()
    subjects = [subject(text) for text in finding.subjects]
    rows = [row for on in subjects for law in finding.laws if law.applies(on) is None for row in _rows(law, on)]
    arrays = {name: np.asarray(values) for name, values in finding.arrays(seed).items()}
    return rows, {"subjects": [on.name for on in subjects], "fit_s": time.perf_counter() - began}, arrays


def _rows(law: Law, on: Subject) -> list[dict[str, Any]]:
    comparisons = list(law.measure(on))
    if not comparisons:
        raise ValueError(f"{law.name} on {on.name}: the law compares nothing; it must say where it does not apply")
    return [_row(law, on, comparison) for comparison in comparisons]


def _row(law: Law, on: Subject, comparison: Comparison) -> dict[str, Any]:
    return {
        "iteration": 0,
        "generator_steps": 0,
        "gradient_steps": 0,
        "real_samples": 0,
        "seconds": 0.0,
        "metric": COMPARED.join((law.name, on.name, comparison.about)),
        "value": float(comparison.measured),
        "unit": "",
        "direction": "",
        "floor": float(comparison.expected),
        "n": 0,
        "final": True,
        "instrument": f"{comparison.relation} {law.source}",
        "spread": float(comparison.tolerance),
        "flag": "" if comparison.holds else "fails",
    }
