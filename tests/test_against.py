"""A new objective is ranked among stored results by the command line, and nothing of these is trained again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from click.testing import Result
from stored import ROW, result
from tiny import SUITE, run

from ganbench import store
from ganbench.pipeline import plan
from ganbench.store import load_results, read_records
from ganbench.suite import parse_suite

HERE = ("-t", "gaussian1d", "--device", "cpu")


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """What a run of another em said beside the whole suite's results, and its own folder."""
    folder = tmp_path_factory.mktemp("against")
    # of the reference the definitions are real and the values made up: nothing of it is trained here either
    planned = plan(parse_suite(SUITE), targets=["gaussian1d"], results=folder, device="cpu")
    for replica in planned.replicas:
        final = dataclasses.replace(ROW, value=0.1 + replica.seed / 10, final=True, flag="", instrument="")
        store.write(folder / "before" / "tiny", result(definition=replica.definition, rows=[final]))
    spec = "em[temperature=2]"
    found = run(folder, *HERE, "-o", spec, "--against", str(folder / "before" / "tiny"), "--set", "execution.width=4")
    return found, folder / "results" / "tiny"


def test_a_new_objective_stands_in_one_table_with_the_stored_results(ranked: tuple[Result, Path]):
    rows = [line for line in ranked[0].stdout.splitlines() if "±" in line and "/2" in line]
    names = ("em[temperature=2] ", "em · reference", "minimax · reference", "oracle · reference", "trivial · reference")
    assert len(rows) == 5
    assert all(any(name in row for row in rows) for name in names)


def test_the_page_has_the_reference_and_what_differs_from_it(ranked: tuple[Result, Path]):
    page = (ranked[1] / "report.html").read_text(encoding="utf-8")
    assert ">em[temperature=2]</td>" in page
    assert ">minimax · reference</td>" in page
    assert "from the reference to the run, width: 2 → 4." in page


def test_only_the_new_objective_is_trained(ranked: tuple[Result, Path]):
    assert set(load_results(ranked[1]).label) == {"em[temperature=2]"}


def test_an_environment_that_differs_from_the_reference_is_a_warning(ranked: tuple[Result, Path]):
    assert "warning: differs from the reference: width: 2 → 4\n" in ranked[0].stderr
    assert ranked[0].exit_code == 0


def test_the_run_s_command_line_is_on_record(ranked: tuple[Result, Path]):
    (found,) = read_records(ranked[1])[0]
    assert (found.command or "").split()[0] == "ganbench"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--against", "reference"), 'no reference results ship for the suite "tiny"'),
        (("--against", "none/such"), "none/such: no stored replica here"),
    ],
    ids=["none ships", "no folder"],
)
def test_a_reference_that_is_not_there_is_told_before_anything_is_trained(
    tmp_path: Path, options: tuple[str, ...], told: str
):
    found = run(tmp_path, *HERE, *options)
    assert (found.exit_code, found.stdout) == (2, "")
    assert told in found.stderr
    assert not (tmp_path / "results").exists()
