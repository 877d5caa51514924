"""Tables and pages of many replicas: made of the rows that they need, with a bounded number of lines and points."""

from __future__ import annotations

import sys

import pandas as pd
import pytest
from many_replicas import TARGETS, write_many

from ganbench.report import curves, figures
from ganbench.report.needed import needed
from ganbench.report.page.content import content
from ganbench.report.page.render import render
from ganbench.report.tables import rank, to_markdown
from ganbench.store import load_results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("many")
    write_many(folder, seeds=7, baseline_seeds=5, targets=TARGETS[:1])
    every = load_results(folder)
    return every[every.label.isin(("em", "minimax", "non-saturating", "oracle", "trivial"))]


def test_tables_and_page_are_the_same_from_the_rows_that_they_need(
    results: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
):
    def made(of: pd.DataFrame) -> tuple[str, str, pd.DataFrame]:
        page = render(content(of, {}, title="", source="", version=""))
        return to_markdown(of), page, rank(of, "modes_covered")

    few = needed(results)
    assert len(few) < len(results) / 2
    from_few = made(few)
    for module in ("ranking", "tables", "page.content"):
        monkeypatch.setattr(sys.modules[f"ganbench.report.{module}"], "endings", lambda of: of)
    from_all = made(results)
    assert from_few[:2] == from_all[:2]
    pd.testing.assert_frame_equal(from_few[2], from_all[2], check_exact=True)


def test_every_metric_of_a_replica_that_never_ended_is_known_of_the_rows_that_are_needed(results: pd.DataFrame):
    ended_never = results[~results.final]
    assert set(needed(ended_never).metric.dropna()) == set(ended_never.metric.dropna())
    assert set(needed(ended_never).replica_id) == set(ended_never.replica_id)


def test_a_page_draws_a_bounded_number_of_replicas_and_says_so(results: pd.DataFrame):
    own = results[(results.target == TARGETS[0]) & (results.label == "em") & (results.status == "completed")]
    many = pd.concat(
        [
            own.assign(seed=own.seed + 10 * i, replica_id=own.replica_id + str(i), value=own.value * (1 + i / 1000))
            for i in range(40)
        ],
        ignore_index=True,
    )
    look = figures.looks(["em"])
    assert many.replica_id.nunique() > 2 * figures.MOST_POINTS
    drawn = figures.distribution(many, rank(many), look, "t0")
    lines = curves.curves(many, "w1", look, "iteration", "t0")
    assert drawn is not None
    assert lines is not None
    assert len(drawn.data[0]["x"]) == figures.MOST_POINTS
    assert "100 replicas of each objective at most are drawn" in drawn.text
    thin = lines.data[1]["text"]
    assert len(set(thin) - {""}) == figures.MOST_LINES
    assert "50 replicas of each objective at most are drawn" in lines.text
    # the best and the worst are among them
    final = many[many.final & (many.metric == "w1")].value
    assert [min(drawn.data[0]["x"]), max(drawn.data[0]["x"])] == figures.rounded([final.min(), final.max()])


def test_a_page_of_few_replicas_draws_them_all_and_says_nothing(results: pd.DataFrame):
    own = results[results.target == TARGETS[0]]
    look = figures.looks(["em"])
    drawn = figures.distribution(own, rank(own), look, "t0")
    lines = curves.curves(own, "w1", look, "iteration", "t0")
    assert drawn is not None
    assert lines is not None
    assert "at most" not in drawn.text + lines.text
