"""What changed between two folders: cells matched by what they are, fixed words, and no silence about the rest."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import Study

from ganbench.report.changes import changes_to_markdown
from ganbench.report.comparing import Change, Changes, compare_folders
from ganbench.report.several import differing, flattened
from ganbench.statistics import interquartile_mean
from ganbench.store import StoreError, write_record
from ganbench.store.records import Planned, record

SEEDS = range(8)


@pytest.fixture
def old(tmp_path: Path) -> Study:
    return Study(tmp_path / "old")


@pytest.fixture
def new(tmp_path: Path) -> Study:
    return Study(tmp_path / "new")


def fill(study: Study, label: str, values: Any, **changes: Any) -> None:
    """Replicas of one cell: a value for each seed, None for one that diverged."""
    for seed, value in enumerate(values):
        if value is None:
            study.add(label, seed, status="diverged", **changes)
        else:
            study.add(label, seed, {"w1": float(value)}, **changes)


def found(old: Study, new: Study, **options: Any) -> Changes:
    return compare_folders(old.folder, new.folder, **options)


def only(changes: Changes) -> Change:
    (change,) = changes.changes
    return change


@pytest.mark.parametrize(
    ("shift", "word", "regressions"), [(-0.5, "much better", 0), (0.5, "much worse", 1), (0.0, "undecided", 0)]
)
def test_a_word_says_what_after_is_against_before(old: Study, new: Study, shift: float, word: str, regressions: int):
    values = 1 + np.arange(8) / 100
    fill(old, "em", values)
    fill(new, "em", values + shift)
    assert (only(found(old, new)).word, len(found(old, new).regressions)) == (word, regressions)


def test_where_more_is_better_less_is_a_regression(old: Study, new: Study):
    for seed in SEEDS:
        old.add("em", seed, {"w1": 0.9 + seed / 100}, direction="higher")
        new.add("em", seed, {"w1": 0.1 + seed / 100}, direction="higher")
    change = only(found(old, new))
    assert (change.word, change.difference) == ("much worse", pytest.approx(-0.8))


def test_before_and_after_are_interquartile_means_and_the_interval_holds_their_difference(old: Study, new: Study):
    values = np.array([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 5.0])
    fill(old, "em", values)
    fill(new, "em", values**2)
    change = only(found(old, new))
    assert change.before == pytest.approx(np.mean(values[2:6]))
    assert change.after == pytest.approx(np.mean(values[2:6] ** 2))
    assert change.low < change.difference < change.high


def test_the_interval_is_that_of_two_samples_resampled_apart(old: Study, new: Study):
    rng = np.random.default_rng(0)
    before, after = rng.normal(1, 0.1, 20), rng.normal(2, 0.1, 20)
    fill(old, "em", before)
    fill(new, "em", after)
    change = only(found(old, new))
    spread = np.hypot(*(interquartile_mean(rng.choice(v, (4000, 20))).std() for v in (before, after)))
    # 1.96 standard errors either side; the bootstrap's own error is a few percent
    assert change.high - change.low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_a_replica_that_diverged_counts_as_the_worst_completed_one_of_either_folder(old: Study, new: Study):
    fill(old, "em", [0.1, 0.1, 0.1, 0.1])
    fill(new, "em", [0.1, 0.1, None, None])
    fill(old, "minimax", [3.0, 0.2, 0.2, 0.2])
    fill(new, "minimax", [0.2, 0.2, 0.2, 0.2])
    change = next(c for c in found(old, new).changes if c.label == "em")
    assert (change.after, change.diverged) == (pytest.approx((0.1 + 3) / 2), (0, 2))


def test_one_side_that_all_diverged_is_much_worse_than_one_that_completed(old: Study, new: Study):
    fill(old, "em", 1 + np.arange(8) / 100)
    fill(new, "em", [None] * 8)
    assert only(found(old, new)).word == "much worse"


def test_two_sides_that_all_diverged_are_equivalent_and_have_no_finite_value(old: Study, new: Study):
    fill(old, "em", [None] * 8)
    fill(new, "em", [None] * 8)
    change = only(found(old, new))
    assert (change.word, change.before, change.after) == ("equivalent", math.inf, math.inf)
    assert "8 → 8" in changes_to_markdown(found(old, new))


def test_a_single_seed_is_told_and_infers_nothing(old: Study, new: Study):
    fill(old, "em", [0.1])
    fill(new, "em", [9.9])
    change = only(found(old, new))
    assert (change.word, math.isnan(change.low)) == ("too few seeds", True)


def test_the_family_is_one_target_and_its_objectives_without_baselines(old: Study, new: Study):
    shifted = 1 + np.arange(8) / 100
    for label in ("em", "minimax", "trivial"):
        fill(old, label, shifted)
        fill(new, label, shifted + 0.5)
    by_label = {change.label: change.comparison for change in found(old, new).changes}
    assert by_label["em"].adjusted == pytest.approx(2 * by_label["em"].p)
    assert by_label["trivial"].adjusted == by_label["trivial"].p


def test_seeds_that_both_folders_share_are_compared_in_pairs(old: Study, new: Study):
    fill(old, "em", np.arange(8) / 10)
    fill(new, "em", np.arange(6) / 10 + 0.01)
    change = only(found(old, new))
    assert (change.comparison.pairs, change.same) == (6, 0)
    assert change.paired == pytest.approx(0.01)


def test_equal_bits_are_said_to_be_equal(old: Study, new: Study):
    fill(old, "em", np.arange(8) / 10)
    fill(new, "em", np.arange(8) / 10)
    assert "8: all equal" in changes_to_markdown(found(old, new))


def test_cells_of_other_definitions_are_not_compared_but_told_field_by_field(old: Study, new: Study):
    fill(old, "em", [0.1], cell_id="aaaa", budget={"currency": "gradient_steps", "amount": 6000})
    fill(new, "em", [0.1], cell_id="bbbb", budget={"currency": "gradient_steps", "amount": 60})
    changes = found(old, new)
    assert changes.changes == ()
    assert [said.partition("; ")[2] for said in changes.unmatched] == [
        "nearest is em: budget.amount: 6000 → 60",
        "nearest is em: budget.amount: 6000 → 60",
    ]
    assert "nothing was compared" in changes_to_markdown(changes)


def test_an_objective_without_any_relative_is_told(old: Study, new: Study):
    fill(old, "em", [0.1])
    fill(new, "em", [0.1])
    fill(new, "minimax", [0.1])
    assert found(old, new).unmatched == ("ring8, minimax: only after; the other folder has no minimax on ring8",)


def test_a_definition_s_fields_are_named_as_in_a_suite():
    cell = {
        "objective": {"name": "em", "fields": {"d_steps": 1}},
        "batch": 128,
        "budget": {"amount": 6},
        "network": None,
    }
    assert dict(flattened(cell)) == {
        "objective": "em",
        "objective.d_steps": 1,
        "training.batch": 128,
        "budget.amount": 6,
        "network": None,
    }
    assert differing(cell, {**cell, "batch": 256}) == ["training.batch: 128 → 256"]
    less = {**cell, "objective": {"name": "em", "fields": {}}}
    assert differing(less, cell) == ["objective.d_steps: nothing → 1"]


def test_what_was_not_made_alike_is_listed(old: Study, new: Study):
    fill(old, "em", [0.1], execution={"device": "cpu", "torch": "2.12.0", "code": "aa"})
    fill(new, "em", [0.1], execution={"device": "cpu", "torch": "2.13.0", "code": "bb"})
    assert found(old, new).environments == (
        "torch: 2.12.0 → 2.13.0",
        "code: 1 of 1 shared cells were computed by other sources",
    )


def test_a_folder_that_lacks_replicas_is_called_incomplete(old: Study, new: Study):
    fill(old, "em", [0.1, 0.2])
    fill(new, "em", [0.1])
    new.add("em", 1, status="failed")
    assert found(old, new).incomplete == (f"INCOMPLETE: {new.folder}: 1 failed.",)


def test_a_cell_without_values_on_one_side_is_named(old: Study, new: Study):
    fill(old, "em", [0.1])
    new.add("em", 0, {"high_quality": 0.5})
    (said,) = found(old, new).unmatched
    assert said == "ring8, em: no replica has a w1 that can be compared, after"


def test_a_cell_that_one_side_planned_and_never_stored_is_named_once(old: Study, new: Study):
    fill(old, "em", [0.1])
    fill(old, "minimax", [0.1])
    fill(new, "em", [0.1])
    replicas = [Planned("ab" * 8, "minimax", "ring8", "minimax", "minimax", False, 0)]
    write_record(new.folder, record("tiny", "w1", None, "", {}, None, replicas))
    changes = found(old, new)
    assert changes.unmatched == ("ring8, minimax: no replica has a w1 that can be compared, after",)
    assert changes.incomplete == (f"INCOMPLETE: {new.folder}: 1 missing.",)


def test_values_of_two_instruments_are_not_compared(old: Study, new: Study):
    old.add("em", 0, {"w1": 0.1}, beside={"w1": {"instrument": "x"}})
    new.add("em", 0, {"w1": 0.1}, beside={"w1": {"instrument": "y"}})
    assert found(old, new).changes == ()


def test_another_suite_s_folder_is_refused_with_both_names(old: Study, new: Study):
    fill(old, "em", [0.1])
    fill(new, "em", [0.1], suite="digits")
    with pytest.raises(StoreError, match=r"holds the suite digits, .* holds tiny: nothing to compare"):
        found(old, new)


def test_an_unknown_metric_names_the_nearest(old: Study, new: Study):
    fill(old, "em", [0.1])
    fill(new, "em", [0.1])
    with pytest.raises(ValueError, match='did you mean "w1"'):
        found(old, new, metric="w2")


def test_hostile_labels_stay_text_in_the_page(old: Study, new: Study):
    fill(old, "em|<b>\x1b", [0.1])
    fill(new, "em|<b>\x1b", [0.1])
    page = changes_to_markdown(found(old, new))
    assert r"em\|\<b>" in page.replace(r"\>", ">")
    assert "\x1b" not in page
    rows = [line.replace(r"\|", "") for line in page.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
