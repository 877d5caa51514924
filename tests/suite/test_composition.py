"""Regularisers are added to an objective in one line of a suite."""

from __future__ import annotations

import json

import pytest
from resolved import TEXT, cell, cells

from ganbench.objectives.regularisers import R1, R2, InstanceNoise
from ganbench.planning import digest, plan_ensembles, plan_replicas
from ganbench.suite import Cell, SuiteError, apply_overrides, parse_suite, resolve
from ganbench.suite.spec import SpecError, parse_spec


def test_a_plus_adds_regularisers_with_their_fields() -> None:
    found = cell("minimax[d_steps=2] + r1[weight=.3] + instance-noise")
    assert found.objective.fields["d_steps"] == 2
    assert [part.instance for part in found.regularisers] == [R1(weight=0.3), InstanceNoise()]


def test_a_label_tells_what_was_added_and_which_of_its_values_were_changed() -> None:
    assert cell("minimax+r1[weight=.3]+r2[weight=1]").label == "minimax + r1[weight=0.3] + r2"


def test_a_list_of_a_regulariser_s_field_is_a_grid() -> None:
    found = cells("em[temperature=[1,2]] + r2[weight=[1,3]]")
    assert [c.label for c in found] == [
        f"em[temperature={t}] + r2[weight={w}]" for t, w in ((1, 1), (1, 3), (2, 1), (2, 3))
    ]
    assert [c.regularisers[0].instance for c in found[:2]] == [R2(weight=1.0), R2(weight=3.0)]


@pytest.mark.parametrize("text", ["a+b", "a + b[x=+1] + c", 'a[x="+"]+b', "a[x=[[1,+2],[3,4]],y=+3]"])
def test_a_spec_with_additions_is_read_back_from_its_text(text: str) -> None:
    assert parse_spec(str(parse_spec(text))) == parse_spec(text)


def test_a_plus_inside_brackets_adds_nothing() -> None:
    assert parse_spec('a[x="+",y=[1,+2]]').added == ()


@pytest.mark.parametrize(("text", "column"), [("minimax +", 10), ("+ r1", 1), ("minimax + r1[weight]", 20)])
def test_a_broken_addition_is_told_at_its_column_of_the_whole_text(text: str, column: int) -> None:
    with pytest.raises(SpecError) as error:
        parse_spec(text)
    assert error.value.column == column


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("minimax + r3", r'column 11.*unknown regulariser "r3"; did you mean "r2"'),
        ("minimax + r1 + r1", r"column 16.*r1 is added twice"),
        ("minimax + r1[wieght=1]", r'column 14.*unknown field; did you mean "weight"'),
        ("minimax + r1[weight=-1]", r"column 14.*expected a number at least 0"),
        ("vae + r1", r"column 7.*vae has no critic"),
        ("minimax[packing=5]", r"packing: found 5; expected a divisor of the batch of 64"),
    ],
)
def test_what_cannot_be_added_is_told_with_its_column(objective: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        cells(objective)


def test_only_objectives_take_regularisers() -> None:
    with pytest.raises(SuiteError, match="only objectives take regularisers"):
        cell("em", targets=["ring8 + r1"])


def test_a_definition_through_json_keeps_the_regularisers() -> None:
    found = cell("minimax + r1[weight=.3]")
    again = Cell.from_definition(json.loads(json.dumps(found.definition())))
    assert again == found
    assert again != cell("minimax + r1")


def test_a_cell_without_additions_has_the_definition_that_it_had_before_there_were_any() -> None:
    assert "regularisers" not in cell("minimax").definition()


def test_a_regulariser_and_its_weight_are_part_of_the_science() -> None:
    specs = ("minimax", "minimax + r1", "minimax + r1[weight=.3]", "minimax + r2")
    assert len({digest(cell(spec).identity()) for spec in specs}) == len(specs)


def test_the_order_of_additions_is_no_part_of_the_science() -> None:
    assert cell("minimax + r2[weight=3] + r1").identity() == cell("minimax + r1 + r2[weight=3]").identity()
    with pytest.raises(SuiteError, match=r'the same cell as "minimax \+ r1 \+ r2"; remove one'):
        cells("minimax + r1 + r2", "minimax + r2 + r1")


def test_replicas_that_differ_in_a_weight_alone_train_in_one_ensemble() -> None:
    suite = apply_overrides(parse_suite(TEXT), objectives=["minimax + r1[weight=[.1,.3]]", "minimax + r2"], seeds=2)
    replicas = plan_replicas(suite, resolve(suite), {"width": 8, "compiled": False})
    together = [{r.cell.label for r in ensemble.replicas} for ensemble in plan_ensembles(replicas)]
    assert together == [{"minimax + r1[weight=0.1]", "minimax + r1[weight=0.3]"}, {"minimax + r2"}]
