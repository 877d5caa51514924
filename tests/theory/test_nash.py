"""Duality gaps in closed form, and that a wrong value breaks their laws."""

from __future__ import annotations

import numpy as np
import pytest
from torch import Tensor

from ganbench.objectives.contract import Batch, Network
from ganbench.objectives.hinge import Hinge
from ganbench.objectives.minimax import Minimax
from ganbench.objectives.wasserstein import Wasserstein
from ganbench.theory.law import Law, Subject
from ganbench.theory.nash import BILINEAR, BOX, LAWS, LOGISTIC, SHIFT, DualityGaps, dirac_gap
from ganbench.theory.subjects import subject


def holds(law: Law, of: Subject) -> bool:
    return all(c.holds for c in law.measure(of))


@pytest.mark.parametrize("name", BILINEAR)
def test_the_gap_of_the_bilinear_game_is_that_of_its_box(name: str):
    assert holds(BOX, subject(name))


@pytest.mark.parametrize("name", LOGISTIC)
def test_the_gap_of_shifted_gaussians_is_bounded_by_the_divergence_that_the_maximum_gives(name: str):
    assert holds(SHIFT, subject(name))


def test_the_gap_by_hand():
    # max over psi' of -psi' 0.5 is 1, min over theta' of -theta' (-0.25) is -0.5
    assert dirac_gap(Wasserstein(), theta=0.5, psi=-0.25, c=2.0) == pytest.approx(1.5)


class Halved(Wasserstein):
    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return super().d_loss(G, D, b) / 2


class Flipped(Minimax):
    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return -super().d_loss(G, D, b)


@pytest.mark.parametrize(
    ("law", "mutant"),
    [
        (BOX, Subject("wasserstein-gp", Halved())),
        (BOX, Subject("wasserstein-gp", Minimax())),
        (SHIFT, Subject("minimax", Flipped())),
        (SHIFT, Subject("minimax", Hinge())),
    ],
)
def test_a_wrong_value_breaks_the_law(law: Law, mutant: Subject):
    assert not holds(law, mutant)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", ["cramer", "hinge", "minimax[packing=2]", "wasserstein-clip[packing=2]"])
def test_no_gap_is_claimed_where_none_is_known(law: Law, name: str):
    assert law.applies(subject(name))


def test_the_finding_s_maximum_is_the_divergence():
    arrays = DualityGaps().arrays(0)
    np.testing.assert_allclose(arrays["maximum"], arrays["jsd"], atol=1e-6)
    assert arrays["gap"][0, 8] == pytest.approx(2.0)
