"""The check before a comparison finds a participant that does other work, and passes those that do the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from suites.peers import ensemble, loop
from suites.peers.agreement import Disagreement, agreeing, require_agreement
from suites.peers.work import D_STEPS, DRAWS, Work

ITERATIONS, REPLICAS = 6, 2
OBJECTIVES = sorted(D_STEPS)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """ganbench without its compiler: what is proved here does not depend on it, and compiling takes its time."""
    game_of = ensemble.game_of

    def uncompiled(work: Work, width: int):
        game, objective, adam = game_of(work, width)
        return dataclasses.replace(game, compiled=False), objective, adam

    monkeypatch.setattr(ensemble, "game_of", uncompiled)


def work(objective: str) -> Work:
    return Work(objective, hidden=8, batch=16, precision="fp64")


def expected(objective: str) -> np.ndarray:
    return loop.trajectory(work(objective), {"adam": "default"}, ITERATIONS, REPLICAS)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_ganbench_computes_the_losses_of_the_plain_loop(objective):
    found = ensemble.trajectory(work(objective), {"width": 4}, ITERATIONS, REPLICAS)
    assert np.abs(found - expected(objective)).max() < 1e-9
    require_agreement({"loop": expected(objective), "ganbench": found}, objective)


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_jax_computes_the_losses_of_the_plain_loop(objective, joined):
    pytest.importorskip("jax", reason="JAX is not installed; pip install -e '.[peers]'")
    pytest.importorskip("optax", reason="optax is not installed; pip install -e '.[peers]'")
    from suites.peers import jax_peer

    found = jax_peer.trajectory(work(objective), {"joined": joined}, ITERATIONS, REPLICAS)
    assert np.abs(found - expected(objective)).max() < 1e-9


@pytest.mark.parametrize("setting", [{"adam": "foreach", "joined": True}, {"adam": "fused", "joined": True}])
@pytest.mark.parametrize("objective", ["cramer", "wasserstein-gp"])
def test_a_loop_in_other_settings_computes_the_same_losses(objective, setting):
    found = loop.trajectory(work(objective), setting, ITERATIONS, REPLICAS)
    assert np.abs(found - expected(objective)).max() < 1e-9


@pytest.mark.parametrize(
    "wrong",
    [
        lambda w: dataclasses.replace(w, beta1=0.9),
        lambda w: dataclasses.replace(w, beta2=0.99),
        lambda w: dataclasses.replace(w, rate=1.1e-3),
        lambda w: dataclasses.replace(w, depth=3),
    ],
    ids=["beta1", "beta2", "rate", "depth"],
)
def test_a_participant_with_another_optimiser_or_network_stops_the_run(wrong: Callable[[Work], Work]):
    other = loop.trajectory(wrong(work("non-saturating")), {}, 40, REPLICAS)
    right = loop.trajectory(work("non-saturating"), {}, 40, REPLICAS)
    with pytest.raises(Disagreement, match="jax does other work than loop: after iteration"):
        require_agreement({"loop": right, "jax": other}, "a test")


def test_a_participant_with_another_penalty_stops_the_run(monkeypatch):
    right = expected("wasserstein-gp")
    monkeypatch.setattr(loop, "PENALTY", 9.0)
    with pytest.raises(Disagreement, match="the loss of D"):
        require_agreement({"ganbench": right, "loop": expected("wasserstein-gp")}, "a test")


def test_the_message_names_the_first_loss_that_differs():
    right = np.ones((5, 2, 2))
    wrong = right.copy()
    wrong[3:, 1, 1] = 1.001
    with pytest.raises(Disagreement, match=r"jax .* iteration 4, replica 1, the loss of G is 1\.001, expected 1"):
        require_agreement({"loop": right, "jax": wrong}, "a test")
    assert agreeing({"loop": right, "jax": wrong}) == 3


def test_a_loss_that_is_not_finite_is_a_disagreement():
    right = np.ones((2, 1, 2))
    with pytest.raises(Disagreement):
        require_agreement({"loop": right, "jax": np.where([[[True, False]]], np.nan, right)}, "a test")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_work_has_ganbenchs_schedule_and_draws(objective):
    game, instance, _ = ensemble.game_of(work(objective), 4)
    assert instance.schedule() == work(objective).schedule
    assert {"x", "z", *game.objective.all_draws()} == set(DRAWS[objective]["D"])


def test_the_plain_loop_has_the_parameters_of_ganbenchs_networks():
    w = work("cramer")
    game, _, _ = ensemble.game_of(w, 4)
    shapes = [[tuple(p.shape) for p in net.parameters()] for net in (game.critic(), game.generator())]
    replica = loop.Replica(w)
    assert shapes == [[tuple(p.shape) for p in net.parameters()] for net in (replica.D, replica.G)]
    assert replica.D[0].weight.dtype == torch.float64
