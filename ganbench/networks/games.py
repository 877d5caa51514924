"""Networks of games small enough for theory: a point against a line, and a Gaussian against a quadratic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganbench.fields import FieldError, ranged
from ganbench.networks.mlp import MLP


@dataclass(frozen=True)
class Dirac:
    """The Dirac-GAN's players: every latent becomes the point theta, and the critic is D(x) = psi x.

    One number each on the line, d each in d dimensions; all of them start at `theta` and `psi`, whatever the seed.
    Source: Mescheder et al. 2018, arXiv:1801.04406, definition 2.1, where psi is high on fakes; here it is on the data.
    """

    theta: float = ranged(1.0, unit="data units")
    psi: float = ranged(-1.0)

    def inapplicable(self, shape: tuple[int, ...]) -> str | None:
        """Why the network cannot be made for samples of a shape, or None where it can."""
        return _needs_points(shape)

    def generator(self, latent: int, shape: tuple[int, ...]) -> nn.Module:
        """Latents (B, latent) -> the same point (B, d)."""
        _check_points(shape)
        return Point(torch.full(shape, self.theta))

    def critic(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Points (B, d) -> (B, outputs), or (B,) where outputs is 1; every output starts as the same line."""
        _check_points(shape)
        return Lines(torch.full((outputs, *shape), self.psi))


@dataclass(frozen=True)
class Gaussian:
    """A generator m + A z, whose samples are Gaussian, against a quadratic critic, which holds the optimal one.

    Starts, the same for every seed: m is `mean` in each coordinate and A `sd` times the identity, so that the first
    samples are N(mean, sd²) where there are as many latents as coordinates or more; a quadratic critic is 0. Where
    `hidden` is not 0 the critic is an mlp of two such layers of softplus instead, with its start by seed.
    Source: Feizi et al. 2017, arXiv:1710.10793: a linear generator, a quadratic discriminator, Gaussian data.
    """

    mean: float = ranged(1.0, unit="data units")
    sd: float = ranged(1.0, above=0, unit="data units")
    hidden: int = ranged(0, at_least=0, at_most=4096)

    def inapplicable(self, shape: tuple[int, ...]) -> str | None:
        """Why the network cannot be made for samples of a shape, or None where it can."""
        return _needs_points(shape)

    def generator(self, latent: int, shape: tuple[int, ...]) -> nn.Module:
        """Latents (B, latent) -> points (B, d)."""
        _check_points(shape)
        return Affine(self.sd * torch.eye(shape[0], latent), torch.full(shape, self.mean))

    def critic(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Points (B, d) -> (B, outputs), or (B,) where outputs is 1."""
        _check_points(shape)
        if self.hidden:
            return MLP(width=self.hidden, depth=2, activation="softplus").critic(shape, outputs)
        return Quadratic(outputs, *shape)

    def generator_log_density(self, params: dict[str, Tensor], v: Float[Tensor, "N d"]) -> Float[Tensor, "N"]:
        """Log-density, in nats, at v of what a generator with these parameters makes of standard normal latents.

        Raises ValueError where it has none: fewer latents than coordinates.
        """
        A, m = params["weight"], params["bias"]
        if A.shape[1] < A.shape[0]:
            raise ValueError(f"{A.shape[1]} latents have no density in {A.shape[0]} dimensions; give it as many")
        covariance = A @ A.mT
        offsets = v - m
        squares = (offsets * torch.linalg.solve(covariance, offsets.mT).mT).sum(1)
        return -(squares + torch.linalg.slogdet(covariance)[1] + A.shape[0] * math.log(2 * math.pi)) / 2


def _needs_points(shape: tuple[int, ...]) -> str | None:
    return None if len(shape) == 1 else f"this game is one of points (d,), found samples of shape {shape}; use mlp"


def _check_points(shape: tuple[int, ...]) -> None:
    if reason := _needs_points(shape):
        raise FieldError("shape", reason)


class Point(nn.Module):
    """Latents (B, latent) -> the point itself (B, d)."""

    fixed_start = True

    def __init__(self, start: Float[Tensor, "d"]):
        super().__init__()
        self.weight = nn.Parameter(start)

    def forward(self, z: Float[Tensor, "B latent"]) -> Float[Tensor, "B d"]:
        return self.weight.expand(z.shape[0], -1)


class Lines(nn.Module):
    """Points (B, d) -> their products with each line (B, k), or (B,) where k is 1."""

    fixed_start = True

    def __init__(self, start: Float[Tensor, "k d"]):
        super().__init__()
        self.weight = nn.Parameter(start)

    def forward(self, v: Float[Tensor, "B d"]) -> Float[Tensor, "B *k"]:
        return _scores(v @ self.weight.mT)


class Affine(nn.Module):
    """Latents z (B, latent) -> m + A z (B, d); `weight` A (d, latent), `bias` m (d,)."""

    fixed_start = True

    def __init__(self, A: Float[Tensor, "d latent"], m: Float[Tensor, "d"]):
        super().__init__()
        self.weight, self.bias = nn.Parameter(A), nn.Parameter(m)

    def forward(self, z: Float[Tensor, "B latent"]) -> Float[Tensor, "B d"]:
        return z @ self.weight.mT + self.bias


class Quadratic(nn.Module):
    """Points v (B, d) -> v'Q v + q'v + c for each of k outputs (B, k), or (B,) where k is 1; all start at 0."""

    fixed_start = True

    def __init__(self, outputs: int, dimension: int):
        super().__init__()
        self.square = nn.Parameter(torch.zeros(outputs, dimension, dimension))
        self.linear = nn.Parameter(torch.zeros(outputs, dimension))
        self.constant = nn.Parameter(torch.zeros(outputs))

    def forward(self, v: Float[Tensor, "B d"]) -> Float[Tensor, "B *k"]:
        square = torch.einsum("bi,kij,bj->bk", v, self.square, v)
        return _scores(square + v @ self.linear.mT + self.constant)


def _scores(v: Float[Tensor, "B k"]) -> Float[Tensor, "B *k"]:
    return v.flatten(0) if v.shape[1] == 1 else v
