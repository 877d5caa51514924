"""EM-style alternation: its weights by hand, and its identity between likelihood and expected likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from small_games import batch, players
from torch import Tensor

from ganbench.fields import FieldError
from ganbench.objectives.contract import Batch, Player
from ganbench.objectives.em import EM
from ganbench.objectives.minimax import NonSaturating
from ganbench.suite import SuiteError, parse_suite, resolve
from ganbench.targets.mixtures import Gaussian1D

LOG_3 = math.log(3)
SUITE = """\
name = "tiny"
targets = ["ring8", "moons"]
objectives = ["em[prior=target]"]
network = "mlp"
[budget]
currency = "iterations"
amount = 4
[evaluation]
metrics = ["w1"]
rank_by = "w1"
"""


def identity(v: Tensor) -> Tensor:
    return v


def first(v: Tensor) -> Tensor:
    return v[:, 0]


def indifferent(v: Tensor) -> Tensor:
    return 0 * v[:, 0]


def bank(*z: float) -> Batch:
    return Batch(x=torch.zeros(1, 1), z=torch.tensor(z)[:, None])


def weights(objective: EM, D: Callable[[Tensor], Tensor], *z: float) -> list[float]:
    return objective.e_step(identity, D, bank(*z)).tolist()


@dataclass
class Bank:
    """A fixed discriminator and a fixed bank of n latents, with l, Q and weights as functions of the generator."""

    G: Player
    D: Player
    b: Batch

    def log_d(self, params: dict[str, Tensor]) -> Tensor:
        return F.logsigmoid(self.D(self.G.with_params(params)(self.b.z)))

    def likelihood(self, params: dict[str, Tensor]) -> Tensor:
        """l = log 1/n sum D(G(z))."""
        log_d = self.log_d(params)
        return torch.logsumexp(log_d, 0) - math.log(len(log_d))

    def weights(self, params: dict[str, Tensor]) -> Tensor:
        return EM().e_step(self.G.with_params(params), self.D, self.b)

    def q(self, params: dict[str, Tensor], r: Tensor) -> Tensor:
        """Q = sum r log D(G(z)), from the objective's own loss."""
        return -EM().g_loss(self.G.with_params(params), self.D, Batch(self.b.x, self.b.z, r=r))


@pytest.fixture
def fixed() -> Bank:
    G, D = players(EM())
    b = batch(samples=64)
    # far from an indifferent discriminator, so that the weights differ
    return Bank(
        G.with_params(moved(G.params, 1.0, seed=0)), D.with_params(moved(D.params, 1.0, seed=2)), Batch(b.x, b.z)
    )


def moved(params: dict[str, Tensor], by: float, seed: int) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {k: p + by * torch.randn(p.shape, generator=rng, dtype=p.dtype) for k, p in params.items()}


def test_a_latent_s_weight_is_its_share_of_the_discriminator_s_belief():
    # D = 1/4 and 3/4
    assert weights(EM(), first, -LOG_3, LOG_3) == pytest.approx([0.25, 0.75], rel=1e-6)


def test_a_temperature_of_two_takes_the_square_root_of_the_belief():
    share = 1 / (1 + math.sqrt(3))
    assert weights(EM(temperature=2.0), first, -LOG_3, LOG_3) == pytest.approx([share, 1 - share], rel=1e-6)


def test_a_large_temperature_gives_uniform_weights():
    assert weights(EM(temperature=1e8), first, -5.0, 0.0, 5.0, 1.0) == pytest.approx([0.25] * 4, rel=1e-6)


def test_uniform_weights_give_the_non_saturating_loss():
    (G, D), b = players(EM()), batch()
    held = Batch(b.x, b.z, r=EM(temperature=1e12).e_step(G, D, b))
    uniform = Batch(b.x, b.z)
    assert float(EM().g_loss(G, D, held)) == pytest.approx(float(NonSaturating().g_loss(G, D, uniform)), rel=1e-9)


def test_weights_of_latents_that_look_impossible_stay_finite():
    assert weights(EM(), first, -5000.0, -5000.0) == pytest.approx([0.5, 0.5])


def test_the_generator_s_loss_by_hand():
    b = Batch(x=torch.zeros(1, 1), z=torch.tensor([[-LOG_3], [LOG_3]]), r=torch.tensor([0.25, 0.75]))
    expected = 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    assert float(EM().g_loss(identity, first, b)) == pytest.approx(expected, rel=1e-6)


def test_the_discriminator_sees_the_bank_with_uniform_weights():
    b = Batch(x=torch.zeros(1, 1), z=torch.tensor([[-LOG_3], [LOG_3]]), r=torch.tensor([0.25, 0.75]))
    # -log 1/2 on the real sample, then the plain mean of -log 3/4 and -log 1/4
    expected = math.log(2) + (math.log(4 / 3) + math.log(4)) / 2
    assert float(EM().d_loss(identity, first, b)) == pytest.approx(expected, rel=1e-6)


def test_the_round_of_steps_is_repeated_m_steps_times():
    assert EM(m_steps=2, d_steps=2).schedule() == ("D", "D", "G", "D", "D", "G")


def test_simultaneous_m_steps_are_joint_steps():
    assert EM(m_steps=3, updates="simultaneous").schedule() == ("DG", "DG", "DG")


def test_a_box_removes_what_lies_outside():
    assert weights(EM(prior="box", prior_scale=1.0), indifferent, 0.5, 3.0) == pytest.approx([1.0, 0.0], abs=1e-12)


def test_a_bank_wholly_outside_the_box_keeps_its_weights():
    objective = EM(prior="box", prior_scale=0.1)
    assert weights(objective, first, -LOG_3, LOG_3) == pytest.approx([0.25, 0.75], rel=1e-5)


def test_a_gaussian_prior_weighs_by_its_density():
    # the prior's densities at 0 and 2 stand as 1 : exp(-2²/(2·2²))
    share = 1 / (1 + math.exp(-0.5))
    objective = EM(prior="gaussian", prior_scale=2.0)
    assert weights(objective, indifferent, 0.0, 2.0) == pytest.approx([share, 1 - share], rel=1e-6)


def test_a_prior_is_not_tempered():
    share = 1 / (1 + math.exp(-0.5))
    objective = EM(prior="gaussian", prior_scale=2.0, temperature=7.0)
    assert weights(objective, indifferent, 0.0, 2.0) == pytest.approx([share, 1 - share], rel=1e-6)


def test_the_target_s_own_density_can_be_the_prior():
    # N(1, 1) at 1 and 2: 1 : exp(-1/2)
    share = 1 / (1 + math.exp(-0.5))
    objective = EM(prior="target").bind(Gaussian1D(mean=1.0))
    assert isinstance(objective, EM)
    assert weights(objective, indifferent, 1.0, 2.0) == pytest.approx([share, 1 - share], rel=1e-6)


def test_a_target_without_a_density_is_refused_as_prior():
    with pytest.raises(FieldError, match='not known; use "none", "box" or "gaussian"'):
        EM(prior="target").bind(SimpleNamespace())


def test_a_suite_with_a_target_without_the_density_that_its_prior_needs_is_refused_where_it_says_so():
    with pytest.raises(SuiteError, match=r":3:\d+: .*prior: the density of this target is not known; .* \(on moons\)"):
        resolve(parse_suite(SUITE))


def test_the_likelihood_changes_by_the_change_of_q_plus_the_divergence_of_the_weights(fixed: Bank):
    old, new = fixed.G.params, moved(fixed.G.params, 0.5, seed=2)
    r_old, r_new = fixed.weights(old), fixed.weights(new)
    divergence = (r_old * (r_old.log() - r_new.log())).sum()
    change_of_l = fixed.likelihood(new) - fixed.likelihood(old)
    change_of_q = fixed.q(new, r_old) - fixed.q(old, r_old)
    assert float(divergence) > 0.01  # else the identity would be trivial
    assert float(change_of_l) == pytest.approx(float(change_of_q + divergence), abs=1e-10)


def test_the_gradient_of_q_at_the_old_parameters_is_that_of_the_mean_belief_divided_by_it(fixed: Bank):
    old = fixed.G.params
    of_q = torch.func.grad(lambda p: fixed.q(p, fixed.weights(old)))(old)
    of_belief = torch.func.grad(lambda p: fixed.log_d(p).exp().mean())(old)
    belief = fixed.log_d(old).exp().mean()
    for name in old:
        torch.testing.assert_close(of_q[name], of_belief[name] / belief, rtol=1e-10, atol=1e-12)


def test_an_m_step_that_does_not_lower_q_never_lowers_the_likelihood(fixed: Bank):
    params = fixed.G.params
    path = [float(fixed.likelihood(params))]
    for _ in range(20):
        params = _line_searched(fixed, params)
        path.append(float(fixed.likelihood(params)))
    assert path == sorted(path)
    assert path[-1] > path[0]


def _line_searched(fixed: Bank, params: dict[str, Tensor]) -> dict[str, Tensor]:
    """One M-step up the gradient of Q, its length halved until Q does not fall."""
    r = fixed.weights(params)
    gradient = torch.func.grad(lambda p: fixed.q(p, r))(params)
    length = 64.0
    while True:
        tried = {k: p + length * gradient[k] for k, p in params.items()}
        if fixed.q(tried, r) >= fixed.q(params, r):
            return tried
        length /= 2
