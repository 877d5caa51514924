"""The tables of findings: every comparison in the CSV, the nearest to failing on the page, and none of them ranked."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from studies import Study

from ganbench.report.ranking import rank
from ganbench.report.tables import to_csv, to_markdown
from ganbench.report.theory_table import comparisons, law_tables, print_laws
from ganbench.report.verdicts import verdicts
from ganbench.store import load_results


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def compared(study: Study, *found: tuple[Any, ...], name: str = "dirac-gan", **changes: Any) -> None:
    """A finding of comparisons (expected, measured, tolerance, relation, holds, what is compared) of one law."""
    values, beside = {}, {}
    for i, (expected, measured, tolerance, relation, holds, *about) in enumerate(found):
        metric = f"radius | minimax + r1 | {about[0] if about else i}"
        values[metric] = measured
        beside[metric] = {"floor": expected, "spread": tolerance, "flag": "" if holds else "fails", "n": 0}
        beside[metric] |= {"direction": "", "instrument": f"{relation} Mescheder et al. 2018"}
    study.add(name, 0, values, beside=beside, **changes)


def table(study: Study) -> Any:
    (found,) = law_tables(load_results(study.folder))
    return found


def lines(study: Study) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(load_results(study.folder)))))


def test_a_row_shows_the_comparison_that_uses_up_most_of_its_tolerance(study):
    compared(study, (1.0, 1.001, 0.1, "=", True), (2.0, 1.95, 0.1, "=", True), (3.0, 3.01, 0.1, "=", True))
    assert table(study).rows == [("radius", "minimax + r1", "1", "2", "1.95", "0.1", "✓ 3 of 3")]


def test_a_comparison_that_fails_stands_before_a_tighter_one_that_holds(study):
    compared(study, (1.0, 1.1, 0.1, "=", True), (0.0, float("nan"), 5.0, "=", False))
    assert table(study).rows[0][3:] == ("0", "—", "5", "✗ 1 of 2")


def test_a_bound_is_near_to_failing_on_its_own_side_alone(study):
    compared(study, (1.0, 9.0, 0.1, ">=", True), (1.0, 1.02, 0.1, ">=", True), (1.0, -7.0, 0.1, "<=", True))
    assert table(study).rows[0][3:5] == ("≥ 1", "1.02")


def test_a_title_counts_the_comparisons_that_hold(study):
    compared(study, (1.0, 1.0, 0.1, "=", True), (1.0, 2.0, 0.1, "=", False))
    assert table(study).title == "tiny · dirac-gan · 1 of 2 comparisons hold"


def test_a_law_that_fails_raises_an_alarm(study):
    compared(study, (1.0, 2.0, 0.1, "=", False))
    assert table(study).alarm == "a law fails"


def test_a_finding_that_an_error_ended_says_why(study):
    study.add("dirac-gan", 0, status="failed")
    assert table(study).alarm.startswith("INCOMPLETE: 1 failed: ")


def test_of_two_replicas_of_one_finding_the_newer_counts(study):
    compared(study, (1.0, 2.0, 0.1, "=", False))
    compared(study, (1.0, 1.0, 0.1, "=", True))
    assert comparisons(load_results(study.folder)).measured.tolist() == [1.0]


def test_findings_stand_in_the_order_of_the_catalogue_whatever_their_files_are_called(study):
    compared(study, (1.0, 1.0, 0.1, "=", True), name="optimal-discriminator")
    compared(study, (1.0, 1.0, 0.1, "=", True), name="dirac-gan")
    titles = [found.title.split(" · ")[1] for found in law_tables(load_results(study.folder))]
    assert titles == ["dirac-gan", "optimal-discriminator"]


def test_findings_have_no_rank_and_no_verdict(study):
    for seed in range(2):
        study.add("em", seed, {"w1": 0.2})
    compared(study, (1.0, 1.0, 0.1, "=", True))
    results = load_results(study.folder)
    assert rank(results).label.tolist() == ["em"]
    assert verdicts(results).empty


def test_findings_alone_rank_nothing(study):
    compared(study, (1.0, 1.0, 0.1, "=", True))
    assert rank(load_results(study.folder), "w1").empty


def test_a_finding_does_not_make_the_budgets_of_objectives_unequal(study):
    study.add("em", 0, {"w1": 0.2})
    compared(study, (1.0, 1.0, 0.1, "=", True), budget={"currency": "iterations", "amount": 0})
    assert "NOT held equal" not in to_markdown(load_results(study.folder))


def test_markdown_has_the_ranked_tables_and_then_the_laws(study):
    study.add("em", 0, {"w1": 0.2})
    compared(study, (1.0, 1.0, 0.1, "=", True))
    titles = [line for line in to_markdown(load_results(study.folder)).splitlines() if line.startswith("## ")]
    assert [title.split(" · ")[1] for title in titles] == ["ring8", "dirac-gan"]


def test_a_law_cannot_add_a_column_or_an_element_to_markdown(study):
    compared(study, (1.0, 1.0, 0.1, "=", True, "a | b <img>"))
    (row,) = (line for line in to_markdown(load_results(study.folder)).splitlines() if "img" in line)
    assert r"a \| b \<img\>" in row


def test_the_csv_has_every_comparison_of_a_law(study):
    compared(study, (1.0, 1.5, 0.1, ">=", True), (2.0, 2.0, 0.1, "=", True))
    told = [(r["law"], r["relation"], r["expected"], r["measured"], r["tolerance"], r["verdict"]) for r in lines(study)]
    assert told == [
        ("radius", "at least", "1.0", "1.5", "0.1", "holds"),
        ("radius", "equal", "2.0", "2.0", "0.1", "holds"),
    ]


def test_whole_numbers_of_ranked_rows_stay_whole_beside_findings_in_the_csv(study):
    study.add("em", 0, {"w1": 0.2})
    compared(study, (1.0, 1.0, 0.1, "=", True))
    assert [(row["rank"], row["completed"]) for row in lines(study)] == [("1", "1"), ("", "")]


def test_a_law_is_no_formula_for_a_spreadsheet(study):
    compared(study, (1.0, 1.0, 0.1, "=", True, "=1+1"))
    assert [row["about"] for row in lines(study)] == ["'=1+1"]


def test_a_narrow_terminal_leaves_out_what_is_compared_and_keeps_the_verdict(study):
    compared(study, (1.0, 1.0, 0.1, "=", True, "the distance from the equilibrium after 500 iterations"))
    printed = []
    for width in (70, 160):
        console = Console(width=width, file=io.StringIO())
        print_laws(load_results(study.folder), console)
        printed.append(console.file.getvalue())  # type: ignore[attr-defined]  # a StringIO
    assert ["what is compared" in text for text in printed] == [False, True]
    assert all("✓ 1 of 1" in text for text in printed)
