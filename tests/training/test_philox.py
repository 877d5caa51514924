"""Counter-based draws: the published vectors of Philox, its laws, and the same values for a seed wherever it stands."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ensembles import WIDTH, lane, same_bits
from scipy import stats
from torch import Tensor

from ganbench.metrics.transport import W1
from ganbench.networks.mlp import MLP
from ganbench.objectives.cramer import Cramer
from ganbench.objectives.minimax import NonSaturating
from ganbench.targets.mixtures import Grid25, Ring8
from ganbench.training import philox
from ganbench.training.compilation import compiled
from ganbench.training.draws import CounterDraws
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import Adam

ONES = 0xFFFFFFFF
# kat_vectors of Random123, the authors' own library: counter, key, words
PUBLISHED = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_words_are_those_that_its_authors_publish(counter: tuple[int, ...], key: tuple[int, int], expected):
    found = philox.words(tuple(map(torch.tensor, counter)), (torch.tensor(key[0]), torch.tensor(key[1])))
    assert tuple(map(int, found)) == expected


def draws(seeds: list[int], batch: int = 64, extra: frozenset[str] = frozenset({"u", "z2", "noise"})) -> CounterDraws:
    return CounterDraws(seeds, Grid25(), batch, 2, extra, "cpu")


def many() -> dict[str, Tensor]:
    return draws([3], 20_000).at(0)


@pytest.mark.parametrize("name", ["z", "z2", "noise"])
def test_normal_draws_are_standard_normal(name: str):
    # one seed; a false alarm has a chance of 1e-3
    assert stats.kstest(many()[name].flatten().numpy(), "norm").pvalue > 1e-3


def test_uniform_draws_are_uniform_below_one():
    u = many()["u"].flatten().numpy()
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert 0 <= u.min() <= u.max() < 1


def test_the_largest_words_give_finite_normal_values():
    for word in (0, ONES):
        found = philox.normal((torch.tensor(word),) * 4)
        assert torch.isfinite(found).all()
        assert found.abs().max() < 6.7


def test_samples_of_the_target_are_true_ones():
    # two sets of 500 true samples of grid25 stand .2 apart, data that lack a row of modes .4 and more
    x, true = many()["x"][0, :500].double().numpy(), Grid25().reference(np.random.default_rng(0), 500)
    assert W1().value(x, true, Grid25()) < 0.3


def test_seeds_streams_and_steps_are_independent():
    of = draws([3, 4], 20_000)
    first, later = of.at(0), of.at(1)
    rows = torch.stack(
        [first["z"][0, :, 0], first["z"][0, :, 1], first["z"][1, :, 0], first["z2"][0, :, 0], later["z"][0, :, 0]]
    )
    off = torch.corrcoef(rows) - torch.eye(len(rows))
    # of 20,000 pairs a correlation has an sd of .007: 10 pairs within 5 sd, false-alarm rate 6e-6
    assert off.abs().max() < 5 / 20_000**0.5


def test_a_seed_has_the_same_draws_in_every_lane_and_after_any_other_step():
    among, alone = draws([5, 3, 9]), draws([3])
    among.at(4)
    assert all(torch.equal(v[0], among.at(7)[name][1]) for name, v in alone.at(7).items())


def test_steps_beyond_two_to_the_32_have_draws_of_their_own():
    of = draws([3])
    assert not torch.equal(of.at(5)["z"], of.at(5 + 2**32)["z"])


@pytest.mark.torture
def test_compiled_draws_are_the_eager_ones_to_rounding():
    of = draws([3, 4, 5, 6])
    code = compiled(of.drawn, (torch.tensor(0),))
    for step in (0, 2**33 + 1):
        for name, v in code(torch.tensor(step)).items():
            torch.testing.assert_close(v, of.at(step)[name], rtol=0, atol=2e-6)


@pytest.mark.parametrize("objective", [NonSaturating(), Cramer(d_steps=1)], ids=["non-saturating", "cramer"])
def test_an_ensemble_trains_on_counter_draws_alike_alone_and_in_a_crowd(objective: NonSaturating | Cramer):
    def trained(seeds: list[int]) -> Training:
        target = Ring8()
        game = Game(objective, Adam(), MLP(width=8), None, 2, target.shape, 16, WIDTH, False, "cpu", draws="counter")
        lanes = [Lane(objective, Adam(), seed) for seed in seeds]
        training = Training(game, lanes + lanes[:1] * (WIDTH - len(lanes)), target)
        training.advance(3)
        return training

    alone, among = trained([3]), trained([5, 6, 3])
    assert same_bits(lane(alone, 0), lane(among, 2))
    assert not same_bits(lane(alone, 0), lane(among, 0))
