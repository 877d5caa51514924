"""EM on a held bank: its identities hold for the library's E-step and loss, and break where either is changed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench.objectives.contract import Batch, Network, mean
from ganbench.objectives.em import EM
from ganbench.theory.em_bank import BELIEF, CLIMB, HOT, IDENTITY, LATENTS, LAWS, Bank, EMBank
from ganbench.theory.law import Law, Subject
from ganbench.theory.subjects import subject


def holds(law: Law, of: Subject) -> bool:
    return all(c.holds for c in law.measure(of))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", ["em", "em[m_steps=3,updates=simultaneous]"])
def test_the_law_holds(law: Law, name: str):
    assert law.applies(subject(name)) is None
    assert holds(law, subject(name))


@pytest.mark.parametrize("law", [IDENTITY, BELIEF])
def test_the_identities_are_demanded_to_ten_digits(law: Law):
    assert max(c.tolerance for c in law.measure(subject("em"))) <= 1e-10


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    "name", ["minimax", "em[temperature=2]", "em[prior=gaussian]", "em[weights=importance]", "em[packing=2]"]
)
def test_the_identities_are_not_claimed_elsewhere(law: Law, name: str):
    assert law.applies(subject(name))


class Uniform(EM):
    def e_step(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return b.r


class Sharpened(EM):
    def e_step(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return torch.softmax(2 * F.logsigmoid(D(G(b.z))) / self.temperature, dim=0)


class FlippedG(EM):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -super().g_loss(G, D, b)


class Saturating(EM):
    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return mean(b.r, F.logsigmoid(-D(G(b.z))))


class DeafToTemperature(EM):
    def e_step(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return torch.softmax(F.logsigmoid(D(G(b.z))), dim=0)


@pytest.mark.parametrize(
    ("law", "mutant"),
    [
        (IDENTITY, Uniform()),
        (IDENTITY, Sharpened()),
        (IDENTITY, FlippedG()),
        (BELIEF, Uniform()),
        (BELIEF, Saturating()),
        (HOT, Saturating()),
        (HOT, DeafToTemperature()),
        (CLIMB, FlippedG()),
    ],
)
def test_a_mutant_breaks_the_law(law: Law, mutant: EM):
    assert not holds(law, Subject("em", mutant))


def test_an_objective_from_outside_that_is_an_em_keeps_the_same_laws():
    class Mine(EM):
        pass

    assert all(law.applies(Subject("mine.py:Mine", Mine())) is None for law in LAWS)


def test_the_bank_s_weights_are_far_from_equal():
    bank = Bank.of(EM())
    assert float(1 / bank.weights(bank.G.params).square().sum()) < LATENTS / 3


def test_a_bank_is_that_of_its_seed():
    first, again, other = (Bank.of(EM(), seed) for seed in (5, 5, 6))
    assert torch.equal(first.z, again.z)
    assert not torch.equal(first.z, other.z)


def test_a_step_that_would_lower_q_is_shortened():
    class Long(Bank):
        def gradient(self, params: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
            gradient, r = super().gradient(params)
            return {k: 1e4 * p for k, p in gradient.items()}, r

    bank = Bank.of(EM())
    long = Long(**{f.name: getattr(bank, f.name) for f in dataclasses.fields(bank)})
    likelihoods = [float(long.likelihood(p)) for p in long.climb(5)]
    assert likelihoods == sorted(likelihoods)


def test_the_effective_sample_size_of_the_finding_lies_between_one_latent_and_all():
    arrays = EMBank().arrays(0)
    size = arrays["effective_sample_size"]
    assert size.shape == (3, 31)
    assert size.min() >= 1
    assert size.max() <= LATENTS * (1 + 1e-12)
    assert size[0, 0] < size[1, 0] < size[2, 0]


def test_the_finding_s_likelihood_never_falls_at_a_temperature_of_1():
    assert (np.diff(EMBank().arrays(0)["likelihood"][0]) >= 0).all()
