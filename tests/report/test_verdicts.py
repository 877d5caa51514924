"""Verdicts: who is compared with whom, on which costs, and in what words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from studies import Study

from ganbench.report.ranking import rank
from ganbench.report.verdicts import groups, verdict_sentence, verdicts
from ganbench.store import load_results


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "tiny")


def add(study: Study, label: str, values: list[float | str]) -> None:
    for seed, value in enumerate(values):
        if isinstance(value, str):
            study.add(label, seed, status=value)
        else:
            study.add(label, seed, {"w1": value})


def found(study: Study, family: str = "pairs", **options: Any) -> pd.DataFrame:
    table = verdicts(load_results(study.folder), **options)
    return table[table.family == family].set_index(["label", "other"])


def spread(centre: float, n: int = 8) -> list[float | str]:
    return [centre + i / 1000 for i in range(n)]


def said(study: Study) -> str:
    results = load_results(study.folder)
    return verdict_sentence(rank(results), verdicts(results).query("family == 'pairs'"))


def test_every_objective_meets_the_named_one_and_every_pair_meets_once(study: Study):
    for i, label in enumerate(("em", "minimax", "non-saturating")):
        add(study, label, spread(0.1 * (i + 1)))
    assert set(found(study, "baseline").index) == {("em", "non-saturating"), ("minimax", "non-saturating")}
    assert len(found(study)) == 3


def test_the_named_one_can_be_another(study: Study):
    add(study, "em", spread(0.1))
    add(study, "minimax", spread(0.2))
    assert list(found(study, "baseline", against="minimax").index) == [("em", "minimax")]
    assert found(study, "baseline").empty


def test_baselines_are_no_members_of_a_family(study: Study):
    add(study, "em", spread(0.1))
    add(study, "trivial", spread(0.9))
    assert found(study).empty


def test_a_diverged_replica_loses_to_every_completed_one_and_ties_with_its_like(study: Study):
    add(study, "em", [0.1] * 4 + ["diverged"] * 4)
    add(study, "minimax", [5.0] * 4 + ["diverged"] * 4)
    row = found(study).iloc[0]
    assert row.probability == pytest.approx((4 * 8 + 4 * 4 / 2) / 64)


def test_a_failed_replica_has_no_cost(study: Study):
    add(study, "em", [*spread(0.1, 7), "failed"])
    add(study, "minimax", spread(0.5))
    assert tuple(found(study).iloc[0][["n", "other_n"]]) == (7, 8)


def test_where_more_is_better_the_larger_value_wins(study: Study):
    for label, value in (("em", 8.0), ("minimax", 4.0)):
        for seed in range(8):
            study.add(label, seed, {"modes_covered": value + seed / 100}, direction="higher")
    row: Any = found(study, rank_by="modes_covered").loc[("em", "minimax")]
    assert row.probability == 1


def test_seven_objectives_are_adjusted_for_more_comparisons_than_two(study: Study):
    few, many = Study(study.folder.parent / "few"), study
    for i, label in enumerate(("em", "minimax", "a", "b", "c")):
        values: list[float | str] = [0.1 + 0.01 * i + 0.02 * seed for seed in range(8)]
        add(many, label, values)
        if i < 2:
            add(few, label, values)
    rows: list[Any] = [found(s).loc[("em", "minimax")] for s in (few, many)]
    alone, among = rows
    assert alone.p == among.p == alone.adjusted < among.adjusted


def test_the_sentence_names_the_first_and_those_it_is_better_than(study: Study):
    add(study, "em", spread(0.1))
    add(study, "minimax", spread(0.9))
    assert (
        said(study) == "ring8: em is first by w1 (0.104, floor 0.06), and better than every other objective (8 seeds)."
    )


def test_the_sentence_says_which_were_not_told_apart_and_what_would_decide(study: Study):
    add(study, "em", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    add(study, "minimax", [0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85])
    add(study, "cramer", spread(5.0))
    probability = (8 * 9 / 2) / 64
    needed = math.ceil((1.959964 + 0.841621) ** 2 / 6 / (probability - 0.5) ** 2)
    assert f"8 seeds do not tell it from minimax; about {needed} seeds of each would" in said(study)
    assert said(study).endswith("It is better than cramer.")


@pytest.mark.parametrize(("n", "told"), [(1, "1 seed cannot show"), (4, "4 seeds cannot show")])
def test_few_seeds_are_no_verdict(study: Study, n: int, told: str):
    add(study, "em", spread(0.1, n))
    add(study, "minimax", spread(0.9, n))
    assert told in said(study)


def test_the_sentence_says_which_are_equivalent(study: Study):
    add(study, "em", [0.1] * 8)
    add(study, "minimax", [0.1] * 8)
    assert said(study).endswith("It is equivalent to minimax.")


def test_an_objective_that_only_failed_is_not_said_to_be_beaten(study: Study):
    add(study, "em", spread(0.1))
    add(study, "minimax", spread(0.9))
    add(study, "cramer", ["failed"] * 8)
    assert said(study).endswith("It is better than minimax.")


def test_a_value_that_is_no_number_loses_to_every_completed_one(study: Study):
    add(study, "em", spread(0.5))
    add(study, "minimax", [0.1, *[math.nan] * 7])
    row = found(study).iloc[0]
    assert (row.other_n, row.probability) == (8, 7 / 8)
    assert said(study).endswith("and better than every other objective (8 seeds).")


def test_one_objective_alone_is_told_so(study: Study):
    add(study, "em", spread(0.1))
    assert "compared with no other objective" in said(study)


def test_where_all_diverged_there_is_no_first(study: Study):
    add(study, "em", ["diverged"] * 5)
    add(study, "minimax", ["diverged"] * 5)
    assert said(study) == "ring8: no objective has a value that can be ranked."


def pairs(*decided: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"label": a, "other": b, "word": "better"} for a, b in decided], columns=["label", "other", "word"]
    )


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        ([], {"p": "a", "q": "a", "r": "a"}),
        ([("p", "q"), ("p", "r"), ("q", "r")], {"p": "a", "q": "b", "r": "c"}),
        ([("p", "r")], {"p": "a", "q": "ab", "r": "b"}),
        ([("p", "q"), ("p", "r")], {"p": "a", "q": "b", "r": "b"}),
    ],
)
def test_objectives_share_a_letter_where_they_were_not_told_apart(decided: list, expected: dict[str, str]):
    assert groups("pqr", pairs(*decided)) == expected
