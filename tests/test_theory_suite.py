"""Findings as replicas: measured, stored, resumed and reported as those of any suite."""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import ganbench
from ganbench import catalogue, store
from ganbench.cli import main
from ganbench.execution.findings import measure_finding
from ganbench.execution.worker import Job, run_job
from ganbench.planning import PACKAGE, code_version, plan_replicas
from ganbench.suite import Cell, SuiteError, load_suite, parse_suite, resolve
from ganbench.theory.finding import Finding
from ganbench.theory.law import Comparison, Law

SUITE = """\
name = "small"
seeds = 1
findings = ["generator-gradients"]
[execution]
compiled = false
"""

HOLDS = Law("holds", "1 is 1", "arithmetic", lambda on: [Comparison(1.0, 1.0, 0.1, about="one"), Comparison(2.0, 2.0)])
FAILS = Law("fails", "1 is at most 0", "a mistake", lambda on: [Comparison(0.0, 1.0, 0.5, "<=", "one")])
UNFIT = Law("unfit", "never applies", "nobody", lambda on: [Comparison(0.0, 1.0)], lambda on: "it never does")
SILENT = Law("silent", "compares nothing", "nobody", lambda on: [])
RAISES = Law("raises", "divides by zero", "nobody", lambda on: [Comparison(1 / 0, 1.0)])


class Example(Finding):
    """A finding of made-up laws; `curve` (2,)."""

    source = "made up"
    laws: tuple[Law, ...] = (HOLDS, FAILS, UNFIT)  # type: ignore[misc]  # tests give each what it needs
    subjects = ("minimax", "em[temperature=2]")

    def arrays(self, seed: int) -> dict[str, np.ndarray]:
        """The seed, and the circle's constant."""
        return {"curve": np.array([seed, math.pi])}


@pytest.fixture
def cell() -> Cell:
    """A cell whose finding is the example, under a registered name."""
    (found,) = resolve(parse_suite(SUITE))
    return dataclasses.replace(found, objective=dataclasses.replace(found.objective, instance=Example()))


def with_laws(cell: Cell, *laws: Law) -> Cell:
    cell.objective.instance.laws = laws
    return cell


def ran(folder: Path, *arguments: str) -> Result:
    (folder / "small.toml").write_text(SUITE)
    options = ["--suite", str(folder / "small.toml"), "--results", str(folder / "results"), "--workers", "1"]
    return CliRunner().invoke(main, ["run", *options, *arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A folder in which a suite of one finding has run, and what the command said."""
    folder = tmp_path_factory.mktemp("theory")
    return folder, ran(folder)


def test_each_comparison_is_a_row_with_what_was_measured_expected_and_tolerated(cell):
    rows, _, _ = measure_finding(with_laws(cell, HOLDS), 0)
    assert rows[0]["metric"] == "holds | minimax | one"
    assert [rows[0][key] for key in ("value", "floor", "spread", "flag")] == [1.0, 1.0, 0.1, ""]
    assert len(rows) == 4


def test_a_row_carries_the_relation_and_the_source_of_its_law(cell):
    rows, _, _ = measure_finding(with_laws(cell, FAILS), 0)
    assert rows[0]["instrument"] == "<= a mistake"


def test_a_comparison_that_fails_is_flagged_and_ends_nothing(cell):
    rows, _, _ = measure_finding(cell, 0)
    assert [row["flag"] for row in rows] == ["", "", "fails"] * 2


def test_a_law_is_not_measured_where_it_does_not_apply(cell):
    rows, _, _ = measure_finding(cell, 0)
    assert not any(row["metric"].startswith("unfit") for row in rows)


def test_arrays_keep_their_precision_and_subjects_their_order(cell):
    _, info, arrays = measure_finding(cell, 3)
    assert arrays["curve"].tolist() == [3.0, math.pi]
    assert info["subjects"] == ["minimax", "em[temperature=2]"]


def test_a_law_that_compares_nothing_is_an_error(cell):
    with pytest.raises(ValueError, match="silent on minimax: the law compares nothing"):
        measure_finding(with_laws(cell, SILENT), 0)


def test_a_law_that_raises_fails_its_replica_with_the_reason(monkeypatch):
    monkeypatch.setattr(Example, "laws", (RAISES,))
    monkeypatch.setitem(catalogue.FINDINGS.places, "generator-gradients", f"{__name__}:Example")
    suite = parse_suite(SUITE)
    (replica,) = plan_replicas(suite, resolve(parse_suite(SUITE)), {**suite.execution.on("cpu"), "device": "cpu"})
    (outcome,) = run_job(Job((replica.definition,), "cpu", checkpoint=""), lambda steps: None)
    assert (outcome.status, "ZeroDivisionError" in outcome.info["error"]) == ("failed", True)


def test_a_finding_that_is_listed_twice_is_refused():
    with pytest.raises(SuiteError, match=r"findings\[1\]: em-bank is listed twice; remove one"):
        resolve(parse_suite('name = "few"\nseeds = 1\nfindings = ["em-bank", "em-bank"]\n'))


def test_a_run_of_findings_completes_with_every_comparison_stored(first):
    folder, said = first
    results = ganbench.load_results(folder / "results" / "small")
    assert said.exit_code == 0
    assert results.status.unique().tolist() == ["completed"]
    assert results.metric.nunique() == len(results) == 36  # two laws: 4 and 4 times 2 gradients, on three objectives


def test_a_run_of_findings_prints_its_laws_and_writes_their_page(first):
    folder, said = first
    assert "small · generator-gradients · 36 of 36 comparisons hold" in said.stdout
    assert f"report: {folder / 'results' / 'small' / 'report.html'}" in said.stdout.replace("\n", "")
    assert 'id="generator-gradients"' in (folder / "results" / "small" / "report.html").read_text()


def test_a_second_run_of_findings_measures_nothing(first):
    folder, _ = first
    before = {file.name: file.stat().st_mtime_ns for file in (folder / "results" / "small").glob("*.parquet")}
    said = ran(folder)
    assert "all of them stored already; nothing to train" in said.stderr
    assert before == {file.name: file.stat().st_mtime_ns for file in (folder / "results" / "small").glob("*.parquet")}


def test_report_prints_the_laws_again(first):
    folder, _ = first
    said = CliRunner().invoke(
        main, ["report", str(folder / "results" / "small"), "--format", "text"], catch_exceptions=False
    )
    assert "small · generator-gradients · 36 of 36 comparisons hold" in said.stdout


def test_a_dry_run_of_findings_says_that_their_time_is_not_known(tmp_path):
    said = ran(tmp_path, "--dry-run")
    assert said.stdout.splitlines()[-1] == "What findings take is not known beforehand."
    assert not (tmp_path / "results").exists()


def test_evaluate_passes_over_findings(first):
    folder, _ = first
    with pytest.raises(ValueError, match="found no completed replica"):
        ganbench.evaluate(folder / "results" / "small", "w1")


def test_stored_arrays_of_a_finding_are_read_back(first):
    folder, _ = first
    (file,) = (folder / "results" / "small").glob("*.parquet")
    arrays = store.read_arrays(file)
    assert np.abs(arrays["measured"] - arrays["divergence"]).max() < 1e-5


def test_the_shipped_suite_shows_every_finding():
    assert [spec.name for spec in load_suite("theory").findings] == catalogue.FINDINGS.names()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package's sources, free to be changed."""
    folder = tmp_path_factory.mktemp("sources") / "ganbench"
    return Path(shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize(
    ("file", "of_finding", "of_objective"),
    [
        ("objectives/em.py", True, False),  # a subject of the finding, no part of minimax
        ("theory/law.py", True, False),
        ("execution/findings.py", True, False),
        ("objectives/vae.py", False, False),
    ],
)
def test_what_a_finding_measures_with_is_its_code_and_no_trained_replicas(file, of_finding, of_objective, package):
    (finding,) = resolve(parse_suite(SUITE))
    minimax = resolve(load_suite("toy2d"))[0]
    before = [code_version(cell, package) for cell in (finding, minimax)]
    changed = Path(shutil.copytree(package, package.with_name(file.replace("/", "-"))))
    (changed / file).write_text((changed / file).read_text() + "# changed\n")
    after = [code_version(cell, changed) for cell in (finding, minimax)]
    assert [a != b for a, b in zip(after, before, strict=True)] == [of_finding, of_objective]


@pytest.mark.parametrize("arguments", [("-t", "ring8"), ("-o", "minimax"), ("-n", "mlp")])
def test_a_suite_of_findings_has_nothing_of_a_game_to_change(arguments: tuple[str, str]):
    said = CliRunner().invoke(main, ["run", "--suite", "theory", *arguments, "--dry-run"])
    assert said.exit_code == 2
    assert "theory: found findings alone" in said.stderr
