"""The sentences under a table say what was charged, what a metric can see, and what was fitted."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from small_runs import TEXT
from studies import Study

from ganbench.planning import narrowed_note, plan_replicas
from ganbench.report.tables import to_csv
from ganbench.store import load_results
from ganbench.suite import parse_suite, resolve


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "tiny")


def said(study: Study) -> str:
    """What is printed, on one line."""
    return " ".join(study.printed().split())


def at_width_4() -> str:
    """What a replica notes that was to be one of 8 in an ensemble and had room for 4."""
    suite = parse_suite(TEXT)
    replica, *_ = plan_replicas(suite, resolve(suite), {**suite.execution.on("cpu"), "width": 4})
    return narrowed_note(replica, 8)


def lines(study: Study) -> dict[str, dict[str, str]]:
    """Label -> its line of the CSV."""
    return {line["label"]: line for line in csv.DictReader(io.StringIO(to_csv(load_results(study.folder))))}


def test_the_number_of_components_is_told_once_where_all_seeds_agree(study: Study):
    for seed in range(3):
        study.add("gmm-em", seed, {"w1": 0.1}, notes="8 components by BIC of 1, 2, 4, 8, 16")
    assert "ring8: gmm-em: 8 components by BIC of 1, 2, 4, 8, 16 (all seeds)." in said(study)


def test_different_numbers_of_components_are_counted(study: Study):
    for seed, found in enumerate((8, 16, 8)):
        study.add("gmm-em", seed, {"w1": 0.1}, notes=f"{found} components")
    assert "gmm-em: 8 components (2 seeds). 16 components (1 seed)." in said(study)
    assert lines(study)["gmm-em"]["notes"] == "8 components (2 seeds). 16 components (1 seed)"


def test_a_width_that_memory_did_not_allow_is_told_of_an_objective_that_trains(study: Study):
    for seed in range(2):
        study.add("em", seed, {"w1": 0.2}, notes=at_width_4())
    assert f"ring8: em: {at_width_4()} (all seeds)." in said(study)


def test_a_note_of_some_seeds_is_not_told_of_all(study: Study):
    study.add("em", 0, {"w1": 0.2}, notes=at_width_4())
    study.add("em", 1, {"w1": 0.2})
    assert "trained at width 4 (1 seed)." in said(study)


def test_the_csv_says_of_what_trains_what_it_may_spend_and_how_that_is_charged(study: Study):
    study.add("em", 0, {"w1": 0.2})
    study.add("trivial", 0, {"w1": 1.0})
    em, trivial = lines(study)["em"], lines(study)["trivial"]
    assert (em["budget_currency"], float(em["budget_amount"])) == ("gradient_steps", 6000)
    assert "each of the k discriminator steps is charged as one" in em["charged"]
    assert (trivial["budget_currency"], trivial["budget_amount"], trivial["charged"]) == ("", "", "")


@pytest.mark.parametrize(
    ("label", "currency", "told"),
    [("em", "gradient_steps", True), ("minimax", "gradient_steps", False), ("em", "seconds", False)],
)
def test_an_e_step_that_no_budget_charges_is_told(study: Study, label: str, currency: str, told: bool):
    study.add(label, 0, {"w1": 0.2}, budget={"currency": currency, "amount": 60})
    assert ("E-steps take no gradient step and are not charged" in said(study)) == told


@pytest.mark.parametrize(
    ("optimiser", "currency", "told"),
    [("extra-adam", "gradient_steps", True), ("adam", "gradient_steps", False), ("extra-adam", "iterations", False)],
)
def test_a_second_gradient_in_a_step_that_a_budget_charges_is_told(
    study: Study, optimiser: str, currency: str, told: bool
):
    study.add("minimax", 0, {"w1": 0.2}, budget={"currency": currency, "amount": 60}, optimiser=optimiser)
    assert ("a step takes two gradients of its player and is charged as two" in said(study)) == told


@pytest.mark.parametrize(
    ("lift", "told"), [({"lift": "loop"}, "8 replicas, one after another"), ({"lift": "vmap"}, "8 replicas at once")]
)
def test_the_speeds_say_whether_replicas_ran_at_once(study: Study, lift: dict[str, str], told: str):
    study.add("em", 0, {"w1": 0.2}, execution={"device": "cpu", "width": 8, **lift})
    assert f"Speeds leave out compilation, warm-up and evaluation (cpu, {told})." in said(study)


def test_speeds_of_one_setting_that_older_files_tell_in_part_are_told_once(study: Study):
    for seed, lift in enumerate(({}, {"lift": "vmap"})):
        study.add("em", seed, {"w1": 0.2}, execution={"device": "cpu", "width": 8, **lift})
    assert said(study).count("8 replicas at once") == 1


def test_real_samples_are_charged_to_the_generator_steps_that_see_them(study: Study):
    study.add("cramer", 0, {"w1": 0.2}, budget={"currency": "real_samples", "amount": 60})
    assert "and the generator steps of cramer and vae" in said(study)


@pytest.mark.parametrize("metric", ["jsd_binned", "w1"])
def test_a_binned_divergence_is_called_a_lower_bound_with_the_cells_it_sees(study: Study, metric: str):
    study.add("em", 0, {"w1": 0.2, metric: 0.2})
    sentence = "a lower bound, on a partition of about n / 5 cells (here 1,000 / 5 = 200), at most 64 for each mode"
    assert (sentence in said(study)) == (metric == "jsd_binned")
