"""Several targets, and several suites, in one report: scores, mean ranks and their critical difference."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from studies import Study

from ganbench.report.across import critical_differences, means_of_ranks, normalised_scores, ranks_sentence
from ganbench.report.figures import looks
from ganbench.report.ranking import rank
from ganbench.statistics import critical_difference
from ganbench.store import load_results

LABELS = ("em", "minimax", "cramer")


def add(study: Study, target: str, labels: tuple[str, ...] = LABELS, suite: str = "tiny", scale: float = 1.0) -> None:
    """The objectives in their order, 0.1 apart, beside a `trivial` of 1.06 over a floor of 0.06."""
    for seed in range(5):
        for i, label in enumerate((*labels, "trivial")):
            value = 1.06 if label == "trivial" else 0.1 * (i + 1) + seed / 1000
            where = {"target_label": target, "cell_id": f"{label}{target}{suite}", "suite": suite}
            study.add(label, seed, {"w1": scale * value}, **where, beside={"w1": {"floor": 0.06 * scale}})


def ranked(study: Study) -> pd.DataFrame:
    return rank(load_results(study.folder))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "tiny")


def test_whiskers_have_the_length_of_the_critical_difference(study: Study):
    for i in range(6):
        add(study, f"t{i}")
    figure = critical_differences(ranked(study), looks(LABELS))
    assert figure is not None
    ends = [trace["x"] for trace in figure.data if trace["mode"] == "lines"]
    assert [low + high for low, high in ends] == pytest.approx([2, 4, 6])
    assert ends[0][1] - ends[0][0] == pytest.approx(critical_difference(3, 6), abs=0.002)


def test_five_targets_are_too_few_for_a_critical_difference(study: Study):
    for i in range(5):
        add(study, f"t{i}")
    assert critical_differences(ranked(study), looks(LABELS)) is None
    assert "Too few targets to compare them: 6 are needed." in ranks_sentence(ranked(study))


def test_an_objective_that_one_target_lacks_is_told(study: Study):
    add(study, "t0")
    add(study, "t1", LABELS[:2])
    assert means_of_ranks(ranked(study)) == (2, {"em": 1.0, "minimax": 2.0}, ["cramer"])
    assert "Without those that some target does not rank: cramer." in ranks_sentence(ranked(study))


def test_one_target_in_two_suites_is_two_targets(study: Study):
    add(study, "ring8", suite="a")
    add(study, "ring8", suite="b", scale=10)
    scores = normalised_scores(load_results(study.folder), ranked(study))
    # (1.06 - 0.1 - seed / 1000) / (1.06 - 0.06) in either suite
    assert sorted(scores["em"]) == pytest.approx(sorted([0.96, 0.959, 0.958, 0.957, 0.956] * 2))
    assert means_of_ranks(ranked(study))[0] == 2
