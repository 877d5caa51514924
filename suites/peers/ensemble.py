"""ganbench as a run uses it: ensembles of a fixed width, compiled, one after the other in each process.

Settings: `width`, the lanes of an ensemble; fewer replicas are padded with copies, as in a run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from ganbench.catalogue import OBJECTIVES
from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Batch, Objective, Player, penalised_d_loss, penalised_g_loss, seen
from ganbench.streams import STEPS_PER_BLOCK
from ganbench.targets.mixtures import Ring8
from ganbench.training.device import prepare_process, synchronise
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import Adam
from suites.peers.work import LATENT, Runner, Work, dropped_in


def game_of(work: Work, width: int) -> tuple[Game, Objective, Adam]:
    objective, network = OBJECTIVES.load(work.objective)(), MLP(width=work.hidden, depth=work.depth)
    adam = Adam(lr_d=work.rate, lr_g=work.rate, beta1=work.beta1, beta2=work.beta2, eps=work.adam_eps)
    shape = Ring8().shape
    game = Game(
        objective,
        adam,
        network,
        None,
        LATENT,
        shape,
        work.batch,
        width,
        True,
        work.device,
        precision=work.precision,
        draws="counter" if work.device == "cuda" else "numpy",  # as suites have it
    )
    return game, objective, adam


def training_of(work: Work, width: int, seeds: list[int], draws: Any = None) -> Training:
    """An ensemble with these seeds, padded with copies of the last."""
    game, objective, adam = game_of(work, width)
    padded = [*seeds, *[seeds[-1]] * (width - len(seeds))]
    return Training(game, [Lane(objective, adam, seed) for seed in padded], Ring8(), draws)


class Dropped:
    """Draws in the place of ganbench's own."""

    def __init__(self, work: Work, iterations: int, replicas: int, width: int):
        lanes = [min(lane, replicas - 1) for lane in range(width)]
        data = dropped_in(work, iterations, replicas)
        self.fields = {name: torch.from_numpy(v[:, lanes]).to(work.device) for name, v in data.items()}

    def at(self, step: int) -> dict[str, Tensor]:
        return {name: v[step] for name, v in self.fields.items()}


@torch.no_grad()
def trajectory(work: Work, setting: dict[str, Any], iterations: int, replicas: int) -> np.ndarray:
    """Losses of D and G on the probe after each iteration (iterations, R, 2), by ganbench's objective and state."""
    prepare_process(threads=1)
    width = setting["width"]
    draws = Dropped(work, iterations, replicas, width)
    training = training_of(work, width, list(range(replicas)), draws)
    game, probe = training.game, draws.at(-1)
    generator, critic = game.generator().to("meta"), game.critic().to("meta")

    def losses(state: dict[str, Any], swept: dict[str, Any], fields: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        objective, b = game.playing(swept), Batch.of(fields)
        G, D = Player(generator, state["G"]), Player(critic, state["D"])
        if objective.hold:
            b = b.with_r(objective.e_step(*seen(objective, G, D, b)))
        return penalised_d_loss(objective, G, D, b), penalised_g_loss(objective, G, D, b)

    found = np.empty((iterations, replicas, 2))
    for i in range(iterations):
        training.advance(i + 1)
        players = {player: training.state[player] for player in ("D", "G")}
        for player, values in enumerate(vmap(losses)(players, training.swept, probe)):
            found[i, :, player] = values[:replicas].cpu().numpy()
    return found


def sequence_runner(work: Work, setting: dict[str, Any], replicas: int) -> Runner:
    """Every round makes, trains and drops one ensemble after the other, from code that is compiled before."""
    prepare_process(threads=1)
    width = setting["width"]

    def run(iterations: int) -> None:
        for first in range(0, replicas, width):
            training_of(work, width, list(range(first, min(first + width, replicas)))).advance(iterations)

    training_of(work, width, list(range(min(width, replicas)))).advance(1)
    return Runner(run, replicas)


def runner(work: Work, setting: dict[str, Any], replicas: int) -> Runner:
    """As many ensembles as the replicas need, compiled and warm."""
    prepare_process(threads=1)
    width, seeds = setting["width"], list(range(replicas))
    trainings = [training_of(work, width, seeds[i : i + width]) for i in range(0, replicas, width)]
    for training in trainings:
        training.prepare()

    def run(iterations: int) -> None:
        for training in trainings:
            training.advance(training.iteration + iterations)
        synchronise(work.device)

    # whole blocks of draws, so that no round pays for another's; beyond H=128 they are a small part of an iteration
    chunk = STEPS_PER_BLOCK // 2 if work.hidden <= 128 or work.device == "cuda" else 1
    run(1)
    return Runner(run, replicas, chunk, {"compile_s": round(sum(t.compile_s for t in trainings), 2)})
