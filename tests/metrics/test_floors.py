"""The floor: keyed pairs of independent true samples."""

from __future__ import annotations

import numpy as np
import pytest

from ganbench.metrics.floors import floor, true_pair
from ganbench.metrics.modes import KLModes
from ganbench.metrics.transport import W1, SlicedW1
from ganbench.targets.images import Digits
from ganbench.targets.manifolds import Moons
from ganbench.targets.mixtures import Ring8


def test_a_floor_is_the_mean_over_its_pairs():
    values = [SlicedW1().measure(*true_pair(Ring8(), 50, pair), Ring8()) for pair in range(4)]
    assert floor(SlicedW1(), Ring8(), 50, pairs=4) == pytest.approx(np.mean(values))


def test_the_two_sets_of_a_pair_share_no_sample():
    oracle, reference = true_pair(Moons(), 50, 0)
    assert not {tuple(x) for x in oracle} & {tuple(x) for x in reference}


def test_the_floor_of_a_finite_set_sets_the_players_half_against_the_held_out_half():
    digits = Digits()
    whole = SlicedW1().measure(digits.training_set, digits.held_out, digits)
    assert floor(SlicedW1(), digits, 898) == pytest.approx(whole, abs=1e-12)


def test_a_floor_falls_with_the_number_of_samples():
    assert floor(SlicedW1(), Ring8(), 2000) < floor(SlicedW1(), Ring8(), 500) < floor(SlicedW1(), Ring8(), 100)


@pytest.mark.parametrize(("n", "pairs"), [(2, 16), (1999, 16), (2000, 4)])
def test_a_floor_takes_16_pairs_and_four_of_2_000_samples_and_more(n: int, pairs: int):
    class Counting(SlicedW1):
        def value(self, generated, true, target):
            counted.append(len(generated))
            return 0.0

    counted: list[int] = []
    floor(Counting(), Ring8(), n)
    assert counted == [n] * pairs


def test_a_floor_is_measured_once():
    floor(W1(), Ring8(), 40)
    hits = floor.cache_info().hits
    floor(W1(), Ring8(), 40)
    assert floor.cache_info().hits == hits + 1


def test_a_floor_where_the_metric_is_inapplicable_is_an_error_with_the_reason():
    with pytest.raises(ValueError, match="no known mode centres"):
        floor(KLModes(), Moons(), 40)
