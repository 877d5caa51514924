"""What a row says beside its value, on how many samples, and when a quality target counts as reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from example_targets import digits

from ganbench import catalogue
from ganbench.execution.measurement import Rows, measure, measure_baseline, reached
from ganbench.execution.remeasure import _with_metric
from ganbench.execution.worker import Job, run_job
from ganbench.metrics import features
from ganbench.metrics.contract import Estimate, Metric
from ganbench.metrics.floors import floor
from ganbench.registry import Registry
from ganbench.suite import Cell, parse_suite, resolve
from ganbench.targets.contract import Target

TEXT = """\
name = "tiny"
targets = ['{target}']
baselines = ["oracle"]
[budget]
currency = "iterations"
amount = 4
[training]
batch = 16
[evaluation]
samples = 18
final_samples = 20
metrics = {metrics}
rank_by = "w1"
{more}
"""
SPENT = {"iteration": 3, "generator_steps": 3, "gradient_steps": 6, "real_samples": 48, "seconds": 0.5}


class Counting(Metric):
    """How many samples it is given: at most 19."""

    unit: ClassVar[str] = "samples"
    direction: ClassVar[Literal["lower", "higher"]] = "lower"
    source: ClassVar[str] = "this test"
    most_samples: ClassVar[int | None] = 19

    def instrument(self, target: Target) -> str:
        return f"fingers on {type(target).__name__}"

    def value(self, generated: np.ndarray, true: np.ndarray, target: Target) -> Estimate:
        return Estimate(len(np.unique(generated[:, 0])), spread=0.25, flag="rough")


def cell(target: str = "ring8", metrics: str = '["w1"]', more: str = "") -> Cell:
    return resolve(parse_suite(TEXT.format(target=target, metrics=metrics, more=more)))[0]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """A cell that is measured by counting."""
    counted = {**catalogue.METRICS.places, "counted": f"{__name__}:Counting"}
    monkeypatch.setattr(catalogue, "METRICS", Registry("metric", counted))
    return _with_metric(cell(), "counted")


def test_a_row_carries_what_was_spent_and_the_estimate_with_its_floor_and_instrument(counting: Cell):
    generated = np.arange(36.0).reshape(18, 2)
    assert measure(counting, generated, 0, 0, 18, SPENT, final=False) == [
        {
            **SPENT,
            **{"metric": "counted", "value": 18.0, "unit": "samples", "direction": "lower", "floor": 18.0},
            **{"n": 18, "final": False, "instrument": "fingers on Ring8", "spread": 0.25, "flag": "rough"},
        }
    ]


def test_a_metric_with_a_limit_is_measured_on_so_many_samples_and_its_floor_too(counting: Cell):
    rows, _, _ = measure_baseline(counting, seed=0)
    assert [(row["final"], row["n"], row["value"], row["floor"]) for row in rows] == [
        (False, 18, 18, 18),
        (True, 19, 19, 19),
    ]


@pytest.mark.parametrize("metric", ["fid", "kid", "precision", "modes_covered", "kl_uniform"])
def test_values_and_floors_are_of_features_extracted_on_the_job_s_device(metric: str, monkeypatch: pytest.MonkeyPatch):
    asked, real = [], features.extractor

    def on_the_cpu(target: Any, name: str = "classifier", weights: str = "", device: str = "cpu") -> features.Extractor:
        asked.append(device)
        return real(target, name, weights)

    monkeypatch.setattr(features, "extractor", on_the_cpu)
    floor.cache_clear()
    measured = _with_metric(cell("digits"), metric)
    definition = {"cell": measured.definition(), "seed": 0, "execution": {"width": 1}}
    (outcome,) = run_job(Job((definition,), "elsewhere", ""), lambda iterations: None)
    assert outcome.status == "completed", outcome.info
    assert len(asked) > len(outcome.rows)
    assert set(asked) == {"elsewhere"}
    floor.cache_clear()


@pytest.mark.parametrize(
    ("target", "shape"), [("ring8", (500, 2)), ("gaussian1d", (500, 1)), ("digits", (64, 1, 8, 8))]
)
def test_a_snapshot_holds_500_points_or_64_images(target: str, shape: tuple[int, ...]):
    _, _, arrays = measure_baseline(_with_metric(cell(target), "sliced_w1"), seed=0)
    assert arrays["snapshot/0"].shape == shape


def test_a_snapshot_holds_no_more_images_than_the_target_can_give(tmp_path: Path):
    np.savez(tmp_path / "few.npz", images=digits(1)[:40, 0])
    _, _, arrays = measure_baseline(_with_metric(cell(f'images[path="{tmp_path / "few.npz"}"]'), "sliced_w1"), seed=0)
    assert arrays["snapshot/0"].shape == (20, 1, 8, 8)


def curve(metric: str, values: list[float], n: int = 18) -> Rows:
    """Rows of evaluations after 10, 20, ... iterations, and a final one that is better than all."""
    same: dict[str, Any] = {"metric": metric, "n": n, "instrument": "ruler"}
    rows = [
        {**same, "value": value, "iteration": 10 * i, "seconds": 0.5 * i, "final": False}
        for i, value in enumerate(values, 1)
    ]
    best = 0.0 if metric == "w1" else 1.0
    return [*rows, {**rows[-1], "value": best, "final": True}]


@pytest.mark.parametrize(
    ("metric", "values", "iteration"),
    [
        ("w1", [0.9, 0.8, 0.7, 0.8, 0.9], 10),
        ("w1", [1.0, 0.3, 0.2, 0.3, 0.4], 20),
        ("high_quality", [0.3, 0.4, 0.9, 0.95, 0.9], 30),
        ("high_quality", [0.3, 0.4, 0.9, 0.95, 0.4], np.inf),
    ],
)
def test_a_quality_target_is_reached_from_above_or_from_below_as_its_metric_is_better(
    metric: str, values: list[float], iteration: float
):
    metrics = '["w1", "high_quality"]'
    asked = cell(metrics=metrics, more=f'reached_by = "{metric}"\n[evaluation.reached]\nring8 = 0.9')
    other = "high_quality" if metric == "w1" else "w1"
    rows = curve(other, [0.9] * 5) + curve(metric, values)
    found = {row["metric"]: row["value"] for row in reached(asked, rows, "completed")}
    assert found == {"reached_iteration": iteration, "reached_s": iteration / 20}


def test_a_diverged_replica_keeps_no_level_that_it_had():
    asked = cell(more="[evaluation.reached]\nring8 = 0.9")
    assert {row["value"] for row in reached(asked, curve("w1", [0.1] * 5), "diverged")} == {np.inf}


def test_the_row_of_a_quality_target_names_the_instrument_and_samples_of_its_curve():
    asked = cell(more="[evaluation.reached]\nring8 = 0.9")
    found = reached(asked, curve("w1", [0.1] * 5, n=12), "completed")
    assert {(row["instrument"], row["n"], row["flag"], row["final"]) for row in found} == {("ruler", 12, "", True)}
