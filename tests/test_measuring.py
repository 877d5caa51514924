"""Stored generators measured anew: the bits that training had, and replicas that cannot be measured."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from small_runs import TEXT, folder, only, ran

from ganbench import store
from ganbench.cli import main
from ganbench.execution.remeasure import Kept, measurable
from ganbench.measuring import evaluate
from ganbench.metrics.transport import SlicedW1
from ganbench.planning import Replica
from ganbench.report.ranking import final_values
from ganbench.suite import parse_suite, resolve

__all__ = ["folder", "ran"]  # fixtures


def by_replica(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("replica_id").sort_index()[["value", "floor", "n", "iteration", "seconds"]]


def finals(folder: Path, metric: str) -> pd.DataFrame:
    results = store.load_results(folder)
    return by_replica(results[results.final & (results.metric == metric) & ~results.measured_later])


def test_the_final_metric_measured_anew_is_the_stored_one_bit_for_bit(folder: Path) -> None:
    again = by_replica(evaluate(folder, "sliced_w1"))
    pd.testing.assert_frame_equal(again, finals(folder, "sliced_w1"), check_exact=True)


def test_a_replica_measured_alone_has_the_bits_that_it_has_among_others(folder: Path) -> None:
    before = finals(folder, "sliced_w1")
    only(folder, seed=2, label="non-saturating")
    again = by_replica(evaluate(folder, "sliced_w1"))
    pd.testing.assert_frame_equal(again, before.loc[again.index], check_exact=True)
    assert len(again) == 2


def test_a_metric_that_no_run_had_is_found_among_the_results(folder: Path) -> None:
    rows = evaluate(folder, "w1", samples=40)
    assert set(rows.n) == {40}
    final = final_values(store.load_results(folder))
    assert (final.metric == "w1, n = 40, measured later").sum() == len(rows) == 24


def test_a_later_measurement_does_not_replace_the_training_s_own(folder: Path) -> None:
    before = by_replica(final_values(store.load_results(folder)).query("metric == 'sliced_w1'"))
    evaluate(folder, "sliced_w1", samples=40)
    after = by_replica(final_values(store.load_results(folder)).query("metric == 'sliced_w1'"))
    pd.testing.assert_frame_equal(after, before, check_exact=True)


def test_values_of_two_instruments_are_not_told_as_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(folder, label="vae", target_label="moons")
    rulers = iter(["wooden ruler", "steel ruler", "wooden ruler"])
    monkeypatch.setattr(SlicedW1, "instrument", lambda *_: next(rulers))
    told = CliRunner().invoke(main, ["evaluate", str(folder), "--metric", "sliced_w1"], catch_exceptions=False).output
    assert sorted(re.findall(r"moons +vae +(\w+ ruler) +(\d)", told)) == [("steel ruler", "1"), ("wooden ruler", "2")]


def test_a_metric_is_measured_where_it_applies(folder: Path) -> None:
    assert set(evaluate(folder, "modes_covered").target) == {"ring8"}


def test_a_metric_that_applies_nowhere_is_refused_with_the_reason(folder: Path) -> None:
    only(folder, target_label="moons")
    with pytest.raises(ValueError, match=r'"modes_covered" applies to no target here \(moons: .*\); choose another'):
        evaluate(folder, "modes_covered")


def test_too_few_samples_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="samples: found 1; expected at least 2"):
        evaluate(folder, "w1", samples=1)


def test_more_samples_than_a_finite_target_holds_are_refused() -> None:
    cell = resolve(parse_suite(TEXT.replace('"ring8", "moons"', '"digits"').replace(', "kl_modes"', "")))[0]
    kept = Kept(Replica(cell, 0, "ab" * 10, {}, ""), {}, {})
    most = cell.target.instance.reference_limit
    assert measurable([kept], "w1", most) == [kept]
    with pytest.raises(
        ValueError, match=f"samples: found {most + 1}; expected at least 2 and at most {most}, all that"
    ):
        measurable([kept], "w1", most + 1)


def test_an_unknown_metric_is_refused_with_the_nearest_name(folder: Path) -> None:
    with pytest.raises(ValueError, match='unknown metric "w2"; did you mean "w1"'):
        evaluate(folder, "w2")


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(store.StoreError, match="no stored replica here"):
        evaluate(tmp_path, "w1")


def test_a_replica_of_an_unknown_objective_is_named_and_all_others_are_measured(folder: Path) -> None:
    only(folder, target_label="moons", label="non-saturating")
    known = store.read(next(folder.glob("*.parquet")))
    cell = {**known.definition["cell"], "objective": {"name": "mine", "fields": {}}}
    stranger = {**known.definition, "cell": cell, "label": "mine", "replica_id": "ab" * 10}
    store.write(folder, store.ReplicaResult(stranger, "completed", known.rows, known.info, known.arrays))
    with pytest.raises(ValueError, match=r"1 replica was not measured.*abab: mine is code from outside.*-o mine"):
        evaluate(folder, "w1")
    assert len(store.load_results(folder).query("metric == 'w1'")) == 3


def test_diverged_replicas_have_no_later_value(folder: Path) -> None:
    only(folder, label="vae", target_label="moons")
    one, *_ = sorted(folder.glob("*.parquet"))
    result = store.read(one)
    one.unlink()
    store.write(folder, store.ReplicaResult(result.definition, "diverged", result.rows, result.info, result.arrays))
    assert len(evaluate(folder, "w1")) == 2


def test_a_folder_whose_replicas_all_diverged_has_nothing_to_measure(folder: Path) -> None:
    only(folder, label="vae", target_label="moons", seed=0)
    (one,) = folder.glob("*.parquet")
    result = store.read(one)
    one.unlink()
    store.write(folder, store.ReplicaResult(result.definition, "diverged", result.rows, result.info, result.arrays))
    with pytest.raises(ValueError, match="found no completed replica, so there is nothing to measure"):
        evaluate(folder, "w1")


def test_a_replica_whose_execution_an_older_version_wrote_is_named_and_all_others_are_measured(folder: Path) -> None:
    first = min(folder.glob("*.parquet"))
    result = store.read(first)
    first.unlink()
    older = {k: v for k, v in result.definition["execution"].items() if k not in ("lift", "convolution")}
    store.write(folder, dataclasses.replace(result, definition={**result.definition, "execution": older}))
    with pytest.raises(ValueError, match=f"{first.stem}: .* an older version stored it, without lift, convolution"):
        evaluate(folder, "w1", samples=40)
    assert store.load_results(folder).measured_later.sum() == 23
