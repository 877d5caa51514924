"""The binned Jensen-Shannon divergence against quadrature, closed forms and its own bias."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbench import streams
from ganbench.metrics.divergence import JSDBinned, jsd, miller_madow
from ganbench.metrics.floors import floor
from ganbench.metrics.partition import Intervals, Sectors, partition, target_masses
from ganbench.targets.mixtures import Gaussian1D, GaussianMixture, Grid25, Mixture, Ring8

TRUE_JSD_OF_A_UNIT_SHIFT = 0.111421
"""Between N(0, 1) and N(1, 1), in nats; the same in the plane, where the second coordinate does not differ."""

NORMAL_IN_THE_PLANE = Mixture(modes=1, layout="line", spread=1.0)
OVERLAPPING = Mixture(modes=5, radius=1.0, spread=0.4, weights=(1.0, 2.0, 3.0, 1.0, 1.0))


def shifted(mixture: GaussianMixture, by: float) -> GaussianMixture:
    """The mixture with all centres moved along the first axis."""
    moved = mixture.to("cpu")
    offset = torch.zeros_like(mixture.centres)
    offset[:, 0] = by
    object.__setattr__(moved, "centres", mixture.centres + offset)
    return moved


def draw(mixture: GaussianMixture, n: int, seed: int = 0) -> np.ndarray:
    return mixture.reference(streams.generator(seed, "test.divergence"), n)


SHIFTS = pytest.mark.parametrize("normal", [Gaussian1D(), NORMAL_IN_THE_PLANE], ids=["line", "plane"])


def test_jsd_of_equal_masses_is_zero():
    assert jsd(np.array([0.2, 0.8]), np.array([0.2, 0.8])) == 0


def test_jsd_of_disjoint_masses_is_log_2():
    assert jsd(np.array([0.3, 0.7, 0, 0]), np.array([0, 0, 0.5, 0.5])) == pytest.approx(math.log(2))


def test_jsd_by_hand_of_a_sure_and_a_fair_coin():
    expected = math.log(4 / 3) / 2 + (math.log(2 / 3) / 2 + math.log(2) / 2) / 2
    assert jsd(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == pytest.approx(expected)


masses = st.lists(st.floats(0.001, 1), min_size=6, max_size=6).map(lambda w: np.array(w) / sum(w))
laws = settings(derandomize=True, deadline=None, max_examples=50)


@laws
@given(masses, masses)
def test_jsd_is_symmetric(p: np.ndarray, q: np.ndarray):
    assert jsd(p, q) == pytest.approx(jsd(q, p), abs=1e-12)


@laws
@given(masses, masses)
def test_merging_cells_never_raises_the_jsd(p: np.ndarray, q: np.ndarray):
    assert jsd(p.reshape(3, 2).sum(1), q.reshape(3, 2).sum(1)) <= jsd(p, q) + 1e-12


@laws
@given(masses, masses)
def test_jsd_lies_between_its_bounds_by_total_variation(p: np.ndarray, q: np.ndarray):
    variation = np.abs(p - q).sum() / 2
    assert variation**2 / 2 - 1e-12 <= jsd(p, q) <= math.log(2) * variation + 1e-12


def test_intervals_on_the_line_have_equal_masses():
    target = Mixture(modes=3, dimension=1, layout="line", spread=0.7, weights=(1.0, 2.0, 3.0))
    assert target_masses(target, 100) == pytest.approx(np.full(20, 1 / 20), abs=1e-10)


@pytest.mark.parametrize("target", [Ring8(), Grid25()], ids=repr)
def test_cells_of_modes_apart_have_equal_masses_and_the_rest_has_exp_minus_four_and_a_half(target: GaussianMixture):
    found = target_masses(target, 500)
    assert found[-1] == pytest.approx(math.exp(-4.5), abs=1e-9)
    assert found[:-1] == pytest.approx(np.full(len(found) - 1, -math.expm1(-4.5) / (len(found) - 1)), abs=1e-9)


def test_a_partition_of_500_samples_has_about_100_cells():
    assert {target: len(target_masses(target, 500)) for target in (Ring8(), Grid25(), Gaussian1D())} == {
        Ring8(): 8 * 2 * 6 + 1,
        Grid25(): 25 * 1 * 4 + 1,
        Gaussian1D(): 64,
    }


@pytest.mark.parametrize("target", [Ring8(), OVERLAPPING, Gaussian1D(mean=2.0, sd=3.0)], ids=repr)
def test_counts_in_the_cells_agree_with_the_masses(target: GaussianMixture):
    # 200,000 draws; five standard errors on up to 106 cells, false-alarm rate 6e-5
    n = 200_000
    expected = target_masses(target, 500)
    found = np.bincount(partition(target, 500).index(draw(target, n)), minlength=len(expected)) / n
    assert (np.abs(found - expected) <= 5 * np.sqrt(expected * (1 - expected) / n)).all()


def test_overlapping_modes_leave_cells_of_unequal_mass_that_sum_to_one():
    found = target_masses(OVERLAPPING, 500)
    assert found.sum() == pytest.approx(1)
    assert found.min() < found.max() / 2


@SHIFTS
def test_measured_jsd_of_a_shift_is_quadrature_on_its_partition(normal: GaussianMixture):
    # the sd of the estimate on 100,000 draws is about .0007; four of them, false-alarm rate 6e-5 each
    n, moved = 100_000, shifted(normal, 1.0)
    quadrature = jsd(partition(normal, n).masses(moved), target_masses(normal, n))
    assert JSDBinned().measure(draw(moved, n), draw(normal, n), normal) == pytest.approx(quadrature, abs=0.003)


@SHIFTS
def test_jsd_binned_of_a_unit_shift_lies_under_the_true_one_by_at_most_a_tenth(normal: GaussianMixture):
    cells = partition(normal, 500)
    seen = jsd(cells.masses(shifted(normal, 1.0)), cells.masses(normal))
    assert 0.9 * TRUE_JSD_OF_A_UNIT_SHIFT <= seen <= TRUE_JSD_OF_A_UNIT_SHIFT


def test_shells_alone_see_less_than_a_third_of_a_shift_on_the_line():
    # infinitely many shells around 0 see .034 nats of .1114, for |x| says nothing of the sign of x
    around_zero = np.linspace(0.02, 6, 300)
    shells = Intervals(np.concatenate([-around_zero[::-1], around_zero]))
    fold = lambda m: m[: len(m) // 2] + m[: len(m) // 2 : -1]  # noqa: E731  # one line says it: both sides of a shell
    p, q = fold(shells.masses(shifted(Gaussian1D(), 1.0))), fold(shells.masses(Gaussian1D()))
    assert jsd(p, q) == pytest.approx(0.034, abs=0.001)


@pytest.mark.parametrize(("cells", "share"), [((5, 12), 0.92), ((3, 8), 0.88), ((2, 4), 0.74), ((1, 4), 0.62)])
def test_the_stated_share_of_a_unit_shift_is_seen(cells: tuple[int, int], share: float):
    shells, sectors = cells
    radii = np.sqrt(-2 * np.log1p(np.arange(1, shells + 1) / shells * math.expm1(-4.5)))
    around = Sectors(np.zeros((1, 2)), radii, sectors)
    seen = jsd(around.masses(shifted(NORMAL_IN_THE_PLANE, 1.0)), around.masses(NORMAL_IN_THE_PLANE))
    assert seen / TRUE_JSD_OF_A_UNIT_SHIFT == pytest.approx(share, abs=0.005)


def test_the_correction_removes_the_bias_of_equal_counts():
    # (K - 1) / 8n = .0123 nats without; four standard errors of 400 histograms are .0005, and .0002 is the next order
    counts = streams.generator(0, "test.bias").multinomial(500, np.full(50, 0.02), size=400)
    even = np.full(50, 0.02)
    plain = np.array([jsd(c / 500, even) for c in counts])
    corrected = plain - [miller_madow(c, even) for c in counts]
    assert plain.mean() == pytest.approx(49 / 4000, abs=0.001)
    assert corrected.mean() == pytest.approx(0, abs=0.0007)


@pytest.mark.parametrize("target", [Ring8(), Grid25(), Gaussian1D()], ids=repr)
def test_the_floor_of_500_true_samples_is_near_zero(target: GaussianMixture):
    # mean of 16 pairs: .0014 of bias at five samples a cell, and four standard errors of .0043 / 4
    assert floor(JSDBinned(), target, 500) == pytest.approx(0, abs=0.0014 + 0.0043)


def test_a_generator_without_one_of_eight_modes_has_the_jsd_of_seven_against_eight():
    # 7 of 8 modes, each p = 1/7 against 1/8: the cells within a mode do not differ; four sd of .003
    x = draw(Ring8(), 4000)
    x = x[np.linalg.norm(x - Ring8().centres[0].numpy(), axis=1) > 0.5][:3000]
    expected = jsd(np.append(0.0, np.full(7, 1 / 7)), np.full(8, 1 / 8))
    assert JSDBinned().measure(x, x, Ring8()) == pytest.approx(expected, abs=0.012)


def test_a_generator_far_away_has_log_2_less_what_the_rest_holds():
    far = draw(Ring8(), 500) + 100
    rest = target_masses(Ring8(), 500)[-1]
    expected = jsd(np.array([0.0, 1.0]), np.array([1 - rest, rest]))
    assert JSDBinned().measure(far, far, Ring8()) == pytest.approx(expected, abs=1e-9)


def test_more_noise_gives_a_higher_jsd():
    x = draw(Ring8(), 1000)
    noise = streams.generator(0, "test.noise").standard_normal(x.shape)
    values = [JSDBinned().measure(x + sd * noise, x, Ring8()) for sd in (0, 0.03, 0.1, 0.3)]
    assert values == sorted(values)
    assert values[3] > values[0] + 0.3
