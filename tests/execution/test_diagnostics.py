"""What a suite's diagnostics and averaged generators add to its results, which cells have them, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganbench import store
from ganbench.catalogue import AVERAGED, DIAGNOSTICS, OBJECTIVES
from ganbench.execution import measurement
from ganbench.execution.measurement import measure
from ganbench.execution.worker import Job, Outcome, new_training, run_job
from ganbench.measuring import evaluate
from ganbench.pipeline import run
from ganbench.planning import code_version, plan_replicas
from ganbench.suite import Cell, Suite, SuiteError, parse_suite, resolve

TEXT = """\
name = "tiny"
seeds = 2
targets = ["ring8"]
objectives = [{objectives}]
baselines = ["trivial", "vae"]
network = "mlp[width=4,depth=1]"
[budget]
currency = "iterations"
amount = 6
[training]
batch = 16
[execution]
compiled = false
width = 2
[evaluation]
times = 3
samples = 20
final_samples = 24
metrics = ["energy_distance"]
rank_by = "energy_distance"
{more}
"""
EXECUTION = {
    "compiled": False,
    "width": 2,
    "threads": 1,
    "lift": "vmap",
    "precision": "fp32",
    "convolution": "products",
    "draws": "numpy",
}
EVERYWHERE = ("generator_gradient_norm", "critic_slope", "duality_gap[steps=3]", "game_jacobian")
EVERYTHING = (*EVERYWHERE, "gradient_cosine", "discriminator_error")
EVERYTHING_BY_NAME = tuple(DIAGNOSTICS.names())
READINGS = (
    "generator_gradient_norm",
    "critic_slope_mean",
    "critic_slope_max",
    "duality_gap",
    "game_jacobian_real",
    "game_jacobian_imaginary",
)


def suite(*objectives: str, diagnostics: Sequence[str] | None = None) -> Suite:
    listed = ", ".join(f"'{o}'" for o in objectives)
    more = "" if diagnostics is None else f"diagnostics = {list(diagnostics)}"
    return parse_suite(TEXT.format(objectives=listed, more=more), "my.toml")


def cells(*objectives: str, diagnostics: Sequence[str] | None = None) -> list[Cell]:
    return resolve(suite(*objectives, diagnostics=diagnostics))


def outcomes(objective: str, folder: Path, diagnostics: Sequence[str] | None = None) -> list[Outcome]:
    planned = suite(objective, diagnostics=diagnostics)
    replicas = [r for r in plan_replicas(planned, resolve(planned), EXECUTION) if not r.cell.baseline]
    return run_job(Job(tuple(r.definition for r in replicas), "cpu", str(folder / "checkpoint")), lambda done: None)


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


COMPOSED = [
    "non-saturating",
    "em",
    "cramer + sn",
    "wasserstein-gp[d_steps=2] + r1",
    "minimax[packing=2,updates=simultaneous,optimiser=extra-adam] + instance-noise + consensus",
]


@pytest.mark.parametrize("objective", COMPOSED)
def test_every_evaluation_has_a_finite_row_for_each_reading(objective: str, tmp_path: Path):
    for outcome in outcomes(objective, tmp_path, EVERYWHERE):
        assert outcome.status == "completed", outcome.info
        rows = [row for row in outcome.rows if row["metric"] in READINGS]
        assert [(row["metric"], row["iteration"], row["final"]) for row in rows] == [
            (name, iteration, final)
            for iteration, final in ((2, False), (4, False), (6, False), (6, True))
            for name in READINGS
        ]
        assert np.isfinite([row["value"] for row in rows]).all()
        assert {row["n"] for row in rows} == {64}
        assert {row["instrument"] for row in rows if row["metric"] == "duality_gap"} == {"3 steps of each player alone"}


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_what_applies_to_an_objective_is_measured_on_a_game_of_gaussians(name: str, tmp_path: Path):
    objectives = ("minimax",) if name == "minimax" else ("minimax", name)  # to minimax all of them apply
    text = TEXT.format(objectives=", ".join(f"'{o}'" for o in objectives), more=f"diagnostics = {list(EVERYTHING)}")
    text = text.replace("ring8", "gaussian1d").replace("mlp[width=4,depth=1]", "gaussian[sd=.7]")
    planned = parse_suite(text.replace('"trivial", "vae"', "").replace("times = 3", "times = 1"))
    replicas = [r for r in plan_replicas(planned, resolve(planned), EXECUTION) if r.cell.objective.name == name]
    names = [text.partition("[")[0] for text in replicas[0].cell.evaluation.diagnostics]
    job = Job(tuple(r.definition for r in replicas), "cpu", str(tmp_path / "checkpoint"))
    for outcome in run_job(job, lambda done: None):
        assert outcome.status == "completed", outcome.info
        rows = {row["metric"]: row["value"] for row in outcome.rows if row["metric"].startswith(EVERYTHING_BY_NAME)}
        assert {n for n in EVERYTHING_BY_NAME if any(metric.startswith(n) for metric in rows)} == set(names)
        assert np.isfinite(list(rows.values())).all(), rows


def test_diagnostics_change_nothing_else(tmp_path: Path):
    for with_them, without in zip(
        outcomes("non-saturating", tmp_path, EVERYWHERE), outcomes("non-saturating", tmp_path), strict=True
    ):
        metrics = [row for row in without_seconds(with_them.rows) if row["metric"] not in READINGS]
        assert repr(metrics) == repr(without_seconds(without.rows))
        assert all(np.array_equal(array, with_them.arrays[name]) for name, array in without.arrays.items())


def test_a_suite_without_diagnostics_has_the_identity_that_it_had():
    for same in (cells("em"), cells("em", diagnostics=())):
        assert "diagnostics" not in same[0].definition()["evaluation"]


def test_the_code_of_a_diagnostic_is_code_of_the_cells_that_have_it():
    (without, *_), (with_one, *_) = cells("em"), cells("em", diagnostics=["game_jacobian"])
    assert code_version(without) != code_version(with_one)


def test_a_cell_with_diagnostics_comes_back_from_its_definition():
    (cell, *_) = cells("em", diagnostics=["duality_gap"])
    assert cell.evaluation.diagnostics == ("duality_gap[steps=100]",)
    again = Cell.from_definition(cell.definition())
    assert again.definition() == cell.definition()
    assert again.evaluation.observers() == cell.evaluation.observers()


def test_a_cell_has_the_diagnostics_that_apply_to_it():
    found = {cell.label: cell.evaluation.diagnostics for cell in cells("em", diagnostics=EVERYWHERE)}
    assert found == {
        "em": EVERYWHERE,
        "trivial": (),
        "vae": ("generator_gradient_norm",),
    }


@pytest.mark.parametrize(
    ("diagnostic", "message"),
    [
        ("gradient_cosine", '"gradient_cosine" applies to no cell (the density of the samples of mlp is not known)'),
        ("critic_slopes", 'unknown diagnostic "critic_slopes"; did you mean "critic_slope"?'),
        ("duality_gap[steps=0]", "steps: found 0, expected a number at least 1"),
        ("duality_gap[rounds=9]", "rounds: unknown field"),
    ],
)
def test_a_diagnostic_that_cannot_be_measured_is_refused(diagnostic: str, message: str):
    with pytest.raises(SuiteError) as caught:
        cells("em", diagnostics=[diagnostic])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("network", "objective", "message"),
    [
        ("gaussian", "hinge", "the optimal critic of hinge is flat and gives no gradient"),
        ("gaussian", "cramer", "cramer has no optimal critic that is a function of the densities' ratio"),
        ("gaussian", "mmd", "mmd has no critic"),
        ("gaussian", "em + instance-noise", "noise on the inputs changes both densities"),
        ("dirac", "em", "the density of the samples of dirac is not known"),
    ],
)
def test_a_cosine_with_an_unknown_gradient_is_refused(network: str, objective: str, message: str):
    text = TEXT.format(objectives=f"'{objective}'", more='diagnostics = ["gradient_cosine"]')
    text = text.replace("mlp[width=4,depth=1]", network).replace('"trivial", "vae"', "")
    with pytest.raises(SuiteError) as caught:
        resolve(parse_suite(text))
    assert message in str(caught.value)


def test_samples_of_fewer_latents_than_coordinates_have_no_density():
    text = TEXT.format(objectives="'em'", more='diagnostics = ["discriminator_error"]')
    text = text.replace("mlp[width=4,depth=1]", "gaussian").replace("batch = 16", "batch = 16\nlatent = 1")
    with pytest.raises(SuiteError, match="samples of 1 latents have no density in 2 dimensions"):
        resolve(parse_suite(text))


def test_a_diagnostic_is_listed_once():
    with pytest.raises(SuiteError, match="duality_gap is listed twice; remove one"):
        cells("em", diagnostics=["duality_gap", "duality_gap[steps=9]"])


def test_a_game_of_many_parameters_has_no_jacobian():
    text = TEXT.format(objectives="'em'", more='diagnostics = ["game_jacobian"]').replace("width=4", "width=64")
    with pytest.raises(SuiteError, match="parameters, and at most 200 are possible"):
        resolve(parse_suite(text))


def test_the_averaged_generator_s_samples_are_measured_beside_the_raw_ones(tmp_path: Path):
    for outcome in outcomes("minimax[ema=0.5]", tmp_path):
        curves = {
            name: [(row["iteration"], row["n"], row["floor"]) for row in outcome.rows if row["metric"] == name]
            for name in ("energy_distance", f"{AVERAGED}energy_distance")
        }
        assert curves["energy_distance"] == curves[f"{AVERAGED}energy_distance"]
        assert [n for _, n, _ in curves["energy_distance"]] == [20, 20, 20, 24]


def test_a_row_of_the_averaged_generator_is_of_its_own_samples(tmp_path: Path):
    (outcome, *_) = outcomes("minimax[ema=0.5]", tmp_path)
    (cell, *_) = cells("minimax[ema=0.5]")
    definition = {**outcome.definition, "execution": {**EXECUTION, "code": ""}}
    training = new_training(Job((definition,), "cpu", ""), [cell])
    training.advance(6)
    samples = training.samples("evaluation.final", 2, 24, averaged=True)[0].astype(np.float64)
    (expected,) = measure(cell, samples, 0, 2, 24, {}, final=True)
    assert outcome.rows[-1]["metric"] == f"{AVERAGED}energy_distance"
    assert outcome.rows[-1]["value"] == expected["value"]


def test_averaged_generators_and_snapshots_are_stored_only_where_asked_for(tmp_path: Path):
    plain, averaged = (outcomes(o, tmp_path)[0].arrays for o in ("minimax", "minimax[ema=0.5]"))
    extra = {name.replace("generator/", "averaged/").replace("snapshot/", "averaged_snapshot/") for name in plain}
    assert set(averaged) == set(plain) | extra
    assert all(np.array_equal(array, averaged[name]) for name, array in plain.items())
    assert not any(np.array_equal(averaged[name], averaged[other]) for name, other in pairs(averaged))


def pairs(arrays: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """Names of averaged arrays, each with that of the raw one."""
    names = [name for name in arrays if name.startswith("averaged")]
    return [(n, n.replace("averaged/", "generator/").replace("averaged_", "")) for n in names]


def test_a_stored_averaged_generator_is_measured_anew_to_the_same_value(tmp_path: Path):
    ran = run(suite("minimax[ema=0.5]"), results=tmp_path, device="cpu", workers=1)
    evaluate(ran.folder, "energy_distance")
    results = store.load_results(ran.folder)
    final = results[(results.metric == f"{AVERAGED}energy_distance") & results.final]
    before, after = (final[final.measured_later == later].set_index("seed").value for later in (False, True))
    assert len(before) == 2
    assert before.sort_index().equals(after.sort_index())


def test_nothing_is_observed_where_no_diagnostic_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(*_: Any) -> None:
        raise AssertionError("a diagnostic was measured")

    monkeypatch.setattr("ganbench.metrics.dynamics.contract.Diagnostic.observe", refused)
    assert [outcome.status for outcome in outcomes("minimax", tmp_path)] == ["completed"] * 2
    assert measurement.observed(cells("minimax")[0], _Seeds(), 0) == [[], []]  # type: ignore[arg-type]  # no training


class _Seeds:
    seeds = (0, 1)
