"""Runs from end to end: what is planned, trained, stored and told."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_runs import TEXT, folder, nothing, only, ran, suite

import ganbench
from ganbench import pipeline, store
from ganbench.execution.tasks import Finished, Task
from ganbench.execution.worker import Outcome
from ganbench.metrics.contract import Metric
from ganbench.metrics.modes import KLModes
from ganbench.metrics.transport import SlicedW1
from ganbench.pipeline import Run, estimate, plan, run
from ganbench.store import compaction, upkeep
from ganbench.suite import SuiteError, apply_overrides, parse_suite
from ganbench.targets.contract import Target

__all__ = ["folder", "ran"]  # fixtures


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


def test_a_replica_that_failed_here_and_that_another_run_has_finished_counts_as_what_is_stored(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(tasks: list[Task], *_: Any) -> Iterator[Finished]:
        shutil.copytree(folder, tmp_path / "results" / "tiny", dirs_exist_ok=True)
        for task in tasks:
            yield Finished(task.number, [Outcome(d, "failed") for d in task.job.definitions])

    monkeypatch.setattr("ganbench.execution.local.run_local", overtaken)
    assert run(suite(), results=tmp_path / "results", device="cpu").counts() == {"completed": 24}


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


@pytest.mark.parametrize(("patience_s", "kept"), [(60.0, 3), (0.0, 1)])
def test_an_interrupt_waits_for_replicas_that_finished_together_and_not_for_long(
    patience_s: float, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_ends(tasks: list[Task], *_: Any) -> Iterator[Finished]:
        checkpoint = Path(tasks[0].job.checkpoint)
        checkpoint.parent.mkdir(parents=True)
        checkpoint.touch()
        yield Finished(0, [Outcome(definition) for definition in tasks[0].job.definitions])

    def write(*arguments: Any) -> Path:
        if not list(tmp_path.rglob("*.parquet")):
            signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    real = store.write
    # in the background of a script Ctrl-C is ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr("ganbench.execution.local.run_local", one_ends)
    monkeypatch.setattr(pipeline, "INTERRUPT_S", patience_s)
    monkeypatch.setattr(store, "write", write)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(suite(), results=tmp_path, device="cpu")
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(list(tmp_path.rglob("*.parquet"))) == kept
    assert len(list(tmp_path.rglob("checkpoints/*"))) == (kept < 3)


@pytest.mark.parametrize(("damage", "rest", "known"), [(False, 0, 12), (True, 0, 12), (False, 1e9, 6)])
def test_a_run_that_is_killed_leaves_few_results_outside_the_derived_file(
    damage: bool, rest: float, known: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def killed(tasks: list[Task], *_: Any) -> Iterator[Finished]:
        for task in tasks[:5]:
            yield Finished(task.number, [Outcome(definition) for definition in task.job.definitions])
        raise Killed

    monkeypatch.setattr("ganbench.execution.local.run_local", killed)
    monkeypatch.setattr(compaction, "WORTH", 6)
    monkeypatch.setattr(upkeep, "REST", rest)
    monkeypatch.setattr(compaction, "WORTH_SHARE", 0.25)  # a reader would leave it as it is
    monkeypatch.setattr(compaction, "SETTLED_S", 0)
    if damage:
        (tmp_path / "tiny").mkdir()
        (tmp_path / "tiny" / f"{'0' * 20}.parquet").write_text("damaged while the run goes on")
    planned = plan(suite(), results=tmp_path, device="cpu")
    monkeypatch.setattr(pipeline, "plan", lambda *_, **__: dataclasses.replace(planned, damaged=()))
    with pytest.raises(Killed):
        run(suite(), results=tmp_path, device="cpu")
    assert len(list((tmp_path / "tiny").glob("*.parquet"))) == 5 * 3 + damage
    assert len(compaction._read(tmp_path / "tiny")) == known


@pytest.mark.parametrize("error", [MemoryError, OSError, LookupError])
def test_no_error_of_the_derived_file_ends_a_run(error: type[Exception], tmp_path: Path, monkeypatch) -> None:
    tried = []

    def fail(*_: Any) -> bytes:
        tried.append(error)
        raise error

    monkeypatch.setattr(compaction, "WORTH", 6)
    with monkeypatch.context() as broken:
        broken.setattr(compaction, "_encoded", fail)
        assert run(suite(), results=tmp_path, device="cpu").counts() == {"completed": 24}
    assert tried


@pytest.mark.parametrize(("threads", "workers"), [(1, 6), (2, 3), (4, 1), (8, 1)])
def test_workers_and_their_threads_share_the_cores(threads: int, workers: int, tmp_path: Path, monkeypatch) -> None:
    def asked(tasks: list[Task], workers: int, *_: Any) -> Iterator[Finished]:
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


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is prepared and trained, in this order; nothing is trained."""

    def prepare(metric: Metric, target: Target) -> None:
        done.append(f"{type(metric).__name__} on {type(target).__name__}")

    def train(*_: Any) -> Iterator[Finished]:
        done.append("training")
        yield from ()

    done: list[str] = []
    for metric in (SlicedW1, KLModes):
        monkeypatch.setattr(metric, "prepare", prepare)
    monkeypatch.setattr("ganbench.execution.local.run_local", train)
    return done


def test_metrics_are_prepared_once_per_target_before_anything_is_trained(prepared: list[str], tmp_path: Path) -> None:
    run(suite(), results=tmp_path, device="cpu")
    assert prepared == ["SlicedW1 on Ring8", "KLModes on Ring8", "SlicedW1 on Moons", "training"]


def test_metrics_are_prepared_for_what_is_still_to_do_alone(folder: Path, prepared: list[str]) -> None:
    only(folder, target_label="ring8")
    run(suite(), results=folder.parent, device="cpu")
    assert prepared == ["SlicedW1 on Moons", "training"]
    prepared.clear()
    run(suite(), targets=["ring8"], results=folder.parent, device="cpu")
    assert prepared == ["training"]


def test_what_a_metric_lacks_is_told_before_anything_is_trained(
    prepared: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(metric: Metric, target: Target) -> None:
        raise ValueError("weights.pth: no such file")

    monkeypatch.setattr(KLModes, "prepare", lacking)
    with pytest.raises(ValueError, match=r"weights\.pth: no such file"):
        run(suite(), results=tmp_path, device="cpu")
    assert prepared == ["SlicedW1 on Ring8"]


def test_a_network_that_cannot_be_made_for_a_target_is_told_before_anything_is_trained(
    prepared: list[str], tmp_path: Path
) -> None:
    on_points = parse_suite(TEXT.replace("mlp[width=8,depth=1]", "conv"), "my.toml")
    with pytest.raises(SuiteError, match=r"^my\.toml:6:1: network: conv on ring8: convolutions need images"):
        run(on_points, results=tmp_path, device="cpu")
    assert (prepared, list(tmp_path.iterdir())) == ([], [])


def test_without_a_compiler_replicas_are_planned_eager_under_an_identity_of_their_own(
    tmp_path: Path, monkeypatch
) -> None:
    compiled = suite(text=TEXT.replace("compiled = false", "compiled = true"))
    asked = plan(compiled, results=tmp_path)
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    without = plan(compiled, results=tmp_path)
    eager = plan(suite(), results=tmp_path, settings={"execution.convolution_cpu": "torch"})
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


@pytest.mark.parametrize("name", sorted(set(ganbench.__all__) - {"__version__"}))
def test_a_name_of_the_package_is_no_file_that_would_take_its_place_when_imported(name: str) -> None:
    assert getattr(ganbench, name) is not None
    assert importlib.util.find_spec(f"ganbench.{name}") is None
