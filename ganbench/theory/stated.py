"""Losses on given scores: each is the number of its paper's formula, worked out in plain NumPy.

What follows here shares no code with the losses. It tells one game from another where theory knows no optimum: paired
from plain, saturating from not, an unrolled discriminator from the present one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganbench import streams
from ganbench.objectives.contract import Batch, Player
from ganbench.objectives.em import EM
from ganbench.objectives.unrolled import Unrolled
from ganbench.theory.discriminator import family
from ganbench.theory.law import Comparison, Law, Subject
from ganbench.theory.small import TARGET

REAL, FAKE = np.array([1.3, -0.4, 0.2, 2.5]), np.array([-2.0, 0.7, -0.3, 1.1])
"""Scores of real and of generated samples, on both sides of a hinge's margins."""
W, R = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.4, 0.15, 0.25, 0.2])
"""Their weights."""

Loss = Callable[[Any], float]
"""An objective, for its numbers -> the loss."""


def softplus(t: np.ndarray) -> np.ndarray:
    """log(1 + e^t): minus the log of the sigmoid of -t."""
    return np.logaddexp(0.0, t)


def sigmoid(t: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-t)."""
    return 1 / (1 + np.exp(-t))


def logistic(objective: Any) -> float:
    """-E log D(x) - E log(1 - D(G(z)))."""
    return W @ softplus(-REAL) + R @ softplus(FAKE)


def accepted(objective: Any) -> float:
    """-E log D(G(z))."""
    return R @ softplus(-FAKE)


def least_squares(real: np.ndarray, fake: np.ndarray, a: float, b: float) -> float:
    """Half the squares of real scores from b and of generated ones from a."""
    return float(W @ (real - b) ** 2 + R @ (fake - a) ** 2) / 2


def paired(sign: int) -> float:
    """Mean of softplus over pairs whose weights are products; generated less real where the sign is 1."""
    return float((W * R) @ softplus(sign * (FAKE - REAL)) / (W @ R))


def evidence(objective: Any) -> float:
    """Minus the bound of an autoencoder whose posterior of x is N(x, e^(x/2)), and whose decoder is the identity."""
    errors = (np.exp(REAL / 4) * FAKE) ** 2
    divergences = (REAL**2 + np.exp(REAL / 2) - 1 - REAL / 2) / 2
    return W @ (errors / (2 * objective.decoder_sd**2) + objective.beta * divergences)


STATED: dict[str, tuple[Loss, Loss]] = {
    "minimax": (logistic, lambda o: -R @ softplus(FAKE)),
    "non-saturating": (logistic, accepted),
    "dragan": (logistic, accepted),
    # the labels of a bank are of equal weight, whatever its E-step
    "em": (lambda o: W @ softplus(-REAL) + softplus(FAKE).mean(), accepted),
    "ml": (logistic, lambda o: -R @ np.exp(FAKE)),
    **dict.fromkeys(
        ("wasserstein-clip", "wasserstein-gp", "wasserstein-gp-toy", "wasserstein-sn"),
        (lambda o: R @ FAKE - W @ REAL, lambda o: -R @ FAKE),
    ),
    "hinge": (lambda o: W @ np.maximum(0, 1 - REAL) + R @ np.maximum(0, 1 + FAKE), lambda o: -R @ FAKE),
    "relativistic": (lambda o: paired(1), lambda o: paired(-1)),
    "lsgan": (lambda o: least_squares(REAL, FAKE, o.a, o.b), lambda o: R @ (FAKE - o.c) ** 2 / 2),
    "lsgan-sigmoid": (
        lambda o: least_squares(sigmoid(REAL), sigmoid(FAKE), 0, 1),
        lambda o: R @ (sigmoid(FAKE) - 1) ** 2 / 2,
    ),
    "vae": (evidence, evidence),
}
"""Registered name -> what its discriminator and its generator descend, without penalties."""


def not_stated(subject: Subject) -> str | None:
    """Why the losses of a subject are not written down here, or None where they are."""
    return None if family(subject) in STATED else "its losses on scores are not stated"


def on_scores(subject: Subject) -> Iterator[Comparison]:
    """Both losses where samples are scores themselves, or the encoder's mean and twice its log variance."""
    objective = subject.objective
    x, z, w, r = (torch.from_numpy(v) for v in (REAL, FAKE, W, R))
    b = Batch(x=x[:, None], z=z[:, None], w=w, r=r)

    def D(v: Tensor) -> Tensor:
        return torch.cat([v, v / 2], dim=1) if family(subject) == "vae" else v[:, 0]

    losses = (objective.d_loss, objective.g_loss)
    for player, loss, stated in zip("DG", losses, STATED[family(subject)], strict=True):
        measured = float(loss(lambda v: v, D, b))
        yield Comparison(float(stated(objective)), measured, 1e-10, about=f"{player}'s loss")


THETA, PSI = 0.8, -0.5
"""A generator of one point, and the discriminator psi v; the data are at 1."""


def unrolled(objective: Any) -> tuple[float, float]:
    """V after the discriminator's steps, and its derivative in theta through all of them."""
    psi, slope = PSI, 0.0
    for _ in range(objective.unroll):
        real, fake = sigmoid(np.array([-psi, psi * THETA]))
        bump = fake * (1 - fake)
        by_psi, by_both = real - THETA * fake, -fake - psi * THETA * bump
        by_psi_twice = -real * (1 - real) - THETA**2 * bump
        psi, slope = (
            psi + objective.lr_unroll * by_psi,
            slope * (1 + objective.lr_unroll * by_psi_twice) + objective.lr_unroll * by_both,
        )
    real, fake = sigmoid(np.array([-psi, psi * THETA]))
    value = -softplus(np.array([-psi, psi * THETA])).sum()
    return value, -psi * fake + (real - THETA * fake) * slope


def not_unrolled(subject: Subject) -> str | None:
    """Why a subject looks at no later discriminator, or None where it does."""
    return None if family(subject) == "unrolled" else "its generator sees the present discriminator"


def ahead(subject: Subject) -> Iterator[Comparison]:
    """The generator's loss and its slope beside a recursion of two numbers."""
    assert isinstance(subject.objective, Unrolled), "not_unrolled has refused the others"
    one = torch.ones(1, 1, dtype=torch.float64)
    line = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Flatten(0))
    D, b = Player(line, {"0.weight": PSI * one}), Batch(x=one, z=one)
    G = Player(nn.Linear(1, 1, bias=False), {"weight": THETA * one})
    slope, loss = torch.func.grad_and_value(lambda p: subject.objective.g_loss(G.with_params(p), D, b))(G.params)
    for about, stated, measured in zip(
        ("V at the later discriminator", "its slope in theta"),
        unrolled(subject.objective),
        (float(loss), float(slope["weight"])),
        strict=True,
    ):
        yield Comparison(stated, measured, 1e-10, about=about)


def no_bank(subject: Subject) -> str | None:
    """Why a subject weighs no latents, or None where it does."""
    return None if isinstance(subject.objective, EM) else "it weighs no latents"


def weighed(subject: Subject) -> Iterator[Comparison]:
    """The E-step's weights of points that are their own latents, under any temperature, prior and packing."""
    objective = subject.objective.bind(TARGET)
    assert isinstance(objective, EM), "no_bank has refused the others"
    v = 1.5 * streams.normal(streams.generator(0, "law.weights"), 6, 2 * objective.packing).astype(np.float64)
    logits = v.sum(1)
    log_weights = -softplus(-logits) if objective.weights == "posterior" else logits
    scale = float(objective.prior_scale)
    points = torch.from_numpy(v.reshape(-1, 2))
    prior: dict[str, Callable[[], Any]] = {
        "none": lambda: 0.0,
        "box": lambda: -30.0 * (np.abs(v) > scale).any(1),
        "gaussian": lambda: -(v**2).sum(1) / (2 * scale**2),
        "target": lambda: TARGET.log_density(points).reshape(6, -1).sum(1).numpy(),
    }
    total = log_weights / float(objective.temperature) + prior[objective.prior]()
    expected = np.exp(total - total.max())
    b = Batch(x=torch.from_numpy(v), z=torch.from_numpy(v))
    found = objective.e_step(lambda z: z, lambda u: u.sum(1), b).numpy()
    yield Comparison(0, float(np.abs(found - expected / expected.sum()).max()), 1e-10, about="largest difference")


LAWS: tuple[Law, ...] = (
    Law(
        "losses on scores",
        "On given scores both losses are the numbers of the stated formulas",
        "the paper of each objective, see ganbench list objectives",
        on_scores,
        not_stated,
    ),
    Law(
        "unrolled discriminator",
        "The generator's loss is V after the discriminator's own steps, its gradient goes through them",
        "Metz et al. 2017, arXiv:1611.02163, equations 7 to 10",
        ahead,
        not_unrolled,
    ),
    Law(
        "weights of the E-step",
        "The weights of latents are proportional to D(G(z))^(1/T), or its odds, times the prior",
        "Dempster, Laird and Rubin 1977; Hu et al. 2018, arXiv:1706.00550, section 4.1",
        weighed,
        no_bank,
    ),
)
