"""Tables say what was measured: nothing vanishes, nothing is flattered, and every name is inert."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pandas as pd
import pytest
from studies import Study, three_objectives

from ganbench.report.tables import rank, to_csv, to_markdown, write_report
from ganbench.report.wording import decimals, number
from ganbench.store import load_results

NEVER = math.inf


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "tiny")


def test_objectives_are_ranked_and_baselines_stand_among_them_without_a_rank(study: Study):
    three_objectives(study)
    ranked = study.ranked()
    assert list(ranked.index) == ["em", "minimax", "trivial"]
    assert ranked["rank"].tolist()[:2] == [1, 2]
    assert pd.isna(ranked["rank"]["trivial"])


@pytest.mark.parametrize(
    ("paths", "titles"),
    [
        (["/home/a/x.npz", "/home/a/y.npz"], ["images[path=…/x.npz]", "images[path=…/y.npz]"]),
        (["/home/a/x.npz", "/home/b/x.npz"], ["images[path=/home/a/x.npz]", "images[path=/home/b/x.npz]"]),
    ],
)
def test_a_title_leaves_out_a_path_s_folders_where_the_file_s_name_tells_it(
    study: Study, paths: list[str], titles: list[str]
):
    for path in paths:
        study.add("em", 0, {"w1": 0.2}, target_label=f"images[path={path}]", cell_id=path)
    for title in titles:
        assert f"tiny · {title} · w1" in study.printed()


def test_the_value_is_the_interquartile_mean_of_the_final_values(study: Study):
    three_objectives(study)
    assert study.ranked().value["em"] == pytest.approx(0.2 + (2 + 3 + 4 + 5) / 400)


def test_where_more_is_better_the_largest_value_is_first(study: Study):
    study.add("em", 0, {"high_quality": 0.9}, direction="higher")
    study.add("minimax", 0, {"high_quality": 0.7}, direction="higher")
    assert list(study.ranked(rank_by="high_quality").index) == ["em", "minimax"]


def test_a_diverged_replica_counts_as_trivial_where_that_is_worst(study: Study):
    study.add("em", 0, {"w1": 0.2})
    study.add("em", 1, status="diverged")
    study.add("trivial", 0, {"w1": 1.0})
    assert study.ranked().value["em"] == pytest.approx((0.2 + 1) / 2)


def test_a_diverged_replica_counts_as_the_worst_completed_one_where_that_is_worse_than_trivial(study: Study):
    study.add("em", 0, {"w1": 0.2})
    study.add("em", 1, status="diverged")
    study.add("minimax", 0, {"w1": 3.0})
    study.add("trivial", 0, {"w1": 1.0})
    assert study.ranked().value["em"] == pytest.approx((0.2 + 3) / 2)


def test_a_good_value_before_divergence_buys_nothing(study: Study):
    study.add("em", 0, {"w1": 0.01}, status="diverged")
    study.add("trivial", 0, {"w1": 1.0})
    assert study.ranked().value["em"] == 1


def test_a_diverged_replica_counts_as_the_worst_where_more_is_better_too(study: Study):
    study.add("em", 0, {"high_quality": 0.9}, direction="higher")
    study.add("em", 1, status="diverged")
    study.add("minimax", 0, {"high_quality": 0.3}, direction="higher")
    assert study.ranked(rank_by="high_quality").value["em"] == pytest.approx((0.9 + 0.3) / 2)


def test_the_interval_holds_the_value(study: Study):
    three_objectives(study)
    row = study.ranked().loc["em"]
    assert row.low < row.value < row.high


def test_an_interval_of_under_ten_seeds_is_marked_as_too_narrow(study: Study):
    for seed in range(10):
        study.add("em", seed, {"w1": 0.2})
        if seed < 9:
            study.add("minimax", seed, {"w1": 0.3})
    assert study.ranked().too_narrow.to_dict() == {"em": False, "minimax": True}


def test_every_replica_is_counted_by_what_became_of_it(study: Study):
    for seed in range(5):
        study.add("minimax", seed, {"w1": 0.5})
    study.add("em", 0, {"w1": 0.2})
    study.add("em", 1, {"w1": 0.2})
    study.add("em", 2, status="diverged")
    study.add("em", 3, status="failed")
    row = study.ranked().loc["em"]
    assert (row.completed, row.diverged, row.failed, row.missing) == (2, 1, 1, 1)


def test_a_failed_replica_enters_no_value(study: Study):
    study.add("em", 0, {"w1": 0.2})
    study.add("em", 1, status="failed")
    assert study.ranked().value["em"] == 0.2


def test_two_executions_of_one_seed_are_one_seed(study: Study):
    study.add("em", 0, {"w1": 0.2})
    study.add("em", 0, {"w1": 0.4})
    row = study.ranked().loc["em"]
    assert (row.value, row.completed, row.superseded) == (0.4, 1, 1)


def test_one_label_with_two_definitions_has_two_rows(study: Study):
    study.add("em", 0, {"w1": 0.2}, cell_id="aaaaaaaa")
    study.add("em", 0, {"w1": 0.4}, cell_id="bbbbbbbb")
    assert list(study.ranked().index) == ["em (aaaaaa)", "em (bbbbbb)"]


def test_a_replica_that_never_reached_the_target_counts_in_the_median(study: Study):
    for seed, iteration in enumerate([100.0, 200.0, NEVER]):
        study.add("em", seed, {"w1": 0.2, "reached_iteration": iteration})
    row = study.ranked().loc["em"]
    assert (row.reached, row.reached_iteration) == (2, 200)


def test_a_diverged_replica_never_reached_the_target(study: Study):
    study.add("em", 0, {"w1": 0.2, "reached_iteration": 100.0})
    study.add("em", 1, {"reached_iteration": 50.0}, status="diverged")
    row = study.ranked().loc["em"]
    assert (row.reached, row.reached_iteration) == (1, math.inf)


def test_the_quality_target_is_named_with_its_metric_whatever_the_table_is_ranked_by(study: Study):
    study.add("em", 0, {"w1": 0.2, "high_quality": 0.9, "reached_iteration": 100.0})
    assert "reached w1 ≤ 0.3" in to_markdown(load_results(study.folder), "high_quality").replace("\\", "")


def test_one_seed_has_a_value_and_no_interval(study: Study):
    study.add("em", 0, {"w1": 0.25})
    assert "0.250 ± — " in study.printed()


def test_a_study_that_all_diverged_still_has_its_row(study: Study):
    study.add("em", 0, status="diverged")
    assert study.ranked().value.isna().tolist() == [True]
    assert "1/1" in study.printed()


def test_the_order_of_the_files_does_not_matter(study: Study):
    three_objectives(study)
    results = load_results(study.folder)
    shuffled = results.sample(frac=1, random_state=0)
    columns = ["label", "rank", "value", "low", "high", "median", "modes_covered"]
    pd.testing.assert_frame_equal(rank(results)[columns], rank(shuffled)[columns])


def test_ranking_by_an_unknown_metric_names_the_nearest(study: Study):
    three_objectives(study)
    with pytest.raises(ValueError, match='did you mean "modes_covered"'):
        study.ranked(rank_by="modes")


@pytest.mark.parametrize("width", [80, 100])
def test_a_printed_table_is_no_wider_than_the_terminal(study: Study, width: int):
    three_objectives(study)
    study.add("non-saturating[lr_d=0.001,lr_g=0.0001,d_steps=5]", 0, {"w1": 0.3, "high_quality": 0.9})
    printed = study.printed(width)
    assert max(map(len, printed.splitlines())) <= width
    assert "…" not in printed


def test_a_printed_table_says_what_was_held_equal_and_how_discriminator_steps_were_charged(study: Study):
    three_objectives(study)
    said = " ".join(study.printed().split())
    assert "Held equal for every objective: 6,000 gradient steps of both players" in said
    assert "each of the k discriminator steps is charged as one" in said


def test_different_budgets_are_never_called_equal(study: Study):
    study.add("em", 0, {"w1": 0.2})
    study.add("minimax", 0, {"w1": 0.3}, budget={"currency": "gradient_steps", "amount": 60})
    assert "NOT held equal" in study.printed()


def test_missing_replicas_make_the_table_incomplete(study: Study):
    study.add("em", 0, {"w1": 0.2})
    study.add("minimax", 1, {"w1": 0.3})
    assert "INCOMPLETE: 2 missing" in study.printed()


def test_an_arrow_shows_which_way_is_better(study: Study):
    study.add("em", 0, {"w1": 0.2})
    assert "w1 ↓" in study.printed()


def test_a_label_cannot_steer_the_terminal(study: Study):
    study.add("em[\x1b[2J]", 0, {"w1": 0.2})
    assert "\x1b" not in study.printed()


def test_a_label_is_no_markup(study: Study):
    study.add("em[bold]", 0, {"w1": 0.2})
    assert "em[bold]" in study.printed()


def test_a_label_cannot_add_a_column_or_an_element_to_markdown(study: Study):
    study.add("em|x<img>", 0, {"w1": 0.2})
    assert r"em\|x\<img\>" in to_markdown(load_results(study.folder))


def test_markdown_has_a_cell_for_every_column(study: Study):
    three_objectives(study)
    lines = [line for line in to_markdown(load_results(study.folder)).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 2 + 1 + 3  # heading, rule, floor and three rows


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@sum", "=cmd|'/c calc'!A0"])
def test_no_text_of_the_csv_begins_a_formula(study: Study, label: str):
    study.add(label, 0, {"w1": 0.2})
    row = next(csv.DictReader(io.StringIO(to_csv(load_results(study.folder)))))
    assert row["label"] == f"'{label}"


def test_negative_numbers_of_the_csv_stay_numbers(study: Study):
    study.add("em", 0, {"w1": 0.2, "energy_distance": -0.5})
    row = next(csv.DictReader(io.StringIO(to_csv(load_results(study.folder)))))
    assert float(row["energy_distance"]) == -0.5


def test_the_report_writes_both_files_and_leaves_the_results_readable(study: Study):
    three_objectives(study)
    markdown, table, _ = write_report(study.folder)
    assert markdown.read_text(encoding="utf-8").startswith("## tiny · ring8")
    assert table.read_text(encoding="utf-8").startswith("suite,target,rank,label")
    assert len(load_results(study.folder)) == 48


@pytest.mark.parametrize(
    ("values", "places"),
    [([8.0, 7.0, 0.0], 0), ([0.058, 1.17], 3), ([0.0014, 0.9], 4), ([0.5, 12_345.6], 0), ([7.5, 8.0], 1), ([NEVER], 0)],
)
def test_a_column_shows_two_digits_of_its_smallest_value(values: list[float], places: int):
    assert decimals(values) == places


def test_what_was_not_measured_is_a_dash_and_what_never_happens_is_infinite():
    assert (number(math.nan, 2), number(math.inf, 2), number(1234.5, 1)) == ("—", "∞", "1,234.5")
