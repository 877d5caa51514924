"""The training of one ensemble: iterations from a start or a checkpoint, with a clock that sees nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ganbench import streams
from ganbench.objectives.contract import Objective, Regulariser
from ganbench.streams import STEPS_PER_BLOCK
from ganbench.targets.contract import Target
from ganbench.training.checkpoint import Checkpoint, CheckpointError
from ganbench.training.compilation import Code, Leaves, compiled
from ganbench.training.device import Stopwatch, use_precision
from ganbench.training.draws import CounterDraws, Draws, latents
from ganbench.training.ensemble import REFERENCE_LATENTS, Game, State, has_batch_stats, lifted, sampler
from ganbench.training.optimisers import Optimiser
from ganbench.training.recording import Recording

LANES = 32
"""Samples are drawn in multiples of it: elsewhere a replica's last bits depend on its neighbours (vector tails)."""

SAMPLED_AT_ONCE = 4096
"""Samples of a replica in one pass: what passes through a generator of images is many times their size."""


Fields = dict[str, Tensor]
"""What a step is given beside the state: the draws by name, each (R, B, ...), and `t`, the iteration (R,)."""


class Steps(Protocol):
    """What gives the fields of a gradient step, each (R, B, ...)."""

    def at(self, step: int) -> dict[str, Tensor]:
        """Fields by name; x and z at least."""
        ...


@dataclass(frozen=True)
class Lane:
    """One replica's place in an ensemble: objective, optimiser and regularisers with their numbers, and its seed."""

    objective: Objective
    optimiser: Optimiser
    seed: int
    regularisers: tuple[Regulariser, ...] = ()


class Training:
    """An ensemble in training; `iteration` counts those finished, `seconds` their time for all lanes together.

    `draws` gives the fields of each step in the place of the keyed ones: a check against theory takes fixed nodes.
    Compiled code of a game with a `name`, which no other game may have, is kept on disk.
    """

    def __init__(self, game: Game, lanes: list[Lane], target: Target, draws: Steps | None = None, name: str = ""):
        if len(lanes) != game.width:
            raise ValueError(f"found {len(lanes)} lanes for an ensemble of width {game.width}; pad with copies")
        self.game, self._name = game, name
        self.seeds = [lane.seed for lane in lanes]
        self.swept = game.swept(
            [lane.objective for lane in lanes],
            [lane.optimiser for lane in lanes],
            [lane.regularisers for lane in lanes],
        )
        self.state = game.initial_state(self.seeds)
        self._swept = pytree.tree_leaves(self.swept)
        self.iteration = 0
        self.compile_s = 0.0
        self.weights: Tensor | None = None  # of the latents held in the last iteration (R, B)
        self._clock = Stopwatch(game.device)
        self._target = target
        needed = game.objective.with_added(game.regularisers).all_draws()
        source = CounterDraws if game.draws == "counter" else Draws
        self._draws = draws or source(self.seeds, target, game.batch, game.latent, needed, game.device)
        self._schedule = game.objective.schedule()
        self._sample = sampler(game)
        self._codes: dict[str, Code] = {}
        self._recording: Recording | None = None
        self._counted, self._counts = -1, tuple[Tensor, ...]()

    @property
    def state(self) -> State:
        """Players, optimisers and what lives, stacked over R; steps replace tensors and never write into them."""
        return pytree.tree_unflatten(self._leaves, self._structure)

    @state.setter
    def state(self, state: State) -> None:
        leaves, self._structure = pytree.tree_flatten(state)
        self._leaves: Leaves = leaves

    @property
    def seconds(self) -> float:
        """Training time so far, without compilation, warm-up, evaluation and storing."""
        return self._clock.seconds

    def prepare(self) -> None:
        """Compiles and warms up every step, off the clock; on a GPU with draws of its own, records an iteration."""
        began = time.perf_counter()
        use_precision(self.game.precision, self.game.device)
        fields = self._fields(0, 0)
        if self.game.objective.hold:
            self._codes["E"] = lifted(self.game, "E", (self.state, self.swept, fields), self._name)
            fields["r"] = self._codes["E"](self.state, self.swept, fields)
        for step in dict.fromkeys(self._schedule):
            self._codes[step] = lifted(self.game, step, (self.state, self.swept, fields), self._name)
        if self.game.device == "cuda" and isinstance(self._draws, CounterDraws):
            self._recording = self._record(self._draws)
        self.compile_s += time.perf_counter() - began

    @torch.no_grad()
    def advance(self, to: int) -> None:
        """Trains until `to` iterations are finished."""
        if not self._codes:
            self.prepare()
        use_precision(self.game.precision, self.game.device)
        self._clock.start()
        if self._recording and to > self.iteration:
            self._recording.load(self._leaves, self.iteration)
            self._recording.repeat(to - self.iteration)
            self._leaves, self.iteration = self._recording.state(), to
            self.weights = self._recording.seen[0] if self._recording.seen else None
        while self.iteration < to:
            self._leaves, seen = self._iterate(self._leaves, self.iteration, self._draws.at)
            self.weights = seen[0] if seen else None
            self.iteration += 1
        self._clock.stop()

    def _iterate(self, leaves: Leaves, finished: Any, drawn: Callable[[Any], Fields]) -> tuple[Leaves, list[Tensor]]:
        """The state after one more iteration than are finished, and the weights of the latents that it held, if any."""
        count, held = self._count(finished + 1), Fields()
        for offset, step in enumerate(self._schedule):
            fields = {**drawn(finished * len(self._schedule) + offset), "t": count, **held}
            if self.game.objective.hold and not held:
                (weights,) = self._call("E", leaves, fields)
                held = {"z": fields["z"], "r": weights}
                fields.update(held)
            leaves = self._call(step, leaves, fields)
        return leaves, [held["r"]] if held else []

    @torch.no_grad()
    def _record(self, draws: CounterDraws) -> Recording:
        drawn: Callable[[Tensor], Fields] = draws.drawn
        if self.game.compiled:
            drawn = compiled(drawn, (torch.zeros((), dtype=torch.int64, device=self.game.device),))
        return Recording(lambda leaves, finished: self._iterate(leaves, finished, drawn), self._leaves)

    def _call(self, step: str, leaves: Leaves, fields: Fields) -> Leaves:
        """What the code of a step makes of a state."""
        return self._codes[step].by_leaves(*leaves, *self._swept, *fields.values())

    def _count(self, iteration: Any) -> Tensor:
        """The number of an iteration for every lane (R,)."""
        if isinstance(iteration, Tensor):
            return iteration.to(self.game.dtype).expand(self.game.width).contiguous()
        block, offset = divmod(iteration, STEPS_PER_BLOCK)
        if block != self._counted:
            numbers = torch.arange(block * STEPS_PER_BLOCK, (block + 1) * STEPS_PER_BLOCK, device=self.game.device)
            counts = numbers.to(self.game.dtype)[:, None].repeat(1, self.game.width)
            self._counted, self._counts = block, counts.unbind()
        return self._counts[offset]

    def _fields(self, step: int, iteration: int) -> Fields:
        return {**self._draws.at(step), "t": self._count(iteration)}

    def alive(self) -> np.ndarray:
        """Which lanes have stayed finite (R,)."""
        return self.state["alive"].cpu().numpy()

    def diverged_at(self) -> np.ndarray:
        """The iteration, from 1, in which each lane became non-finite; -1 where it did not (R,)."""
        return self.state["diverged_at"].cpu().numpy().astype(int)

    def freeze(self, lane: int) -> None:
        """Keeps a lane as it is from now on, diverged in this iteration unless it was before."""
        state = self.state
        alive, diverged_at = state["alive"].clone(), state["diverged_at"].clone()
        if alive[lane]:
            alive[lane], diverged_at[lane] = False, self.iteration
        self.state = {**state, "alive": alive, "diverged_at": diverged_at}

    def samples(self, stream: str, block: int, n: int, averaged: bool = False) -> np.ndarray:
        """n samples of every lane from keyed latents (R, n, *d), float32; of the averaged generators where asked."""
        rows = -(-n // LANES) * LANES
        device, latent = self.game.device, self.game.latent
        z = latents(self.seeds, f"{stream}.z", block, rows, latent, device)
        m = REFERENCE_LATENTS if has_batch_stats(self.game) else 0
        reference = latents(self.seeds, "statistics.z", 0, m, latent, device)
        # without a use for it, noise of the samples' size would be most of what is drawn
        noisy = type(self.game.objective).sample is not Objective.sample
        width = int(np.prod(self.game.shape)) if noisy else 0
        flat_noise = latents(self.seeds, f"{stream}.noise", block, rows, width, device)
        params = self.state["averaged_G" if averaged else "G"]
        parts = []
        for start in range(0, rows, SAMPLED_AT_ONCE):
            part = slice(start, start + SAMPLED_AT_ONCE)
            noise = flat_noise[:, part]
            noise = noise.reshape(*noise.shape[:2], *self.game.shape) if noisy else noise
            parts.append(self._sample(params, self.swept, z[:, part], noise, reference).cpu().numpy())
        return np.concatenate(parts, axis=1)[:, :n]

    def effective_sample_size(self) -> np.ndarray | None:
        """1 / sum r^2 of the latents held last (R,), or None where none are held."""
        return None if self.weights is None else self.weights.square().sum(1).reciprocal().cpu().numpy()

    def generator(self, lane: int, averaged: bool = False) -> dict[str, np.ndarray]:
        """Parameter name -> float32 array of one lane's generator; of its averaged one where asked."""
        return {name: p[lane].cpu().numpy() for name, p in self.state["averaged_G" if averaged else "G"].items()}

    def save(self, path: Path, kept: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Writes a checkpoint, whole or not at all, with what the caller wants kept beside the state."""
        leaves = {f"state/{i}": leaf.cpu().numpy() for i, leaf in enumerate(self._leaves)}
        Checkpoint(self.iteration, self.seconds, kept, {**leaves, **arrays}).write(path)

    def load(self, path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Goes on from a checkpoint; gives back what was kept.

        Raises CheckpointError where it is damaged or not its own, FileNotFoundError where there is none.
        """
        checkpoint = Checkpoint.read(path)
        found = [checkpoint.arrays.get(f"state/{i}") for i in range(len(self._leaves))]
        tensors = [torch.from_numpy(f) for f in found if f is not None]
        expected = [(leaf.shape, leaf.dtype) for leaf in self._leaves]
        if [(tensor.shape, tensor.dtype) for tensor in tensors] != expected:
            raise CheckpointError(f"{path}: the checkpoint of another ensemble")
        self._leaves = [tensor.to(self.game.device) for tensor in tensors]
        self.iteration, self._clock.seconds = checkpoint.iteration, checkpoint.seconds
        return checkpoint.kept, {k: v for k, v in checkpoint.arrays.items() if not k.startswith("state/")}


def true_samples(target: Target, seed: int, evaluation: int, n: int) -> np.ndarray:
    """The n true samples that one evaluation of a seed is compared with (n, *d), float64."""
    return target.reference(streams.generator(seed, "evaluation.true", evaluation), n)
