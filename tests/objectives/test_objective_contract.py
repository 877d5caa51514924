"""Every registered objective keeps the contract."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_games import accepted, batch, fields, players, variants
from torch import Tensor

from ganbench.catalogue import OBJECTIVES
from ganbench.fields import FieldError, build, settable, swept_fields
from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Batch, Objective, Player, penalised_d_loss, penalised_g_loss
from ganbench.targets.mixtures import Ring8
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import SGD

CLASSES = [OBJECTIVES.load(name) for name in OBJECTIVES.names()]
FOLDER = importlib.import_module("ganbench.objectives").__path__
MODULES = [m.name for m in pkgutil.iter_modules(FOLDER, "ganbench.objectives.")]
NEEDED = [(cls, draw) for cls in CLASSES for draw in sorted(cls().all_draws())]
SWEPT = [(cls, name) for cls in CLASSES for name in swept_fields(cls)]
OF_TWO_PLAYERS = [cls for cls in CLASSES if "D" in cls.players]
OF_ONE_PLAYER = [cls for cls in CLASSES if "D" not in cls.players]
VARIANTS = {name: objective for cls in CLASSES for name, objective in variants(cls).items()}
LOSSES = {f"{name}-{p}": (objective, p) for name, objective in VARIANTS.items() for p in objective.players}


def name_of(value: object) -> str:
    return getattr(value, "__name__", str(value))


each = pytest.mark.parametrize("cls", CLASSES, ids=name_of)
each_of_two_players = pytest.mark.parametrize("cls", OF_TWO_PLAYERS, ids=name_of)
each_of_one_player = pytest.mark.parametrize("cls", OF_ONE_PLAYER, ids=name_of)
each_loss = pytest.mark.parametrize(("objective", "player"), LOSSES.values(), ids=LOSSES)


def own_loss(
    objective: Objective, player: str, given: dict[str, Tensor] | None = None
) -> tuple[Callable[[dict[str, Tensor]], Tensor], Player]:
    """What a player descends as a function of its own parameters, and the player; on six packs unless given fields."""
    G, D = players(objective)
    b = Batch.of(given or fields(6 * objective.packing), objective.packing)
    if player == "D":
        return lambda p: penalised_d_loss(objective, G, D.with_params(p), b), D
    return lambda p: penalised_g_loss(objective, G.with_params(p), D, b), G


def trained(lanes: list[Objective], iterations: int = 1) -> Training:
    """Lanes of one seed after some iterations by plain gradient descent."""
    target = Ring8()
    game = Game(lanes[0], SGD(), MLP(width=8), target, 2, target.shape, 16, len(lanes), False, "cpu")
    training = Training(game, [Lane(objective, SGD(lr_d=0.1, lr_g=0.1), 3) for objective in lanes], target)
    training.advance(iterations)
    return training


def weights(training: Training, lane: int) -> Tensor:
    """All parameters of a lane, in one vector."""
    return torch.cat([p[lane].flatten() for player in ("D", "G") for p in training.state[player].values()])


@each
def test_an_objective_states_its_source_formula_and_year(cls: type[Objective]):
    assert cls.source
    assert cls.formula
    assert 1950 <= cls.year <= 2100


@each
def test_an_objective_has_an_example_in_its_docstring(cls: type[Objective]):
    assert ">>>" in (cls.__doc__ or "")


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_run(module: str):
    assert doctest.testmod(importlib.import_module(module)).failed == 0


@each_of_two_players
@pytest.mark.parametrize(("k", "m"), [(1, 1), (2, 3)])
def test_alternating_is_k_discriminator_steps_then_m_generator_steps(cls: type[Objective], k: int, m: int):
    objective = build(cls, {"updates": "alternating", "d_steps": k, "g_steps": m})
    assert objective.schedule() == ("D",) * k + ("G",) * m


@each_of_two_players
def test_the_order_gd_puts_the_generator_first(cls: type[Objective]):
    objective = build(cls, {"updates": "alternating", "order": "GD", "d_steps": 2, "g_steps": 1})
    assert objective.schedule() == ("G", "D", "D")


@each_of_one_player
def test_without_a_critic_an_iteration_is_m_generator_steps(cls: type[Objective]):
    assert build(cls, {"g_steps": 3}).schedule() == ("G",) * 3


@each_of_one_player
@pytest.mark.parametrize(("field", "value"), [("d_steps", 2), ("order", "GD"), ("updates", "simultaneous")])
def test_without_a_critic_what_would_move_one_is_refused(cls: type[Objective], field: str, value: Any):
    with pytest.raises(FieldError, match="this objective has no discriminator; remove the field") as error:
        build(cls, {field: value})
    assert error.value.field == field


@each_of_two_players
def test_simultaneous_is_one_joint_step(cls: type[Objective]):
    assert build(cls, {"updates": "simultaneous", "d_steps": 1, "g_steps": 1}).schedule() == ("DG",)


@each
@pytest.mark.parametrize(("k", "m"), [(2, 1), (1, 2)])
def test_simultaneous_with_more_steps_of_a_player_is_refused_with_what_to_set(cls: type[Objective], k: int, m: int):
    with pytest.raises(FieldError, match=f"found d_steps={k} and g_steps={m}; set both to 1") as error:
        build(cls, {"updates": "simultaneous", "d_steps": k, "g_steps": m})
    assert error.value.field == "updates"


@each_loss
def test_a_loss_is_one_finite_number(objective: Objective, player: str):
    loss, own = own_loss(objective, player)
    assert loss(own.params).shape == ()
    assert torch.isfinite(loss(own.params))


@each_loss
def test_a_loss_is_the_same_when_computed_anew(objective: Objective, player: str):
    loss, own = own_loss(objective, player)
    assert torch.equal(loss(own.params), loss(own.params))


@each_loss
def test_the_gradient_of_a_loss_is_its_difference_quotient(objective: Objective, player: str):
    loss, own = own_loss(objective, player)
    rng = torch.Generator().manual_seed(1)
    direction = {k: torch.randn(p.shape, generator=rng, dtype=p.dtype) for k, p in own.params.items()}

    def along(h: float) -> Tensor:
        return loss({k: p + h * direction[k] for k, p in own.params.items()})

    gradient = torch.func.grad(loss)(own.params)
    slope = sum(float((gradient[k] * direction[k]).sum()) for k in gradient)
    assert slope == pytest.approx(float(along(1e-5) - along(-1e-5)) / 2e-5, rel=1e-6, abs=1e-9)


@each_loss
def test_a_small_step_against_its_gradient_lowers_a_player_s_own_loss(objective: Objective, player: str):
    loss, own = own_loss(objective, player)
    gradient = torch.func.grad(loss)(own.params)
    assert loss({k: p - 1e-4 * gradient[k] for k, p in own.params.items()}) < loss(own.params)


@each_loss
def test_the_order_of_the_samples_in_a_batch_does_not_matter(objective: Objective, player: str):
    m, packs = objective.packing, torch.tensor([3, 0, 5, 1, 4, 2])
    order = (m * packs[:, None] + torch.arange(m)).flatten()  # packs stay whole
    given = fields(6 * m)
    loss, own = own_loss(objective, player, given)
    other, _ = own_loss(objective, player, {k: v[order] if v.dim() else v for k, v in given.items()})
    assert float(other(own.params)) == pytest.approx(float(loss(own.params)), rel=1e-12)


@each_loss
def test_an_objective_needs_no_draws_beyond_those_it_declares(objective: Objective, player: str):
    given = fields(6 * objective.packing)
    loss, own = own_loss(objective, player, {k: given[k] for k in ("x", "z", *objective.all_draws())})
    assert torch.isfinite(loss(own.params))


@pytest.mark.parametrize(("cls", "draw"), NEEDED, ids=name_of)
def test_a_batch_without_a_needed_draw_is_an_error_that_says_where_to_name_it(cls: type[Objective], draw: str):
    loss, own = own_loss(cls(), "D", {k: v for k, v in fields().items() if k != draw})
    with pytest.raises(AttributeError, match=f'holds no "{draw}": name it in the draws of the objective'):
        loss(own.params)


@each
def test_the_weights_of_the_e_step_sum_to_one(cls: type[Objective]):
    G, D = players(cls())
    assert float(cls().e_step(G, D, batch()).sum()) == pytest.approx(1, rel=1e-12)


@each
def test_a_sample_has_the_shape_of_the_data(cls: type[Objective]):
    G, _ = players(cls())
    b = batch()
    assert cls().sample(G, b.z, b.noise).shape == b.x.shape


@each
def test_a_replica_in_a_crowd_is_itself(cls: type[Objective]):
    alone, crowd = trained([cls()] * 2), trained([cls()] * 4)
    torch.testing.assert_close(weights(alone, 0), weights(crowd, 3), rtol=0, atol=1e-6)


def changed(objective: Objective, field: str) -> Objective:
    """The objective with half of a swept number, with .5 in the place of 0."""
    value: dict[str, Any] = {field: getattr(objective, field) / 2 or 0.5}
    return dataclasses.replace(objective, **value)


@pytest.mark.parametrize(("cls", "field"), SWEPT, ids=name_of)
def test_a_swept_field_differs_from_lane_to_lane(cls: type[Objective], field: str):
    other = changed(cls(), field)
    mixed, uniform = trained([cls(), other]), trained([other, other])
    torch.testing.assert_close(weights(mixed, 1), weights(uniform, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("cls", "field"), SWEPT, ids=name_of)
def test_a_swept_field_matters_under_some_choice_of_the_others(cls: type[Objective], field: str):
    choices = {name: f.metadata["choices"] for name, f in settable(cls).items() if f.metadata.get("choices")}
    given = [{"d_steps": 1, name: choice} for name, found in choices.items() for choice in found]

    def matters(objective: Objective) -> bool:
        training = trained([objective, changed(objective, field)])
        return not torch.equal(weights(training, 0), weights(training, 1))

    assert any(matters(objective) for values in given if (objective := accepted(cls, values)) is not None)
