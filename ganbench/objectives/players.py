"""What losses are functions of: players, batches, and the weighted mean and norm in which they are written."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

Network = Callable[[Tensor], Tensor]


class Player:
    """A network with its parameters; generator and discriminator are Players."""

    def __init__(self, module: torch.nn.Module, params: Mapping[str, Tensor], packing: int = 1, joins: bool = False):
        self.module = module
        self.params = dict(params)
        self.packing = packing  # rows of the network's own batch that are one row to the losses
        self.joins = joins  # whether two batches that a loss will ask for anyway go through the network as one
        self._answers: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, v: Tensor) -> Tensor:
        # a loss and its penalty ask the same questions: one forward pass and one backward pass serve both
        if id(v) not in self._answers:
            self._answers[id(v)] = (v, self.answer(v))
        return self._answers[id(v)][1]

    def ask_both(self, first: Tensor, second: Tensor) -> None:
        """Remembers the answers to both, from one pass through the network: the same but for the order of sums."""
        both = self.answer(torch.cat([first, second]))
        for v, answer in zip((first, second), both.split([len(first), len(second)]), strict=True):
            self._answers[id(v)] = (v, answer)

    def answer(self, v: Tensor) -> Tensor:
        """The network's output on v, computed anew."""
        m = self.packing
        if m == 1:
            return functional_call(self.module, self.params, (v,))
        return packed(functional_call(self.module, self.params, (v.reshape(m * v.shape[0], -1),)), m)

    def with_params(self, params: Mapping[str, Tensor]) -> Player:
        """The same network with other parameters."""
        return Player(self.module, params, self.packing, self.joins)


def packed(v: Float[Tensor, "B *d"], m: int) -> Float[Tensor, "P *e"]:
    """Every m rows joined into one along their first axis: points (B/m, m d), images (B/m, m channels, ...)."""
    return v.reshape(v.shape[0] // m, m * v.shape[1], *v.shape[2:])


class Batch:
    """Everything random that one step uses, for one replica; B samples.

    `x` real samples (B, *d); `z` and `z2` independent latents (B, z); `u` uniform on [0, 1) (B,); `noise`, `noise_z`
    and `noise_z2` standard normal like x, for x, G(z) and G(z2); `w` weight of each real sample and `r` weight of each
    latent, each (B,) with sum 1, uniform unless given; `t` the iteration, shape (). An objective names the fields
    beyond x and z that it needs in `draws`.
    """

    def __init__(
        self,
        x: Tensor,
        z: Tensor,
        z2: Tensor | None = None,
        u: Tensor | None = None,
        noise: Tensor | None = None,
        noise_z: Tensor | None = None,
        noise_z2: Tensor | None = None,
        w: Tensor | None = None,
        r: Tensor | None = None,
        t: Tensor | None = None,
    ):
        self.x, self.z = x, z
        optional = {"z2": z2, "u": u, "noise": noise, "noise_z": noise_z, "noise_z2": noise_z2, "t": t}
        self.__dict__.update({name: value for name, value in optional.items() if value is not None})
        self.w = torch.full_like(x.flatten(1)[:, 0], 1 / x.shape[0]) if w is None else w
        self.r = torch.full_like(z[:, 0], 1 / z.shape[0]) if r is None else r

    def __getattr__(self, name: str) -> Tensor:
        if name in DRAWS:
            raise AttributeError(f'the batch holds no "{name}": name it in the draws of the objective or regulariser')
        raise AttributeError(name)

    @classmethod
    def of(cls, fields: dict[str, Tensor], packing: int = 1) -> Batch:
        """The batch of a step's fields, each `packing` of its samples joined into one.

        A pack has the sum of its samples' weights w and its first sample's u; the r of an e_step is each pack's own.
        """
        if packing == 1:
            return cls(**fields)
        packs = fields["x"].shape[0] // packing
        made = {name: packed(v, packing) for name, v in fields.items() if v.dim() > 1}
        for name in ("u", "w", "r"):
            if name in fields and fields[name].shape[0] == packs:
                made[name] = fields[name]
            elif name in fields:
                rows = fields[name].reshape(packs, packing)
                made[name] = rows[:, 0] if name == "u" else rows.sum(1)
        return cls(**made, t=fields.get("t"))

    def with_x(self, x: Tensor) -> Batch:
        """The same batch with other real samples."""
        other = copy.copy(self)
        other.x = x
        return other

    def with_r(self, r: Tensor) -> Batch:
        """The same batch with other weights of the latents."""
        other = copy.copy(self)
        other.r = r
        return other


DRAWS = ("z2", "u", "noise", "noise_z", "noise_z2")
"""Fields of a batch that are drawn only where an objective or a regulariser names them."""


def mean(weights: Float[Tensor, "B"], v: Float[Tensor, "B"]) -> Float[Tensor, ""]:
    """Weighted mean; the weights sum to 1."""
    return (weights * v).sum()


def norm(v: Float[Tensor, "B *d"]) -> Float[Tensor, "B"]:
    """Euclidean norm of each sample, smooth at zero."""
    # eps inside the root: the slope of |v| at v = 0 is NaN, and one NaN ends the replica
    return (v.flatten(1).square().sum(1) + 1e-12).sqrt()
