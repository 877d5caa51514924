"""Gradient penalty, clipping and spectral norm against closed forms."""

from __future__ import annotations

import pytest
import torch
from small_games import batch, fields, players
from torch import Tensor, nn

from ganbench.catalogue import OBJECTIVES, REGULARISERS
from ganbench.networks.initialisation import initial_params
from ganbench.objectives.contract import (
    Batch,
    Network,
    Objective,
    Player,
    Regulariser,
    penalised_d_loss,
    penalised_g_loss,
)
from ganbench.objectives.minimax import Minimax
from ganbench.objectives.regularisers import (
    Consensus,
    GradientPenalty,
    SpectralNorm,
    WeightClipping,
    largest_singular_value,
)
from ganbench.objectives.wasserstein import Wasserstein, WassersteinSN

SHAPES = [(64, 64), (2, 64), (64, 2), (1, 64), (64, 1), (64, 128)]


def penalties(objective: Objective) -> list[tuple[Objective, Regulariser]]:
    """An objective with each penalty of its own."""
    own = objective.regularisers()
    return [(objective, r) for r in own if type(r).d_term is not Regulariser.d_term]


ADDED: dict[str, Regulariser] = {
    name: cls()
    for name in REGULARISERS.names()
    if (cls := REGULARISERS.load(name)).d_term is not Regulariser.d_term and cls is not Consensus
}
"""Penalties of the registry that are a sum over samples; consensus is a square of such sums."""
PENALISED: dict[str, tuple[Objective, Regulariser]] = {
    **{name: (objective, own) for name in OBJECTIVES.names() for objective, own in penalties(OBJECTIVES.load(name)())},
    **{f"minimax + {name}": (Minimax(), regulariser) for name, regulariser in ADDED.items()},
}
NEEDED = [(name, field) for name, (o, own) in PENALISED.items() for field in ("x", "z", *own.draws, *o.draws)]


def identity(v: Tensor) -> Tensor:
    return v


def penalty(weight: float, slope: float, D, x: float, fake: float, u: float) -> float:
    b = Batch(x=torch.tensor([[x]]), z=torch.tensor([[fake]]), u=torch.tensor([u]))
    return float(GradientPenalty(weight, slope).d_term(Wasserstein(), identity, D, b))


def default_weight(out: int, into: int, seed: int) -> Tensor:
    return torch.from_numpy(initial_params(nn.Linear(into, out), seed, "D")["weight"])


def test_the_penalty_on_a_linear_critic_depends_on_its_slope_alone():
    a = torch.tensor([3.0, 4.0])
    b = Batch(x=torch.randn(5, 2), z=torch.randn(5, 2), u=torch.rand(5))
    term = GradientPenalty(0.1, 1.0).d_term(Wasserstein(), identity, lambda v: v @ a, b)
    assert float(term) == pytest.approx(0.1 * (5 - 1) ** 2, rel=1e-5)


def test_the_penalty_counts_slopes_from_its_own_target_slope():
    assert penalty(2.0, 0.5, lambda v: 3 * v[:, 0], x=0.0, fake=0.0, u=0.0) == pytest.approx(2 * 2.5**2)


def test_the_penalty_looks_between_real_and_generated_samples():
    # the slope of v²/2 at v is v, and the point is .25 · 3 + .75 · 1 = 1.5
    assert penalty(1.0, 1.0, lambda v: v[:, 0] ** 2 / 2, x=3.0, fake=1.0, u=0.25) == pytest.approx(0.25)


def test_the_penalty_stays_finite_where_the_critic_is_flat():
    a = torch.zeros(2, requires_grad=True)
    b = Batch(x=torch.ones(1, 2), z=torch.ones(1, 2), u=torch.ones(1))
    term = GradientPenalty(1.0, 1.0).d_term(Wasserstein(), identity, lambda v: v @ a, b)
    assert torch.isfinite(torch.autograd.grad(torch.as_tensor(term), a)[0]).all()


@pytest.mark.parametrize(("name", "field"), NEEDED)
def test_another_sample_changes_nothing_of_a_sample_s_penalty(name: str, field: str):
    objective, penalising = PENALISED[name]
    G, D = players(objective)

    def of_the_first(fields: dict[str, Tensor]) -> float:
        only = torch.zeros_like(fields["w"])
        only[0] = 1  # the penalty's mean is then the first sample's term
        return float(penalising.d_term(objective, G, D, Batch(**{**fields, "w": only, "r": only})))

    perturbed = fields()
    perturbed[field] = perturbed[field].clone()
    perturbed[field][1:] = perturbed[field][1:] * 0.3 + 0.2
    assert of_the_first(perturbed) == pytest.approx(of_the_first(fields()), rel=1e-12)


def test_clipping_clamps_every_parameter_and_leaves_those_within():
    critic = Player(nn.Linear(3, 1), {"weight": torch.tensor([[-5.0, 0.02, 5.0]]), "bias": torch.tensor([0.2])})
    clipped = WeightClipping(0.1).project(critic).params
    torch.testing.assert_close(clipped["weight"], torch.tensor([[-0.1, 0.02, 0.1]]))
    torch.testing.assert_close(clipped["bias"], torch.tensor([0.1]))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_default_weight_divided_by_its_largest_singular_value_keeps_at_most_1_005(shape: tuple[int, int]):
    left = []
    for seed in range(30):
        W = default_weight(*shape, seed)
        left.append(float(torch.linalg.svdvals(W.double())[0] / largest_singular_value(W)))
    assert max(left) <= 1.005


@pytest.mark.parametrize("shape", SHAPES)
def test_the_estimate_never_exceeds_the_largest_singular_value(shape: tuple[int, int]):
    for seed in range(30):
        W = default_weight(*shape, seed)
        assert float(largest_singular_value(W)) <= float(torch.linalg.svdvals(W.double())[0]) * (1 + 1e-6)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (1, 5), (5, 1)])
def test_the_gradient_of_the_norm_is_the_outer_product_of_the_leading_vectors(shape: tuple[int, int]):
    # the gap of this spectrum is a factor of two: 128 power iterations leave an error of 2^-128
    rng = torch.Generator().manual_seed(0)
    U, _, Vh = torch.linalg.svd(torch.randn(shape, generator=rng, dtype=torch.float64), full_matrices=False)
    W = U @ torch.diag(3 * 0.5 ** torch.arange(min(shape), dtype=torch.float64)) @ Vh
    gradient = torch.func.grad(largest_singular_value)(W)
    torch.testing.assert_close(gradient, U[:, :1] @ Vh[:1], rtol=0, atol=1e-10)


def test_a_divided_weight_has_miyato_s_gradient():
    # equation 12 of arXiv:1802.05957, with the singular vectors held: (E - <W/s, E> u v') / s
    rng = torch.Generator().manual_seed(0)
    U, _, Vh = torch.linalg.svd(torch.randn(5, 4, generator=rng, dtype=torch.float64), full_matrices=False)
    W = U @ torch.diag(3 * 0.5 ** torch.arange(4, dtype=torch.float64)) @ Vh
    E = torch.randn(5, 4, generator=rng, dtype=torch.float64)
    gradient = torch.func.grad(lambda W: (E * W / largest_singular_value(W)).sum())(W)
    expected = (E - (E * W / 3).sum() * U[:, :1] @ Vh[:1]) / 3
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [(3, 3), (1, 3)])
def test_a_zero_matrix_has_a_finite_norm_and_gradient(shape: tuple[int, int]):
    W = torch.zeros(shape)
    assert torch.isfinite(W / largest_singular_value(W)).all()
    assert torch.isfinite(torch.func.grad(largest_singular_value)(W)).all()


def test_spectral_norm_leaves_biases_alone():
    _, D = players(WassersteinSN())
    seen = SpectralNorm().reparametrise(D).params
    assert all(torch.equal(seen[k], p) for k, p in D.params.items() if p.dim() == 1)


def test_a_spectrally_normalised_critic_has_slopes_of_at_most_one():
    _, D = players(WassersteinSN())
    critic = WassersteinSN().regularisers()[0].reparametrise(D.with_params({k: 9 * p for k, p in D.params.items()}))
    x = 3 * torch.randn(500, 2, dtype=torch.float64)
    assert torch.func.grad(lambda v: critic(v).sum())(x).norm(dim=1).max() <= 1.005**3


def test_both_players_see_the_reparametrised_critic():
    # a factor on the weights leaves after the division; a loss of the raw critic would keep it
    objective, b = WassersteinSN(), batch()
    G, D = players(objective)
    scaled = D.with_params({k: 9 * p if p.dim() > 1 else p for k, p in D.params.items()})
    for loss in (penalised_d_loss, penalised_g_loss):
        assert float(loss(objective, G, scaled, b)) == pytest.approx(float(loss(objective, G, D, b)), rel=1e-9)


class Constants(Regulariser):
    """Adds 10 to the discriminator's loss and 20 to the generator's."""

    def d_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> float:
        return 10.0

    def g_term(self, objective: Objective, G: Network, D: Network, b: Batch) -> float:
        return 20.0


class TwiceRegularised(Wasserstein):
    """The Wasserstein game with two regularisers."""

    def regularisers(self) -> tuple[Regulariser, ...]:
        return (Constants(), Constants())


def test_every_regulariser_adds_its_terms_to_both_losses():
    b, plain, regularised = batch(), Wasserstein(), TwiceRegularised()
    G, D = players(plain)
    d, g = plain.d_loss(G, D, b), plain.g_loss(G, D, b)
    assert float(penalised_d_loss(regularised, G, D, b)) == pytest.approx(float(d) + 20)
    assert float(penalised_g_loss(regularised, G, D, b)) == pytest.approx(float(g) + 40)
