"""Minimax's gradient vanishes against a better discriminator, the non-saturating one stays; swapped losses show it."""

from __future__ import annotations

import numpy as np
import pytest

from ganbench.objectives.minimax import Minimax, NonSaturating
from ganbench.theory import vanishing
from ganbench.theory.law import Subject
from ganbench.theory.vanishing import MARKS, REMAINS, VANISHES, VanishingGradients, discriminators


@pytest.mark.torture
def test_minimax_loses_3_5_decades():
    assert all(c.holds for c in VANISHES.measure(Subject("minimax", Minimax())))


def test_the_demands_are_3_5_decades_and_a_norm_of_1(monkeypatch):
    def judged(*norms: float) -> list[bool]:
        monkeypatch.setattr(vanishing, "gradient_norms", lambda objective: [norms[0]] * (len(MARKS) - 1) + [norms[1]])
        checked = Subject("minimax", Minimax()), Subject("non-saturating", NonSaturating())
        return [c.holds for law, s in zip((VANISHES, REMAINS), checked, strict=True) for c in law.measure(s)]

    assert judged(10**3.6, 1.01) == [True, True]
    assert judged(10**3.4, 1.01) == [False, True]
    assert judged(10**3.6, 0.99) == [True, False]


def test_the_non_saturating_gradient_stays_at_1_or_above():
    assert all(c.holds for c in REMAINS.measure(Subject("non-saturating", NonSaturating())))


def test_a_minimax_that_is_non_saturating_in_truth_breaks_the_law():
    assert not any(c.holds for c in VANISHES.measure(Subject("minimax", NonSaturating())))


def test_a_non_saturating_game_that_saturates_breaks_the_law():
    assert not any(c.holds for c in REMAINS.measure(Subject("non-saturating", Minimax())))


def test_both_games_share_one_trained_discriminator():
    assert discriminators(Minimax(), 0) is discriminators(NonSaturating(), 0)


def test_each_law_is_on_one_objective_s_generator():
    assert VANISHES.applies(Subject("non-saturating", NonSaturating())) == "a statement on minimax"
    assert REMAINS.applies(Subject("mine.py:Mine", NonSaturating())) == "a statement on non-saturating"


def test_the_finding_holds_one_norm_of_each_objective_for_each_mark(monkeypatch):
    monkeypatch.setattr(vanishing, "gradient_norms", lambda objective, seed: [float(seed)] * len(MARKS))
    arrays = VanishingGradients().arrays(3)
    assert np.array_equal(arrays["d_steps"], MARKS)
    assert np.array_equal(arrays["gradient_norm"], np.full((2, len(MARKS)), 3.0))
