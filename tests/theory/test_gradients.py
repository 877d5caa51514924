"""The laws of the generator's gradient at the optimal discriminator: kept by the registry, broken by wrong losses."""

from __future__ import annotations

import itertools

import pytest
from torch import Tensor

from ganbench.catalogue import OBJECTIVES
from ganbench.objectives.contract import Batch, Network
from ganbench.objectives.em import EM
from ganbench.objectives.lsgan import LSGAN
from ganbench.objectives.minimax import Minimax, NonSaturating
from ganbench.theory.densities import Gaussian, Pair
from ganbench.theory.gradients import LAWS, PEARSON, QUADRATURE, TABLE_LAW, GeneratorGradients, gradient
from ganbench.theory.law import Law, Subject
from ganbench.theory.subjects import subject

F_GAN = tuple(
    f"f-gan[divergence={name},generator={generator}]"
    for name, generator in itertools.product(("kl", "reverse-kl", "pearson", "hellinger", "js"), ("value", "trick"))
)
OTHERS = (*F_GAN, "em[weights=importance]", "lsgan[a=-1,b=1,c=0]", "lsgan[a=0.5,b=2,c=3]")
SUBJECTS = [subject(text) for text in (*OBJECTIVES.names(), *OTHERS)]
CASES = [(s, law) for s in SUBJECTS for law in LAWS if law.applies(s) is None]


@pytest.mark.parametrize(("checked", "law"), CASES, ids=[f"{s.name}-{law.name}" for s, law in CASES])
def test_an_objective_with_a_known_divergence_keeps_the_law(checked: Subject, law: Law):
    comparisons = list(law.measure(checked))
    assert comparisons
    assert [c for c in comparisons if not c.holds] == []


def test_every_row_of_the_table_is_some_registered_objective_s():
    assert [s.name for s in SUBJECTS if TABLE_LAW.applies(s) is None] == ["minimax", "non-saturating", "em", "ml"]


class Ascending(Minimax):
    """A generator that ascends what it should descend."""

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -super().g_loss(G, D, b)


class UniformEM(EM):
    """EM whose E-step weighs all latents alike."""

    def e_step(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return 0 * b.r + 1 / len(b.r)


class Twice(LSGAN):
    """Least squares that lost their half."""

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return 2 * super().g_loss(G, D, b)


BROKEN = [
    (Subject("minimax", NonSaturating()), TABLE_LAW),
    (Subject("minimax", NonSaturating()), QUADRATURE),
    (Subject("minimax", Ascending()), QUADRATURE),
    (Subject("em", UniformEM()), TABLE_LAW),
    (Subject("em", UniformEM()), QUADRATURE),
    (Subject("lsgan", Twice()), QUADRATURE),
    (Subject("lsgan", Twice(a=-1.0, b=1.0, c=0.0)), PEARSON),
]


@pytest.mark.parametrize(
    ("checked", "law"), BROKEN, ids=[f"{type(s.objective).__name__}-{law.name}" for s, law in BROKEN]
)
def test_a_wrong_generator_breaks_the_law(checked: Subject, law: Law):
    assert law.applies(checked) is None
    assert not any(c.holds for c in law.measure(checked))


def test_at_the_data_every_gradient_of_minimax_is_zero():
    assert gradient(Minimax(), Pair(Gaussian(0.0), Gaussian(0.0))) == pytest.approx((0.0, 0.0), abs=1e-12)


def test_an_objective_from_outside_claims_no_divergence_by_its_base_class():
    assert QUADRATURE.applies(Subject("mine.py:Ascending", Ascending())) == "theory names no divergence for it"


def test_the_finding_s_gradients_lie_on_those_of_the_divergences():
    arrays = GeneratorGradients().arrays(0)
    assert arrays["measured"].shape == (3, len(arrays["mu"]))
    assert abs(arrays["measured"] - arrays["divergence"]).max() < 1e-6
