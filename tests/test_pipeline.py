"""Runs from end to end, budgets in seconds, estimates, and stored generators measured anew."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import ganbench
from ganbench import pipeline, store
from ganbench.execution import costs, probe
from ganbench.execution.local import Finished, Task
from ganbench.execution.remeasure import Kept, measurable
from ganbench.execution.worker import Outcome
from ganbench.measuring import evaluate
from ganbench.pipeline import Run, estimate, plan, run
from ganbench.planning import Replica
from ganbench.report.ranking import final_values
from ganbench.store.kept import keep_costs, read_costs
from ganbench.suite import Suite, apply_overrides, parse_suite, resolve

TEXT = """\
name = "tiny"
seeds = 3
targets = ["ring8", "moons"]
objectives = ["non-saturating", "wasserstein-clip"]
baselines = ["trivial", "vae"]
network = "mlp[width=8,depth=1]"
[budget]
currency = "gradient_steps"
amount = 12
[training]
batch = 32
[execution]
compiled = false
width = 4
[evaluation]
times = 2
samples = 32
final_samples = 50
metrics = ["sliced_w1", "kl_modes"]
rank_by = "sliced_w1"
"""
EXECUTION = {"compiled": False, "width": 4, "threads": 1, "lift": "vmap", "precision": "fp32", "code": "a"}


def suite(currency: str = "gradient_steps", amount: float = 12, text: str = TEXT) -> Suite:
    return parse_suite(text.replace("gradient_steps", currency).replace("amount = 12", f"amount = {amount}"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(suite(), results=tmp_path_factory.mktemp("results"), device="cpu", workers=1)


@pytest.fixture
def folder(ran: Run, tmp_path: Path) -> Path:
    """A copy of the results, free to be changed."""
    return Path(shutil.copytree(ran.folder, tmp_path / "tiny"))


def only(folder: Path, **kept: Any) -> None:
    """Removes all replicas but those with these values in their definitions."""
    for path in folder.glob("*.parquet"):
        definition = store.read(path).definition
        if any(definition[key] != value for key, value in kept.items()):
            path.unlink()


def by_replica(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("replica_id").sort_index()[["value", "floor", "n", "iteration", "seconds"]]


def finals(folder: Path, metric: str) -> pd.DataFrame:
    results = store.load_results(folder)
    return by_replica(results[results.final & (results.metric == metric) & ~results.measured_later])


def test_every_planned_replica_is_stored_and_not_trained_again(ran: Run) -> None:
    assert ran.counts() == {"completed": 2 * 4 * 3}
    assert plan(suite(), results=ran.folder.parent, device="cpu").ensembles == ()


def test_results_are_told_in_the_words_of_the_suite_that_asked_and_not_of_the_one_that_stored(folder: Path) -> None:
    settings = {"evaluation.rank_by": "kl_modes", "baselines": "[trivial]", "defaults.non-saturating.lr_g": ".5"}
    changed = apply_overrides(
        suite(), targets=["ring8[radius=[2]]"], objectives=["non-saturating[lr_g=1e-3]", "vae"], settings=settings
    )
    again = run(changed, results=folder.parent, device="cpu")
    assert again.plan.ensembles == ()
    found = again.results()[["target", "label", "baseline", "rank_by"]].drop_duplicates()
    assert set(found.itertuples(index=False, name=None)) == {
        ("ring8[radius=2]", "non-saturating[lr_g=0.001]", False, "kl_modes"),
        ("ring8[radius=2]", "vae", False, "kl_modes"),
        ("ring8[radius=2]", "trivial", True, "kl_modes"),
    }


@pytest.mark.parametrize("status", ["completed", "diverged", "failed"])
def test_a_checkpoint_stays_where_a_replica_failed(status: str, tmp_path: Path, monkeypatch) -> None:
    def first_ends(tasks: list[Task], *_: Any) -> Iterator[Finished]:
        checkpoint = Path(tasks[0].job.checkpoint)
        checkpoint.parent.mkdir(parents=True)
        checkpoint.touch()
        definitions = tasks[0].job.definitions
        yield Finished(0, [Outcome(d, status if d is definitions[-1] else "completed") for d in definitions])

    monkeypatch.setattr("ganbench.execution.local.run_local", first_ends)
    run(suite(), results=tmp_path, device="cpu")
    assert len(list(tmp_path.rglob("checkpoints/*"))) == (status == "failed")


@pytest.mark.parametrize(("threads", "workers"), [(1, 6), (2, 3), (4, 1), (8, 1)])
def test_workers_and_their_threads_share_the_cores(threads: int, workers: int, tmp_path: Path, monkeypatch) -> None:
    def asked(tasks: list[Task], workers: int, threads: int) -> Iterator[Finished]:
        found.append(workers)
        yield from ()

    found: list[int] = []
    monkeypatch.setattr(pipeline, "cores", lambda: 6)
    monkeypatch.setattr("ganbench.execution.local.run_local", asked)
    run(apply_overrides(suite(), settings={"execution.threads": str(threads)}), results=tmp_path, device="cpu")
    assert found == [workers]


def test_a_plan_and_a_run_take_the_changes_of_a_suite_as_the_command_does(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("ganbench.execution.local.run_local", nothing)
    changes: Any = {"objectives": ["em[temperature=[1,2]]"], "targets": ["moons"], "network": "mlp[width=4]"}
    changes |= {"settings": {"training.batch": 64, "baselines": []}, "seeds": "3:5", "iterations": 7}
    planned = ganbench.plan(suite(), **changes, results=tmp_path, device="cpu")
    ran = ganbench.run(suite(), **changes, results=tmp_path, device="cpu")
    assert [r.definition for r in ran.plan.replicas] == [r.definition for r in planned.replicas]
    assert [(r.cell.label, r.seed) for r in planned.replicas] == [
        (f"em[temperature={t}]", seed) for t in (1, 2) for seed in (3, 4)
    ]
    cells = [replica.cell for replica in planned.replicas]
    assert {(c.target.name, c.batch, c.iterations) for c in cells} == {("moons", 64, 7)}
    assert {c.network.fields["width"] for c in cells if c.network} == {4}


def test_without_a_compiler_replicas_are_planned_eager_under_an_identity_of_their_own(
    tmp_path: Path, monkeypatch
) -> None:
    compiled = suite(text=TEXT.replace("compiled = false", "compiled = true"))
    asked = plan(compiled, results=tmp_path)
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    without = plan(compiled, results=tmp_path)
    eager = plan(suite(), results=tmp_path)
    assert [r.replica_id for r in without.replicas] == [r.replica_id for r in eager.replicas]
    assert {r.replica_id for r in without.replicas}.isdisjoint(r.replica_id for r in asked.replicas)
    assert asked.notes == eager.notes == ()
    assert "no C++ compiler" in without.notes[0]


def test_a_plan_and_its_estimate_write_nothing(tmp_path: Path) -> None:
    found = estimate(plan(suite(), results=tmp_path, device="cpu"), workers=3)
    assert (found.cells, found.replicas, found.stored, found.ensembles) == (8, 24, 0, 8)
    assert min(found.training_s, found.evaluation_s, found.memory_mb) > 0
    assert found.seconds < 60
    assert list(tmp_path.iterdir()) == []


def test_what_is_stored_costs_nothing(ran: Run) -> None:
    found = estimate(plan(suite(), results=ran.folder.parent, device="cpu"))
    assert (found.stored, found.ensembles, found.seconds, found.memory_mb) == (24, 0, 0.0, 0.0)
    assert "nothing is to do" in found.words


def test_an_estimate_of_compiled_code_says_that_it_is_an_upper_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(probe, "ask", answered)
    compiled = parse_suite(TEXT.replace("compiled = false", "compiled = true"))
    assert "upper estimate" in estimate(plan(compiled, results=tmp_path, device="cpu")).words


def answered(execution: Any, device: str, *, iterations: Any, evaluations: Any = (), fits: Any = (), **_: Any) -> Any:
    """Costs without measuring: .25 s per iteration, 1 s and 2 s per evaluation, 4 s per fit."""
    assert not evaluations or not execution["compiled"]
    return probe.Costs(
        dict.fromkeys(iterations, 0.25), dict.fromkeys(evaluations, (1.0, 2.0)), dict.fromkeys(fits, 4.0)
    )


def test_the_estimate_adds_every_lane_every_evaluation_every_fit_and_the_floors(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(probe, "ask", answered)
    found = estimate(plan(suite(), results=tmp_path, device="cpu"), workers=2)
    # on each target 6 iterations of non-saturating and vae and 2 of wasserstein-clip, four lanes each
    assert found.training_s == pytest.approx(2 * (6 + 6 + 2) * 4 * 0.25 / 2)
    # three trained cells of three seeds with two points, one baseline with one point and a fit; 16 floors per target
    assert found.evaluation_s == pytest.approx(2 * (9 * (2 * 1 + 2) + 3 * (1 + 2 + 4)) / 2 + 2 * 16 * 3)


def test_the_final_metric_measured_anew_is_the_stored_one_bit_for_bit(folder: Path) -> None:
    again = by_replica(evaluate(folder, "sliced_w1"))
    pd.testing.assert_frame_equal(again, finals(folder, "sliced_w1"), check_exact=True)


def test_a_replica_measured_alone_has_the_bits_that_it_has_among_others(folder: Path) -> None:
    before = finals(folder, "sliced_w1")
    only(folder, seed=2, label="non-saturating")
    again = by_replica(evaluate(folder, "sliced_w1"))
    pd.testing.assert_frame_equal(again, before.loc[again.index], check_exact=True)
    assert len(again) == 2


def test_a_metric_that_no_run_had_is_found_among_the_results(folder: Path) -> None:
    rows = evaluate(folder, "w1", samples=40)
    assert set(rows.n) == {40}
    final = final_values(store.load_results(folder))
    assert (final.metric == "w1, n = 40, measured later").sum() == len(rows) == 24


def test_a_later_measurement_does_not_replace_the_training_s_own(folder: Path) -> None:
    before = by_replica(final_values(store.load_results(folder)).query("metric == 'sliced_w1'"))
    evaluate(folder, "sliced_w1", samples=40)
    after = by_replica(final_values(store.load_results(folder)).query("metric == 'sliced_w1'"))
    pd.testing.assert_frame_equal(after, before, check_exact=True)


def test_a_metric_is_measured_where_it_applies(folder: Path) -> None:
    assert set(evaluate(folder, "modes_covered").target) == {"ring8"}


def test_a_metric_that_applies_nowhere_is_refused_with_the_reason(folder: Path) -> None:
    only(folder, target_label="moons")
    with pytest.raises(ValueError, match=r'"modes_covered" applies to no target here \(moons: .*\); choose another'):
        evaluate(folder, "modes_covered")


def test_too_few_samples_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="samples: found 1; expected at least 2"):
        evaluate(folder, "w1", samples=1)


def test_more_samples_than_a_finite_target_holds_are_refused() -> None:
    cell = resolve(parse_suite(TEXT.replace('"ring8", "moons"', '"digits"').replace(', "kl_modes"', "")))[0]
    kept = Kept(Replica(cell, 0, "ab" * 10, {}, ""), {}, {})
    most = cell.target.instance.reference_limit
    assert measurable([kept], "w1", most) == [kept]
    with pytest.raises(
        ValueError, match=f"samples: found {most + 1}; expected at least 2 and at most {most}, all that"
    ):
        measurable([kept], "w1", most + 1)


def test_an_unknown_metric_is_refused_with_the_nearest_name(folder: Path) -> None:
    with pytest.raises(ValueError, match='unknown metric "w2"; did you mean "w1"'):
        evaluate(folder, "w2")


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(store.StoreError, match="no stored replica here"):
        evaluate(tmp_path, "w1")


def test_a_replica_of_an_unknown_objective_is_named_and_all_others_are_measured(folder: Path) -> None:
    only(folder, target_label="moons", label="non-saturating")
    known = store.read(next(folder.glob("*.parquet")))
    cell = {**known.definition["cell"], "objective": {"name": "mine", "fields": {}}}
    stranger = {**known.definition, "cell": cell, "label": "mine", "replica_id": "ab" * 10}
    store.write(folder, store.ReplicaResult(stranger, "completed", known.rows, known.info, known.arrays))
    with pytest.raises(ValueError, match=r"1 replica was not measured.*abab: mine cannot be rebuilt.*\"mine\""):
        evaluate(folder, "w1")
    assert len(store.load_results(folder).query("metric == 'w1'")) == 3


def test_diverged_replicas_have_no_later_value(folder: Path) -> None:
    only(folder, label="vae", target_label="moons")
    one, *_ = sorted(folder.glob("*.parquet"))
    result = store.read(one)
    one.unlink()
    store.write(folder, store.ReplicaResult(result.definition, "diverged", result.rows, result.info, result.arrays))
    assert len(evaluate(folder, "w1")) == 2


def test_a_folder_whose_replicas_all_diverged_has_nothing_to_measure(folder: Path) -> None:
    only(folder, label="vae", target_label="moons", seed=0)
    (one,) = folder.glob("*.parquet")
    result = store.read(one)
    one.unlink()
    store.write(folder, store.ReplicaResult(result.definition, "diverged", result.rows, result.info, result.arrays))
    with pytest.raises(ValueError, match="found no completed replica, so there is nothing to measure"):
        evaluate(folder, "w1")


def test_seconds_become_the_iterations_that_a_replica_does_in_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(probe, "ask", answered)
    found = plan(suite("seconds", 2.1), results=tmp_path, device="cpu")
    assert {r.cell.iterations for r in found.replicas if r.cell.trained} == {8}
    assert list(tmp_path.iterdir()) == []


def test_seconds_too_few_for_one_iteration_become_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(probe, "ask", answered)
    found = plan(suite("seconds", 0.01), results=tmp_path, device="cpu")
    assert {r.cell.iterations for r in found.replicas if r.cell.trained} == {1}


def nothing(*_: Any) -> Iterator[Any]:
    """An executor that finishes nothing."""
    yield from ()


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
        read_costs(tmp_path)


def test_what_a_cost_table_has_stays(tmp_path: Path) -> None:
    keep_costs(tmp_path, {"a": 1.0})
    assert keep_costs(tmp_path, {"a": 2.0, "b": 3.0}) == {"a": 1.0, "b": 3.0}
    assert json.loads((tmp_path / "costs.json").read_text()) == {"a": 1.0, "b": 3.0}


@pytest.mark.parametrize("name", sorted(set(ganbench.__all__) - {"__version__"}))
def test_a_name_of_the_package_is_no_file_that_would_take_its_place_when_imported(name: str) -> None:
    assert getattr(ganbench, name) is not None
    assert importlib.util.find_spec(f"ganbench.{name}") is None
