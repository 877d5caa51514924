"""Gradients from samples: those of the Wasserstein distance are biased, those of the energy distance are not.

Data are Bernoulli(p), the generator is Bernoulli(theta), and every sample of a size is enumerated with its probability.
Critics see the points 0 and 1 as they are: an embedding is the identity.

Over 250 lines: the laws of one theme with what each measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganbench.objectives.contract import Batch, Network, Objective
from ganbench.theory.densities import equal_masses
from ganbench.theory.discriminator import family
from ganbench.theory.finding import Finding
from ganbench.theory.law import Comparison, Law, Subject
from ganbench.theory.nash import BILINEAR

BELLEMARE = "Bellemare et al. 2017, arXiv:1705.10743"

TABLE = {(1, 0.6, 0.5): -0.2, (1, 0.6, 0.8): -0.2, (10, 0.9, 0.95): 0.3026}
"""Samples m, p and theta -> expected gradient of the sample's W1, to four digits; the distance's is -1, 1 and 1."""

KERNELS = ("cramer", "energy", "mmd")
"""Registered names of the generators that descend a distance of two samples, here between points as they are."""


def identity(v: Tensor) -> Tensor:
    """Latents as samples, samples as their embedding."""
    return v


def first(v: Tensor) -> Tensor:
    """The critic of slope 1 on the line."""
    return v[:, 0]


def backwards(v: Tensor) -> Tensor:
    """The critic of slope -1."""
    return -v[:, 0]


def bernoulli(theta: Tensor) -> Tensor:
    """Probabilities of 0 and 1 (2,)."""
    return torch.stack([1 - theta, theta])


def points(*values: float) -> Tensor:
    """Samples (n, 1)."""
    return torch.tensor(values, dtype=torch.float64)[:, None]


def number(value: float) -> Tensor:
    """A tensor of shape ()."""
    return torch.tensor(value, dtype=torch.float64)


def wasserstein_gradient(objective: Objective, share: float, theta: float) -> float:
    """Gradient in theta of the generator's loss against the best critic, where a share of the real samples is 1.

    On two points the best critic of slope 1 is one of two lines: that of lower d_loss.
    """

    def batch(weights: Tensor) -> Batch:
        return Batch(x=points(0.0, 1.0), z=points(0.0, 1.0), w=bernoulli(number(share)), r=weights)

    b = batch(bernoulli(number(theta)))
    lines: tuple[Network, ...] = (first, backwards)
    best = min(lines, key=lambda D: float(objective.d_loss(identity, D, b)))
    return float(torch.func.grad(lambda v: objective.g_loss(identity, best, batch(bernoulli(v))))(number(theta)))


def expected_wasserstein_gradient(objective: Objective, m: int, p: float, theta: float) -> float:
    """The mean over all samples of m real points of the gradient that the generator gets."""
    chances = [math.comb(m, k) * p**k * (1 - p) ** (m - k) for k in range(m + 1)]
    return sum(chance * wasserstein_gradient(objective, k / m, theta) for k, chance in enumerate(chances))


def sign_of_mean(m: int, p: float, theta: float) -> float:
    """E sign(theta - mean of m points): the gradient of |theta - mean|, the W1 of a sample, in closed form."""
    return sum(math.comb(m, k) * p**k * (1 - p) ** (m - k) * float(np.sign(theta - k / m)) for k in range(m + 1))


def not_wasserstein(subject: Subject) -> str | None:
    """Why a subject is not the Wasserstein game, or None where it is."""
    if family(subject) not in BILINEAR:
        return "not a Wasserstein game"
    return "the critic sees packs" if subject.objective.packing > 1 else None


def biased(subject: Subject) -> Iterator[Comparison]:
    """Expected gradients of samples beside their closed form, the table, and the gradient of the distance itself."""
    for (m, p, theta), digits in TABLE.items():
        about = f"m={m}, p={p:g}, theta={theta:g}"
        measured = expected_wasserstein_gradient(subject.objective, m, p, theta)
        yield Comparison(sign_of_mean(m, p, theta), measured, 1e-12, about=f"expected, {about}")
        yield Comparison(digits, measured, 5e-5, about=f"table, {about}")
        truth = wasserstein_gradient(subject.objective, p, theta)
        yield Comparison(float(np.sign(theta - p)), truth, 1e-12, about=f"truth, {about}")


def expected_energy_gradients(objective: Objective, p: float, thetas: np.ndarray) -> np.ndarray:
    """Gradient in theta of the generator's expected loss over all batches of two points each (n,)."""
    # (64, 2) each: real, generated and other generated points
    x, z, z2 = torch.cartesian_prod(*[torch.arange(2)] * 6).split(2, dim=1)
    batches = zip(x[:, :, None].double(), z[:, :, None].double(), z2[:, :, None].double(), strict=True)
    losses = torch.stack([objective.g_loss(identity, identity, Batch(x=a, z=b, z2=c)) for a, b, c in batches])

    def expected(theta: Tensor) -> Tensor:
        real, fake = bernoulli(number(p)), bernoulli(theta)
        return (real[x].prod(1) * fake[z].prod(1) * fake[z2].prod(1) * losses).sum()

    return np.array([float(torch.func.grad(expected)(number(theta))) for theta in thetas])


def apart(subject: Subject) -> float:
    """What the kernel of a subject's distance loses from a point to one at a distance of 1."""
    if family(subject) != "mmd":
        return 1.0
    bandwidth = getattr(subject.objective, "bandwidth")  # noqa: B009  a field of mmd alone
    return sum(1 - math.exp(-1 / (2 * (scale * bandwidth) ** 2)) for scale in (0.25, 0.5, 1, 2, 4))


def not_of_kernels(subject: Subject) -> str | None:
    """Why a subject's generator descends no distance that a kernel defines, or None where it does."""
    if family(subject) not in KERNELS:
        return "its generator descends no energy distance"
    return "a point is a pack" if subject.objective.packing > 1 else None


def unbiased(subject: Subject) -> Iterator[Comparison]:
    """Expected gradients over all small batches beside the gradient of the distance itself, 4 (theta - p)."""
    scale = apart(subject)
    for p, thetas in ((0.6, (0.5, 0.8)), (0.9, (0.95,)), (0.3, (0.3,))):
        found = expected_energy_gradients(subject.objective, p, np.array(thetas))
        for theta, measured in zip(thetas, found.tolist(), strict=True):
            # cramer's norm is smooth at zero, where it is 1e-6
            yield Comparison(4 * scale * (theta - p), measured, 1e-5, about=f"p={p:g}, theta={theta:g}")


ATOMS = 101
"""Points of each sample."""


def between(a: np.ndarray, b: np.ndarray, integrand: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    """The integral of a function of the distribution functions of two samples, both steps (n,)."""
    edges = np.sort(np.concatenate([a, b]))
    F, G = (np.searchsorted(np.sort(v), edges[:-1], side="right") / len(v) for v in (a, b))
    return float((integrand(F, G) * np.diff(edges)).sum())


def not_energy(subject: Subject) -> str | None:
    """Why a subject's generator descends no energy distance, or None where it does."""
    return "its kernel is not the distance" if family(subject) == "mmd" else not_of_kernels(subject)


def every_pair(x: Tensor, v: Tensor) -> Batch:
    """n points of each as n² rows, in which every two of real, generated and other generated points meet once."""
    n = len(x)
    i, j = torch.cartesian_prod(torch.arange(n), torch.arange(n)).T
    return Batch(x=x[i], z=v[j], z2=v[(i + j) % n])


def twice_the_square(subject: Subject) -> Iterator[Comparison]:
    """The loss on samples, without what the generator cannot change, beside 2 int (F - G)²."""
    x = equal_masses(ATOMS)
    for mu in (0.0, 0.5, 4.0):
        v = 1.3 * x + mu  # of another width too: then the terms within each sample differ
        samples = x.numpy(), v.numpy()
        square, within_x, within_v = (
            2 * between(*samples, f)
            for f in (lambda F, G: (F - G) ** 2, lambda F, G: F - F * F, lambda F, G: G - G * G)
        )
        if family(subject) == "cramer":
            b, rest = every_pair(x[:, None], v[:, None]), within_x
        else:
            # unbiased: pairs of a point with itself are left out
            b, rest = Batch(x=x[:, None], z=v[:, None]), -(within_x + within_v) / (ATOMS - 1)
        loss = float(subject.objective.g_loss(identity, identity, b))
        yield Comparison(square, loss - rest, 1e-5, about=f"2 int (F-G)², samples {mu:g} apart")


def not_surrogate(subject: Subject) -> str | None:
    """Why a subject's critic does not ascend the Cramér surrogate, or None where it does."""
    return not_of_kernels(subject) if family(subject) == "cramer" else "its critic ascends no surrogate of a distance"


def blind(subject: Subject) -> Iterator[Comparison]:
    """What critic and generator see of data at t and a generator at 0."""
    for t in (0.5, 3.0):
        b = Batch(x=points(t), z=points(0.0), z2=points(0.0))
        seen = float(subject.objective.value(identity, identity, b))
        yield Comparison(0.0, seen, 1e-12, about=f"critic's surrogate, 0 against {t:g}")
        distance = float(subject.objective.g_loss(identity, identity, b))
        yield Comparison(2 * t, distance, 1e-5, about=f"energy distance, 0 against {t:g}")
        swapped = Batch(x=points(0.0), z=points(t), z2=points(t))
        seen = float(subject.objective.value(identity, identity, swapped))
        yield Comparison(2 * t, seen, 1e-5, about=f"critic's surrogate, {t:g} against 0")


BIASED = Law(
    "sample gradient, wasserstein",
    "Between Bernoulli samples the expected gradient is E sign(theta - p_hat), not the distance's sign(theta - p)",
    f"{BELLEMARE}; by enumeration",
    biased,
    not_wasserstein,
)
UNBIASED = Law(
    "sample gradient, energy",
    "Between Bernoulli samples the expected gradient of an energy distance is the distance's own, 4 (theta - p)",
    f"{BELLEMARE}; by enumeration",
    unbiased,
    not_of_kernels,
)
SQUARE = Law(
    "energy distance on the line",
    "The loss on raw samples is 2 int (F - G)², up to what the generator cannot change and the pairs left out",
    "Székely 2002; Székely and Rizzo 2013, J. Stat. Plan. Inference 143",
    twice_the_square,
    not_energy,
)
BLIND = Law(
    "cramer's blind spot",
    "Data at t against a generator at 0: the critic's surrogate is 0 where the energy distance is 2 t",
    "Binkowski et al. 2018, arXiv:1801.01401",
    blind,
    not_surrogate,
)
LAWS: tuple[Law, ...] = (BIASED, UNBIASED, SQUARE, BLIND)


@dataclass(frozen=True)
class SampleGradients(Finding):
    """Expected sample gradients of W1 and of the Cramér distance against theta, beside the truth; p is .6, then .9.

    `theta` (n,); `samples` m and `p` (2,); `wasserstein`, `wasserstein_truth`, `cramer` and `cramer_truth` (2, n), per
    unit of theta. The Cramér distance is half the energy distance.
    """

    source = BELLEMARE
    laws = LAWS
    subjects = ("wasserstein-gp", "cramer", "energy")

    def arrays(self, seed: int) -> dict[str, np.ndarray]:
        from ganbench.theory.subjects import subject

        wasserstein, cramer = (subject(text).objective for text in self.subjects[:2])
        theta, cases = np.linspace(0.0125, 0.9875, 40), ((1, 0.6), (10, 0.9))
        return {
            "theta": theta,
            "samples": np.array([m for m, _ in cases]),
            "p": np.array([p for _, p in cases]),
            "wasserstein": np.array(
                [[expected_wasserstein_gradient(wasserstein, m, p, at) for at in theta] for m, p in cases]
            ),
            "wasserstein_truth": np.array([np.sign(theta - p) for _, p in cases]),
            "cramer": np.array([expected_energy_gradients(cramer, p, theta) / 2 for _, p in cases]),
            "cramer_truth": np.array([2 * (theta - p) for _, p in cases]),
        }
