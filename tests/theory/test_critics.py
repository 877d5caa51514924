"""The laws of Wasserstein critics: kept by three bounds of the slope, broken without them; a gap is never a W1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ganbench.catalogue import METRICS
from ganbench.metrics.transport import W1
from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Player, Regulariser
from ganbench.objectives.minimax import Minimax
from ganbench.objectives.wasserstein import WassersteinClip, WassersteinGP, WassersteinSN
from ganbench.targets.mixtures import Gaussian1D
from ganbench.theory import critics
from ganbench.theory.critics import BAND, BOUNDED, TOYS, WassersteinCritics, gap, slope_bound
from ganbench.theory.law import Subject
from ganbench.theory.subjects import subject


@pytest.mark.parametrize("name", ["wasserstein-clip", "wasserstein-gp", "wasserstein-sn"])
def test_the_gap_over_its_slope_bound_never_exceeds_w1(name: str):
    comparisons = list(BOUNDED.measure(subject(name)))
    assert len(comparisons) == (1 if name == "wasserstein-gp" else 2)  # a penalty promises nothing
    assert [c for c in comparisons if not c.holds] == []


@pytest.mark.torture
def test_with_lambda_10_at_least_7_of_8_gaps_are_near_w1():
    (comparison,) = BAND.measure(subject("wasserstein-gp"))
    assert comparison.measured >= 7


class Unclipped(WassersteinClip):
    def regularisers(self) -> tuple[Regulariser, ...]:
        return ()


class Unnormalised(WassersteinSN):
    def regularisers(self) -> tuple[Regulariser, ...]:
        return ()


class Unpenalised(WassersteinGP):
    def regularisers(self) -> tuple[Regulariser, ...]:
        return ()


@pytest.mark.parametrize(("name", "objective"), [("wasserstein-clip", Unclipped()), ("wasserstein-sn", Unnormalised())])
def test_a_bound_that_is_stated_and_not_kept_breaks_the_law(name: str, objective):
    computed, promised = BOUNDED.measure(Subject(name, objective))
    assert computed.holds  # of any network
    assert not promised.holds


def test_without_its_penalty_the_gap_leaves_the_band(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(critics, "TOYS", {name: replace(toy, steps=200) for name, toy in TOYS.items()})
    (comparison,) = BAND.measure(Subject("wasserstein-gp", Unpenalised()))
    assert comparison.measured == 0


def test_the_laws_are_on_wasserstein_critics_alone():
    assert BOUNDED.applies(Subject("minimax", Minimax())) == "its critic is no Wasserstein critic"
    assert BAND.applies(subject("wasserstein-gp-toy")) == "a statement on wasserstein-gp"
    assert BAND.applies(subject("wasserstein-gp[weight=1]")) == "a statement on lambda 10 alone"


def line(slope: float) -> Player:
    """A critic of one dense layer: D(v) = slope v."""
    module = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Flatten(0))
    return Player(module, {"0.weight": torch.tensor([[slope]]), "0.bias": torch.zeros(1)})


def test_no_metric_of_that_name_is_a_gap():
    # the gap grows with the slope of whoever measures it; every w1 in the registry is that of the samples alone
    x = np.linspace(-1, 1, 64)[:, None]
    y, target = x + 3.0, Gaussian1D()
    gaps = [gap(line(slope), torch.from_numpy(y), torch.from_numpy(x)) for slope in (1.0, 10.0)]
    assert gaps == pytest.approx([3.0, 30.0], rel=1e-6)
    named = [name for name in METRICS.names() if "w1" in name]
    assert "w1" in named
    for name in named:
        assert METRICS.load(name)().value(y, x, target) == pytest.approx(3.0, abs=1e-9)


def test_the_slope_bound_of_a_line_is_its_slope():
    assert slope_bound(line(-7.0)) == pytest.approx(7.0)


def test_no_slope_exceeds_the_product_of_spectral_norms():
    module = MLP(width=16).critic((2,), 1)
    D = Player(module, {k: p.detach() for k, p in module.named_parameters()})
    v = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    slopes = torch.func.grad(lambda v: D.answer(v).sum())(v).norm(dim=1)
    assert 0 < float(slopes.max()) <= slope_bound(D)


@pytest.mark.parametrize("name", TOYS)
def test_the_stated_w1_is_that_of_samples(name: str):
    """The mean of four draws of 1,000 samples; one of the swiss roll's has a standard deviation of .03."""
    toy, rng = TOYS[name], np.random.default_rng(0)

    def drawn() -> float:
        x, y = (toy.target.reference(rng, 1000) for _ in range(2))
        return W1().value(x, y + rng.standard_normal(y.shape), toy.target)

    assert np.mean([drawn() for _ in range(4)]) == pytest.approx(toy.w1, abs=0.04)


def test_the_finding_has_both_toys_and_names_its_numbers_for_what_they_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(critics, "TOYS", {name: replace(toy, steps=2) for name, toy in TOYS.items()})
    (found,) = WassersteinCritics().arrays(0).items()
    assert found[0] == "gap_over_w1"
    assert found[1].shape == (2, 8)
