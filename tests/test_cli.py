"""The command without training: its speed, what it lists and what it refuses."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest
from tiny import SUITE, ganbench, run

import ganbench as package
from ganbench import catalogue
from ganbench.cli.errors import raised_here
from ganbench.cli.names import REGISTRIES
from ganbench.store import SCHEMA, load_results
from ganbench.store.container import encode
from ganbench.suite import parse_suite, shipped_suites

NAMES = [(kind, name) for kind, registry in REGISTRIES.items() for name in registry.names()]
FAST_S = 0.3


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ganbench", *arguments]


def processor_s() -> float:
    """Seconds that ended child processes have spent on a core."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@pytest.mark.parametrize("arguments", [("--help",), ("list",)])
def test_help_and_list_answer_within_three_tenths_of_a_second(arguments):
    # seconds on a core, which are the clock's on an idle one: others may use this machine, so the least of five counts
    seconds = []
    for _ in range(5):
        before = processor_s()
        subprocess.run(command(*arguments), check=True, capture_output=True)
        seconds.append(processor_s() - before)
    assert min(seconds) <= FAST_S


HEAVY = ("torch", "pandas", "numpy", "scipy", "pyarrow", "pydantic", "rich", "jinja2", "sklearn", "ot", "PIL")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["report", "--help"], ["run", "--help"], ["new", "--help"]]
)
def test_commands_that_compute_nothing_import_nothing_heavy(arguments):
    code = f"import sys; from ganbench.cli import main; main({arguments}, standalone_mode=False)"
    found = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sorted(set({HEAVY}) & set(sys.modules)), sep=', ', end='.')"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines()[-1] == "."


def test_the_module_is_the_command():
    found = subprocess.run(command("--version"), capture_output=True, text=True, check=True)
    assert found.stdout == f"ganbench {package.__version__}\n"


def test_list_holds_every_registered_name_and_every_shipped_suite_once(tmp_path):
    lines = ganbench(tmp_path, "list").stdout.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(listed) == sorted([*(name for _, name in NAMES), *catalogue.DERIVED, *shipped_suites()])


def test_list_of_one_kind_holds_that_kind_alone(tmp_path):
    lines = ganbench(tmp_path, "list", "targets").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == REGISTRIES["targets"].names()


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_list_says_what_each_name_is(kind, name, tmp_path):
    line = next(x for x in ganbench(tmp_path, "list", kind).stdout.splitlines() if x.split()[0] == name)
    assert line.split(maxsplit=1)[1] == REGISTRIES[kind].summary(name)


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_info_shows_every_field_with_its_default(kind, name, tmp_path):
    from ganbench.fields import defaults, describe

    shown = ganbench(tmp_path, "info", name).stdout
    fields = defaults(REGISTRIES[kind].load(name))
    assert [
        f"{field}={describe(value)}" for field, value in fields.items() if f"{field}={describe(value)}" not in shown
    ] == []


@pytest.mark.parametrize("name", REGISTRIES["objectives"].names())
def test_info_of_an_objective_shows_source_formula_and_schedule(name, tmp_path):
    objective, shown = REGISTRIES["objectives"].load(name)(), ganbench(tmp_path, "info", name).stdout
    assert all(text in shown for text in (objective.source, objective.formula, " ".join(objective.schedule())))


def test_info_of_a_suite_shows_its_file(tmp_path):
    assert shipped_suites()["toy2d"].read_text() in ganbench(tmp_path, "info", "toy2d").stdout


BAD_INPUT = {
    "no such suite": (["--suite", "toy3d"], 'did you mean "toy2d"?'),
    "no such file": (["--suite", "none/such.toml"], "none/such.toml:1:1"),
    "no such objective": (["-o", "minimx"], 'did you mean "minimax"?'),
    "no such target": (["-t", "ring9"], 'did you mean "ring8"?'),
    "no such network": (["-n", "mpl"], 'did you mean "mlp"?'),
    "no such field": (["-o", "minimax[d_step=2]"], 'did you mean "d_steps"?'),
    "no such metric": (["--set", "evaluation.rank_by=w2"], 'did you mean "w1"?'),
    "no such section": (["--set", "trainig.batch=32"], 'did you mean "training"?'),
    "no such key": (["--set", "training.bach=32"], 'did you mean "batch"?'),
    "no such device": (["--device", "tpu"], "tpu"),
    "no such option": (["--sede", "3"], "--seeds"),
    "a negative field": (["-o", "minimax[d_steps=-1]"], "at least 1"),
    "a zero batch": (["--set", "training.batch=0"], "at least 1"),
    "a field that is no number": (["-o", "minimax[lr_d=nan]"], "finite"),
    "a bool for an integer": (["-o", "minimax[d_steps=true]"], "integer"),
    "a bool for a number": (["--set", "budget.amount=true"], "number"),
    "no iterations": (["--iterations", "0"], "above 0"),
    "negative iterations": (["--iterations", "-3"], "above 0"),
    "no seeds": (["--seeds", "0"], "no seeds"),
    "duplicate seeds": (["--set", "seeds=[3,3]"], "twice"),
    "a bad name": (["--set", "name=../up"], "expected a name"),
    "a setting without a value": (["--set", "training.batch"], "section.key=value"),
    "no workers": (["--workers", "0"], "workers"),
    "no such data folder": (["--data", "none/such"], "none/such"),
    "a budget below an iteration": (
        ["--set", "budget.amount=1", "--set", "budget.currency=gradient_steps"],
        "at least 2",
    ),
}


@pytest.mark.parametrize(("arguments", "told"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_exit_code_2_with_one_message_and_nothing_written(arguments, told, tmp_path):
    found = run(tmp_path, *arguments)
    assert found.exit_code == 2
    assert told in found.stderr
    assert found.stderr.count("Error:") == 1
    assert "Traceback" not in found.output
    assert found.stdout == ""
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.toml"]


def refused_suite(folder, text):
    """The message for a suite file that must be refused."""
    (folder / "mine.toml").write_text(text)
    found = run(folder, "--suite", str(folder / "mine.toml"))
    assert found.exit_code == 2
    assert not (folder / "results").exists()
    return found.stderr


def test_a_mistake_in_a_suite_is_told_with_its_file_line_and_column(tmp_path):
    message = refused_suite(tmp_path, SUITE.replace('"minimax"', '"minimx"'))
    assert message.startswith(f'Error: {tmp_path / "mine.toml"}:4:15: objectives[0]: unknown objective "minimx"')


def test_a_suite_over_one_mebibyte_is_refused(tmp_path):
    assert "1 MiB" in refused_suite(tmp_path, SUITE + "#" * 2**20)


def test_a_device_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    found = run(tmp_path, "--device", "cuda")
    assert (found.exit_code, (tmp_path / "results").exists()) == (2, False)
    assert "use --device cpu" in found.stderr


def test_a_file_in_the_way_of_the_results_is_refused(tmp_path):
    (tmp_path / "results").write_text("mine")
    found = run(tmp_path)
    assert (found.exit_code, (tmp_path / "results").read_text()) == (2, "mine")
    assert "Not a directory" in found.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="to root every folder is writable")
def test_an_unwritable_results_folder_is_refused(tmp_path):
    (tmp_path / "results").mkdir(mode=0o555)
    found = run(tmp_path)
    assert (found.exit_code, list((tmp_path / "results").iterdir())) == (2, [])
    assert "no results can be written here" in found.stderr


def test_a_stored_file_of_a_newer_schema_is_refused_and_left_alone(tmp_path):
    folder = tmp_path / "results" / "tiny"
    folder.mkdir(parents=True)
    newer = {"schema": SCHEMA + 1, "definition": {"replica_id": "0" * 20}, "measured": None}
    file = folder / f"{'0' * 20}.parquet"
    file.write_bytes(encode(newer, []))
    before = file.read_bytes()
    found = run(tmp_path)
    assert (found.exit_code, file.read_bytes(), list(folder.iterdir())) == (2, before, [file])
    assert "upgrade ganbench" in found.stderr


@pytest.mark.parametrize("arguments", [("report",), ("evaluate", "--metric", "w1")])
def test_a_folder_without_results_is_refused(arguments, tmp_path):
    (tmp_path / "empty").mkdir()
    found = ganbench(tmp_path, *arguments, str(tmp_path / "empty"))
    assert (found.exit_code, found.stdout) == (2, "")
    assert "no stored replica here" in found.stderr


@pytest.mark.parametrize("arguments", [("info", "minimx"), ("list", "objectvies"), ("evaluate", ".", "--metric", "w2")])
def test_an_unknown_name_is_refused(arguments, tmp_path):
    assert ganbench(tmp_path, *arguments).exit_code == 2


def test_tune_without_a_search_is_refused(tmp_path):
    found = ganbench(tmp_path, "tune", "--suite", str(tmp_path / "tiny.toml"))
    assert (found.exit_code, [file.name for file in tmp_path.iterdir()]) == (2, ["tiny.toml"])
    assert "minimax has no search space; write minimax[lr_g=" in found.stderr


def test_tune_refuses_an_output_that_cannot_be_written_before_it_searches(tmp_path):
    found = ganbench(tmp_path, "tune", "--suite", "toy2d", "--output", str(tmp_path / "none" / "winners.toml"))
    assert (found.exit_code, [file.name for file in tmp_path.iterdir()]) == (2, ["tiny.toml"])
    assert "make it first" in found.stderr


def test_a_mistake_of_a_library_is_no_bad_input():
    ours_by_name = compile("int('x')", raised_here.__code__.co_filename, "exec")
    with pytest.raises(ValueError, match="invalid literal") as library:
        exec(ours_by_name)  # int leaves no frame of its own: the last one is a line of the package
    with pytest.raises(ValueError, match="at least 1") as ours:
        parse_suite(SUITE.replace("batch = 32", "batch = 0"))
    assert (raised_here(library.value), raised_here(ours.value)) == (False, True)


def test_a_dry_run_shows_every_cell_of_a_grid_and_writes_nothing(tmp_path):
    found = run(tmp_path, "-o", "minimax[lr_d=[1e-3,1e-4]]", "-t", "ring8", "--seeds", "5:9", "--dry-run")
    cells = [line.split() for line in found.stdout.splitlines() if line.startswith("ring8")]
    assert cells == [
        ["ring8", "minimax[lr_d=0.001]", "4", "0", "4"],
        ["ring8", "minimax[lr_d=0.0001]", "4", "0", "4"],
        ["ring8", "oracle", "4", "0", "0"],
        ["ring8", "trivial", "4", "0", "0"],
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.toml"]


def test_a_precision_is_part_of_what_is_planned_whatever_stands_around_it(tmp_path):
    for options in (("--precision", "bf16"), ("--precision", "bf16", "--set", "training.batch=64")):
        result = run(tmp_path, "--seeds", "1", *options)
        assert result.exit_code == 0, result.output
    stored = load_results(tmp_path / "results" / "tiny")
    assert set(stored.precision) == {"bf16"}


def test_tf32_without_a_gpu_is_refused(tmp_path):
    result = run(tmp_path, "--precision", "tf32", "--device", "cpu")
    assert result.exit_code == 2
    assert 'precision "tf32": found the device cpu' in result.output
