"""EM on a held bank of latents, the discriminator fixed: what an M-step does to the generator's likelihood."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench import streams
from ganbench.networks.initialisation import initial_params
from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Batch, Player
from ganbench.objectives.em import EM
from ganbench.objectives.minimax import NonSaturating
from ganbench.theory.finding import Finding
from ganbench.theory.law import Comparison, Law, Subject

DEMPSTER = "Dempster, Laird and Rubin 1977; Neal and Hinton 1998"

NETWORK, LATENT, DIMENSION, LATENTS = MLP(width=8, depth=2, activation="softplus"), 3, 2, 64
SHARPER = 4
"""Both players' initial weights in parts of the usual ones, which would barely tell latents apart."""

STEPS, LENGTH = 30, 0.03
"""M-steps of a climb, and the gradients that each tries first."""

Params = dict[str, Tensor]


@dataclass(frozen=True)
class Bank:
    """A fixed discriminator and fixed latents, in float64: l, Q and the weights as functions of the generator."""

    objective: EM
    G: Player
    D: Player
    z: Tensor

    @classmethod
    def of(cls, objective: EM, seed: int = 0) -> Bank:
        """A keyed one whose latents have logits of mean -4 and standard deviation 2: most look generated, few real."""
        G = _player(NETWORK.generator(LATENT, (DIMENSION,)), seed, "G")
        D = _player(NETWORK.critic((DIMENSION,), 1), seed, "D")
        z = torch.from_numpy(streams.normal(streams.generator(seed, "theory.bank"), LATENTS, LATENT)).double()
        *_, weight, bias = D.params
        logits = D(G(z))
        stretch = 2 / logits.std()
        last = {weight: D.params[weight] * stretch, bias: (D.params[bias] - logits.mean()) * stretch - 4}
        return cls(objective, G, D.with_params({**D.params, **last}), z)

    def log_d(self, params: Params) -> Tensor:
        """log D(G(z)) of every latent (n,)."""
        return F.logsigmoid(self.D(self.G.with_params(params)(self.z)))

    def likelihood(self, params: Params) -> Tensor:
        """l = log of the mean of D(G(z))."""
        return torch.logsumexp(self.log_d(params), 0) - math.log(LATENTS)

    def weights(self, params: Params) -> Tensor:
        """The objective's own E-step (n,)."""
        return self.objective.e_step(self.G.with_params(params), self.D, self.batch())

    def q(self, params: Params, r: Tensor) -> Tensor:
        """Q = sum r log D(G(z)), by the objective's own generator's loss."""
        return -self.objective.g_loss(self.G.with_params(params), self.D, self.batch(r))

    def batch(self, r: Tensor | None = None) -> Batch:
        """The bank with weights; equal ones where none are given. Its real samples are of no use here."""
        return Batch(x=torch.zeros(1, DIMENSION, dtype=torch.float64), z=self.z, r=r)

    def gradient(self, params: Params) -> tuple[Params, Tensor]:
        """The gradient of Q after an E-step, and the weights of that step."""
        r = self.weights(params)
        return torch.func.grad(lambda p: self.q(p, r))(params), r

    def climb(self, steps: int) -> list[Params]:
        """Parameters after 0, 1, ... M-steps up the gradient of Q, its length halved until Q does not fall."""
        path = [self.G.params]
        for _ in range(steps):
            params = path[-1]
            gradient, r = self.gradient(params)
            length, before = LENGTH, self.q(params, r)
            while self.q(tried := _moved(params, gradient, length), r) < before:
                length /= 2
            path.append(tried)
        return path


def _player(module: torch.nn.Module, seed: int, name: str) -> Player:
    return Player(
        module, {k: SHARPER * torch.from_numpy(v).double() for k, v in initial_params(module, seed, name).items()}
    )


def _moved(params: Params, direction: Params, length: float) -> Params:
    return {k: p + length * direction[k] for k, p in params.items()}


def joined(params: Params) -> Tensor:
    """All numbers in one vector (P,)."""
    return torch.cat([p.flatten() for p in params.values()])


def not_em(subject: Subject) -> str | None:
    """Why the identities of EM do not apply to a subject, or None where they do."""
    objective = subject.objective
    if not isinstance(objective, EM):
        return "not an EM objective"
    if objective.weights != "posterior" or objective.prior != "none":
        return "its weights are not the posterior of a uniform prior on the bank"
    if objective.packing > 1:
        return "the discriminator sees packs"
    return None if objective.temperature == 1 else "its temperature is not 1"


def _bank(subject: Subject) -> Bank:
    assert isinstance(subject.objective, EM), "not_em has refused the others"
    return Bank.of(subject.objective)


def identity(subject: Subject) -> Iterator[Comparison]:
    """The change of l beside that of Q plus the divergence of the weights, for moves of all sizes."""
    bank = _bank(subject)
    old = bank.G.params
    gradient, r = bank.gradient(old)
    for length in (0.001, 0.01, -0.01, 0.1):
        new = _moved(old, gradient, length)
        r_new = bank.weights(new)
        divergence = (r * (r.log() - r_new.log())).sum()
        expected = float(bank.q(new, r) - bank.q(old, r) + divergence)
        measured = float(bank.likelihood(new) - bank.likelihood(old))
        yield Comparison(expected, measured, 1e-10, about=f"change of l, {length:g} gradients away")


def of_belief(subject: Subject) -> Iterator[Comparison]:
    """The gradient of Q at the old parameters less that of the mean belief over it, in parts of its length."""
    bank = _bank(subject)
    old = bank.G.params
    found = joined(bank.gradient(old)[0])
    belief = torch.func.grad(lambda p: bank.log_d(p).exp().mean())(old)
    expected = joined(belief) / bank.log_d(old).exp().mean()
    error = float((found - expected).norm() / expected.norm())
    yield Comparison(0.0, error, 1e-10, about="|grad Q - grad E D / E D| over its length")


def at_a_large_temperature(subject: Subject) -> Iterator[Comparison]:
    """The gradient of the generator's loss beside the non-saturating one on the same bank, in parts of its length."""
    bank = _bank(subject)
    hot = dataclasses.replace(bank, objective=dataclasses.replace(bank.objective, temperature=1e12))
    found = joined(hot.gradient(bank.G.params)[0])
    loss = lambda p: NonSaturating().g_loss(bank.G.with_params(p), bank.D, bank.batch())  # noqa: E731
    expected = -joined(torch.func.grad(loss)(bank.G.params))
    error = float((found - expected).norm() / expected.norm())
    yield Comparison(0.0, error, 1e-9, about="T = 1e12: difference to the non-saturating gradient over its length")


def climbing(subject: Subject) -> Iterator[Comparison]:
    """The least rise of l over the steps of a climb, and its rise over all of them."""
    bank = _bank(subject)
    l = [float(bank.likelihood(params)) for params in bank.climb(STEPS)]  # noqa: E741  as in the statement
    yield Comparison(0.0, float(np.diff(l).min()), 1e-12, ">=", f"least rise of l in {STEPS} M-steps")
    yield Comparison(0.1, l[-1] - l[0], 0.0, ">=", f"rise of l over {STEPS} M-steps")


IDENTITY = Law(
    "em, likelihood",
    "For fixed D and bank the change of l is that of Q plus KL(r_old || r_new)",
    DEMPSTER,
    identity,
    not_em,
)
BELIEF = Law(
    "em, gradient",
    "At the old parameters the gradient of Q is that of E D(G(z)) divided by it",
    f"{DEMPSTER}: the gradient of l",
    of_belief,
    not_em,
)
HOT = Law(
    "em, large temperature",
    "As T grows the generator's gradient becomes the non-saturating one on the held bank",
    "Goodfellow et al. 2014, arXiv:1406.2661, section 3, with equal weights",
    at_a_large_temperature,
    not_em,
)
CLIMB = Law(
    "em, monotone",
    "An M-step that does not lower Q never lowers l",
    DEMPSTER,
    climbing,
    not_em,
)
LAWS: tuple[Law, ...] = (IDENTITY, BELIEF, HOT, CLIMB)


@dataclass(frozen=True)
class EMBank(Finding):
    """The generator's log-likelihood and the effective sample size of its weights over line-searched M-steps.

    `temperatures` (3,); `likelihood` l in nats and `effective_sample_size` in latents, of `latents`, both (3, 31) over
    0, 1, ... M-steps. T = 1 is EM; the largest T is the non-saturating loss, whose steps may lower l.
    """

    source = DEMPSTER
    laws = LAWS
    subjects = ("em",)

    def arrays(self, seed: int) -> dict[str, np.ndarray]:
        temperatures = (1.0, 4.0, 1e6)
        banks = [Bank.of(EM(temperature=t), seed) for t in temperatures]
        climbs = [bank.climb(STEPS) for bank in banks]
        pairs = list(zip(banks, climbs, strict=True))
        return {
            "temperatures": np.array(temperatures),
            "latents": np.array(LATENTS),
            "likelihood": np.array([[float(bank.likelihood(p)) for p in path] for bank, path in pairs]),
            "effective_sample_size": np.array(
                [[float(1 / bank.weights(p).square().sum()) for p in path] for bank, path in pairs]
            ),
        }
