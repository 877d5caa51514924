"""Suites resolved into cells: look-up, precedence, labels, budgets, definitions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from example_targets import example
from shipped import shipped

from ganbench import catalogue
from ganbench.fields import ranged
from ganbench.registry import Registry
from ganbench.suite import (
    Budget,
    Cell,
    Cost,
    Evaluation,
    Interval,
    Spec,
    SuiteError,
    apply_overrides,
    iteration_cost,
    load_suite,
    parse_suite,
    resolve,
    search_space,
    shipped_suites,
)

TEXT = """\
name = "mine"
targets = ["ring8"]
objectives = ["em"]
optimiser = "adam[lr_d=2e-3]"
[budget]
currency = "gradient_steps"
amount = 61
[training]
batch = 64
[evaluation]
metrics = ["modes_covered", "w1"]
rank_by = "w1"
"""


def cells(*objectives: str, more: str = "", **overrides: Any) -> list[Cell]:
    return resolve(apply_overrides(parse_suite(TEXT + more, "my.toml"), objectives=objectives, **overrides))


def cell(*objectives: str, more: str = "", **overrides: Any) -> Cell:
    (only,) = cells(*objectives, more=more, **overrides)
    return only


def error_of(*objectives: str, more: str = "", **overrides: Any) -> str:
    with pytest.raises(SuiteError) as caught:
        cells(*objectives, more=more, **overrides)
    return str(caught.value)


def rates(found: Cell) -> tuple[float, float]:
    assert found.optimiser is not None
    return found.optimiser.instance.lr_d, found.optimiser.instance.lr_g


@dataclass(frozen=True)
class Scheduled:
    steps: tuple[str, ...]
    g_step_uses_real: ClassVar[bool] = False

    def schedule(self) -> tuple[str, ...]:
        return self.steps


class UsingReal(Scheduled):
    g_step_uses_real = True


@dataclass(frozen=True)
class Clashing(Scheduled):
    """An objective with a field that its optimiser has too."""

    lr_d: float = ranged(1.0)


@pytest.mark.parametrize("name", shipped_suites())
def test_every_shipped_suite_resolves_to_each_row_on_each_target(name: str) -> None:
    suite = shipped(name)
    expected = {(t.name, o.name) for t in suite.targets for o in (*suite.objectives, *suite.baselines)}
    assert {(c.target.name, c.objective.name) for c in resolve(suite)} == expected


def test_a_field_of_the_spec_beats_the_defaults_table() -> None:
    assert rates(cell("em[lr_d=.1]", more="[defaults.em]\nlr_d = 0.2")) == (0.1, 1e-3)


def test_the_defaults_table_beats_the_suites_optimiser() -> None:
    assert rates(cell("em", more="[defaults.em]\nlr_d = 0.2")) == (0.2, 1e-3)


def test_the_suites_optimiser_beats_the_class() -> None:
    assert rates(cell("em")) == (2e-3, 1e-3)


def test_another_optimiser_starts_from_its_own_defaults() -> None:
    found = cell("em[optimiser=sgd]", more="[defaults.em]\nlr_d = 0.2\nm_steps = 3")
    assert (rates(found), found.objective.instance.m_steps) == ((1e-3, 1e-3), 3)


def test_the_defaults_table_can_choose_the_optimiser() -> None:
    found = cell("em", more='[defaults.em]\noptimiser = "rmsprop"\nalpha = 0.5')
    assert found.optimiser is not None
    assert (found.optimiser.name, found.optimiser.instance.alpha) == ("rmsprop", 0.5)


def test_a_field_of_both_objective_and_optimiser_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "OBJECTIVES", Registry("objective", {"em": f"{__name__}:Clashing"}))
    assert "lr_d: both em and adam have this field" in error_of("em[lr_d=1]")


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ("em", "em"),
        ("em[m_steps=1]", "em"),
        ("em[m_steps=2,lr_d=1e-4]", "em[m_steps=2,lr_d=0.0001]"),
        ("em[lr_d=2e-3]", "em"),
        ("em[lr_d=[2e-3]]", "em[lr_d=0.002]"),
        ("em[optimiser=sgd]", "em[optimiser=sgd]"),
        ("em[optimiser=adam]", "em"),
    ],
)
def test_a_label_shows_what_a_grid_lists_or_what_differs(spec: str, label: str) -> None:
    assert cell(spec).label == label


def test_a_label_read_as_a_spec_is_the_same_cell() -> None:
    found = cell("em[optimiser=sgd,lr_d=.5,m_steps=3]")
    assert cell(found.label) == found


def test_a_targets_label_shows_what_differs_from_its_class() -> None:
    found = cell("em", targets=["mixture[modes=2,radius=2,weights=[[.25,.75]]]"])
    assert found.target_label == "mixture[modes=2,weights=[[0.25,0.75]]]"


def test_a_grid_makes_a_cell_for_each_value_on_each_target() -> None:
    found = cells("em[m_steps=[1,2]]", targets=["ring8", "gaussian1d[mean=[0,1]]"])
    assert [(c.target_label, c.label) for c in found] == [
        (target, f"em[m_steps={m}]") for target in ("ring8", "gaussian1d[mean=0]", "gaussian1d[mean=1]") for m in (1, 2)
    ]


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
                **{"d_steps": 1, "g_steps": 1, "order": "DG", "updates": "alternating"},
                **{"m_steps": 1, "temperature": 1.0, "prior": "none", "prior_scale": 1.0},
            },
        },
        "target": {"name": "ring8", "fields": {"radius": 2.0, "sd": 0.05}},
        "network": {"name": "mlp", "fields": {"width": 64, "depth": 2, "activation": "relu", "batch_stats": False}},
        "optimiser": {
            "name": "adam",
            "fields": {"lr_d": 0.002, "lr_g": 0.0005, "beta1": 0.5, "beta2": 0.9, "eps": 1e-8},
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


def test_a_baseline_is_not_trained() -> None:
    found = cells("em", settings={"baselines": "[oracle,vae]"})
    assert [(c.label, c.baseline, c.trained) for c in found] == [
        ("em", False, True),
        ("oracle", True, False),
        ("vae", True, True),
    ]


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": ["em[m_step=2]"]}, "-o em[m_step=2]: column 4: objectives[0]: m_step: unknown field of em"),
        ({"objectives": ["em[m_steps=0]"]}, "column 4: objectives[0]: m_steps: found 0, expected a number at least 1"),
        ({"objectives": ["em[lr_d=uniform(1,2)]"]}, "lr_d: found uniform(1,2), expected one value"),
        ({"objectives": ["cramer[updates=simultaneous]"]}, "updates: simultaneous updates take one step of each"),
        ({"objectives": ["em", "em[m_steps=1]"]}, '-o em[m_steps=1]: column 1: objectives[1]: the same cell as "em"'),
        ({"targets": ["ring8[radus=1]"]}, 'targets[0]: radus: unknown field; did you mean "radius"?'),
        ({"targets": ["mixture[weights=[.5,.5]]"]}, "weights: found 0.5, expected a list; in a spec write [[a,b]]"),
        (
            {"targets": ["swiss-roll"], "settings": {"evaluation.metrics": "[w1,modes_covered]"}},
            'evaluation.metrics[1]: "modes_covered" applies to no target (swiss-roll:',
        ),
        ({"targets": ["digits"]}, "evaluation.final_samples: found 1000; expected at most 898, all that digits holds"),
        ({"network": "mlp[widht=8]"}, '-n mlp[widht=8]: column 5: network: widht: unknown field; did you mean "wid'),
        ({"settings": {"optimiser": "adam[lr_d=-1]"}}, "optimiser: lr_d: found -1, expected a number above 0"),
        ({"settings": {"defaults.cramer.wight": "1"}}, "defaults.cramer.wight: unknown field of cramer"),
        ({"settings": {"search.em.lr_d": "uniform(-1,1)"}}, "search.em.lr_d: found -1, expected a number above 0"),
        ({"settings": {"search.em.m_step": "[1,2]"}}, 'search.em.m_step: unknown field; did you mean "m_steps"?'),
        ({"settings": {"search.*.wight": "[1,2]"}}, "search.*.wight: unknown field"),
    ],
)
def test_a_mistake_in_a_field_is_told_where_it_is(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        resolve(apply_overrides(parse_suite(TEXT, "my.toml"), **changes))
    assert message in str(caught.value)


def test_a_metric_that_cannot_measure_every_target_cannot_rank_them() -> None:
    settings = {"evaluation.rank_by": "modes_covered"}
    assert 'evaluation.rank_by: "modes_covered" cannot rank all targets (swiss-roll:' in error_of(
        "em", targets=["ring8", "swiss-roll"], settings=settings
    )


def test_a_search_space_joins_the_general_the_named_and_the_written() -> None:
    suite = apply_overrides(
        parse_suite(TEXT),
        objectives=["cramer[slope=uniform(0,1)]"],
        settings={
            "search.*.lr_d": "uniform(.1,.2)",
            "search.*.m_steps": "[1,2]",
            "search.cramer.lr_d": "uniform(.3,.4)",
        },
    )
    assert search_space(suite, "cramer") == {"lr_d": Interval("uniform", 0.3, 0.4), "slope": Interval("uniform", 0, 1)}


def test_trials_of_a_search_are_cells_of_a_changed_suite() -> None:
    trials = tuple(Spec("em", {"lr_d": lr}) for lr in (0.1, 0.2))
    found = resolve(parse_suite(TEXT).model_copy(update={"objectives": trials}))
    assert [rates(c)[0] for c in found] == [0.1, 0.2]
