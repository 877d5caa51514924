"""The objectives beyond the first families, on numbers worked by hand."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from small_games import batch, column, linear, players, point
from torch import Tensor

from ganbench.fields import FieldError, build
from ganbench.objectives.contract import Batch, penalised_d_loss
from ganbench.objectives.dragan import DRAGAN, LocalPenalty
from ganbench.objectives.em import EM
from ganbench.objectives.fgan import DIVERGENCES, FGAN
from ganbench.objectives.hinge import Hinge
from ganbench.objectives.kernel import MMD, SCALES, Energy, TwoSample
from ganbench.objectives.lsgan import LSGAN, LSGANSigmoid
from ganbench.objectives.minimax import Minimax, NonSaturating
from ganbench.objectives.ml import MaximumLikelihood
from ganbench.objectives.relativistic import Relativistic
from ganbench.objectives.unrolled import Unrolled
from ganbench.objectives.vae import VAE
from ganbench.objectives.wasserstein import WassersteinGP, WassersteinGPToy

LOG_3 = math.log(3)


def identity(v: Tensor) -> Tensor:
    return v


def first(v: Tensor) -> Tensor:
    return v[:, 0]


def weighted(x: list[float], z: list[float], w: list[float] | None = None, r: list[float] | None = None) -> Batch:
    """Points on the line in the place of both samples, each with its weight."""
    given = {name: torch.tensor(v, dtype=torch.float64) for name, v in (("w", w), ("r", r)) if v}
    return Batch(x=column(*x), z=column(*z), **given)


def sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v))


def test_least_squares_aim_at_b_on_real_and_a_on_generated_samples():
    b = weighted([3.0, 5.0], [2.0], w=[0.25, 0.75])
    # (.25 (3-1)² + .75 (5-1)² + (2+1)²) / 2
    assert float(LSGAN(a=-1.0, b=1.0, c=0.0).d_loss(identity, first, b)) == pytest.approx((1 + 12 + 9) / 2)


def test_the_least_squares_generator_aims_at_c():
    b = weighted([0.0], [2.0, 4.0], r=[0.25, 0.75])
    assert float(LSGAN(c=1.0).g_loss(identity, first, b)) == pytest.approx((0.25 * 1 + 0.75 * 9) / 2)


def test_least_squares_on_the_sigmoid_by_hand():
    # D = 3/4 on the real sample and 1/4 on the generated one
    b = weighted([LOG_3], [-LOG_3])
    assert float(LSGANSigmoid().d_loss(identity, first, b)) == pytest.approx((1 / 16 + 1 / 16) / 2)
    assert float(LSGANSigmoid().g_loss(identity, first, b)) == pytest.approx(9 / 16 / 2)


def test_only_raw_least_squares_pull_at_a_sample_that_is_surely_rejected():
    def pull(objective: LSGAN | LSGANSigmoid) -> float:
        b = weighted([0.0], [-40.0])
        return float(torch.func.grad(lambda t: objective.g_loss(lambda z: z + t, first, b))(torch.zeros(1).sum()))

    assert pull(LSGAN()) == pytest.approx(-41)
    assert abs(pull(LSGANSigmoid())) < 1e-15


def test_the_hinge_stops_at_its_margins():
    # 1 - .5 within the margin and 0 beyond it; 1 + .5 and 0 likewise
    b = weighted([0.5, 7.0], [0.5, -7.0], w=[0.25, 0.75], r=[0.75, 0.25])
    assert float(Hinge().d_loss(identity, first, b)) == pytest.approx(0.25 * 0.5 + 0.75 * 1.5)


def test_the_hinge_s_generator_ascends_the_raw_score():
    b = weighted([0.0], [2.0, 4.0], r=[0.25, 0.75])
    assert float(Hinge().g_loss(identity, first, b)) == pytest.approx(-3.5)


def test_a_relativistic_pair_counts_by_its_difference():
    # sigmoid(D(x) - D(G(z))) is 3/4 for the first pair and 1/4 for the second; products of weights 1 : 9
    b = weighted([5.0, 1.0], [5.0 - LOG_3, 1.0 + LOG_3], w=[0.25, 0.75], r=[0.25, 0.75])
    assert float(Relativistic().d_loss(identity, first, b)) == pytest.approx(0.1 * math.log(4 / 3) + 0.9 * math.log(4))
    assert float(Relativistic().g_loss(identity, first, b)) == pytest.approx(0.1 * math.log(4) + 0.9 * math.log(4 / 3))


def test_the_dragan_penalty_looks_at_the_slope_around_the_data():
    # the slope of v²/2 is v: at 3 + .5 * (-1) and at 1 + .5 * 2
    b = Batch(x=column(3.0, 1.0), z=column(9.0), noise=column(-1.0, 2.0), w=torch.tensor([0.25, 0.75]).double())
    term = LocalPenalty(weight=2.0, slope=1.0, spread=0.5).d_term(Minimax(), identity, lambda v: v[:, 0] ** 2 / 2, b)
    assert float(term) == pytest.approx(2 * (0.25 * 1.5**2 + 0.75 * 1))


def test_dragan_adds_its_penalty_to_the_non_saturating_game():
    b = Batch(x=column(1.0), z=column(0.0), noise=column(0.5))
    added = penalised_d_loss(DRAGAN(), point(2.0), linear(3.0), b) - NonSaturating().d_loss(point(2.0), linear(3.0), b)
    assert float(added) == pytest.approx(10 * (3 - 1) ** 2)


def test_the_maximum_likelihood_cost_is_the_odds_of_being_real():
    b = weighted([0.0], [LOG_3, 0.0], r=[0.25, 0.75])
    assert float(MaximumLikelihood().g_loss(identity, first, b)) == pytest.approx(-(0.25 * 3 + 0.75))


def test_importance_weights_are_the_odds_of_being_real():
    # D = 1/4 and 3/4: odds of 1/3 and 3
    r = EM(weights="importance").e_step(identity, first, weighted([0.0], [-LOG_3, LOG_3]))
    assert r.tolist() == pytest.approx([0.1, 0.9])


CONJUGATES = {
    "kl": lambda t: math.exp(t - 1),
    "reverse-kl": lambda t: -1 - math.log(-t),
    "pearson": lambda t: t**2 / 4 + t,
    "hellinger": lambda t: t / (1 - t),
    "js": lambda t: -math.log(2 - math.exp(t)),
}
"""f* of table 2, in the words of the paper."""
DERIVATIVES = {
    "kl": lambda u: 1 + math.log(u),
    "reverse-kl": lambda u: -1 / u,
    "pearson": lambda u: 2 * (u - 1),
    "hellinger": lambda u: 1 - 1 / math.sqrt(u),
    "js": lambda u: math.log(2 * u / (u + 1)),
}
"""f' of the same f."""


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("V", [-3.0, -0.4, 0.0, 1.7])
def test_the_conjugate_in_one_is_the_paper_s_conjugate_of_its_activation(name: str, V: float):
    row, raw = DIVERGENCES[name], torch.tensor(V, dtype=torch.float64)
    assert float(row.conjugate(raw)) == pytest.approx(CONJUGATES[name](float(row.activation(raw))), rel=1e-12)


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("ratio", [0.2, 1.0, 3.0])
def test_the_activation_of_the_optimum_is_the_derivative_of_f_at_the_ratio(name: str, ratio: float):
    row = DIVERGENCES[name]
    found = row.activation(row.optimum(torch.tensor(math.log(ratio), dtype=torch.float64)))
    assert float(found) == pytest.approx(DERIVATIVES[name](ratio), rel=1e-12, abs=1e-12)


def test_the_js_game_is_minimax_with_a_value_higher_by_log_4():
    (G, D), b = players(Minimax()), batch()
    js = FGAN(divergence="js")
    assert float(js.value(G, D, b)) == pytest.approx(float(Minimax().value(G, D, b)) + math.log(4), rel=1e-12)


def test_the_js_dual_is_finite_where_the_discriminator_is_sure():
    b = Batch(x=torch.full((1, 1), -1e4), z=torch.full((1, 1), 1e4))
    assert float(FGAN(divergence="js").d_loss(identity, first, b)) == pytest.approx(2e4 - math.log(4), rel=1e-6)


@pytest.mark.parametrize("kernel", [Energy(), MMD(bandwidth=0.7)], ids=["energy", "mmd"])
def test_a_two_sample_loss_is_the_mean_over_pairs_of_different_points(kernel: TwoSample):
    rng = torch.Generator().manual_seed(0)
    x, v = (torch.randn(5, 2, generator=rng, dtype=torch.float64) for _ in range(2))
    w, r = (torch.rand(5, generator=rng, dtype=torch.float64).softmax(0) for _ in range(2))

    def k(a: Tensor, b: Tensor) -> float:
        distance = float((a - b).norm())
        bandwidths = [0.7 * scale for scale in SCALES]
        return (
            -distance if isinstance(kernel, Energy) else sum(math.exp(-((distance / s) ** 2) / 2) for s in bandwidths)
        )

    def within(points: Tensor, weights: Tensor) -> float:
        pairs = [(i, j) for i, j in product(range(5), repeat=2) if i != j]
        total = sum(float(weights[i] * weights[j]) for i, j in pairs)
        return sum(float(weights[i] * weights[j]) * k(points[i], points[j]) for i, j in pairs) / total

    between = sum(float(w[i] * r[j]) * k(x[i], v[j]) for i, j in product(range(5), repeat=2))
    found = kernel.g_loss(identity, identity, Batch(x=x, z=v, w=w, r=r))
    assert float(found) == pytest.approx(within(x, w) + within(v, r) - 2 * between, rel=1e-9)


def test_the_energy_distance_of_two_draws_each_is_unbiased():
    # of Bernoulli p and q it is 2 (p - q)²; the mean over all sixteen outcomes, each with its probability
    p, q, found = 0.3, 0.8, 0.0
    for outcome in product([0.0, 1.0], repeat=4):
        probability = math.prod(chance if v else 1 - chance for chance, v in zip((p, p, q, q), outcome, strict=True))
        found += probability * float(Energy().g_loss(identity, identity, weighted([*outcome[:2]], [*outcome[2:]])))
    assert found == pytest.approx(2 * (p - q) ** 2, rel=1e-12)


@pytest.mark.parametrize("objective", [Energy(), MMD()], ids=["energy", "mmd"])
def test_points_that_coincide_leave_the_gradient_finite(objective: TwoSample):
    b = weighted([1.0, 1.0, 2.0], [1.0, 1.0, 2.0])
    gradient = torch.func.grad(lambda t: objective.g_loss(lambda z: z + t * z, identity, b))(torch.zeros(1).sum())
    assert torch.isfinite(gradient)


def test_far_beyond_the_data_a_bandwidth_leaves_the_squared_distances():
    # k = 5 - |a - b|² sum 1 / (2 s²) to first order
    b, bandwidth = weighted([0.0, 1.0], [3.0, 4.0]), 1e4
    inverse = sum(1 / (2 * (scale * bandwidth) ** 2) for scale in SCALES)
    # cross pairs: squares 9, 16, 4, 9; within each sample 1
    expected = inverse * (2 * (9 + 16 + 4 + 9) / 4 - 1 - 1)
    assert float(MMD(bandwidth=bandwidth).g_loss(identity, identity, b)) == pytest.approx(expected, rel=1e-5)


def unrolled_value(theta: float, psi: float, steps: int, rate: float) -> float:
    """V of the Dirac game, data at x = 1, after steps of psi up V = log s(psi) + log s(-psi theta), on floats."""
    for _ in range(steps):
        psi += rate * (sigmoid(-psi) - theta * sigmoid(psi * theta))
    return math.log(sigmoid(psi)) + math.log(sigmoid(-psi * theta))


def unrolled_loss(theta: Tensor, steps: int, rate: float) -> Tensor:
    objective, b = Unrolled(unroll=steps, lr_unroll=rate), Batch(x=column(1.0), z=column(0.0))
    G = point(0.0).with_params({**point(0.0).params, "bias": theta.reshape(1)})
    return objective.g_loss(G, linear(-0.5), b)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_unrolled_loss_is_the_value_after_the_discriminator_s_steps(steps: int):
    found = unrolled_loss(torch.tensor(0.7, dtype=torch.float64), steps, 0.4)
    assert float(found) == pytest.approx(unrolled_value(0.7, -0.5, steps, 0.4), rel=1e-12)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_unrolled_gradient_goes_through_the_discriminator_s_steps(steps: int):
    found = torch.func.grad(lambda t: unrolled_loss(t, steps, 0.4))(torch.tensor(0.7, dtype=torch.float64))
    h = 1e-6
    expected = (unrolled_value(0.7 + h, -0.5, steps, 0.4) - unrolled_value(0.7 - h, -0.5, steps, 0.4)) / (2 * h)
    assert float(found) == pytest.approx(expected, abs=1e-9)


def test_the_unrolled_discriminator_itself_descends_the_loss_of_minimax():
    (G, D), b = players(Minimax()), batch()
    assert torch.equal(penalised_d_loss(Unrolled(), G, D, b), penalised_d_loss(Minimax(), G, D, b))


def test_the_toy_code_s_penalty_weighs_a_hundredth_of_the_paper_s():
    (G, D), b = players(Minimax()), batch()
    unpenalised = WassersteinGP().d_loss(G, D, b)
    paper, toy = (float(penalised_d_loss(o, G, D, b) - unpenalised) for o in (WassersteinGP(), WassersteinGPToy()))
    assert toy == pytest.approx(paper / 100, rel=1e-9)


def test_an_autoencoder_refuses_packs():
    with pytest.raises(FieldError, match="judges no packs of samples, found 2; remove it") as error:
        build(VAE, {"packing": 2})
    assert error.value.field == "packing"


def test_two_equal_codes_of_lsgan_are_refused():
    with pytest.raises(FieldError, match=r"found 1, as b; expected two codes"):
        LSGAN(a=1.0)
