"""What a cell costs, how many iterations its budget pays for, what defines it, and how it is measured."""

from __future__ import annotations

import json

import pytest
from example_targets import example
from resolved import TEXT, Scheduled, cell, cells, error_of
from shipped import shipped

from ganbench import catalogue
from ganbench.objectives.unrolled import Unrolled
from ganbench.suite import (
    Budget,
    Cell,
    Cost,
    Evaluation,
    SuiteError,
    iteration_cost,
    parse_suite,
    resolve,
    shipped_suites,
)


class UsingReal(Scheduled):
    g_step_uses_real = True


@pytest.mark.parametrize(
    ("steps", "cost"),
    [
        (("D", "G"), Cost(generator_steps=1, gradient_steps=2, real_samples=10)),
        (("D",) * 5 + ("G",), Cost(generator_steps=1, gradient_steps=6, real_samples=50)),
        (("DG",), Cost(generator_steps=1, gradient_steps=2, real_samples=10)),
        (("G", "G"), Cost(generator_steps=2, gradient_steps=2, real_samples=0)),
    ],
)
def test_an_iteration_costs_what_its_steps_cost(steps: tuple[str, ...], cost: Cost) -> None:
    assert iteration_cost(Scheduled(steps), batch=10) == cost


def test_an_optimiser_that_takes_two_gradients_in_a_step_is_charged_gradient_steps_alone_for_the_second() -> None:
    cost = Cost(generator_steps=1, gradient_steps=4, real_samples=10)
    assert iteration_cost(Scheduled(("D", "G")), batch=10, gradients_per_step=2) == cost


def test_gradient_steps_inside_a_generator_step_are_charged() -> None:
    assert iteration_cost(Unrolled(unroll=3, d_steps=2), batch=10).gradient_steps == 2 + 1 + 3


def test_a_generator_step_that_sees_real_samples_is_charged_for_them() -> None:
    assert iteration_cost(UsingReal(("D", "G")), batch=10).real_samples == 20


@pytest.mark.parametrize(
    ("currency", "iterations"),
    [("generator_steps", 100), ("gradient_steps", 16), ("real_samples", 2), ("iterations", 100), ("seconds", None)],
)
def test_a_budget_pays_for_whole_iterations(currency: str, iterations: int | None) -> None:
    cost = Cost(generator_steps=1, gradient_steps=6, real_samples=50)
    assert Budget(currency, 100).iterations(cost) == iterations


def test_a_budget_under_one_iteration_is_refused() -> None:
    assert "budget.amount: found 1 gradient_steps; expected at least 2" in error_of(
        "em", settings={"budget.amount": "1"}
    )


def test_objectives_of_unequal_schedules_spend_the_same_budget() -> None:
    assert [c.iterations for c in cells("em", "wasserstein-gp")] == [30, 10]


def test_measurements_are_evenly_spaced_up_to_the_last_iteration() -> None:
    assert Evaluation(4, 500, 1000, ("w1",)).iterations(10) == (3, 5, 8, 10)


def test_no_iteration_is_measured_twice() -> None:
    assert Evaluation(15, 500, 1000, ("w1",)).iterations(3) == (1, 2, 3)


@pytest.mark.parametrize("name", shipped_suites())
def test_a_definition_through_json_is_the_same_cell(name: str) -> None:
    for found in resolve(shipped(name)):
        assert Cell.from_definition(json.loads(json.dumps(found.definition()))) == found


def test_a_definition_holds_every_field_and_no_label() -> None:
    assert cell("em[lr_g=5e-4]").definition() == {
        "objective": {
            "name": "em",
            "fields": {
                **{"d_steps": 1, "g_steps": 1, "order": "DG", "updates": "alternating", "packing": 1},
                **{"m_steps": 1, "temperature": 1.0, "prior": "none", "prior_scale": 1.0},
                "weights": "posterior",
            },
        },
        "target": {"name": "ring8", "fields": {"radius": 2.0, "sd": 0.05}},
        "network": {"name": "mlp", "fields": {"width": 64, "depth": 2, "activation": "relu", "batch_stats": False}},
        "optimiser": {
            "name": "adam",
            "fields": {"lr_d": 0.002, "lr_g": 0.0005, "beta1": 0.5, "beta2": 0.9, "eps": 1e-8, "ema": 0.0},
        },
        "batch": 64,
        "latent": 2,
        "budget": {"currency": "gradient_steps", "amount": 61},
        "iterations": 30,
        "evaluation": {
            **{"times": 15, "samples": 500, "final_samples": 1000, "metrics": ["w1", "modes_covered"]},
            **{"reached_metric": None, "reached": None, "extractor": None, "weights": "", "weights_sha256": ""},
        },
    }


def test_a_budget_in_seconds_is_defined_by_its_plan() -> None:
    found = cell("em", settings={"budget.currency": "seconds"})
    with pytest.raises(ValueError, match="before its plan"):
        found.definition()
    assert found.with_iterations(12).definition()["iterations"] == 12


def test_a_quality_target_is_looked_up_by_the_targets_name() -> None:
    found = cell("em", more="[evaluation.reached]\nring8 = 0.3")
    assert (found.evaluation.reached_metric, found.evaluation.reached) == ("w1", 0.3)


@pytest.mark.parametrize(("target", "level"), [("ring8[radius=20]", None), ("ring8[radius=[2]]", 0.3), ("ring8", 0.3)])
def test_a_targets_bare_name_means_the_target_with_its_default_fields(target: str, level: float | None) -> None:
    found = cell("em", more="[evaluation.reached]\nring8 = 0.3", targets=[target])
    assert found.evaluation.reached == level


def test_a_quality_target_can_name_the_fields_of_its_target() -> None:
    found = cells("em", more='[evaluation.reached]\n"ring8[radius=20.0]" = 3.0', targets=["ring8[radius=[2,20]]"])
    assert [c.evaluation.reached for c in found] == [None, 3.0]


def test_a_field_that_the_target_of_a_quality_target_lacks_is_refused() -> None:
    message = error_of("em", more='[evaluation.reached]\n"ring8[radus=1]" = 3.0')
    assert 'radus: unknown field; did you mean "radius"?' in message


def test_a_quality_target_is_a_level_of_w1_whatever_ranks() -> None:
    found = cell("em", more="[evaluation.reached]\nring8 = 0.3", settings={"evaluation.rank_by": "modes_covered"})
    assert (found.evaluation.reached_metric, found.evaluation.reached) == ("w1", 0.3)


def test_a_quality_target_without_w1_among_the_metrics_is_refused() -> None:
    settings = {"evaluation.metrics": "[modes_covered]", "evaluation.rank_by": "modes_covered"}
    message = error_of("em", more="[evaluation.reached]\nring8 = 0.3", settings=settings)
    assert 'evaluation.reached: quality targets are levels of "w1"; add it to the metrics' in message


def test_a_quality_target_is_a_level_of_the_metric_that_the_suite_names() -> None:
    found = cell("em", more="[evaluation.reached]\nring8 = 7", settings={"evaluation.reached_by": "modes_covered"})
    assert (found.evaluation.reached_metric, found.evaluation.reached) == ("modes_covered", 7)


def test_a_quality_target_by_a_metric_that_is_not_among_the_suite_s_is_refused() -> None:
    message = error_of("em", more="[evaluation.reached]\nring8 = 7", settings={"evaluation.reached_by": "kl_modes"})
    assert 'evaluation.reached: quality targets are levels of "kl_modes"; add it to the metrics' in message


def test_a_quality_target_by_a_metric_that_cannot_measure_its_target_is_refused() -> None:
    changes = {"targets": ["ring8", "moons"], "settings": {"evaluation.reached_by": "modes_covered"}}
    message = error_of("em", more="[evaluation.reached]\nmoons = 7", **changes)
    assert 'my.toml:13:1: evaluation.reached: "modes_covered" has no value on moons (the target has no' in message
    assert cells("em", more="[evaluation.reached]\nring8 = 7", **changes)[0].evaluation.reached == 7


def test_a_metric_is_left_out_where_it_does_not_apply() -> None:
    found = cells("em", targets=["ring8", "swiss-roll"])
    assert [c.evaluation.metrics for c in found] == [("w1", "modes_covered"), ("w1",)]


@pytest.mark.parametrize("target", sorted(catalogue.TARGETS.names()))
def test_every_target_can_stand_in_for_those_of_a_suite_whose_metrics_do_not_all_apply(target: str) -> None:
    settings = {"evaluation.final_samples": "500"}
    assert "w1" in cell("em", targets=[example(target)], settings=settings).evaluation.metrics


def test_a_metric_of_a_file_that_applies_to_none_of_its_targets_is_refused() -> None:
    with pytest.raises(SuiteError, match=r'evaluation\.metrics\[0\]: "modes_covered" applies to no target'):
        resolve(parse_suite(TEXT.replace("ring8", "moons")))


def test_a_metric_that_cannot_measure_every_target_cannot_rank_them() -> None:
    settings = {"evaluation.rank_by": "modes_covered"}
    assert 'evaluation.rank_by: "modes_covered" cannot rank all targets (swiss-roll:' in error_of(
        "em", targets=["ring8", "swiss-roll"], settings=settings
    )
