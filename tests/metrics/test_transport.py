"""Wasserstein-1, sliced W1 and the energy distance against closed forms, laws and published floors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist
from scipy.stats import ortho_group

from ganbench import streams
from ganbench.metrics.contract import Metric
from ganbench.metrics.floors import floor
from ganbench.metrics.transport import W1, EnergyDistance, SlicedW1
from ganbench.targets.contract import Target
from ganbench.targets.mixtures import Gaussian1D, Grid25, Mixture, Ring8

DISTANCES = [W1(), SlicedW1(), EnergyDistance()]
each = pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: type(d).__name__)
laws = settings(derandomize=True, deadline=None, max_examples=15)
seeds = st.integers(0, 10_000)
dimensions = st.integers(1, 5)


def clouds(seed: int, dimension: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = streams.generator(seed, "test.clouds")
    return rng.standard_normal((n, dimension)), 0.5 + 2 * rng.standard_normal((n, dimension))


def between(distance: Metric, a: np.ndarray, b: np.ndarray) -> float:
    return distance.measure(a, b, Ring8())


@laws
@given(seeds, dimensions)
def test_w1_is_the_cheapest_assignment_of_equal_clouds(seed: int, dimension: int):
    a, b = clouds(seed, dimension)
    cost = cdist(a, b)
    assert between(W1(), a, b) == pytest.approx(cost[linear_sum_assignment(cost)].mean(), abs=1e-9)


@laws
@given(seeds)
def test_w1_on_the_line_is_w1_in_a_plane_that_holds_the_line(seed: int):
    a, b = clouds(seed, 1)
    in_plane = np.hstack([a, np.zeros_like(a)]), np.hstack([b, np.zeros_like(b)])
    assert between(W1(), a, b) == pytest.approx(between(W1(), *in_plane), abs=1e-9)


@each
@laws
@given(seed=seeds, dimension=dimensions)
def test_a_distance_is_symmetric(distance: Metric, seed: int, dimension: int):
    a, b = clouds(seed, dimension)
    assert between(distance, a, b) == pytest.approx(between(distance, b, a), abs=1e-9)


@each
@laws
@given(seed=seeds, dimension=dimensions)
def test_moving_both_clouds_together_changes_nothing(distance: Metric, seed: int, dimension: int):
    a, b = clouds(seed, dimension)
    assert between(distance, a + 7.5, b + 7.5) == pytest.approx(between(distance, a, b), abs=1e-9)


@each
@laws
@given(seed=seeds, dimension=dimensions, factor=st.floats(0.01, 100))
def test_a_distance_scales_with_the_data(distance: Metric, seed: int, dimension: int, factor: float):
    a, b = clouds(seed, dimension)
    assert between(distance, factor * a, factor * b) == pytest.approx(factor * between(distance, a, b), rel=1e-9)


@pytest.mark.parametrize("distance", [W1(), EnergyDistance()], ids=lambda d: type(d).__name__)
@laws
@given(seed=seeds)
def test_turning_both_clouds_together_changes_nothing(distance: Metric, seed: int):
    a, b = clouds(seed, 4)
    turn = ortho_group.rvs(4, random_state=seed)
    assert between(distance, a @ turn, b @ turn) == pytest.approx(between(distance, a, b), abs=1e-9)


@laws
@given(seeds, dimensions, st.floats(0, 50))
def test_w1_of_a_shifted_copy_is_the_length_of_the_shift(seed: int, dimension: int, length: float):
    a, _ = clouds(seed, dimension)
    shift = np.full(dimension, length / math.sqrt(dimension))
    assert between(W1(), a + shift, a) == pytest.approx(length, abs=1e-9)


@laws
@given(seeds, dimensions)
def test_sliced_w1_is_at_most_w1(seed: int, dimension: int):
    a, b = clouds(seed, dimension)
    assert between(SlicedW1(), a, b) <= between(W1(), a, b) + 1e-12


@laws
@given(seeds)
def test_sliced_w1_on_the_line_is_w1(seed: int):
    a, b = clouds(seed, 1)
    assert between(SlicedW1(), a, b) == pytest.approx(between(W1(), a, b), abs=1e-12)


def test_sliced_w1_of_a_shift_in_the_plane_is_near_its_mean_projection():
    # E|cos| = 2/π with sd .308; four standard errors over 128 fixed directions are .109
    a, _ = clouds(0, 2)
    assert between(SlicedW1(), a + np.array([1.0, 0.0]), a) == pytest.approx(2 / math.pi, abs=0.109)


@each
@laws
@given(seed=seeds, dimension=dimensions)
def test_a_distance_grows_as_one_cloud_moves_away(distance: Metric, seed: int, dimension: int):
    a, b = clouds(seed, dimension)
    assert between(distance, a + 30, b) > between(distance, a + 15, b) > between(distance, a, b)


def test_w1_of_a_change_of_scale_on_the_line_is_root_two_over_pi_times_the_change():
    # |N(0, 1)| has mean sqrt(2/π) and sd .603; four standard errors of 4,000 draws, false-alarm rate 6e-5
    x = Gaussian1D().reference(streams.generator(0, "test.scale"), 4000)
    assert between(W1(), 3 * x, x) == pytest.approx(2 * math.sqrt(2 / math.pi), abs=2 * 4 * 0.603 / 63)


def test_an_unfinished_transport_plan_is_an_error_and_no_number(monkeypatch: pytest.MonkeyPatch):
    import ot

    monkeypatch.setattr(ot, "emd2", lambda *args, **options: (0.1, {"warning": "numItermax reached"}))
    with pytest.raises(RuntimeError, match="exact W1 on 40 samples did not finish: numItermax reached"):
        between(W1(), *clouds(0, 2))


# name, target, published mean and sd of the two-sample W1 at n = 500; the mean of 16 pairs lies within one sd, which is
# four standard errors, with a false-alarm rate of 6e-5 each; .0005 for the published rounding
FLOORS = [
    ("ring of radius 1", Ring8(radius=1.0, sd=0.01), 0.080, 0.020),
    ("ring of the WGAN-GP toy", Ring8(radius=2 / 1.414, sd=0.02 / 1.414), 0.110, 0.036),
    ("grid of spacing 2", Grid25(spacing=2.0), 0.387, 0.059),
    ("standard normal in the plane", Mixture(modes=1, layout="line", spread=1.0), 0.203, 0.019),
]


@pytest.mark.parametrize(("target", "mean", "sd"), [row[1:] for row in FLOORS], ids=[row[0] for row in FLOORS])
def test_the_w1_floor_of_500_samples_is_the_published_one(target: Target, mean: float, sd: float):
    assert floor(W1(), target, 500) == pytest.approx(mean, abs=sd + 0.0005)


@laws
@given(seeds, st.integers(2, 30))
def test_energy_distance_on_the_line_is_twice_the_squared_cdf_difference_less_the_diagonals(seed: int, n: int):
    # the integral is the V-statistic, which counts each sample's distance 0 to itself: it exceeds the unbiased form by
    # the mean distances within each cloud, divided by n
    a, b = clouds(seed, 1, n)
    points = np.sort(np.vstack([a, b])[:, 0])
    f, g = (np.searchsorted(np.sort(c[:, 0]), points[:-1], side="right") / n for c in (a, b))
    integral = 2 * ((f - g) ** 2 * np.diff(points)).sum()
    diagonals = (pdist(a).mean() + pdist(b).mean()) / n
    assert between(EnergyDistance(), a, b) == pytest.approx(integral - diagonals, abs=1e-9)


def test_energy_distance_of_two_equal_pairs_by_hand_is_minus_one():
    pair = np.array([[0.0], [1.0]])
    assert between(EnergyDistance(), pair, pair) == pytest.approx(2 * 0.5 - 1 - 1)


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 0.0), (0.5, 0.139596), (1.0, 0.541807), (2.0, 1.944260)])
def test_energy_distance_of_small_samples_is_unbiased(shift: float, expected: float):
    # 400 keyed pairs of 10 samples; four standard errors, false-alarm rate 6e-5 each
    rng = streams.generator(0, "test.energy")
    pairs = rng.standard_normal((400, 2, 10, 1))
    values = [between(EnergyDistance(), a + shift, b) for a, b in pairs]
    assert np.mean(values) == pytest.approx(expected, abs=4 * float(np.std(values)) / 20)
