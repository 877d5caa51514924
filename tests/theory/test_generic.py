"""Every registered objective and every regulariser keeps every law that applies to all."""

from __future__ import annotations

import pytest

from ganbench import catalogue
from ganbench.theory import extremes, generic, penalties, stepping
from ganbench.theory.checking import check
from ganbench.theory.law import Law, Subject
from ganbench.theory.subjects import subject

COMPOSED = (
    "minimax[updates=simultaneous] + r1[weight=.3] + r2 + consensus + instance-noise[sd=.7]",
    "minimax[order=GD,d_steps=2,g_steps=3]",
    "relativistic + gp[slope=0] + clip[bound=.2]",
    "non-saturating[packing=2] + gp + sn",
    "cramer[packing=3] + r1",
    "em[packing=2,m_steps=2]",
    "em[prior=target]",
    "em[packing=2,prior=target]",
    "energy[packing=2]",
)
"""Regularisers, orders and packs in company, where they could be lost."""

LAWS = (*generic.LAWS, *stepping.LAWS, *extremes.LAWS, *penalties.LAWS)
SUBJECTS = [subject(spec) for spec in (*catalogue.OBJECTIVES.names(), *COMPOSED)]
CASES = [(s, law) for s in SUBJECTS for law in LAWS if law.applies(s) is None]


@pytest.mark.parametrize(("checked", "law"), CASES, ids=[f"{s.name}-{law.name}" for s, law in CASES])
def test_an_objective_keeps_the_law(checked: Subject, law: Law):
    (verdict,) = check(checked, [law])
    assert verdict.holds, (verdict.worst, verdict.error)


def test_every_regulariser_is_among_the_composed():
    added = {part.partition("[")[0] for spec in COMPOSED for part in spec.split(" + ")[1:]}
    assert added == set(catalogue.REGULARISERS.names())


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_a_law_applies_to_some_objective(law: Law):
    assert any(law is applied for _, applied in CASES)


@pytest.mark.parametrize("spec", ["cramer[weight=1000]", "cramer[embedding=4096]", "wasserstein-gp[weight=1e4]"])
def test_steep_penalties_leave_an_iteration_what_it_is(spec: str):
    (verdict,) = check(subject(spec), [law for law in LAWS if law.name == "iteration"])
    assert verdict.holds, verdict.worst


def test_a_loss_that_leaves_float32_marks_its_replica_as_diverged():
    # the dual of KL pays exp(V - 1) for generated samples: e^9999 is no number of float32
    ends = {c.about: c.measured for c in extremes.extreme(subject("f-gan[divergence=kl]"))}
    assert ends["alive after D on D(x) = +1e+04, D(G(z)) = +1e+04"] == 0
    assert ends["alive after D on D(x) = +1e+04, D(G(z)) = -1e+04"] == 1
