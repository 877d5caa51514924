"""Laws of every objective in training: its schedule, the library's loop and lift, and its numbers."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ganbench.fields import settable, swept_fields
from ganbench.objectives.contract import Objective, Regulariser
from ganbench.theory.generic import CONTRACT, e_step, relative
from ganbench.theory.law import Comparison, Law, Subject
from ganbench.theory.small import (
    RATE,
    KeyedSteps,
    Params,
    Seat,
    Small,
    both,
    fresh,
    small,
    trained,
    weights,
)
from ganbench.training.ensemble import lane


def expected_schedule(objective: Objective) -> tuple[str, ...]:
    """The steps of an iteration as the fields state them; `m_steps` is em's."""
    if objective.updates == "simultaneous":
        once: tuple[str, ...] = ("DG",)
    else:
        steps = {"D": ("D",) * objective.d_steps if "D" in objective.players else (), "G": ("G",) * objective.g_steps}
        once = (*steps[objective.order[0]], *steps[objective.order[1]])
    return once * getattr(objective, "m_steps", 1)


def scheduled(subject: Subject) -> Iterator[Comparison]:
    """Places at which the schedule is not that of the fields."""
    expected, found = expected_schedule(subject.objective), subject.objective.schedule()
    wrong = sum(a != b for a, b in itertools.zip_longest(expected, found))
    yield Comparison(0, wrong, about=f"expected {' '.join(expected)}, found {' '.join(found)}"[:200])


def by_hand(subject: Subject) -> Iterator[Comparison]:
    """How far an iteration of the library's training ends from plain descent, in parts of the largest parameter."""
    seat = Seat(subject.objective, subject.regularisers, 3)
    game, steps = small(subject, seat.seed), KeyedSteps(subject.playing, (seat.seed,))
    held: dict[str, Tensor] = {}
    for i, step in enumerate(expected_schedule(subject.objective)):
        game = game.with_fields({**lane(steps.at(i), 0), "t": torch.tensor(1.0, dtype=torch.float64), **held})
        if game.objective.hold and not held:
            held = {"z": game.fields["z"], "r": e_step(game)}
            game = game.with_fields({**game.fields, **held})
        # both gradients before either step: a joint one sees both players as they were
        after = {player: descended(game, player) for player in ("D", "G") if player in step}
        G, D = (fresh(player) for player in (game.G, game.D))
        D = D.with_params(after.get("D", D.params))
        if "D" in step:
            for regulariser in game.objective.all_regularisers():
                D = regulariser.project(D)
        game = Small(game.objective, G.with_params(after.get("G", G.params)), D, game.fields)
    expected = torch.cat([weights(game.D.params), weights(game.G.params)])
    found = both(trained([seat] * 2, 1), 1)
    yield Comparison(0, relative(found, expected), 1e-9)


def descended(game: Small, player: str) -> Params:
    """A player's parameters after a step of gradient descent on its loss."""
    own = game.params(player)
    gradient = torch.func.grad(game.loss(player))(own)
    return {k: p - RATE * gradient[k] for k, p in own.items()}


def alone(subject: Subject) -> Iterator[Comparison]:
    """The largest difference between a replica's parameters beside its copy and among three others, after 2 iterations.

    The others have other seeds and half its numbers.
    """
    own = Seat(subject.objective, subject.regularisers, 3)
    other = Seat(halved(subject.objective), tuple(halved(r) for r in subject.regularisers), 4)
    beside, among = trained([own, own], 2), trained([other, dataclasses.replace(other, seed=5), own, other], 2)
    yield Comparison(0, float((both(beside, 0) - both(among, 2)).abs().max()), 1e-9)


def halved(owner: Any) -> Any:
    """The same objective or regulariser with half of each number that may differ between replicas."""
    names = swept_fields(type(owner))
    return dataclasses.replace(owner, **{n: getattr(owner, n) / 2 for n in names}) if names else owner


def mattering(subject: Subject) -> Iterator[Comparison]:
    """For each swept number, 1 where another value of it moves some player elsewhere under some choice of the others.

    Measured at the defaults of all other fields, since a weight of 0 rightly leaves a slope without effect.
    """
    objective = type(subject.objective)()
    for name in swept_fields(type(objective)):
        yield Comparison(1, int(any(moves(o, (), o, name) for o in variants(objective))), about=name)
    for added in dict.fromkeys(type(r) for r in subject.regularisers):
        for name in swept_fields(added):
            matters = any(moves(o, (added(),), added(), name) for o in variants(objective))
            yield Comparison(1, int(matters), about=f"{added.__name__}.{name}")


def without_numbers(subject: Subject) -> str | None:
    """Why no number of a subject can matter."""
    owners = (subject.objective, *subject.regularisers)
    return None if any(swept_fields(type(owner)) for owner in owners) else "it has no swept number"


def variants(objective: Objective) -> Iterator[Objective]:
    """The objective with one step of each player, then with each of its other choices."""
    one_each = dataclasses.replace(objective, d_steps=1, g_steps=1) if "D" in objective.players else objective
    yield one_each
    for name, declared in settable(type(objective)).items():
        for choice in declared.metadata.get("choices") or ():
            if name not in ("order", "updates") and choice != getattr(objective, name):
                yield dataclasses.replace(one_each, **{name: choice})


def moves(objective: Objective, added: tuple[Regulariser, ...], owner: Any, name: str) -> bool:
    """Whether a replica of another value of one number leaves an iteration elsewhere than its neighbour of one seed."""
    value = getattr(owner, name)
    changed = dataclasses.replace(owner, **{name: value / 2 if value else 0.5})
    seats = [
        Seat(objective, added, 3),
        Seat(changed, added, 3) if owner is objective else Seat(objective, (changed,), 3),
    ]
    training = trained(seats, 1)
    return not torch.equal(both(training, 0), both(training, 1))


LAWS = (
    Law("schedule", "The steps of an iteration are those of its fields, in their order", CONTRACT, scheduled),
    Law("iteration", "An iteration of training is plain descent on both losses, step by step", CONTRACT, by_hand),
    Law("alone", "A replica alone is the replica among four of other seeds and numbers", CONTRACT, alone),
    Law("numbers", "Every number that can be swept matters", CONTRACT, mattering, without_numbers),
)
