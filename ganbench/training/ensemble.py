"""Many replicas of one shape trained as one: the only place that knows the leading axis R.

A loss is written for one replica; here it is differentiated, joined with its optimiser into one step of one replica,
and lifted over R by `torch.func.vmap`, or by a loop where that is faster: beyond some size of images and networks the
tensors of one replica fit into a processor's cache and those of all do not. Everything goes by position: a keyword
argument would be broadcast, not mapped.

Over 250 lines, so that it stays the only place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import grad_and_value, vmap
from torch.utils import _pytree as pytree

from ganbench.fields import swept_fields
from ganbench.networks.initialisation import initial_params, with_convolution
from ganbench.networks.mlp import BatchStats
from ganbench.networks.parameters import Parameters
from ganbench.objectives.contract import (
    Batch,
    Objective,
    Player,
    Regulariser,
    penalised_d_loss,
    penalised_g_loss,
    seen,
)
from ganbench.plugins import of_shape
from ganbench.training.compilation import Code, compiled, flattened
from ganbench.training.device import in_bfloat16
from ganbench.training.optimisers import Optimiser

REFERENCE_LATENTS = 4096
"""Latents whose statistics stand in for the batch's when a generator with batch statistics is sampled."""

State = dict[str, Any]


@dataclass(frozen=True)
class Game:
    """What all replicas of an ensemble have in common; two equal games share one compiled code.

    The swept numbers of objective, regularisers and optimiser are set to their defaults: each replica brings its own.
    """

    objective: Objective
    optimiser: Optimiser
    network: Any
    target: Any  # where the objective needs to know it, else None
    latent: int
    shape: tuple[int, ...]
    batch: int
    width: int
    compiled: bool
    device: str
    lift: str = "vmap"  # all replicas in one call, or "loop": one call for each
    precision: str = "fp32"  # or "fp64", for checks against theory
    convolution: str = "products"  # or "torch": how the layers of networks/conv.py compute
    draws: str = "numpy"  # or "counter": where a training's draws come from, see training/draws.py
    regularisers: tuple[Regulariser, ...] = ()  # beyond the objective's own

    def __post_init__(self) -> None:
        object.__setattr__(self, "objective", _unswept(self.objective))
        object.__setattr__(self, "regularisers", tuple(_unswept(r) for r in self.regularisers))
        object.__setattr__(self, "optimiser", _unswept(self.optimiser))

    def generator(self) -> nn.Module:
        """A new generator, which computes in the game's way and precision."""
        return self._computing(self.network.generator(self.latent, self.shape))

    def critic(self) -> nn.Module:
        """A new critic, which computes in the game's way and precision; the identity where the game has none."""
        if "D" not in self.objective.players:
            return nn.Identity()
        m = self.objective.packing
        shape = (m * self.shape[0], *self.shape[1:])
        return self._computing(self.network.critic(shape, self.objective.critic_outputs(m * self.latent)))

    def _computing(self, module: nn.Module) -> nn.Module:
        module = with_convolution(module, self.convolution)
        return in_bfloat16(module, self.device) if self.precision == "bf16" else module

    @property
    def dtype(self) -> torch.dtype:
        """Of parameters, optimiser states and batches."""
        return torch.float64 if self.precision == "fp64" else torch.float32

    def playing(self, swept: dict[str, Any]) -> Objective:
        """The objective of one replica with its numbers, its target and its regularisers."""
        added = tuple(r.with_swept(s) for r, s in zip(self.regularisers, swept["regularisers"], strict=True))
        return self.objective.bind(self.target).with_swept(swept["objective"]).with_added(added)

    def initial_state(self, seeds: list[int]) -> State:
        """Weights by seed and empty optimiser states, stacked over R on the device."""
        D, G = (
            self._stack(module, seeds, player) for module, player in ((self.critic(), "D"), (self.generator(), "G"))
        )
        width = len(seeds)
        averaged = {"averaged_G": pytree.tree_map(torch.clone, G)} if self.optimiser.ema else {}
        return {
            "D": D,
            "G": G,
            "optimiser_D": self.optimiser_state(D),
            "optimiser_G": self.optimiser_state(G),
            "alive": torch.ones(width, dtype=torch.bool, device=self.device),
            "diverged_at": torch.full((width,), -1.0, device=self.device),
            **averaged,
        }

    def optimiser_state(self, params: Mapping[str, Tensor]) -> State:
        """The empty state of a player's optimiser, stacked over R like its parameters."""
        return vmap(self.optimiser.initial_state)(in_one(params)) if params else {}

    def _stack(self, module: nn.Module, seeds: list[int], player: str) -> Mapping[str, Tensor]:
        each = [initial_params(module, seed, player) for seed in seeds]
        stacked = {k: torch.from_numpy(np.stack([params[k] for params in each])) for k in each[0]}
        named = {k: p.to(self.device, self.dtype) for k, p in stacked.items()}
        return Parameters.joined(named, leading=1) if named else {}

    def swept(
        self,
        objectives: list[Objective],
        optimisers: list[Optimiser],
        regularisers: list[tuple[Regulariser, ...]],
    ) -> dict[str, Any]:
        """The numbers that may differ between replicas, each a tensor of shape (R,)."""
        return {
            "objective": self._swept(objectives),
            "optimiser": self._swept(optimisers),
            "regularisers": [self._swept(list(each)) for each in zip(*regularisers, strict=True)],
        }

    def _swept(self, owners: list[Any]) -> dict[str, Tensor]:
        names = swept_fields(type(owners[0]))
        return {
            name: torch.tensor([getattr(owner, name) for owner in owners], dtype=self.dtype, device=self.device)
            for name in names
        }


def _unswept(owner: Any) -> Any:
    """The same objective, regulariser or optimiser with its swept numbers at their defaults."""
    if not dataclasses.is_dataclass(owner) or isinstance(owner, type):
        return owner
    numbers = {f.name: f.default for f in dataclasses.fields(owner) if f.name in swept_fields(type(owner))}
    return dataclasses.replace(owner, **numbers)


def in_one(params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters as optimisers take them: all of a player as one tensor where they lie in one."""
    return {"all": params.flat} if isinstance(params, Parameters) else dict(params)


def projects(regulariser: Regulariser) -> bool:
    """Whether a regulariser moves the critic's parameters after a step."""
    return type(regulariser).project is not Regulariser.project


def one_step(game: Game, step: str) -> Callable[[State, dict[str, Any], dict[str, Tensor]], State]:
    """The step of ONE replica: state, swept numbers and batch fields -> state.

    A replica whose loss, parameters or optimiser state become non-finite keeps its last finite state and notes the
    iteration, from 1 on.
    """
    generator, critic = game.generator().to("meta"), game.critic().to("meta")

    m = game.objective.packing

    def run(state: State, swept: dict[str, Any], fields: dict[str, Tensor]) -> State:
        objective = game.playing(swept)
        optimiser = game.optimiser.with_swept(swept["optimiser"])
        b = Batch.of(fields, m)

        def losses(D: Player, G: Player) -> dict[str, Any]:
            found = {}
            if "D" in step:
                loss = grad_and_value(lambda p: penalised_d_loss(objective, G, D.with_params(p), b))
                found["D"] = loss(D.params)
            if "G" in step:
                loss = grad_and_value(lambda p: penalised_g_loss(objective, G.with_params(p), D, b))
                found["G"] = loss(G.params)
            return found

        def moved(rule: Any, player: str, grads: dict[str, Tensor]) -> Parameters:
            """What a player's parameters become under a rule of the optimiser, whose state moves on."""
            own, moments = state[player], new[f"optimiser_{player}"]
            after, new[f"optimiser_{player}"] = rule(player, in_one(own), in_one(Parameters.joined(grads)), moments)
            return Parameters(after["all"], own.layout)

        def bounded(player: str, params: Parameters) -> Parameters:
            projections = [r.project for r in objective.all_regularisers() if projects(r)] if player == "D" else []
            D = Player(critic, params)
            for project in projections:
                D = project(D)
            return Parameters.joined(D.params) if projections else params

        new, checked = dict(state), []
        # only in compiled code: eager results are the same bits in every version
        D, G = Player(critic, state["D"], joins=game.compiled), Player(generator, state["G"], m)
        found = losses(D, G)
        if optimiser.extrapolates:
            ahead = {"D": state["D"], "G": state["G"]}
            for player, (grads, loss) in found.items():
                there = moved(optimiser.extrapolate, player, grads)
                checked += [loss, there.flat]
                ahead[player] = bounded(player, there)
            found = losses(D.with_params(ahead["D"]), G.with_params(ahead["G"]))
        for player, (grads, loss) in found.items():
            params = moved(optimiser.step, player, grads)
            checked += [loss, params.flat, *pytree.tree_leaves(new[f"optimiser_{player}"])]
            new[player] = bounded(player, params)
        if "G" in step and optimiser.ema:
            old, now = state["averaged_G"], new["G"]
            new["averaged_G"] = Parameters(optimiser.ema * old.flat + (1 - optimiser.ema) * now.flat, old.layout)
        # a largest size is NaN where any is; 0 * v, which is NaN in the same places, a compiler takes for 0
        finite = torch.stack([v.abs().amax() for v in checked]).amax() < torch.inf
        keep = state["alive"] & finite
        died = state["alive"] & ~finite
        kept = {"alive": keep, "diverged_at": torch.where(died, fields["t"], state["diverged_at"])}
        for name, before in state.items():
            if new[name] is not before:
                # in the order of what came, whatever order an optimiser gives its own back in
                kept[name] = pytree.tree_map(lambda b, a: torch.where(keep, a, b), before, new[name])
        return {name: kept.get(name, before) for name, before in state.items()}

    return run


def one_e_step(game: Game) -> Callable[[State, dict[str, Any], dict[str, Tensor]], Tensor]:
    """The E-step of ONE replica: weights of its held latents (B,), without gradient."""
    generator, critic = game.generator().to("meta"), game.critic().to("meta")
    m = game.objective.packing

    def run(state: State, swept: dict[str, Any], fields: dict[str, Tensor]) -> Tensor:
        objective = game.playing(swept)
        players = Player(generator, state["G"], m), Player(critic, state["D"])
        b = Batch.of(fields, m)
        return of_shape(tuple(b.r.shape), objective.e_step, *seen(objective, *players, b))

    return run


_codes: dict[tuple[Game, str], Code] = {}


def lifted(game: Game, step: str, example: tuple[Any, ...], name: str = "") -> Code:
    """A step ("D", "G", "DG" or "E") of all replicas at once, compiled where the game says so.

    Ready when it returns: compilation and the first call are done. Cached per process, by game and step; compiled code
    of a game with a name also on disk: equal names must stand for equal games.
    """
    if (game, step) not in _codes:
        one = one_e_step(game) if step == "E" else one_step(game, step)
        # a step gives a state like the one it is given, an E-step weights
        result = pytree.tree_structure(0 if step == "E" else example[0])
        what = f"{name}/{step}" if name else ""
        if game.lift == "loop":
            code = flattened(looped(compiled(one, lane(example, 0), what, result) if game.compiled else one), example)
        elif game.compiled:
            code = compiled(vmap(one), example, what, result)
        else:
            code = flattened(vmap(one), example)
        with torch.no_grad():
            code(*example)
        _codes[game, step] = code
    return _codes[game, step]


def looped(one: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one replica called for each, its nested results stacked over R: what `vmap` gives, lane by lane."""

    def many(*stacked: Any) -> Any:
        width = len(pytree.tree_leaves(stacked)[0])
        each = [one(*lane(stacked, i)) for i in range(width)]
        return pytree.tree_map(lambda *leaves: torch.stack(leaves), *each)

    return many


def lane(stacked: Any, i: int) -> Any:
    """What one replica has of nested tensors that are stacked over R."""
    return pytree.tree_map(lambda leaf: leaf[i], stacked)


def sampler(game: Game) -> Callable[[dict[str, Tensor], dict[str, Any], Tensor, Tensor, Tensor], Tensor]:
    """Samples (R, n, *d) of all replicas: generators' parameters, swept, latents (R, n, z), noise, reference (R, m, z).

    The reference latents feed the batch statistics of networks that have some; m is 0 elsewhere. Without gradient.
    """
    module = game.generator().to("meta")
    for layer in module.modules():
        if isinstance(layer, BatchStats):
            layer.reference = REFERENCE_LATENTS

    def one(params: dict[str, Tensor], swept: dict[str, Any], z: Tensor, noise: Tensor, reference: Tensor) -> Tensor:
        objective = game.objective.with_swept(swept["objective"])
        m = reference.shape[0]

        def G(v: Tensor) -> Tensor:
            return Player(module, params)(torch.cat([reference, v]))[m:]

        return of_shape((z.shape[0], *game.shape), objective.sample, G, z, noise)

    # images one replica after another: thousands of reference images of all of them at once would fill the memory
    return torch.no_grad()(looped(one) if game.lift == "loop" or len(game.shape) == 3 else vmap(one))


def has_batch_stats(game: Game) -> bool:
    """Whether sampling needs reference latents."""
    return any(isinstance(layer, BatchStats) for layer in game.generator().modules())
