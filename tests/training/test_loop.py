"""The clock of a training, its samples and what it holds."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from ensembles import SMALL, lane, new, same_bits, trained

from ganbench.objectives.em import EM
from ganbench.objectives.minimax import NonSaturating
from ganbench.objectives.vae import VAE
from ganbench.training.compilation import Leaves
from ganbench.training.ensemble import lifted
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import Adam


def test_the_clock_does_not_see_compilation_and_warm_up():
    training = new([Lane(NonSaturating(g_steps=2), Adam(), 3)], SMALL)
    training.prepare()
    assert training.compile_s > 0
    assert training.seconds == 0


def test_the_clock_does_not_see_a_compilation_that_comes_with_the_first_iterations(monkeypatch: pytest.MonkeyPatch):
    def slowly(*arguments):
        time.sleep(0.5)
        return lifted(*arguments)

    monkeypatch.setattr("ganbench.training.loop.lifted", slowly)
    training = trained([3], 1)
    assert training.compile_s >= 1
    assert training.seconds < 0.5


def test_the_clock_sees_training_and_nothing_else():
    training = trained([3], 2)
    seconds, compile_s = training.seconds, training.compile_s
    training.samples("test", 0, 500)
    assert training.seconds == seconds > 0
    training.advance(4)
    assert training.seconds > seconds
    assert training.compile_s == compile_s


def test_preparing_changes_nothing_of_the_replicas():
    prepared, untouched = (new([Lane(EM(), Adam(), 3)], SMALL) for _ in range(2))
    prepared.prepare()
    assert same_bits(lane(prepared, 0), lane(untouched, 0))


def test_an_ensemble_that_is_not_full_is_refused_with_what_to_do():
    full = new([Lane(NonSaturating(), Adam(), 3)], SMALL)
    with pytest.raises(ValueError, match="found 2 lanes for an ensemble of width 8; pad with copies"):
        Training(full.game, [Lane(NonSaturating(), Adam(), s) for s in (3, 4)], full._target)


@pytest.mark.parametrize("n", [1, 32, 500])
def test_as_many_samples_come_as_were_asked_for(n: int):
    assert trained([3], 1).samples("test", 0, n).shape == (8, n, 2)


def test_a_seed_s_samples_do_not_depend_on_its_lane():
    first, second = trained([3, 4], 2), trained([4, 5, 3], 2)
    assert np.array_equal(first.samples("test", 0, 500)[0], second.samples("test", 0, 500)[2])


def test_sampling_changes_nothing_of_the_replicas():
    training = trained([3], 2)
    before = lane(training, 0)
    training.samples("test", 0, 500)
    assert same_bits(lane(training, 0), before)


def test_a_frozen_lane_stays_as_it_is_and_its_neighbours_go_on():
    whole, training = trained([3, 4], 4), trained([3, 4], 2)
    before = lane(training, 0)
    training.freeze(0)
    training.advance(4)
    # the last two say whether it lives and when it diverged
    assert same_bits(lane(training, 0)[:-2], before[:-2])
    assert same_bits(lane(training, 1), lane(whole, 1))
    assert (training.alive()[:2].tolist(), training.diverged_at()[:2].tolist()) == ([False, True], [2, -1])


def test_a_lane_that_is_frozen_twice_diverged_where_it_was_first():
    training = trained([3], 2)
    training.freeze(0)
    training.advance(4)
    training.freeze(0)
    assert training.diverged_at()[0] == 2


def test_samples_of_the_vae_carry_its_noise():
    lanes = [Lane(VAE(decoder_sd=sd), Adam(), 3) for sd in (1e-3, 50.0)]
    training = new(lanes, SMALL)
    quiet, loud = training.samples("test", 0, 500)[:2]
    # the sample variance of 1,000 normal values has a relative sd of .045: 5 of them, false-alarm rate 6e-7
    assert np.var(loud - quiet) == pytest.approx(50.0**2, rel=0.25)


def test_uniform_weights_have_the_effective_sample_size_of_the_bank():
    size = trained([3], 1, EM(temperature=1e9)).effective_sample_size()
    assert size is not None
    assert size == pytest.approx(np.full(8, 16.0), rel=1e-5)


def test_weights_on_one_latent_have_an_effective_sample_size_of_one():
    # a temperature of 1e-6 leaves the most believable latent alone
    size = trained([3], 1, EM(temperature=1e-9)).effective_sample_size()
    assert size is not None
    assert size == pytest.approx(np.ones(8), rel=1e-5)


def test_an_objective_without_a_bank_has_no_effective_sample_size():
    assert trained([3], 1).effective_sample_size() is None


def test_the_bank_is_held_while_real_samples_are_fresh():
    seen: list[dict[str, np.ndarray]] = []
    training = new([Lane(EM(d_steps=2, m_steps=2), Adam(), 3)], SMALL)
    training.prepare()
    call = training._call

    def noting(step: str, leaves: Leaves, fields: dict[str, torch.Tensor]) -> Leaves:
        if step != "E":
            seen.append({name: v.numpy().copy() for name, v in fields.items()})
        return call(step, leaves, fields)

    training._call = noting  # type: ignore[method-assign]
    training.advance(1)
    first, *others = seen
    assert len(others) == 5
    assert all(np.array_equal(first[k], other[k]) for k in ("z", "r") for other in others)
    assert not any(np.array_equal(a["x"], b["x"]) for i, a in enumerate(seen) for b in seen[:i])


@pytest.mark.parametrize("objective", [NonSaturating(), VAE()])
def test_samples_of_several_passes_are_those_of_one(objective: NonSaturating | VAE, monkeypatch: pytest.MonkeyPatch):
    training = trained([3, 4], 2, objective)
    whole = training.samples("evaluation", 0, 150)
    monkeypatch.setattr("ganbench.training.loop.SAMPLED_AT_ONCE", 64)
    passes, sample = [], training._sample

    def counted(*arguments):
        passes.append(arguments[2].shape[1])
        return sample(*arguments)

    monkeypatch.setattr(training, "_sample", counted)
    assert training.samples("evaluation", 0, 150) == pytest.approx(whole, abs=1e-6)
    assert passes == [64, 64, 32]


def test_noise_is_drawn_for_a_decoder_that_adds_it_alone(monkeypatch: pytest.MonkeyPatch):
    drawn = []
    for objective in (NonSaturating(), VAE()):
        training = trained([3], 1, objective)

        def noting(*arguments, sample=training._sample):
            drawn.append(arguments[3].shape[2:])
            return sample(*arguments)

        monkeypatch.setattr(training, "_sample", noting)
        training.samples("evaluation", 0, 32)
    assert drawn == [(0,), (2,)]
