"""Values of two extractors share no column and no ranking, flagged ones have no rank, and tables name the extractor."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from studies import Study

from ganbench import measuring
from ganbench.cli.results import evaluate
from ganbench.report.finals import final_values
from ganbench.report.tables import to_csv, to_markdown
from ganbench.report.wording import decimals, number
from ganbench.store import load_results

CLASSIFIER = {"instrument": "classifier digits 98.3% 1a2b3c4d"}
OTHER = {"instrument": "classifier digits 97.9% 99999999"}
FLAGGED = {**CLASSIFIER, "flag": "rank-deficient"}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "tiny")


def add(study: Study, label: str, seed: int, kid: float, instrument: dict[str, str]) -> None:
    study.add(label, seed, {"kid": kid}, rank_by="kid", beside={"kid": instrument})


def said(study: Study) -> str:
    return " ".join(study.printed().split())


def two_instruments(study: Study) -> None:
    """em and minimax measured with one classifier; cramer, whose number is the least, with another."""
    for seed in range(2):
        add(study, "em", seed, 0.2, CLASSIFIER)
        add(study, "minimax", seed, 0.5, CLASSIFIER)
        add(study, "cramer", seed, 0.1, OTHER)


def test_rows_rank_among_the_values_of_the_most_frequent_instrument_and_the_others_have_no_rank(study: Study):
    two_instruments(study)
    ranked = study.ranked()
    assert ranked["rank"].dropna().to_dict() == {"em": 1, "minimax": 2}
    assert pd.isna(ranked.value["cramer"])
    assert "NOT one ranking on ring8: kid has values of 2 instruments" in said(study)
    assert "Ranked by classifier digits 98.3% 1a2b3c4d, the most frequent" in said(study)


def test_each_instrument_has_a_column_of_its_own(study: Study):
    two_instruments(study)
    ranked = study.ranked()
    other = ranked["kid, classifier digits 97.9% 99999999"]
    assert other.dropna().to_dict() == {"cramer": 0.1}
    assert set(ranked.rank_by) == {"kid, classifier digits 98.3% 1a2b3c4d"}
    lines = to_markdown(load_results(study.folder)).replace("\\", "").splitlines()
    (heading,) = (line for line in lines if line.startswith("| #"))
    assert "| kid, classifier digits 98.3% 1a2b3c4d ↓ | kid, classifier digits 97.9% 99999999 ↓ |" in heading


def test_a_person_can_rank_by_the_rarer_instrument(study: Study):
    two_instruments(study)
    assert study.ranked(rank_by="kid, classifier digits 97.9% 99999999")["rank"].dropna().to_dict() == {"cramer": 1}


def test_what_diverged_under_another_instrument_is_not_ranked_by_its_divergence(study: Study):
    two_instruments(study)
    study.add("cramer", 2, status="diverged", rank_by="kid")
    assert pd.isna(study.ranked()["rank"]["cramer"])


def test_what_diverged_before_any_instrument_saw_it_is_ranked_last(study: Study):
    two_instruments(study)
    study.add("wasserstein-gp", 0, status="diverged", rank_by="kid")
    assert study.ranked()["rank"]["wasserstein-gp"] == 2  # as bad as the worst completed one, minimax


def test_a_replica_that_was_replaced_splits_no_column(study: Study):
    add(study, "em", 0, 0.4, OTHER)
    add(study, "em", 0, 0.2, CLASSIFIER)
    assert study.ranked().value["em"] == 0.2
    assert "NOT" not in study.printed()


def test_one_instrument_keeps_the_heading_short_and_is_named_below_with_its_metrics(study: Study):
    beside = {"fid": CLASSIFIER, "kid": CLASSIFIER}
    study.add("em", 0, {"kid": 0.2, "fid": 3.5, "w1": 1.0}, rank_by="kid", beside=beside)
    names = set(final_values(load_results(study.folder)).metric)
    assert names == {"kid", "fid", "w1"}
    told = "kid, fid: features and classes of classifier digits, 98.3% of a held-out fifth right, weights 1a2b3c4d."
    assert told in said(study)


def test_targets_of_one_suite_name_each_their_own_instrument(study: Study):
    for name, instrument in (("digits", CLASSIFIER), ("photographs", {"instrument": "inception-v3-compat 6726825d"})):
        study.add("em", 0, {"kid": 0.2}, rank_by="kid", beside={"kid": instrument}, target_label=name, cell_id=name)
    assert "digits: kid: features and classes of classifier digits" in said(study)
    assert "photographs: kid: features of inception-v3-compat, weights 6726825d." in said(study)
    assert "NOT" not in study.printed()


def test_a_later_measurement_with_another_instrument_repeats_nothing(study: Study):
    add(study, "em", 0, 0.2, CLASSIFIER)
    study.measure_later(0, "kid", 0.7, n=1000, **OTHER)
    row = study.ranked().loc["em"]
    assert (row.value, row["kid, classifier digits 97.9% 99999999, n = 1,000, measured later"]) == (0.2, 0.7)


def test_a_metric_that_two_instruments_measured_only_later_leaves_the_suite_s_ranking_without_values(study: Study):
    for seed, instrument in enumerate((CLASSIFIER, OTHER)):
        study.add("em", seed, {"w1": 0.2}, rank_by="kid")
        study.measure_later(seed, "kid", 0.7, n=5000, **instrument)
    assert "kid was not measured" in said(study)


def test_the_csv_names_instrument_and_sample_size_beside_each_value(study: Study):
    beside = {"fid": CLASSIFIER, "kid": {**CLASSIFIER, "spread": 0.0012}}
    study.add("em", 0, {"kid": 0.2, "fid": 3.5}, rank_by="kid", beside=beside)
    (line,) = csv.DictReader(io.StringIO(to_csv(load_results(study.folder))))
    assert line["instrument"] == line["fid_instrument"] == CLASSIFIER["instrument"]
    assert (float(line["n"]), float(line["floor"]), float(line["spread"])) == (1000, 0.06, 0.0012)
    assert float(line["fid_n"]) == 1000


def test_a_flagged_value_is_shown_with_its_mark_and_has_no_rank(study: Study):
    study.add("em", 0, {"fid": 2.5}, rank_by="fid", beside={"fid": FLAGGED})
    study.add("minimax", 0, {"fid": 3.5}, rank_by="fid", beside={"fid": CLASSIFIER})
    assert study.ranked()["rank"].dropna().to_dict() == {"minimax": 1}
    assert "2.500 ± —†" in study.printed()
    assert "† rank-deficient: fewer samples than features + 1; not ranked (fid)." in said(study)


def test_a_flag_on_another_metric_marks_its_value_and_leaves_the_rank(study: Study):
    study.add("em", 0, {"kid": 0.2, "fid": 3.5}, rank_by="kid", beside={"kid": CLASSIFIER, "fid": FLAGGED})
    assert study.ranked()["rank"]["em"] == 1
    assert "3.500†" in study.printed()


def test_a_flagged_value_does_not_say_what_divergence_costs(study: Study):
    study.add("em", 0, {"fid": 99.0}, rank_by="fid", beside={"fid": FLAGGED})
    study.add("minimax", 0, {"fid": 3.0}, rank_by="fid", beside={"fid": CLASSIFIER})
    study.add("minimax", 1, status="diverged", rank_by="fid")
    assert study.ranked().value["minimax"] == 3


def test_where_all_values_are_flagged_what_diverged_is_not_the_first(study: Study):
    study.add("em", 0, {"fid": 2.5}, rank_by="fid", beside={"fid": FLAGGED})
    study.add("minimax", 0, status="diverged", rank_by="fid")
    assert study.ranked()["rank"].isna().all()


def test_a_metric_s_spread_over_subsets_is_a_column_and_a_sentence(study: Study):
    for seed, spread in enumerate((0.0011, 0.0012, 0.002)):
        study.add("em", seed, {"kid": 0.2}, rank_by="kid", beside={"kid": {**CLASSIFIER, "spread": spread}})
    assert "kid's spread over subsets of one replica's samples: median 0.0012." in said(study)
    assert "| kid, spread |" in to_markdown(load_results(study.folder))


def test_the_spread_of_an_extrapolation_is_called_what_it_is(study: Study):
    study.add("em", 0, {"fid_infinity": 0.2}, rank_by="fid_infinity", beside={"fid_infinity": {"spread": 0.05}})
    assert "fid_infinity's standard error from its line's fit: median 0.05." in said(study)


@pytest.mark.parametrize(("metric", "told"), [("kid", "kid compares"), ("fid", "fid compares"), ("w1", "")])
def test_fid_and_kid_say_at_which_n_they_compare(study: Study, metric: str, told: str):
    study.add("em", 0, {metric: 0.2}, rank_by=metric, beside={metric: CLASSIFIER})
    sentence = f"{told} at equal n and extractor only: here 1,000 generated against as many true images; the floor"
    assert (sentence in said(study)) == bool(told)
    assert ("biased upwards" in said(study)) == (metric == "fid")


def test_two_sample_sizes_of_fid_are_called_incomparable(study: Study):
    study.add("em", 0, {"fid": 0.2}, rank_by="fid")
    study.add("minimax", 0, {"fid": 0.2}, rank_by="fid", beside={"fid": {"n": 500}})
    assert "here 500 or 1,000 generated against as many true images, NOT comparable with each other" in said(study)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.000_12, 0.004_1], ["0.00012", "0.00410"]),
        ([-0.000_012, 0.000_31], ["-0.000012", "0.000310"]),
        ([0.5, -0.000_04], ["0.50000", "-0.00004"]),
        ([5.3, -0.000_04], ["5.3000", "0.0000"]),
    ],
)
def test_tiny_values_show_two_digits_as_far_as_five_of_the_largest_allow(values: list[float], shown: list[str]):
    assert [number(v, decimals(values)) for v in values] == shown


def test_the_table_of_evaluate_names_the_instrument_and_mixes_no_two(study: Study, monkeypatch: pytest.MonkeyPatch):
    for seed, (value, instrument) in enumerate(((0.25, CLASSIFIER), (0.75, OTHER))):
        add(study, "em", seed, value, instrument)
    rows = load_results(study.folder)
    # measuring itself needs generators; what the command makes of its rows is proved here
    monkeypatch.setattr(measuring, "evaluate", lambda *_, **__: rows)
    said = CliRunner().invoke(evaluate, [str(study.folder), "--metric", "w1"])
    lines = [line for line in said.output.splitlines() if "em" in line.split()]
    assert [
        (instrument["instrument"] in line, value in line)
        for line, instrument, value in zip(lines, (CLASSIFIER, OTHER), ("0.25", "0.75"), strict=True)
    ] == [(True, True)] * 2
