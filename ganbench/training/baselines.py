"""Baselines: rows that are no GAN and give a table its scale. Each is fitted once per seed and then draws samples."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float

from ganbench import streams
from ganbench.targets.contract import Target
from ganbench.targets.images import FiniteImages, Images

PLAYERS_SAMPLES = 5000
"""Keyed samples that a baseline is fitted to; of a finite set it sees the players' half instead."""

MOST_VALUES = 2**26
"""Numbers in the data of a fit, half a gigabyte: of a larger half a baseline sees so many images, chosen by seed."""

MOST_PRODUCTS = 2**30
"""Components times samples times dimensions of a candidate of gmm-em: one iteration of EM then takes about a second."""

MODES_OF_A_MANIFOLD = 16
"""Modes that gmm-em assumes where a target has none to count."""

SAMPLES_PER_PARAMETER = 10
"""Samples per free number that a full covariance needs; with fewer, gmm-em fits variances only."""


SAMPLES_PER_COMPONENT = 10
"""Samples per component that a candidate of gmm-em needs."""


class Fitted:
    """A fitted baseline; `notes` says what was chosen in fitting, in words for a table's footnote."""

    notes: str

    def sample(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n *d"]:
        """n samples, float64; a finite set's oracle raises ValueError where n exceeds the set."""
        raise NotImplementedError  # the contract: every fitted baseline draws


class Baseline:
    """A rule that fits a sampler to the players' data; no state, deterministic in the seed."""

    source: ClassVar[str]

    def fit(self, target: Target, seed: int) -> Fitted:
        """The sampler fitted to the players' data under a seed."""
        raise NotImplementedError  # the contract: every baseline states it


@dataclass(frozen=True)
class TrueSamples(Fitted):
    """The target itself."""

    target: Target
    notes: str

    def sample(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n *d"]:
        return self.target.oracle(rng, n)


@dataclass(frozen=True)
class Gaussians(Fitted):
    """A fitted mixture of Gaussians on samples of a `shape` of d numbers.

    `cumulative` weights (k,), `means` (k, d). A covariance is F Fᵀ with its F of `factors` (k, d, m), or diagonal with
    the standard deviations (k, d).
    """

    cumulative: Float[np.ndarray, " k"]
    means: Float[np.ndarray, "k d"]
    factors: Float[np.ndarray, "k d m"] | Float[np.ndarray, "k d"]
    shape: tuple[int, ...]
    notes: str

    def sample(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n *d"]:
        u, z = rng.random(n), rng.standard_normal((n, self.factors.shape[-1]))
        # without the last edge: rounding may leave it a little under 1, and u beyond it
        component = np.searchsorted(self.cumulative[:-1], u, side="right")
        x = self.means[component]
        if self.factors.ndim == 2:
            return (x + z * self.factors[component]).reshape(n, *self.shape)
        for k in np.unique(component):
            x[component == k] += z[component == k] @ self.factors[k].T
        return x.reshape(n, *self.shape)


class Oracle(Baseline):
    """Fresh samples of the target: what a perfect generator would score; of a finite set, the players' half itself."""

    source: ClassVar[str] = "the target"

    def fit(self, target: Target, seed: int) -> TrueSamples:
        half = f"the players' half, {len(target.players)} images" if isinstance(target, Images) else ""
        return TrueSamples(target, half or "fresh true samples")


class Trivial(Baseline):
    """One Gaussian with the mean and the full covariance of the players' data: what any objective must beat."""

    source: ClassVar[str] = "maximum likelihood of the normal distribution"

    def fit(self, target: Target, seed: int) -> Gaussians:
        x = players_data(target, seed)
        if x.shape[1] > len(x):  # the centred data are a factor themselves, and smaller than the covariance
            factor = (x - x.mean(axis=0)).T / math.sqrt(len(x))
        else:
            factor = symmetric_root(np.atleast_2d(np.cov(x, rowvar=False, ddof=0)))
        notes = f"one Gaussian fitted to {len(x)} samples"
        return Gaussians(np.ones(1), x.mean(axis=0)[None], factor[None], target.shape, notes)


class GaussianMixtureEM(Baseline):
    """A Gaussian mixture fitted by classical EM, its number of components by BIC up to twice the target's modes.

    Candidates are the powers of two up to there, the number of modes and its double, as far as each component has ten
    samples and EM ends within a minute or so; a manifold counts as 16 modes.
    Covariances are full where the data hold ten samples per free number of the largest candidate, else diagonal.
    """

    source: ClassVar[str] = "Dempster, Laird & Rubin 1977; BIC of Schwarz 1978; sklearn.mixture.GaussianMixture"

    def fit(self, target: Target, seed: int) -> Gaussians:
        from sklearn.mixture import GaussianMixture  # lazy: a second of imports that no other row needs

        x = players_data(target, seed)
        numbers = candidates(target.modes, *x.shape)
        kind = covariance_type(x.shape[1], numbers[-1], len(x))
        # a constant pixel would have variance 0 and an infinite likelihood; rounding alone varies by step²/12
        least_variance = 1e-6 * target.scale**2 / x.shape[1] + target.rounding**2 / 12
        state = int(streams.generator(seed, "baseline.em").integers(2**31))
        fits = [GaussianMixture(k, covariance_type=kind, reg_covar=least_variance, random_state=state) for k in numbers]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an EM that stops at its limit is told in the notes
            best = min((fit.fit(x) for fit in fits), key=lambda fit: fit.bic(x))
        components = f"{best.n_components} component" + ("s" if best.n_components > 1 else "")
        notes = f"{components} by BIC of {', '.join(map(str, numbers))}; {kind} covariance"
        if not best.converged_:
            notes += f"; EM stopped at {best.n_iter_} iterations"
        full = kind == "full"
        factors = np.stack([symmetric_root(c) for c in best.covariances_]) if full else np.sqrt(best.covariances_)
        return Gaussians(np.cumsum(best.weights_), best.means_, factors, target.shape, notes)


def players_data(target: Target, seed: int) -> Float[np.ndarray, "N d"]:
    """What a baseline is fitted to, flat, float64: 5,000 keyed samples, or a finite set's half, of which
    it takes a keyed part where the half holds more than MOST_VALUES numbers.
    """
    if isinstance(target, FiniteImages):
        n = min(target.reference_limit, MOST_VALUES // math.prod(target.shape))
        whole = n == target.reference_limit
        x = target.training_set if whole else target.oracle(streams.generator(seed, "baseline.data"), n)
        return x.reshape(n, -1)
    rng = streams.generator(seed, "baseline.data")
    u = torch.from_numpy(streams.uniform(rng, PLAYERS_SAMPLES, target.uniforms))
    z = torch.from_numpy(streams.normal(rng, PLAYERS_SAMPLES, target.normals))
    return target.to("cpu").sample(u, z).double().numpy().reshape(PLAYERS_SAMPLES, -1)


def candidates(modes: int | None, samples: int, dimension: int) -> list[int]:
    """Numbers of components that BIC chooses from, ascending."""
    most = 2 * (MODES_OF_A_MANIFOLD if modes is None else modes)
    numbers = {2**i for i in range(most.bit_length())} | {most // 2, most}
    affordable = min(samples // SAMPLES_PER_COMPONENT, MOST_PRODUCTS // (samples * dimension))
    return sorted(k for k in numbers if k <= max(1, affordable))


def covariance_type(dimension: int, components: int, samples: int) -> str:
    """ "full" where the samples carry so many numbers, else "diag"."""
    numbers = components * (1 + dimension + dimension * (dimension + 1) // 2)
    return "full" if samples >= SAMPLES_PER_PARAMETER * numbers else "diag"


def symmetric_root(covariance: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """The symmetric square root; unlike Cholesky's factor it exists where a coordinate is constant."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
