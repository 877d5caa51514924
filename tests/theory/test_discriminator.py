"""The laws of the optimal discriminator: every objective that states one keeps them, and wrong ones break them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ganbench.catalogue import OBJECTIVES
from ganbench.objectives.contract import Batch, Network, mean
from ganbench.objectives.minimax import Minimax, NonSaturating
from ganbench.objectives.regularisers import R1
from ganbench.theory.discriminator import (
    ALONG_THE_PATH,
    LAWS,
    PAIRS,
    REACHED,
    UNBEATEN,
    OptimalDiscriminator,
    learned,
)
from ganbench.theory.law import Law, Subject
from ganbench.theory.subjects import subject

F_GAN = tuple(f"f-gan[divergence={name}]" for name in ("reverse-kl", "pearson", "hellinger", "js"))
SUBJECTS = [subject(text) for text in (*OBJECTIVES.names(), *F_GAN, "lsgan[a=-1,b=1,c=0]")]
CASES = [(s, law) for s in SUBJECTS for law in LAWS if law.applies(s) is None]


@pytest.mark.parametrize(("checked", "law"), CASES, ids=[f"{s.name}-{law.name}" for s, law in CASES])
def test_an_objective_with_a_stated_optimum_keeps_the_law(checked: Subject, law: Law):
    comparisons = list(law.measure(checked))
    assert comparisons
    assert [c for c in comparisons if not c.holds] == []


def test_a_trained_discriminator_may_err_by_2_percent():
    errors = [c for c in REACHED.measure(subject("minimax")) if c.about.startswith("max |D - p_r/(p_r+p_g)|")]
    assert [(c.expected, c.tolerance, c.relation) for c in errors] == [(0, 0.02, "=")] * len(PAIRS)


class Doubled(Minimax):
    """States an optimum of twice the log ratio."""

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return 2 * log_ratio


class Flipped(Minimax):
    """Rewards the discriminator for its errors on data."""

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return mean(b.w, torch.nn.functional.logsigmoid(D(b.x))) - mean(b.r, torch.nn.functional.logsigmoid(-D(G(b.z))))


class Half(Minimax):
    """Forgets half of the loss's weight, which moves no optimum."""

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return super().d_loss(G, D, b) / 2


BROKEN = [
    (Doubled(), REACHED),
    (Flipped(), REACHED),
    (Doubled(), UNBEATEN),
    (Flipped(), UNBEATEN),
    (Doubled(), ALONG_THE_PATH),
    (Half(), ALONG_THE_PATH),
]


@pytest.mark.parametrize(("objective", "law"), BROKEN, ids=[f"{type(o).__name__}-{law.name}" for o, law in BROKEN])
def test_a_wrong_loss_or_optimum_breaks_the_law(objective: Minimax, law: Law):
    assert not all(c.holds for c in law.measure(Subject("minimax", objective)))


def test_the_value_is_least_where_the_samples_are_the_data():
    arrays = OptimalDiscriminator().arrays(0)
    assert arrays["value"].min() == arrays["value"][-1] == pytest.approx(-math.log(4), abs=1e-12)


def test_objectives_of_one_discriminator_s_loss_share_the_trained_one():
    assert learned(Minimax(), PAIRS[0]) is learned(NonSaturating(), PAIRS[0])


def test_the_laws_ask_nothing_of_a_regularised_discriminator():
    assert REACHED.applies(Subject("minimax + r1", Minimax(), (R1(),))) == "regularisers move the optimum"


def test_the_finding_s_learned_discriminator_lies_on_the_optimal_one():
    arrays = OptimalDiscriminator().arrays(0)
    assert arrays["learned"].shape == arrays["optimal"].shape == arrays["points"].shape
    assert abs(arrays["learned"] - arrays["optimal"]).max() < 0.02
