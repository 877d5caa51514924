"""The derived metrics, which no suite selects: known by name, and named wherever results hold them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import ganbench

from ganbench import catalogue
from ganbench.report.ranking import COSTS, REACHED
from ganbench.suite import SuiteError, apply_overrides

DERIVED = sorted(catalogue.DERIVED)


def test_what_a_table_ranks_or_counts_beside_the_selected_metrics_is_known_by_name() -> None:
    assert {*REACHED, *COSTS, "effective_sample_size"} == set(DERIVED)


def test_a_listing_of_metrics_holds_the_derived_ones_with_what_they_are(tmp_path: Path) -> None:
    lines = ganbench(tmp_path, "list", "metrics").stdout.splitlines()
    found = {line.split()[0]: line for line in lines if line.startswith(" ")}
    assert set(found) == {*catalogue.METRICS.names(), *DERIVED}
    assert all(catalogue.DERIVED[name].summary in found[name] for name in DERIVED)


@pytest.mark.parametrize("name", DERIVED)
def test_a_derived_metric_says_its_source_unit_and_direction(name: str, tmp_path: Path) -> None:
    found = ganbench(tmp_path, "info", name)
    about = dict(line.strip().split(maxsplit=1) for line in found.stdout.splitlines()[1:4])
    derived = catalogue.DERIVED[name]
    assert about == {"source": derived.source, "unit": derived.unit, "direction": derived.direction}


@pytest.mark.parametrize("name", DERIVED)
def test_a_suite_cannot_select_a_derived_metric(name: str) -> None:
    with pytest.raises(SuiteError, match=f'unknown metric "{name}"'):
        apply_overrides("toy2d", settings={"evaluation.metrics": ["w1", name]})


def test_a_misspelt_derived_metric_is_told_the_nearest_name(tmp_path: Path) -> None:
    assert 'did you mean "iteration_s"?' in ganbench(tmp_path, "info", "iterations_s").stderr
