"""The page's ranked table: every estimate with its uncertainty, and what an undecided comparison would need."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import Study

from ganbench.report.board import Board, board
from ganbench.report.ranking import latest, rank
from ganbench.report.verdicts import verdicts
from ganbench.store import load_results


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "tiny")


def add(study: Study, label: str, values: list[float]) -> None:
    for seed, value in enumerate(values):
        study.add(label, seed, {"w1": value, "sliced_w1": value / 2})


def made(study: Study) -> Board:
    results = load_results(study.folder)
    said = verdicts(results)
    pairs, against = (said[said.family == family] for family in ("pairs", "baseline"))
    return board(latest(results), rank(results), pairs, against)


def column(table: Board, name: str) -> dict[str, str]:
    names = [heading.name for heading in table.headings]
    return {cells[names.index("objective")].text: cells[names.index(name)].text for _, cells in table.rows}


def test_an_undecided_comparison_says_how_many_seeds_would_decide_it(study: Study):
    add(study, "em", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    add(study, "non-saturating", [0.25, 0.35, 0.45, 0.55, 0.65, 0.75])
    # 26 of 36 pairs are won: (1.96 + 0.8416)^2 / (6 (26 / 36 - 1 / 2)^2) = 26.5
    assert column(made(study), "against non-saturating")["em"].startswith("undecided, 0.72 (")
    assert column(made(study), "against non-saturating")["em"].endswith("; 27 seeds")


def test_a_decided_comparison_needs_no_seeds(study: Study):
    add(study, "em", [0.1 + i / 100 for i in range(8)])
    add(study, "non-saturating", [0.9 + i / 100 for i in range(8)])
    assert column(made(study), "against non-saturating")["em"] == "much better, 1.00 (1.00–1.00)"


@pytest.mark.parametrize("name", ["w1 ↓", "less floor", "completed only", "sliced_w1 ↓"])
def test_estimates_stand_with_their_errors(study: Study, name: str):
    add(study, "em", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert " ± " in column(made(study), name)["em"]


def test_diverged_replicas_move_the_value_and_not_that_of_the_completed_ones(study: Study):
    add(study, "em", [0.2] * 6)
    add(study, "minimax", [0.8] * 10)
    for seed in range(6, 10):
        study.add("em", seed, status="diverged")
    study.add("em", 10, status="failed")
    table = made(study)
    # of six at 0.2 and four at the worst completed 0.8, two leave at either end: (4 x 0.2 + 2 x 0.8) / 6
    assert column(table, "w1 ↓")["em"].startswith("0.400 ±")
    assert column(table, "completed only")["em"].startswith("0.200 ±")
    assert column(table, "diverged")["em"] == "4/10 (12%–74%)"  # of those that ran
    assert column(table, "failed")["em"] == "1/11 (0%–41%)"  # of those planned
