"""What fits into a time is planned with equally many seeds for every objective, and what is left out is said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import TEXT, nothing, suite
from test_costs import answered
from tiny import run as command

from ganbench.execution import probe
from ganbench.limiting import Unit, fitting, seconds_of, wall_s, within
from ganbench.pipeline import plan, run


def grid(targets: int = 2, objectives: int = 3, rounds: int = 2, seconds: float = 10.0) -> list[Unit]:
    """Ensembles of eight seeds: two for each of three objectives on two targets, ten seconds each."""
    return [
        Unit(f"target {t}", 8 * r, seconds) for t in range(targets) for _ in range(objectives) for r in range(rounds)
    ]


@pytest.mark.parametrize(
    ("limit_s", "workers", "per_round"),
    [
        (120, 1, [(6, 6)]),  # all twelve
        (119, 1, [(6, 3)]),  # the second round on the second target does not fit
        (89, 1, [(6, 0)]),
        (59, 1, [(3, 0)]),  # the first target alone
        (60, 2, [(6, 6)]),
        (30, 3, [(6, 3)]),  # three queues of three
        (29, 3, [(6, 0)]),
    ],
)
def test_whole_groups_of_one_target_and_as_many_seeds_are_taken_few_seeds_first(
    limit_s: float, workers: int, per_round: list[tuple[int, int]]
):
    units = grid()
    taken = Counter(units[place].before for place in fitting(units, limit_s, workers))
    assert (taken[0], taken[8]) == per_round[0]


def test_where_no_whole_group_fits_the_cheapest_objectives_are_taken():
    units = [Unit("a", 0, 30.0), Unit("a", 0, 5.0), Unit("a", 0, 10.0)]
    assert fitting(units, 16.0, 1) == [1, 2]
    assert fitting(units, 4.0, 1) == []


def test_floors_are_counted_once_for_each_target():
    units = [Unit("a", 0, 10.0, 7.0), Unit("a", 0, 10.0, 7.0), Unit("b", 0, 10.0, 7.0)]
    assert wall_s(units, 1) == 30 + 2 * 7
    assert fitting(units, 28.0, 1) == [0, 1]


def test_a_cell_that_has_seeds_already_waits_for_those_that_have_none():
    assert fitting([Unit("a", 8, 10.0), Unit("a", 0, 10.0)], 10.0, 1) == [1]


unit = st.builds(Unit, st.sampled_from("abc"), st.sampled_from([0, 8]), st.floats(0.1, 100), st.just(1.0))


@given(st.lists(unit, max_size=12), st.floats(0.1, 1000), st.integers(1, 4))
def test_what_is_chosen_fits_and_more_time_never_gives_less(units: list[Unit], limit_s: float, workers: int):
    chosen = fitting(units, limit_s, workers)
    assert wall_s([units[place] for place in chosen], workers) <= limit_s or not chosen
    assert len(fitting(units, 1e9, workers)) == len(units)
    groups = Counter((u.before, u.target) for u in units)
    taken = Counter((units[place].before, units[place].target) for place in chosen)
    whole = [taken[group] in (0, size) for group, size in groups.items()]
    assert all(whole) or len(taken) == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172800)]
)
def test_a_time_is_read_in_its_units(text: str, seconds: float):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "0s", "-5m", "10 m", "10m!", "1e3s", "9" * 400 + "s"])
def test_a_time_that_is_none_is_refused(text: str):
    with pytest.raises(ValueError, match="expected a time such as"):
        seconds_of(text)


def test_a_plan_within_a_time_says_what_is_left_out_and_plans_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "ask", answered)
    # by these made-up costs a target takes 72 s and its floors 48: of the two targets one fits
    whole = plan(suite(), results=tmp_path, device="cpu")
    found = within(whole, 130.0, workers=1)
    assert {r.cell.target_label for r in found.replicas} == {"ring8"}
    assert [len(e.replicas) for e in found.ensembles] == [3] * 4
    assert found.notes == tuple(
        f"{label} on moons: 3 replicas left out: no room within 130 s"
        for label in ("non-saturating", "wasserstein-clip", "trivial", "vae")
    )


def test_a_time_in_which_nothing_fits_is_refused_with_the_least(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "ask", answered)
    with pytest.raises(ValueError, match=r"--limit-time: no replica fits into 1 s: the shortest ensemble takes about"):
        run(suite(), results=tmp_path, device="cpu", limit_time_s=1.0)
    assert list(tmp_path.iterdir()) == []


def test_a_run_within_a_time_trains_and_records_what_it_planned_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def trained(tasks: list[Any], *_: Any) -> Any:
        asked.extend(d["target_label"] for task in tasks for d in task.job.definitions)
        return nothing()

    asked: list[str] = []
    monkeypatch.setattr(probe, "ask", answered)
    monkeypatch.setattr("ganbench.execution.local.run_local", trained)
    done = run(suite(text=TEXT), results=tmp_path, device="cpu", workers=1, limit_time_s=130.0)
    assert asked == ["ring8"] * 12
    assert len(done.plan.replicas) == 12


def test_the_command_refuses_what_is_no_time(tmp_path: Path):
    refused = command(tmp_path, "--limit-time", "soon")
    assert refused.exit_code == 2
    assert "expected a time such as 90s, 10m or 1h30m" in refused.stderr


@pytest.mark.parametrize(("limit", "left_out"), [("61s", ["oracle", "trivial"]), ("3h", [])])
def test_the_command_says_what_is_left_out(
    limit: str, left_out: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(probe, "ask", answered)
    # by these made-up costs two objectives take 6 s each, two baselines 7 and their floors 48
    shown = command(tmp_path, "--limit-time", limit, "--seeds", "1", "-t", "ring8", "--dry-run")
    assert shown.exit_code == 0
    said = (shown.stdout + shown.stderr).splitlines()
    assert [line for line in said if "left out" in line] == [
        f"{label} on ring8: 1 replica left out: no room within 61 s" for label in left_out
    ]
