"""Every registered baseline keeps its contract, and each is what it says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from example_targets import DISTINCT

from ganbench import streams
from ganbench.catalogue import BASELINES
from ganbench.metrics.modes import HighQuality, ModesCovered
from ganbench.targets.contract import Target
from ganbench.targets.images import Digits
from ganbench.targets.mixtures import Gaussian1D, Grid25, Mixture, Ring8
from ganbench.targets.stacked import StackedDigits
from ganbench.training import baselines
from ganbench.training.baselines import (
    Baseline,
    GaussianMixtureEM,
    Gaussians,
    Oracle,
    Trivial,
    candidates,
    covariance_type,
    players_data,
)

EVERY = [(BASELINES.load(name)(), target) for name, target in itertools.product(BASELINES.names(), DISTINCT)]
every = pytest.mark.parametrize(("baseline", "target"), EVERY, ids=lambda value: type(value).__name__)


def rng(seed: int = 0) -> np.random.Generator:
    return streams.generator(seed, "test.baselines")


@every
def test_a_baseline_draws_finite_samples_of_the_target_s_shape_the_same_for_the_same_seed(
    baseline: Baseline, target: Target, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(baselines, "PLAYERS_SAMPLES", 1000)  # to be fast: no claim here depends on their number
    first, second = (baseline.fit(target, seed=3) for _ in range(2))
    x = first.sample(rng(), 40)
    assert x.shape == (40, *target.shape)
    assert x.dtype == np.float64
    assert np.isfinite(x).all()
    assert np.array_equal(x, second.sample(rng(), 40))
    assert first.notes == second.notes != ""


@pytest.mark.parametrize("baseline", [Trivial(), GaussianMixtureEM()], ids=lambda value: type(value).__name__)
def test_another_seed_fits_to_other_data(baseline: Baseline):
    first, second = (baseline.fit(Ring8(), seed).sample(rng(), 40) for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("target", [Ring8(), Gaussian1D(), Digits()], ids=repr)
def test_trivial_has_the_mean_and_the_covariance_of_its_data(target: Target):
    x, fitted = players_data(target, seed=0), Trivial().fit(target, seed=0)
    centred = x - x.mean(axis=0)
    assert fitted.means[0] == pytest.approx(x.mean(axis=0))
    assert fitted.factors[0] @ fitted.factors[0].T == pytest.approx(centred.T @ centred / len(x), abs=1e-9)


def test_trivial_has_that_covariance_where_images_have_more_pixels_than_the_set_has_images(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(baselines, "MOST_VALUES", 64 * 50)
    x, fitted = players_data(Digits(), seed=0), Trivial().fit(Digits(), seed=0)
    assert fitted.factors.shape == (1, 64, 50)
    centred = x - x.mean(axis=0)
    assert fitted.factors[0] @ fitted.factors[0].T == pytest.approx(centred.T @ centred / 50, abs=1e-9)


def test_trivial_covers_no_mode_of_ring8():
    # 1,000 samples: one Gaussian puts about .0016 of its mass in each mode, the threshold lies at .0062
    x = Trivial().fit(Ring8(), seed=0).sample(rng(), 1000)
    assert ModesCovered().measure(x, x, Ring8()) == 0


@pytest.mark.parametrize(("target", "modes"), [(Ring8(), 8), (Grid25(), 25)], ids=repr)
def test_gmm_em_finds_every_mode_and_says_so(target: Target, modes: int):
    fitted = GaussianMixtureEM().fit(target, seed=0)
    x = fitted.sample(rng(), 1000)
    assert fitted.notes.startswith(f"{modes} components by BIC of 1, 2, 4, 8")
    assert ModesCovered().measure(x, x, target) == modes
    # the share of one's own modes is .98889 with sd .0033; four of them, false-alarm rate 6e-5 each
    assert HighQuality().measure(x, x, target) == pytest.approx(0.98889, abs=4 * 0.0033)


def test_gmm_em_takes_one_component_for_one_gaussian():
    assert GaussianMixtureEM().fit(Gaussian1D(), seed=0).notes == "1 component by BIC of 1, 2; full covariance"


def test_candidates_reach_twice_the_modes():
    assert candidates(25, 5000, 2) == [1, 2, 4, 8, 16, 25, 32, 50]


def test_a_manifold_counts_as_sixteen_modes():
    assert candidates(None, 5000, 2) == [1, 2, 4, 8, 16, 32]


def test_every_component_of_a_candidate_has_ten_samples():
    assert candidates(1000, 5000, 2)[-1] == 256


def test_candidates_of_large_images_are_few_and_one_at_least():
    # 2^30 / (5,000 x 2,352) = 91
    assert candidates(1000, 5000, 2352)[-1] == 64
    assert candidates(10, 5000, 10**6) == [1]


def test_gmm_em_fits_variances_only_where_data_are_few():
    # 50 components of 1 + 2 + 3 numbers, ten samples each
    assert covariance_type(2, 50, 3000) == "full"
    assert covariance_type(2, 50, 2999) == "diag"


def test_the_oracle_of_a_finite_set_hands_out_its_training_images():
    x = Oracle().fit(Digits(), seed=0).sample(rng(), 200)
    training = {image.tobytes() for image in Digits().training_set}
    assert len({image.tobytes() for image in x} & training) == 200


def test_the_oracle_says_where_its_samples_come_from():
    notes = [Oracle().fit(target, seed=0).notes for target in (Ring8(), Digits(), StackedDigits())]
    assert notes == ["fresh true samples", *["the players' half, 898 images"] * 2]


def test_the_oracle_of_a_finite_set_says_how_many_images_it_has():
    with pytest.raises(ValueError, match="found n = 899, expected at most 898"):
        Oracle().fit(Digits(), seed=0).sample(rng(), 899)


def test_players_data_of_a_finite_set_are_its_whole_half():
    assert np.array_equal(players_data(Digits(), seed=5), Digits().training_set.reshape(898, 64))


def test_a_half_too_large_for_a_fit_gives_images_chosen_by_seed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(baselines, "MOST_VALUES", 64 * 100)
    first, second = (players_data(Digits(), seed) for seed in (0, 1))
    training = {image.tobytes() for image in Digits().training_set}
    assert len({image.tobytes() for image in first} & training) == 100
    assert {image.tobytes() for image in first} != {image.tobytes() for image in second}


def test_standard_deviations_are_those_of_a_diagonal_covariance():
    sd = np.array([[1.0, 2.0], [3.0, 4.0]])
    diagonal = Gaussians(np.array([0.5, 1.0]), np.zeros((2, 2)), sd, (2,), "by hand")
    full = Gaussians(np.array([0.5, 1.0]), np.zeros((2, 2)), np.stack([np.diag(s) for s in sd]), (2,), "by hand")
    assert np.array_equal(diagonal.sample(rng(), 50), full.sample(rng(), 50))


def test_a_mixture_draws_its_components_by_weight():
    # component 1 has weight .25: 4,000 draws, four standard errors of .0068, false-alarm rate 6e-5
    fitted = Gaussians(np.array([0.75, 1.0]), np.array([[0.0], [1.0]]), np.zeros((2, 1, 1)), (1,), "by hand")
    assert fitted.sample(rng(), 4000).mean() == pytest.approx(0.25, abs=4 * 0.0069)


def test_gmm_em_fits_128_dimensions():
    target = Mixture(modes=4, dimension=128, layout="sphere")
    x = GaussianMixtureEM().fit(target, seed=0).sample(rng(), 400)
    assert ModesCovered().measure(x, x, target) == 4
