"""What a run shows while it lasts: a bar that vanishes on a terminal, sparse plain lines anywhere else."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tiny import SUITE

from ganbench import pipeline
from ganbench.cli import progress
from ganbench.study import Spent
from ganbench.suite import parse_suite


@pytest.fixture
def planned(tmp_path):
    return pipeline.plan(parse_suite(SUITE), results=tmp_path)


def test_without_a_terminal_a_finished_cell_is_a_line_and_lines_keep_their_distance(planned, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    file = io.StringIO()
    lines = progress.Lines(Console(file=file))
    lines.begin(planned)
    for at, replica in enumerate(planned.replicas):
        now[0] = 100 + 2.0 * (at + 1)  # a cell ends every 4 s: every second one is told
        lines.stored(replica, "completed")
    told = file.getvalue().splitlines()[1:]
    assert [line.partition(":")[0] for line in told] == ["8 s", "16 s", "24 s", "32 s"]
    assert told[0] == "8 s: 4 of 16 replicas, 0% of the gradient steps; gaussian1d em: 2 completed"


def test_without_a_terminal_steps_break_a_silence_of_ten_seconds(planned, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    file = io.StringIO()
    lines = progress.Lines(Console(file=file))
    lines.begin(planned)
    for second in range(0, 25, 3):
        now[0] = 100.0 + second
        lines.advance(4, "minimax")
    assert file.getvalue().splitlines()[1:] == [
        "12 s: 0 of 16 replicas, 31% of the gradient steps; training minimax",
        "24 s: 0 of 16 replicas, 56% of the gradient steps; training minimax",
    ]


def test_where_nothing_takes_gradient_steps_a_line_tells_no_share_of_them(tmp_path, monkeypatch):
    findings = 'name = "few"\nseeds = 1\nfindings = ["duality-gaps"]\n'
    planned = pipeline.plan(parse_suite(findings), results=tmp_path)
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    file = io.StringIO()
    lines = progress.Lines(Console(file=file))
    lines.begin(planned)
    now[0] = 112.0
    lines.advance(0, "duality-gaps")
    assert file.getvalue().splitlines()[1:] == ["12 s: 0 of 1 replicas; training duality-gaps"]


def test_on_a_terminal_the_bar_shows_steps_and_vanishes(planned):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80)
    with progress.Bar(console) as bar:
        bar.begin(planned)
        bar.advance(16, "minimax[lr_d=[bold]")
        bar.progress.refresh()
        assert "minimax[lr_d=[bold]" in file.getvalue()
        assert f"16/{planned.steps} steps" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K")  # the last thing it does is to clear its line


def test_an_interrupt_tells_how_many_replicas_are_kept(planned):
    lines = progress.Lines(Console(file=io.StringIO()))
    assert lines.kept() == "nothing was trained yet"
    lines.begin(planned)
    for replica, status in zip(planned.replicas, ("completed", "diverged", "failed"), strict=False):
        lines.stored(replica, status)
    assert lines.kept().startswith("2 of 16 replicas are kept")


DURATIONS = {9.96: "10.0 s", 59.7: "59.7 s", 100: "1 min 40 s", 7260: "2 h 1 min"}


@pytest.mark.parametrize(("seconds", "words"), DURATIONS.items())
def test_durations_are_told_in_words(seconds, words):
    assert progress.duration(seconds) == words


def spent(**changes) -> Spent:
    doings = {"training": 80.0, "compiling": 30.0, "evaluating": 12.0, "fitting": 0.01}
    return replace(Spent(doings, processes=2, working_s=65.0, store_s=1.0, progress_s=0.5), **changes)


def test_the_end_of_a_run_tells_where_its_time_went():
    assert progress.spending(spent(), wall_s=75.0) == (
        "time on 2 processes: training 1 min 20 s, compiling 30.0 s, evaluating 12.0 s, starting and waiting 8.0 s;"
        # 12 / 2 + 1 + .5
        " beside them: storing 1.0 s, progress 0.5 s (evaluating, storing and progress: 10% of 1 min 15 s)"
    )


def test_where_nothing_was_to_do_no_time_is_told():
    assert progress.spending(Spent(), wall_s=3.0) == ""


def test_the_time_of_a_cell_that_was_planned_anew_is_added():
    both = spent(doings={"training": 80.0})
    both += spent(doings={"training": 1.0, "evaluating": 2.0}, processes=1)
    assert (both.doings, both.processes, both.working_s) == ({"training": 81.0, "evaluating": 2.0}, 2, 130.0)


def test_what_a_run_tells_of_its_time_adds_up(tmp_path):
    done = pipeline.run(parse_suite(SUITE), results=tmp_path, device="cpu", workers=1)
    told = done.spent
    assert set(told.doings) == {"training", "compiling", "evaluating", "fitting"}
    assert min(*told.doings.values(), told.store_s) > 0
    assert sum(told.doings.values()) + told.waiting_s == pytest.approx(told.working_s)
    assert told.store_s + told.progress_s < told.working_s < done.wall_s
    assert pipeline.run(parse_suite(SUITE), results=tmp_path, device="cpu", workers=1).spent.processes == 0
