"""The recorded iteration, on a processor: a graph that repeats what was asked while it recorded, as CUDA's do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from ensembles import ADAM, WIDTH
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Objective
from ganbench.objectives.em import EM
from ganbench.objectives.minimax import NonSaturating
from ganbench.targets.mixtures import Ring8
from ganbench.training.draws import CounterDraws
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training
from ganbench.training.recording import Recording


class Tape(TorchDispatchMode):
    """Repeats operations on the very tensors that they were recorded with, and puts their results where those were."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        for func, args, kwargs, result in self.operations:
            again = func(*args, **kwargs)
            for old, new in zip(pytree.tree_leaves(result), pytree.tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


@contextmanager
def recorded(tape: Tape) -> Iterator[None]:
    with tape:
        yield


@pytest.fixture(autouse=True)
def graphs_are_tapes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Tape)
    monkeypatch.setattr(torch.cuda, "graph", recorded)


def training(objective: Objective, seeds: int = 3) -> Training:
    target = Ring8()
    game = Game(
        objective=objective,
        optimiser=ADAM,
        network=MLP(width=8),
        target=None,
        latent=2,
        shape=target.shape,
        batch=16,
        width=WIDTH,
        compiled=False,
        device="cpu",
        draws="counter",
    )
    lanes = [Lane(objective, ADAM, seed) for seed in range(seeds)]
    return Training(game, lanes + lanes[:1] * (WIDTH - seeds), target)


def recording_of(made: Training) -> Recording:
    assert isinstance(made._draws, CounterDraws)
    made.prepare()
    return made._record(made._draws)


@pytest.mark.parametrize("objective", [NonSaturating(), EM(m_steps=2)], ids=["non-saturating", "em"])
def test_a_repeated_recording_has_the_bits_of_the_loop(objective: Objective):
    plain, made = training(objective), training(objective)
    recording = recording_of(made)
    plain.advance(7)
    recording.load(made._leaves, 0)
    recording.repeat(5)
    recording.repeat(2)
    assert all(torch.equal(a, b) for a, b in zip(recording.state(), plain._leaves, strict=True))
    if plain.weights is not None:
        assert torch.equal(recording.seen[0], plain.weights)


def test_a_recording_begins_from_any_state_and_iteration():
    plain, made = training(NonSaturating()), training(NonSaturating())
    recording = recording_of(made)
    plain.advance(3)
    recording.load(plain._leaves, 3)
    before = [leaf.clone() for leaf in plain._leaves]
    recording.repeat(4)
    assert all(torch.equal(a, b) for a, b in zip(before, plain._leaves, strict=True)), "a given state is never written"
    plain.advance(7)
    assert all(torch.equal(a, b) for a, b in zip(recording.state(), plain._leaves, strict=True))


def test_a_state_that_was_taken_stays_as_it_is_when_the_recording_goes_on():
    made = training(NonSaturating())
    recording = recording_of(made)
    recording.load(made._leaves, 0)
    recording.repeat(1)
    taken = recording.state()
    copies = [leaf.clone() for leaf in taken]
    recording.repeat(1)
    assert all(torch.equal(a, b) for a, b in zip(taken, copies, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(taken, recording.state(), strict=True))


def test_a_training_with_a_recording_advances_by_it(monkeypatch: pytest.MonkeyPatch):
    plain, made = training(EM()), training(EM())
    made._recording = recording_of(made)
    monkeypatch.setattr(made, "_iterate", lambda *_: pytest.fail("launched one by one"))
    for stop in (2, 6):
        plain.advance(stop)
        made.advance(stop)
        assert made.iteration == plain.iteration == stop
        assert all(torch.equal(a, b) for a, b in zip(made._leaves, plain._leaves, strict=True))
        assert plain.weights is not None
        assert made.weights is not None
        assert torch.equal(made.weights, plain.weights)
