"""Losses on given scores: the stated numbers are those of papers, and mistakes that no optimum shows are caught."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from torch import Tensor

from ganbench.objectives.contract import Batch, Network, Objective, mean
from ganbench.objectives.dragan import DRAGAN
from ganbench.objectives.em import EM
from ganbench.objectives.hinge import Hinge
from ganbench.objectives.minimax import Minimax
from ganbench.objectives.relativistic import Relativistic
from ganbench.objectives.unrolled import Unrolled
from ganbench.objectives.vae import VAE
from ganbench.objectives.wasserstein import WassersteinGPToy
from ganbench.theory import stated
from ganbench.theory.law import Subject
from ganbench.theory.stated import LAWS
from ganbench.theory.subjects import subject

SCORES, AHEAD, WEIGHTS = LAWS
Mistake = Callable[..., Any]


def failing(checked: Subject) -> set[str]:
    """Those of the theme's laws that apply to a subject and that it breaks."""
    applied = [law for law in LAWS if law.applies(checked) is None]
    return {law.name for law in applied if not all(c.holds for c in law.measure(checked))}


@pytest.mark.parametrize(
    "spec",
    [
        *stated.STATED,
        "lsgan[a=-1,c=0]",
        "vae[beta=3]",
        "unrolled",
        "unrolled[unroll=2,lr_unroll=.7]",
        "em[prior=box]",
        "em[prior=gaussian,prior_scale=2,packing=3]",
        "em[prior=target,packing=2,temperature=3]",
        "em[weights=importance,temperature=2]",
    ],
)
def test_the_losses_are_the_stated_ones(spec: str):
    assert any(law.applies(subject(spec)) is None for law in LAWS)
    assert failing(subject(spec)) == set()


def test_an_unrolled_slope_is_the_difference_quotient_of_its_value(monkeypatch: pytest.MonkeyPatch):
    h, values = 1e-6, []
    for theta in (stated.THETA + h, stated.THETA - h):
        with monkeypatch.context() as m:
            m.setattr(stated, "THETA", theta)
            values.append(stated.unrolled(Unrolled())[0])
    assert stated.unrolled(Unrolled())[1] == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-7)


def test_an_indifferent_discriminator_costs_log_4(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stated, "REAL", np.zeros(4))
    monkeypatch.setattr(stated, "FAKE", np.zeros(4))
    assert stated.logistic(Minimax()) == pytest.approx(math.log(4))
    assert stated.paired(1) == stated.paired(-1) == pytest.approx(math.log(2))


def saturating(self: Objective, G: Network, D: Network, b: Batch, /) -> Tensor:
    return mean(b.r, F.logsigmoid(-D(G(b.z))))


def accepted(self: Objective, G: Network, D: Network, b: Batch, /) -> Tensor:
    return -mean(b.r, F.logsigmoid(D(G(b.z))))


def hinged(self: Objective, G: Network, D: Network, b: Batch, /) -> Tensor:
    return mean(b.r, F.relu(1 - D(G(b.z))))


def unpaired(self: Objective, G: Network, D: Network, b: Batch, /) -> Tensor:
    return Minimax.d_loss(self, G, D, b)  # type: ignore[arg-type]  # a mistake


def averaged(self: Objective, G: Network, D: Network, b: Batch, /) -> Tensor:
    return mean(b.w, F.softplus(mean(b.r, D(G(b.z))) - D(b.x)))


def doubled(self: Objective, G: Network, D: Network, b: Batch, /) -> Tensor:
    return 2 * (mean(b.r, D(G(b.z))) - mean(b.w, D(b.x)))


def present(self: Unrolled, G: Network, D: Any, b: Batch, /) -> Tensor:
    return self.value(G, D, b)


def fooling_later(self: Unrolled, G: Network, D: Any, b: Batch, /) -> Tensor:
    return accepted(self, G, self.ahead(G, D, b), b)


def without_real(self: Unrolled, G: Network, D: Any, b: Batch, /) -> Tensor:
    return saturating(self, G, self.ahead(G, D, b), b)


def once(self: Unrolled, G: Network, D: Any, b: Batch, /) -> Tensor:
    return self.value(G, Unrolled(unroll=1, lr_unroll=self.lr_unroll).ahead(G, D, b), b)


def backwards(self: Unrolled, G: Network, D: Any, b: Batch, /) -> Tensor:
    return self.value(G, self._with({"lr_unroll": -self.lr_unroll}).ahead(G, D, b), b)  # type: ignore[attr-defined]


def repelled(self: EM, v: Tensor) -> Tensor:
    return v.flatten(1).square().sum(1) / (2 * self.prior_scale**2)


def deviation_as_variance(self: VAE, G: Network, D: Network, b: Batch, /) -> Tensor:
    centre, log_variance = D(b.x).chunk(2, dim=1)
    error = (b.x - G(centre + log_variance.exp() * b.z)).flatten(1).square().sum(1)
    divergence = (centre.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
    return mean(b.w, error / (2 * self.decoder_sd**2) + self.beta * divergence)


@pytest.mark.parametrize(
    ("mistake", "spec", "cls", "method", "by", "law"),
    [
        ("dragan saturates", "dragan", DRAGAN, "g_loss", saturating, SCORES),
        ("hinge's generator has a hinge", "hinge", Hinge, "g_loss", hinged, SCORES),
        ("the generator is in no pair", "relativistic", Relativistic, "g_loss", accepted, SCORES),
        ("the discriminator sees no pairs", "relativistic", Relativistic, "d_loss", unpaired, SCORES),
        ("relativistic to the mean", "relativistic", Relativistic, "d_loss", averaged, SCORES),
        ("a slope's penalty counts half", "wasserstein-gp-toy", WassersteinGPToy, "d_loss", doubled, SCORES),
        ("a critic is a classifier", "wasserstein-gp-toy", WassersteinGPToy, "g_loss", accepted, SCORES),
        ("labels weigh as the E-step says", "em", EM, "d_loss", Minimax.d_loss, SCORES),
        ("a deviation is a variance", "vae", VAE, "d_loss", deviation_as_variance, SCORES),
        ("nothing is unrolled", "unrolled", Unrolled, "g_loss", present, AHEAD),
        ("an unrolled generator fools", "unrolled", Unrolled, "g_loss", fooling_later, AHEAD),
        ("the later value misses the data", "unrolled", Unrolled, "g_loss", without_real, AHEAD),
        ("one step in the place of five", "unrolled", Unrolled, "g_loss", once, AHEAD),
        ("the later discriminator is worse", "unrolled", Unrolled, "g_loss", backwards, AHEAD),
        ("a prior repels", "em[prior=gaussian]", EM, "log_prior", repelled, WEIGHTS),
    ],
)
def test_a_mistake_that_no_optimum_shows_is_caught(
    mistake: str, spec: str, cls: type, method: str, by: Mistake, law: Any, monkeypatch: pytest.MonkeyPatch
):
    assert failing(subject(spec)) == set()
    monkeypatch.setattr(cls, method, by)
    assert failing(subject(spec)) == {law.name}


def test_a_game_of_no_stated_losses_is_let_be():
    assert all(law.applies(subject("energy")) for law in LAWS)
    assert SCORES.applies(subject("f-gan")) == "its losses on scores are not stated"
