"""Suites resolved into cells: look-up, precedence, labels, searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from resolved import TEXT, Scheduled, cell, cells, error_of
from shipped import shipped

from ganbench import catalogue
from ganbench.fields import ranged
from ganbench.registry import Registry
from ganbench.suite import (
    Cell,
    Interval,
    Spec,
    SuiteError,
    apply_overrides,
    parse_suite,
    resolve,
    search_space,
    shipped_suites,
)


def rates(found: Cell) -> tuple[float, float]:
    assert found.optimiser is not None
    return found.optimiser.instance.lr_d, found.optimiser.instance.lr_g


@dataclass(frozen=True)
class Clashing(Scheduled):
    """An objective with a field that its optimiser has too."""

    lr_d: float = ranged(1.0)


@pytest.mark.parametrize("name", shipped_suites())
def test_every_shipped_suite_resolves_to_each_row_on_each_target(name: str) -> None:
    suite = shipped(name)
    expected = {(t.name, o.name) for t in suite.targets for o in (*suite.objectives, *suite.baselines)}
    findings = {f.name for f in suite.findings}  # each is shown on a target of its own
    found = {(c.target.name, c.objective.name) for c in resolve(suite)}
    assert {(target, name) for target, name in found if name not in findings} == expected
    assert {name for _, name in found if name in findings} == findings


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


def test_a_baseline_is_not_trained() -> None:
    found = cells("em", settings={"baselines": "[oracle,vae]"})
    assert [(c.label, c.baseline, c.trained) for c in found] == [
        ("em", False, True),
        ("oracle", True, False),
        ("vae", True, True),
    ]


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
        ({"targets": ["ring8", "ring8[radius=2]"]}, 'column 1: targets[1]: the same target as "ring8"; remove one'),
        ({"network": "conv"}, "-n conv: column 1: network: conv on ring8: convolutions need images (channels, height,"),
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
