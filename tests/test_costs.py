"""What a plan will take: budgets in seconds, the probe, the table of costs, estimates."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from small_runs import TEXT, nothing, suite

from ganbench import store
from ganbench.execution import costs, probe
from ganbench.pipeline import estimate, plan, run
from ganbench.store import kept
from ganbench.store.kept import keep_costs, read_costs, read_table, read_widths
from ganbench.suite import parse_suite, resolve

EXECUTION = {
    "compiled": False,
    "width": 4,
    "threads": 1,
    "lift": "vmap",
    "precision": "fp32",
    "convolution": "products",
    "draws": "numpy",
    "code": "a",
}


def answered(execution: Any, device: str, *, iterations: Any, evaluations: Any = (), fits: Any = (), **_: Any) -> Any:
    """Costs without measuring: .25 s per iteration, 1 s and 2 s per evaluation, 4 s per fit."""
    assert not evaluations or not execution["compiled"]
    return probe.Costs(
        dict.fromkeys(iterations, 0.25), dict.fromkeys(evaluations, (1.0, 2.0)), dict.fromkeys(fits, 4.0)
    )


def test_an_estimate_of_compiled_code_says_that_it_is_an_upper_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(probe, "ask", answered)
    compiled = parse_suite(TEXT.replace("compiled = false", "compiled = true"))
    assert "upper estimate" in estimate(plan(compiled, results=tmp_path, device="cpu")).words


def test_the_estimate_adds_every_lane_every_evaluation_every_fit_and_the_floors(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(probe, "ask", answered)
    found = estimate(plan(suite(), results=tmp_path, device="cpu"), workers=2)
    # on each target 6 iterations of non-saturating and vae and 2 of wasserstein-clip, four lanes each
    assert found.training_s == pytest.approx(2 * (6 + 6 + 2) * 4 * 0.25 / 2)
    # three trained cells of three seeds with two points, one baseline with one point and a fit; 16 floors per target
    assert found.evaluation_s == pytest.approx(2 * (9 * (2 * 1 + 2) + 3 * (1 + 2 + 4)) / 2 + 2 * 16 * 3)


def test_seconds_become_the_iterations_that_a_replica_does_in_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(probe, "ask", answered)
    found = plan(suite("seconds", 2.1), results=tmp_path, device="cpu")
    assert {r.cell.iterations for r in found.replicas if r.cell.trained} == {8}
    assert list(tmp_path.iterdir()) == []


def test_seconds_too_few_for_one_iteration_become_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(probe, "ask", answered)
    found = plan(suite("seconds", 0.01), results=tmp_path, device="cpu")
    assert {r.cell.iterations for r in found.replicas if r.cell.trained} == {1}


def test_a_measured_count_is_kept_and_measured_no_more(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("ganbench.execution.local.run_local", nothing)
    monkeypatch.setattr(probe, "ask", answered)
    first = run(suite("seconds", 2.1), results=tmp_path, device="cpu")
    monkeypatch.delattr(probe, "ask")
    again = plan(suite("seconds", 2.1), results=tmp_path, device="cpu")
    assert [r.replica_id for r in again.replicas] == [r.replica_id for r in first.plan.replicas]


def test_of_two_runs_that_count_at_once_the_first_count_holds_for_both(tmp_path: Path, monkeypatch) -> None:
    def overtaken(*arguments: Any, **named: Any) -> probe.Costs:
        found = answered(*arguments, **named)
        keep_costs(tmp_path / "tiny", dict.fromkeys(found.iterations, 0.5))
        return found

    monkeypatch.setattr("ganbench.execution.local.run_local", nothing)
    monkeypatch.setattr(probe, "ask", overtaken)
    found = run(suite("seconds", 2.1), results=tmp_path, device="cpu")
    assert {r.cell.iterations for r in found.plan.replicas if r.cell.trained} == {4}


def test_the_cost_of_an_iteration_depends_on_the_shape_and_not_on_numbers_or_the_code() -> None:
    def key(spec: str, **execution: Any) -> str:
        text = TEXT.replace('"non-saturating", "wasserstein-clip"', f'"{spec}"')
        return costs.cost_key(resolve(parse_suite(text))[0], {**EXECUTION, **execution})

    assert key("em") == key("em[lr_d=1e-4,temperature=2]") == key("em", code="b")
    assert len({key("em"), key("em[m_steps=2]"), key("minimax"), key("em", width=8), key("em", compiled=True)}) == 5


def test_a_probe_measures_seconds_per_iteration_and_replica() -> None:
    cell = resolve(suite())[0].with_iterations(1)
    request = {"iterations": {"a": cell.definition()}, "evaluations": {}, "fits": {}}
    answer = probe.answer({**request, "execution": EXECUTION, "device": "cpu", "stretches": 2})
    assert 1e-6 < answer["iterations"]["a"] < 1


def test_a_cell_that_cannot_be_timed_is_named_with_its_error() -> None:
    cell = {**resolve(suite())[0].with_iterations(1).definition(), "batch": -1}
    request = {"iterations": {"a": cell}, "evaluations": {}, "fits": {}}
    answer = probe.answer({**request, "execution": EXECUTION, "device": "cpu", "stretches": 1})
    assert answer["error"].startswith("non-saturating on ring8: cannot be timed: ")


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 0}', '{"a": true}', '{"a": NaN}', '{"a": "1"}'])
def test_a_damaged_cost_table_is_refused_with_what_to_do(content: str, tmp_path: Path) -> None:
    (tmp_path / "costs.json").write_text(content)
    with pytest.raises(store.StoreError, match=r"costs\.json: .*; remove it"):
        read_table(tmp_path / "costs.json")
    assert read_costs(tmp_path) == {}


@pytest.mark.parametrize("width", ["0", "1", "2.5", "0.5", "true"])
def test_a_table_of_widths_that_no_ensemble_can_have_is_refused_with_what_to_do(width: str, tmp_path: Path) -> None:
    (tmp_path / "widths.json").write_text(f'{{"a": {width}}}')
    with pytest.raises(store.StoreError, match=r"widths\.json: 'a' is .*; remove it"):
        read_table(tmp_path / "widths.json")
    assert read_widths(tmp_path) == {}


def test_what_a_cost_table_has_stays(tmp_path: Path) -> None:
    keep_costs(tmp_path, {"a": 1.0})
    assert keep_costs(tmp_path, {"a": 2.0, "b": 3.0}) == {"a": 1.0, "b": 3.0}
    assert read_costs(tmp_path) == {"a": 1.0, "b": 3.0}


@pytest.mark.skipif(os.name != "posix", reason="this system has no locks on folders")
@pytest.mark.parametrize("before", [{}, {"older": 9.0}], ids=["no table yet", "a table"])
def test_of_two_writers_at_once_neither_loses_what_the_other_has_counted_by(
    before: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_costs(tmp_path, before)
    real, others, found = kept.write_whole, [], []

    def while_another_writes(path: Path, content: bytes) -> None:
        monkeypatch.setattr(kept, "write_whole", real)
        others.append(Thread(target=lambda: found.append(keep_costs(tmp_path, {"a": 2.0, "b": 3.0}))))
        others[0].start()
        others[0].join(0.2)  # time enough to write, were it not held up
        real(path, content)

    monkeypatch.setattr(kept, "write_whole", while_another_writes)
    found.append(keep_costs(tmp_path, {"a": 1.0}))
    others[0].join()
    assert found == [{**before, "a": 1.0}, {**before, "a": 1.0, "b": 3.0}]
    assert read_costs(tmp_path) == found[1]


def test_tables_are_kept_where_a_file_system_knows_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if kept.fcntl:
        monkeypatch.setattr(kept.fcntl, "flock", refuse)
    assert keep_costs(tmp_path / "new", {"a": 1.0}) == read_costs(tmp_path / "new") == {"a": 1.0}


def test_a_table_of_an_older_version_which_says_no_digest_is_read(tmp_path: Path) -> None:
    (tmp_path / "costs.json").write_text('{"a": 1.5}')
    assert read_costs(tmp_path) == {"a": 1.5}


def test_a_cost_that_was_altered_by_hand_is_refused_with_what_to_do(tmp_path: Path) -> None:
    keep_costs(tmp_path, {"a": 1.5})
    path = tmp_path / "costs.json"
    path.write_text(path.read_text().replace("1.5", "2.5"))
    with pytest.raises(store.StoreError, match=r"costs\.json: corrupt: .*; remove it"):
        read_table(tmp_path / "costs.json")
