"""`ganbench run` for real on the tiny suite: what it stores, what it does not train twice, and what stops it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import SUITE, files, ganbench, numbers, run

import ganbench as package
from ganbench.report.wording import CURRENCIES
from ganbench.suite import load_suite

REPLICAS = 16
NUMBERLESS = """\
from ganbench.objectives.contract import Objective, mean

class Mine(Objective):
    def d_loss(self, G, D, b, /):
        return mean(b.w, D(b.x)) * float("nan")

    def g_loss(self, G, D, b, /):
        return mean(b.r, D(G(b.z)))
"""
FREE = "em: the forward passes of its E-steps take no gradient step and are not charged."


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder in which the tiny suite has run once, and what the command said."""
    folder = tmp_path_factory.mktemp("first")
    return folder, run(folder)


def test_a_run_ends_with_exit_code_0_and_a_table_for_each_target(first):
    _, said = first
    assert said.exit_code == 0
    assert [line.split(" · ")[1] for line in said.stdout.splitlines() if line.startswith("tiny · ")] == [
        "gaussian1d",
        "ring8",
    ]


def test_a_run_says_how_its_replicas_ended_and_where_they_are(first):
    folder, said = first
    assert re.search(rf"^{REPLICAS} completed, 0 diverged; [\d.]+ s$", said.stdout, re.MULTILINE)
    assert f"results: {folder / 'results' / 'tiny'}" in said.stdout


def test_without_a_terminal_a_run_says_in_a_plain_line_what_it_will_do(first):
    _, said = first
    assert said.stderr.startswith(
        "tiny: 8 cells, 16 replicas, none of them stored already; 64 gradient steps to take\n"
    )
    assert "\x1b" not in said.stderr


def test_a_run_leaves_one_file_per_replica_its_arrays_and_the_tables(first):
    folder, _ = first
    names = {file.name for file in (folder / "results" / "tiny").iterdir() if file.is_file()}
    stems = {Path(name).stem for name in names if name.endswith(".parquet")}
    assert len(stems) == REPLICAS
    reported = {"tables.md", "tables.csv", "report.html"}
    assert names == {f"{s}.{end}" for s in stems for end in ("parquet", "safetensors")} | reported


def test_results_are_one_row_for_each_replica_evaluation_and_metric(first):
    folder, _ = first
    results = package.load_results(folder / "results")
    trained = results[~results.baseline & results.metric.isin(["w1", "high_quality"])]
    # two evaluations and the final one, of two metrics, for two objectives on two targets with two seeds
    assert len(trained) == 3 * 2 * 2 * 2 * 2
    assert set(results.status) == {"completed"}


@pytest.mark.parametrize(
    ("form", "mark"), [("text", "tiny · ring8"), ("markdown", "## tiny · ring8"), ("csv", "tiny,ring8")]
)
def test_report_prints_the_stored_tables(form, mark, first):
    folder, _ = first
    said = ganbench(folder, "report", str(folder / "results"), "--format", form)
    assert said.exit_code == 0
    assert mark in said.stdout


def test_report_in_markdown_is_what_the_run_wrote(first):
    folder, _ = first
    said = ganbench(folder, "report", str(folder / "results" / "tiny"), "--format", "markdown")
    assert said.stdout == (folder / "results" / "tiny" / "tables.md").read_text()


def test_report_ranks_by_the_metric_that_is_asked_for(first):
    folder, _ = first
    said = ganbench(folder, "report", str(folder / "results"), "--rank-by", "high_quality")
    assert "tiny · ring8 · high_quality" in said.stdout


def test_a_second_run_trains_nothing_and_changes_no_file(first):
    folder, said = first
    before = files(folder)
    again = run(folder)
    assert "all of them stored already; nothing to train" in again.stderr
    assert files(folder) == before
    assert [x for x in again.stdout.splitlines() if " s" not in x] == [
        x for x in said.stdout.splitlines() if " s" not in x
    ]


@pytest.mark.usefixtures("processes")
def test_the_same_run_elsewhere_gives_the_same_bits_with_more_workers_and_more_seeds(first, tmp_path):
    # seeds 0 to 2: the ensembles are put together anew, and two workers take them in another order
    run(tmp_path, "--seeds", "3", "--workers", "2")
    assert {**numbers(tmp_path), **numbers(first[0])} == numbers(tmp_path)


def test_more_seeds_train_the_new_ones_only(first, tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    subprocess.run(["cp", "-r", str(first[0] / "results"), str(folder)], check=True)
    before = files(folder)
    said = run(folder, "--seeds", "3")
    after = files(folder)
    assert "24 replicas, 16 of them stored already; 32 gradient steps to take" in said.stderr
    assert (len(after), {name: after[name] for name in before}) == (24, before)


def test_a_run_ranks_by_its_suite_s_metric_though_the_replicas_were_stored_under_another(first, tmp_path):
    subprocess.run(["cp", "-r", str(first[0] / "results"), str(tmp_path)], check=True)
    said = run(tmp_path, "--set", "evaluation.rank_by=high_quality")
    assert "nothing to train" in said.stderr
    assert "tiny · ring8 · high_quality" in said.stdout
    assert "tiny · ring8 · high\\_quality" in (tmp_path / "results" / "tiny" / "tables.md").read_text()


def test_evaluate_measures_stored_generators_and_repeats_what_training_measured(first):
    folder, _ = first
    said = ganbench(folder, "evaluate", str(folder / "results" / "tiny"), "--metric", "w1")
    assert said.exit_code == 0
    assert said.stdout.endswith(f"Held equal for every objective: 4 {CURRENCIES['iterations']}. {FREE}\n")
    results = package.load_results(folder / "results")
    final = results[results.final & (results.metric == "w1")]
    assert final.measured_later.sum() == REPLICAS
    assert set(final.groupby("replica_id").value.nunique()) == {1}


def test_a_diverged_replica_is_counted_and_no_failure(tmp_path):
    said = run(tmp_path, "-o", "wasserstein-gp[optimiser=sgd,lr_d=1000,lr_g=1000]", "-t", "ring8")
    assert said.exit_code == 0
    assert re.search(r"4 completed, 2 diverged; ", said.stdout)


def test_an_objective_from_outside_that_diverges_is_named_with_the_lines_of_its_losses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(NUMBERLESS)
    done = run(tmp_path, "-o", "my.py:Mine", "-o", "minimax", "-t", "ring8")
    assert done.exit_code == 0
    told = [line for line in done.stderr.splitlines() if line.startswith("diverged: ")]
    assert told == [
        "diverged: 2 replicas of my.py:Mine, whose losses are at my.py:4 and my.py:7; see whether one is no number:"
        f" ganbench check {tmp_path}/my.py:Mine"
    ]


@pytest.mark.usefixtures("processes")
def test_a_failed_replica_is_exit_code_1_a_row_and_its_error_and_the_same_command_mends_it(tmp_path, monkeypatch):
    options = ("-o", "minimax", "-t", "ring8", "--set", "baselines=[]", "--workers", "1")
    # what a broken installation leaves behind: the library of W1 cannot be imported
    (tmp_path / "ot.py").write_text("raise RuntimeError('broken')\n")
    with monkeypatch.context() as broken:
        broken.setenv("PYTHONPATH", str(tmp_path))
        said = run(tmp_path, *options)
    assert said.exit_code == 1
    assert "2 failed; " in said.stdout
    assert re.search(r"(?m)^failed: 2 replicas, first ring8 minimax seed 0: RuntimeError: broken", said.stderr)
    results = package.load_results(tmp_path / "results")
    assert list(results.status) == ["failed", "failed"]
    assert run(tmp_path, *options).exit_code == 0


def test_tune_writes_winners_that_load_as_a_suite(tmp_path):
    winners = tmp_path / "winners.toml"
    space = ("-o", "minimax[lr_g=loguniform(1e-4,1e-2)]", "--trials", "2", "--seeds", "100:102", "-t", "ring8")
    options = ("--suite", str(tmp_path / "tiny.toml"), "--results", str(tmp_path / "results"), "--output", str(winners))
    said = ganbench(tmp_path, "tune", *options, *space)
    assert said.exit_code == 0
    assert "| ring8 | minimax | lr_g | loguniform(0.0001,0.01) |" in said.stdout
    assert 1e-4 <= load_suite(winners).defaults["minimax"]["lr_g"] <= 1e-2


LONGER = ("--iterations", "60")


def stopped(folder: Path, number: signal.Signals) -> tuple[int, str, float]:
    """Exit code, stderr and seconds to stop of a run that got a signal once a replica was stored."""
    (folder / "tiny.toml").write_text(SUITE)
    command = [sys.executable, "-m", "ganbench", "run", "--suite", "tiny.toml", "--workers", "1", *LONGER]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # in the background of a script Ctrl-C is ignored, and a child inherits that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not files(folder):
        time.sleep(0.005)
    process.send_signal(number)
    began = time.perf_counter()
    _, said = process.communicate(timeout=20)
    return process.returncode, said, time.perf_counter() - began


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_stops_within_five_seconds_and_says_what_is_kept_and_how_to_go_on(number, code, tmp_path):
    returned, said, seconds = stopped(tmp_path, number)
    kept = len(files(tmp_path))
    assert (returned, seconds < 5, 0 < kept < REPLICAS) == (code, True, True)
    folder = Path("results") / "tiny"
    told = f"interrupted: {kept} of {REPLICAS} replicas are kept in {folder}; the same command goes on from there\n"
    assert said.endswith(told)


@pytest.mark.torture
def test_a_killed_run_keeps_what_is_finished_and_the_same_command_ends_with_the_bits_of_one_never_killed(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    stopped(killed, signal.SIGKILL)
    before = files(killed)
    assert 0 < len(before) < REPLICAS
    assert run(killed, *LONGER).exit_code == 0
    after = files(killed)
    assert {name: after[name] for name in before} == before
    run(whole, *LONGER)
    assert numbers(killed) == numbers(whole)
