"""Whatever is changed of a definition is another replica; it is another cell where the science is, and only there."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from resolved import TEXT

from ganbench.planning import digest, plan_replicas
from ganbench.suite import Cell, parse_suite, resolve

EXECUTION = {
    **{"torch": "2.13.0", "numpy": "2.4", "device": "cpu", "instructions": "AVX512", "compiled": False, "width": 8},
    **{"threads": 1, "precision": "fp32", "lift": "vmap", "convolution": "products", "draws": "numpy"},
}


def planned(text: str = TEXT, **execution: Any) -> Any:
    suite = parse_suite(text)
    return plan_replicas(suite, resolve(suite), {**EXECUTION, **execution})[0]


def other(value: Any) -> Any:
    """A value of the same type that is not the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return value / 2 or 0.5
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [*value, "w2"]
    return CHOICES.get(value, f"{value or ''}x")


CHOICES = {"DG": "GD", "alternating": "simultaneous", "none": "box", "posterior": "importance", "relu": "tanh"}
"""Words of a definition for which only certain others can stand -> one of them."""


def leaves(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys of every value of a definition that holds no other."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*keys, key))
    else:
        yield keys


def mutated(definition: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    found = copy.deepcopy(definition)
    table = found
    for key in keys[:-1]:
        table = table[key]
    table[keys[-1]] = other(table[keys[-1]])
    return found


IDENTITY = planned().cell.identity()


def test_an_identity_holds_every_value_of_its_definition_but_the_place_of_weights():
    definition = planned().definition["cell"]
    assert set(leaves(definition)) - set(leaves(IDENTITY)) == {("evaluation", "weights")}


# a name has fields of its own: another one is planned below
@pytest.mark.parametrize("keys", [keys for keys in leaves(IDENTITY) if keys[-1] != "name"], ids=".".join)
def test_every_field_of_the_science_makes_another_cell(keys: tuple[str, ...]):
    one = planned()
    changed = Cell.from_definition(mutated(one.definition["cell"], keys))
    two = plan_replicas(parse_suite(TEXT), [changed], EXECUTION)[0]
    assert one.definition["cell_id"] != two.definition["cell_id"]
    assert one.replica_id != two.replica_id


def test_where_weights_lie_makes_no_other_cell():
    one = planned()
    changed = Cell.from_definition(mutated(one.definition["cell"], ("evaluation", "weights")))
    assert plan_replicas(parse_suite(TEXT), [changed], EXECUTION)[0].replica_id == one.replica_id


CHANGES = {
    "batch": ("batch = 64", "batch = 128"),
    "budget": ("amount = 61", "amount = 122"),
    "metrics": ('"modes_covered", "w1"', '"w1"'),
    "objective": ('"em"', '"minimax"'),
    "objective's field": ('"em"', '"em[temperature=2]"'),
    "optimiser's field": ('"em"', '"em[lr_g=7e-4]"'),
    "regulariser": ('"em"', '"em + r1"'),
    "target": ('"ring8"', '"grid25"'),
    "network's field": ("[budget]", 'network = "mlp[width=32]"\n[budget]'),
    "optimiser": ("adam[lr_d=2e-3]", "rmsprop[lr_d=2e-3]"),
    "latent": ("batch = 64", "batch = 64\nlatent = 3"),
    "times": ("[evaluation]", "[evaluation]\ntimes = 3"),
    "samples": ("[evaluation]", "[evaluation]\nsamples = 100"),
    "final samples": ("[evaluation]", "[evaluation]\nfinal_samples = 100"),
    "quality target": ('rank_by = "w1"', 'rank_by = "w1"\nreached = { ring8 = 0.1 }'),
    "metric of the quality target": (
        'rank_by = "w1"',
        'rank_by = "w1"\nreached = { ring8 = 0.1 }\nreached_by = "modes_covered"',
    ),
    "target's field": ('"ring8"', '"ring8[radius=3]"'),
}


@pytest.mark.parametrize(("line", "changed"), CHANGES.values(), ids=CHANGES)
def test_a_changed_suite_plans_another_cell_and_another_replica(line: str, changed: str):
    assert line in TEXT, f"the suite of this test says no {line}"
    one, two = planned(), planned(TEXT.replace(line, changed))
    assert one.definition["cell_id"] != two.definition["cell_id"]
    assert one.replica_id != two.replica_id


@pytest.mark.parametrize("key", EXECUTION)
def test_every_part_of_the_execution_makes_another_replica_of_the_same_cell(key: str):
    one, two = planned(), planned(**{key: other(EXECUTION[key])})
    assert one.definition["cell_id"] == two.definition["cell_id"]
    assert one.replica_id != two.replica_id


def test_another_version_of_the_code_makes_another_replica_of_the_same_cell(monkeypatch: pytest.MonkeyPatch):
    one = planned()
    monkeypatch.setattr("ganbench.planning.code_version", lambda cell: "other")
    two = planned()
    assert one.definition["cell_id"] == two.definition["cell_id"]
    assert one.replica_id != two.replica_id


def test_another_seed_makes_another_replica_of_the_same_cell():
    suite = parse_suite(TEXT)
    replicas = plan_replicas(suite, resolve(suite)[:1], EXECUTION)
    assert len({r.replica_id for r in replicas}) == len(replicas) > 1
    assert len({r.definition["cell_id"] for r in replicas}) == 1


def test_what_only_names_things_makes_neither_another_cell_nor_another_replica():
    one = planned()
    two = planned(TEXT.replace('name = "mine"', 'name = "other"') + "\n[defaults.minimax]\nlr_d = 0.5\n")
    assert two.definition["suite"] != one.definition["suite"]
    assert (one.definition["cell_id"], one.replica_id) == (two.definition["cell_id"], two.replica_id)


def test_a_cell_that_is_built_again_from_its_definition_has_its_identity():
    one = planned()
    assert digest(Cell.from_definition(one.definition["cell"]).identity()) == one.definition["cell_id"]
