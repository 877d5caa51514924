"""Reading suites, changing them from the command line, and the messages of every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganbench.suite import Suite, SuiteError, apply_overrides, load_suite, parse_suite, shipped_suites

TEXT = """\
name = "mine"
seeds = 2
targets = ["ring8"]
objectives = [
    "em",
    "minimax[d_steps=[1,2]]",
]
[budget]
currency = "gradient_steps"
amount = 60
[training]
batch = 64
[execution]
width = 2
[evaluation]
metrics = ["w1", "modes_covered"]
rank_by = "w1"
[evaluation.reached]
ring8 = 0.3
[defaults.em]
m_steps = 2
[search."*"]
lr_d = "loguniform(1e-5,1e-2)"
"""


def error_of(text: str) -> str:
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, "my.toml")
    return str(caught.value)


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new)


@pytest.fixture(scope="module")
def suite() -> Suite:
    return parse_suite(TEXT)


def test_a_count_of_seeds_starts_at_0(suite: Suite) -> None:
    assert suite.seeds == (0, 1)


def test_a_range_of_seeds_is_half_open() -> None:
    assert parse_suite(changed("seeds = 2", 'seeds = "3:6"')).seeds == (3, 4, 5)


def test_listed_seeds_keep_their_order() -> None:
    assert parse_suite(changed("seeds = 2", "seeds = [5, 0, 3]")).seeds == (5, 0, 3)


@pytest.mark.parametrize("name", shipped_suites())
def test_a_shipped_suite_bears_the_name_of_its_file(name: str) -> None:
    assert load_suite(name).name == name


def test_toy2d_and_digits_are_shipped() -> None:
    assert {"toy2d", "digits"} <= set(shipped_suites())


def test_a_path_reads_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TEXT)
    assert load_suite(tmp_path / "mine.toml").name == load_suite(f"{tmp_path}/mine.toml").name == "mine"


MISTAKES = [
    ("seeds = 2", "seeds = 0", "my.toml:2:1: seeds: found no seeds"),
    ("seeds = 2", "seeds = true", "my.toml:2:1: seeds: found true; expected a number of seeds"),
    ("seeds = 2", "seeds = [1, 0, 1]", "my.toml:2:1: seeds: found the seed 1 twice"),
    ("seeds = 2", "seeds = [-1]", "my.toml:2:1: seeds: found the seed -1; expected integers of at least 0"),
    ("seeds = 2", 'seeds = "0:100001"', "my.toml:2:1: seeds: found more than 100,000"),
    ("seeds = 2", f"seeds = {10**30}", "my.toml:2:1: seeds: found more than 100,000"),
    ("seeds = 2", "seed = 2", 'my.toml:2:1: seed: unknown key; did you mean "seeds"?'),
    ('"mine"', '"../mine"', 'my.toml:1:1: name: found "../mine"; expected a name of a-z'),
    ('"mine"', '"Mine\\n"', 'my.toml:1:1: name: found "Mine\\n"; expected a name of a-z'),
    ('name = "mine"', "", "my.toml:1:1: name: found nothing; expected this key; add it"),
    ('["ring8"]', '["ring9"]', 'my.toml:3:12: targets[0]: unknown target "ring9"; did you mean "ring8"?'),
    ('["ring8"]', '"ring8"', "my.toml:3:1: targets: found ring8; expected a list"),
    ('["ring8"]', "[]", "my.toml:3:1: targets: found an empty list; expected at least one"),
    ('["ring8"]', '["ring8", "ring8"]', 'my.toml:3:21: targets[1]: found "ring8" twice'),
    ('"em",', '"eme",', 'my.toml:5:5: objectives[0]: unknown objective "eme"; did you mean "em"?'),
    ('"em",', "3,", "my.toml:5:5: objectives[0]: found 3; expected a text"),
    ("[1,2]]", "[1,2]", "my.toml:6:27: objectives[1]: found the end; expected , or ]"),
    ("d_steps=[1,2]", "optimiser=adm", 'my.toml:6:14: objectives[1]: unknown optimiser "adm"; did you mean "adam"?'),
    ('"gradient_steps"', '"gradient_step"', 'budget.currency: unknown currency "gradient_step"; did you mean "grad'),
    ("amount = 60", "amount = -3", "my.toml:10:1: budget.amount: found -3; expected a number above 0"),
    ("amount = 60", "amount = 0", "my.toml:10:1: budget.amount: found 0; expected a number above 0"),
    ("amount = 60", "amount = nan", "my.toml:10:1: budget.amount: found nan; expected a finite number"),
    ("amount = 60", "amount = inf", "my.toml:10:1: budget.amount: found inf; expected a"),
    ("amount = 60", "amount = true", "my.toml:10:1: budget.amount: found true; expected a number"),
    ("amount = 60", f"amount = 1{'0' * 400}", "my.toml:10:1: budget.amount: found a very large integer"),
    ("amount = 60", f"amount = 1{'0' * 5000}", "my.toml:10:10: found a number with thousands of digits"),
    ("batch = 64", "batch = true", "my.toml:12:1: training.batch: found true; expected an integer"),
    ("batch = 64", "batch = 64.0", "my.toml:12:1: training.batch: found 64.0; expected an integer"),
    ("batch = 64", "batch = 77", "execution.width: found 2 x a batch of 77 = 154; expected a multiple of 32"),
    ("batch = 64", "batsh = 64", 'my.toml:12:1: training.batsh: unknown key; did you mean "batch"?'),
    ("width = 2", "width = 1", "my.toml:14:1: execution.width: found 1; expected a number of at least 2"),
    ("width = 2", "compiled = 1", "my.toml:14:1: execution.compiled: found 1; expected true or false"),
    ("width = 2", 'precision = "fp23"', 'execution.precision: unknown precision "fp23"; did you mean "fp32"?'),
    ("width = 2", 'lift_cpu = "lop"', 'my.toml:14:1: execution.lift_cpu: unknown lift "lop"; did you mean "loop"?'),
    ("width = 2", 'lift_cuda = "vmpa"', 'execution.lift_cuda: unknown lift "vmpa"; did you mean "vmap"?'),
    (
        'rank_by = "w1"',
        'rank_by = "w1"\nextractor = "clasifier"',
        'my.toml:18:1: evaluation.extractor: unknown extractor "clasifier"; did you mean "classifier"?',
    ),
    (
        'rank_by = "w1"',
        'rank_by = "w1"\nreached_by = "w2"',
        'my.toml:18:1: evaluation.reached_by: unknown metric "w2"; did you mean "w1"?',
    ),
    ('"modes_covered"]', '"modes_cover"]', 'my.toml:16:18: evaluation.metrics[1]: unknown metric "modes_cover"'),
    ('rank_by = "w1"', 'rank_by = "w2"', 'my.toml:17:1: evaluation.rank_by: unknown metric "w2"; did you mean "w1"?'),
    (
        'rank_by = "w1"',
        'rank_by = "sliced_w1"',
        '"sliced_w1" is not among the suite\'s metrics; known: w1, modes_covered',
    ),
    ("ring8 = 0.3", "ring9 = 0.3", 'my.toml:19:1: evaluation.reached.ring9: unknown target "ring9"'),
    ("ring8 = 0.3", "ring8 = 0", "my.toml:19:1: evaluation.reached.ring8: found 0; expected a number above 0"),
    ("[defaults.em]", "[defaults.eme]", 'my.toml:20:1: defaults.eme: unknown objective "eme"; did you mean "em"?'),
    (
        "m_steps = 2",
        'optimiser = "adm"',
        'my.toml:21:1: defaults.em.optimiser: unknown optimiser "adm"; did you mean "adam"?',
    ),
    ("m_steps = 2", "m_steps = { a = 1 }", "my.toml:21:1: defaults.em.m_steps: found a table; expected a number"),
    ('"loguniform(1e-5,1e-2)"', "3", 'my.toml:23:1: search.*.lr_d: found 3; expected "loguniform(a,b)"'),
    ('"loguniform(1e-5,1e-2)"', '"loguni(1,2)"', 'unknown search space "loguni"; did you mean "loguniform"?'),
    ("[budget]", "[budgets]", 'my.toml:8:1: budgets: unknown key; did you mean "budget"?'),
    ("[budget]", "[budget", "my.toml:8:8: not TOML:"),
    ("[training]\nbatch = 64", "[training]\nbatch = [[[[", "not TOML:"),
    ("[training]\nbatch = 64", f"[training]\nbatch = {'[' * 9000}", "my.toml:1:1: found brackets nested too deeply"),
    ("batch = 64", f"{'a.' * 201}a = 1", "my.toml:12:1: found more than 200 dots in a line"),
]


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES, ids=[f"{new[:40]!r}" for _, new, _ in MISTAKES])
def test_a_mistake_is_told_where_it_is_and_what_was_expected(old: str, new: str, message: str) -> None:
    assert message in error_of(changed(old, new))


def test_of_several_mistakes_the_first_in_the_file_is_told() -> None:
    text = changed("width = 2", "width = 0").replace("amount = 60", "amount = -1")
    assert error_of(text).startswith("my.toml:10:1: budget.amount")


@pytest.mark.parametrize(("seeds", "tuned"), [("8", (1000, 1001, 1002)), ("999:1002", (1002, 1003, 1004))])
def test_a_search_has_three_seeds_apart_from_those_reported(seeds: str, tuned: tuple[int, ...]) -> None:
    assert apply_overrides(parse_suite(TEXT), seeds=seeds).tuning_seeds == tuned


def test_a_setting_is_a_value_or_its_text() -> None:
    suite = parse_suite(TEXT)
    found = [apply_overrides(suite, settings={"training.batch": value}) for value in (64, "64")]
    assert found[0] == found[1] != suite


def test_a_text_in_place_of_a_list_of_specs_is_refused() -> None:
    with pytest.raises(SuiteError, match=r'targets: found the text "ring8"; expected a list of specs'):
        apply_overrides(parse_suite(TEXT), targets="ring8")


def test_reporting_seeds_cannot_be_tuning_seeds() -> None:
    assert "tuning.seeds: found the seed 1 among the suite's seeds" in error_of(
        f'{TEXT}\n[tuning]\ntrials = 3\nseeds = "1:4"'
    )


@pytest.mark.parametrize("kind", ["nothing", "folder"])
def test_a_path_without_a_file_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        (tmp_path / "x.toml").mkdir()
    with pytest.raises(SuiteError, match=r"x\.toml:1:1: found no file"):
        load_suite(tmp_path / "x.toml")


def test_an_unknown_suite_is_told_the_nearest_one() -> None:
    with pytest.raises(SuiteError, match=r'unknown suite "toy3d"; did you mean "toy2d"\?'):
        load_suite("toy3d")


def test_no_override_changes_nothing(suite: Suite) -> None:
    assert apply_overrides(suite) == suite


OVERRIDES: list[tuple[dict[str, Any], str, Any]] = [
    ({"objectives": ["em[m_steps=3]"]}, "objectives.0.fields", {"m_steps": 3}),
    ({"targets": ["moons", "ring8"]}, "targets.0.name", "moons"),
    ({"network": "mlp[width=8]"}, "network.fields", {"width": 8}),
    ({"seeds": "4"}, "seeds", (0, 1, 2, 3)),
    ({"seeds": "4:6"}, "seeds", (4, 5)),
    ({"iterations": 7}, "budget.currency", "iterations"),
    ({"iterations": 7}, "budget.amount", 7),
    ({"settings": {"budget.amount": "3e3"}}, "budget.amount", 3000),
    ({"settings": {"evaluation.metrics": "[w1]"}}, "evaluation.metrics", ("w1",)),
    ({"settings": {"execution.compiled": "false"}}, "execution.compiled", False),
    ({"settings": {"optimiser": "adam[lr_d=.1]"}}, "optimiser.fields", {"lr_d": 0.1}),
    ({"settings": {"defaults.cramer.weight": "1"}}, "defaults", {"em": {"m_steps": 2}, "cramer": {"weight": 1}}),
]


@pytest.mark.parametrize(("overrides", "path", "value"), OVERRIDES, ids=[str(o) for o, _, _ in OVERRIDES])
def test_an_override_replaces_what_it_names(suite: Suite, overrides: dict[str, Any], path: str, value: object) -> None:
    found: Any = apply_overrides(suite, **overrides)
    for key in path.split("."):
        found = found[int(key)] if key.isdigit() else getattr(found, key)
    assert found == value


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"objectives": ["em", "xem[a=1]"]}, '-o xem[a=1]: column 1: objectives[1]: unknown objective "xem"'),
        ({"objectives": ["em[m_steps=]"]}, "-o em[m_steps=]: column 12: objectives[0]: found ]; expected a value"),
        ({"targets": ["ring"]}, '-t ring: column 1: targets[0]: unknown target "ring"; did you mean "ring8"?'),
        ({"network": "mlp[width=[1,2]]"}, "-n mlp[width=[1,2]]: column 5: network: found a list for width"),
        ({"seeds": "8:0"}, "--seeds 8:0: column 1: seeds: found no seeds"),
        ({"iterations": 0}, "--iterations 0: column 1: budget.amount: found 0"),
        ({"settings": {"budget.amount": "-1"}}, "--set budget.amount=-1: column 1: budget.amount: found -1"),
        ({"settings": {"budgt.amount": "1"}}, 'budgt: unknown key; did you mean "budget"?'),
        ({"settings": {"name.x": "1"}}, "--set name.x=1: name is no table"),
        ({"settings": {"budget.amount": "("}}, "--set budget.amount=(: found ("),
        ({"settings": {"": "1"}}, "--set =1: column 1: : unknown key"),
    ],
)
def test_a_mistake_on_the_command_line_names_its_option(suite: Suite, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        apply_overrides(suite, **overrides)
    assert message in str(caught.value)
