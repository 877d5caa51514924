"""What asv has measured, in the report: read from its files, joined with quality, and refused where foreign."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from studies import Study

from ganbench.cli import main
from ganbench.report.asv_results import read_asv
from ganbench.report.speed import QUALITY, START, TRAINING, per_iteration, speeds
from ganbench.report.speed_page import timeline
from ganbench.store import load_results

RECORDED = Path(__file__).parents[1] / "recorded_asv"
"""Of a run of asv 0.6.6 on suites/asv at two commits: three objectives, the quality of two of them, one start-up."""


@pytest.fixture
def asv(tmp_path: Path) -> Path:
    """A copy of what asv wrote, free to be changed."""
    return Path(shutil.copytree(RECORDED, tmp_path / "asv"))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Seeds of em that reach their quality target at iteration 3,000, and of minimax of which most never do."""
    made = Study(tmp_path / "tiny")
    for seed in range(5):
        for label, reached in (("em", 3000.0), ("minimax", 3000.0 if seed == 0 else math.inf)):
            # as Study stores it: 3,000 iterations, 6,000 gradient steps and 768,000 real samples, 256 in each
            made.add(label, seed, {"w1": 0.2, "reached_iteration": reached})
    return made


def report(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)], catch_exceptions=False)


def table(asv: Path, study: Study) -> pd.DataFrame:
    return speeds(read_asv(asv), load_results(study.folder)).set_index("objective")


def newest(asv: Path) -> tuple[Path, dict[str, Any]]:
    """The file of the newest commit, with what it holds."""
    files = {path: json.loads(path.read_text()) for path in asv.glob("*/*.json") if path.name != "machine.json"}
    return max(files.items(), key=lambda item: item[1]["date"])


def stored(asv: Path, benchmark: str, objective: str | None = None) -> float:
    """A value of the newest commit as it stands in the file."""
    values, params = newest(asv)[1]["results"][benchmark][:2]
    names = json.loads((asv / "benchmarks.json").read_text())[benchmark]["param_names"]
    if objective is None:
        return float(values[0])
    at = params[names.index("objective")].index(f"'{objective}'")
    return float(values[at])  # every other parameter has one value


def test_ms_is_the_time_of_asv_over_its_iterations_and_replicas(asv: Path, study: Study):
    # 8 replicas and 32 iterations in a call
    expected = stored(asv, TRAINING["eager"], "em") / 8 / 32 * 1e3
    assert table(asv, study).ms_eager["em"] == pytest.approx(expected)


def test_quality_per_second_is_the_w1_that_training_took_off_over_its_seconds(asv: Path, study: Study):
    em = table(asv, study).loc["em"]
    gained = stored(asv, START) - stored(asv, QUALITY, "em")
    assert em.iterations == 1500
    assert em.quality_per_s == pytest.approx(gained / (1500 * em.ms_eager / 1e3))


def test_the_speed_of_a_commit_has_no_quality_of_an_earlier_one_beside_it(asv: Path, study: Study):
    path, content = newest(asv)
    del content["results"][QUALITY]
    path.write_text(json.dumps(content))
    em = table(asv, study).loc["em"]
    assert em.commit == content["commit_hash"]
    assert pd.isna(em.w1)
    assert pd.isna(em.quality_per_s)


def test_seconds_to_the_target_are_the_stored_iterations_at_the_speed_of_asv(asv: Path, study: Study):
    found = table(asv, study)
    assert found["s to target, tiny · ring8"]["em"] == pytest.approx(3000 * found.ms_eager["em"] / 1e3)


def test_an_objective_whose_replicas_mostly_never_reach_the_target_takes_forever(asv: Path, study: Study):
    assert table(asv, study)["s to target, tiny · ring8"]["minimax"] == math.inf


def test_an_objective_that_nobody_has_stored_has_no_seconds_to_the_target(asv: Path, study: Study):
    assert math.isnan(table(asv, study)["s to target, tiny · ring8"]["energy"])


def test_iterations_of_other_steps_are_not_given_the_time_of_one_step_each(asv: Path, tmp_path: Path):
    study = Study(tmp_path / "five")
    study.add("em", 0, {"w1": 0.2, "reached_iteration": 3000.0})
    results = load_results(study.folder)
    found = speeds(read_asv(asv), results.assign(gradient_steps=6 * results.iteration)).set_index("objective")
    assert math.isnan(found["s to target, tiny · ring8"]["em"])


def test_the_timeline_goes_through_both_commits_and_names_the_machine(asv: Path):
    drawn = timeline(read_asv(asv), {"em"})
    assert drawn is not None
    lines = {trace["name"]: trace for trace in drawn.data}
    assert set(lines) == {f"{name} · two-core-vm" for name in ("em", "energy", "minimax")}
    commits = drawn.layout["xaxis"]["categoryarray"]
    assert len(commits) == 2
    assert all(re.fullmatch(r"[0-9a-f]{8} \d{4}-\d\d-\d\d", commit) for commit in commits)
    assert lines["em · two-core-vm"]["x"] == commits
    assert "visible" not in lines["em · two-core-vm"]
    assert lines["energy · two-core-vm"]["visible"] == "legendonly"


def test_of_two_machines_each_has_its_row_and_its_line(asv: Path, study: Study):
    shutil.copytree(asv / "two-core-vm", asv / "another")
    found = speeds(read_asv(asv), load_results(study.folder))
    assert list(found[found.objective == "em"].machine) == ["another", "two-core-vm"]
    drawn = timeline(read_asv(asv), set())
    assert drawn is not None
    assert len(drawn.data) == 6


def test_the_page_has_the_table_the_timeline_and_what_the_columns_mean(asv: Path, study: Study):
    assert report(study.folder, "--asv", asv).exit_code == 0
    page = (study.folder / "report.html").read_text()
    assert 'id="asv"' in page
    assert 'data-figure="asv-timeline"' in page
    assert "quality/s: the w1 of the untrained generators less that one" in page
    assert TRAINING["eager"] in page


def test_the_timeline_is_among_the_figures_for_papers(asv: Path, study: Study, tmp_path: Path):
    assert report(study.folder, "--format", "csv", "--asv", asv, "--figures", tmp_path / "figures").exit_code == 0
    drawn = (tmp_path / "figures" / "asv-timeline.svg").read_text()
    assert newest(asv)[1]["commit_hash"][:8] in drawn
    assert "em · two-core-vm" in drawn
    assert "energy · two-core-vm" not in drawn  # on the page a click shows it


@pytest.mark.parametrize("form", ["text", "markdown", "csv"])
def test_every_form_of_text_has_the_table(asv: Path, study: Study, form: str):
    with_speeds = report(study.folder, "--format", form, "--asv", asv).stdout
    without = report(study.folder, "--format", form).stdout
    assert with_speeds.count("two-core-vm") == 3
    assert "two-core-vm" not in without


def test_a_form_without_room_for_the_table_is_refused(asv: Path, study: Study):
    done = report(study.folder, "--format", "latex", "--asv", asv)
    assert (done.exit_code, "expected html, text, markdown or csv" in done.stderr) == (2, True)


def replaced(asv: Path, **values: Any) -> None:
    path, content = newest(asv)
    path.write_text(json.dumps({**content, **values}))


def short(asv: Path) -> None:
    path, content = newest(asv)
    content["results"][QUALITY][0] = [0.5]
    path.write_text(json.dumps(content))


BAD = {
    "no folder of asv": (lambda asv: (asv / "benchmarks.json").unlink(), "nothing to read"),
    "cut off": (lambda asv: newest(asv)[0].write_text('{"commit_hash": "'), "no JSON"),
    "a list": (lambda asv: newest(asv)[0].write_text("[1, 2]"), "version None"),
    "of another version": (lambda asv: replaced(asv, version=3), "version 3"),
    "without a commit": (lambda asv: replaced(asv, commit_hash="<b>"), "no commit"),
    "without a date": (lambda asv: replaced(asv, date="today"), "no date"),
    "without results": (lambda asv: replaced(asv, results=[]), "no results"),
    "with fewer values": (short, "more or fewer values"),
    "foreign benchmarks": (lambda asv: (asv / "benchmarks.json").write_text('{"version": 2, "a": 1}'), 'benchmark "a"'),
}


@pytest.mark.parametrize("case", BAD)
def test_a_corrupt_or_foreign_file_is_one_line_that_names_it_and_2(asv: Path, study: Study, case: str):
    spoil, said = BAD[case]
    spoil(asv)
    done = report(study.folder, "--asv", asv)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {asv}")
    assert said in line
    assert "remove it, or run make bench again" in line


def test_a_value_whose_benchmark_has_changed_since_is_left_out(asv: Path):
    benchmarks = json.loads((asv / "benchmarks.json").read_text())
    benchmarks[QUALITY]["version"] = "another"
    (asv / "benchmarks.json").write_text(json.dumps(benchmarks))
    found = set(read_asv(asv).benchmark)
    assert QUALITY not in found
    assert TRAINING["eager"] in found


def test_what_failed_or_was_skipped_has_no_row(asv: Path):
    path, content = newest(asv)
    values = content["results"][TRAINING["eager"]][0]
    values[:] = [math.nan if at % 2 else None for at in range(len(values))]
    path.write_text(json.dumps(content))
    found = per_iteration(read_asv(asv))
    assert set(found.commit) == set(read_asv(asv).commit) - {content["commit_hash"]}


def test_the_benchmarks_that_the_report_knows_are_those_of_the_suite():
    suite = {path.stem: path.read_text() for path in (RECORDED.parents[1] / "suites" / "asv").glob("*.py")}
    for benchmark in (*TRAINING.values(), QUALITY, START):
        module, *_, method = benchmark.split(".")
        assert f"def {method}(" in suite[module]
        assert all(f"class {name}" in suite[module] for name in benchmark.split(".")[1:-1])
