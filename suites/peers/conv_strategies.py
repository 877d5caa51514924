"""How a suite's convolutional ensemble runs fastest on a CPU: side by side on one thread, per replica and iteration.

Two ways to compute a convolution, ganbench's matrix products and torch's own functions; two ways to run an ensemble,
`vmap` over the replicas and a loop over them; each eager and compiled. Beside them stands the plain loop that people
write: one replica after the other, its modules, autograd and torch.optim.Adam. One iteration is a step of the
discriminator and one of the generator by the suite's network, batch and fields of the objective, with Adam and without
draws. All start from the same weights, and their first gradients are compared before anything is timed. The clock
counts this process's seconds on a processor, and rounds alternate, so that a busy machine tells much the same.

At the end stands what the suite chooses, and what is chosen where no compiler is found, each against the plain loop and
against the faster loop of single replicas with its kind of code. The exit code is 1 where one is more than 10 % slower.

    OMP_NUM_THREADS=1 python suites/peers/conv_strategies.py [SUITE] [OBJECTIVE] [ROUNDS]
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ganbench.networks.conv import Windowed
from ganbench.objectives.contract import Batch, Player, penalised_d_loss, penalised_g_loss
from ganbench.suite import Suite, apply_overrides, load_suite, resolve
from ganbench.training.device import WITHOUT_COMPILER, prepare_process
from ganbench.training.ensemble import Game, lane, lifted
from ganbench.training.optimisers import Adam

ROUND_S = 0.5
TOLERANCE = 1e-4
"""Of the length of a gradient: fp32 sums of another order."""
SLOWER = 1.1
"""What a chosen strategy may take, in parts of a loop over single replicas."""


class Strategy(NamedTuple):
    convolution: str
    lift: str
    compiled: bool

    def __str__(self) -> str:
        return f"{self.convolution}, {self.lift}, {'compiled' if self.compiled else 'eager'}"


STRATEGIES = [Strategy(*s) for s in itertools.product(("products", "torch"), ("vmap", "loop"), (True, False))]


class Ensemble:
    """One strategy, ready to run: its game and its steps."""

    def __init__(self, game: Game):
        self.replicas = game.width
        self.state = game.initial_state(list(range(game.width)))
        self.swept = game.swept([game.objective] * game.width, [game.optimiser] * game.width, [()] * game.width)
        self.fields = fields(game)
        example = self.state, self.swept, self.fields
        self.steps = {step: lifted(game, step, example) for step in ("D", "G")}

    def iterate(self) -> None:
        for step in self.steps.values():
            self.state = step(self.state, self.swept, self.fields)

    def gradients(self) -> dict[str, Tensor]:
        """Each player's first gradients in one row, scaled: Adam's first moments after a step from the start."""
        moved = {player: step(self.state, self.swept, self.fields) for player, step in self.steps.items()}
        return {player: flat(state[f"optimiser_{player}"]["first"]) for player, state in moved.items()}


class PlainReplica:
    """One replica of the plain loop."""

    def __init__(self, game: Game, number: int):
        self.objective, optimiser = game.objective, game.optimiser
        state = game.initial_state([number])
        self.b = Batch(**lane(fields(game), number))
        modules = {"D": game.critic(), "G": game.generator()}
        self.players, self.frozen, self.optimisers = {}, {}, {}
        for player, module in modules.items():
            params = {name: p[0].clone().requires_grad_() for name, p in state[player].items()}
            self.players[player] = Player(module, params)
            self.frozen[player] = {name: p.detach() for name, p in params.items()}
            betas, rate = (optimiser.beta1, optimiser.beta2), optimiser.rate(player)
            self.optimisers[player] = torch.optim.Adam(params.values(), rate, betas, optimiser.eps)

    def loss(self, player: str) -> Tensor:
        if player == "D":
            return penalised_d_loss(self.objective, self._frozen("G"), self._new("D"), self.b)
        return penalised_g_loss(self.objective, self._new("G"), self._frozen("D"), self.b)

    def iterate(self) -> None:
        self._descend("D")
        with torch.no_grad():
            projected = D = self._new("D")
            for regulariser in self.objective.all_regularisers():
                projected = regulariser.project(projected)
            if projected is not D:
                for name, p in D.params.items():
                    p.copy_(projected.params[name])
        self._descend("G")

    def _new(self, player: str) -> Player:
        # a Player remembers its answers, which hold for its first parameters
        return self.players[player].with_params(self.players[player].params)

    def _frozen(self, player: str) -> Player:
        return self.players[player].with_params(self.frozen[player])

    def _descend(self, player: str) -> None:
        self.optimisers[player].zero_grad()
        self.loss(player).backward()
        self.optimisers[player].step()

    def gradient(self, player: str) -> list[Tensor]:
        """Scaled as Adam's first moments are."""
        params = list(self.players[player].params.values())
        beta = self.optimisers[player].defaults["betas"][0]
        return [(1 - beta) * g for g in torch.autograd.grad(self.loss(player), params, materialize_grads=True)]


class PlainLoop:
    """The loop that people write."""

    def __init__(self, game: Game):
        self.replicas = game.width
        self.each = [PlainReplica(game, i) for i in range(game.width)]

    def iterate(self) -> None:
        for replica in self.each:
            with torch.enable_grad():
                replica.iterate()

    def gradients(self) -> dict[str, Tensor]:
        """As those of an ensemble."""
        each = {player: zip(*(replica.gradient(player) for replica in self.each), strict=True) for player in ("D", "G")}
        return {player: flat([torch.stack(lanes) for lanes in stacked]) for player, stacked in each.items()}


@torch.no_grad()
def round_s(runner: Ensemble | PlainLoop, iterations: int) -> float:
    """Processor seconds per replica and iteration."""
    began = time.process_time()
    for _ in range(iterations):
        runner.iterate()
    return (time.process_time() - began) / iterations / runner.replicas


def fields(game: Game) -> dict[str, Tensor]:
    """One batch of every replica: uniform pixels, standard normal latents."""
    rng, rows = torch.Generator().manual_seed(0), (game.width, game.batch)
    drawn: dict[str, Callable[[], Tensor]] = {
        "x": lambda: torch.rand(*rows, *game.shape, generator=rng) * 2 - 1,
        "z": lambda: torch.randn(*rows, game.latent, generator=rng),
        "z2": lambda: torch.randn(*rows, game.latent, generator=rng),
        "u": lambda: torch.rand(*rows, generator=rng),
        "noise": lambda: torch.randn(*rows, *game.shape, generator=rng),
    }
    needed = {"x", "z", *game.objective.all_draws()}
    return {name: draw() for name, draw in drawn.items() if name in needed} | {"t": torch.ones(game.width)}


def game_of(suite: Suite, strategy: Strategy) -> Game:
    """The first cell of a suite as an ensemble of its width."""
    cell = resolve(suite)[0]
    assert cell.network is not None, "objectives stand before baselines, and train"
    objective, network, shape = cell.objective.instance, cell.network.instance, cell.target.instance.shape
    settings: dict[str, Any] = strategy._asdict()
    return Game(
        objective,
        Adam(),
        network,
        None,
        cell.latent,
        shape,
        cell.batch,
        suite.execution.width,
        device="cpu",
        **settings,
    )


def flat(tensors: Any) -> Tensor:
    """Nested tensors in one row."""
    return torch.cat([leaf.flatten() for leaf in pytree.tree_leaves(tensors)])


def difference(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The length of the difference of two gradients in parts of the expected one, the larger of the two players'."""
    return max(float((found[p] - expected[p]).norm() / expected[p].norm()) for p in expected)


def ratio(these: list[float], those: list[float]) -> tuple[float, str]:
    """The median over rounds of these times in parts of those, and it in words with its range."""
    each = [a / b for a, b in zip(these, those, strict=True)]
    return statistics.median(each), f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def main() -> int:
    prepare_process(threads=1)
    arguments = dict(enumerate(sys.argv[1:]))
    name, objective, rounds = arguments.get(0, "digits"), arguments.get(1, "non-saturating"), int(arguments.get(2, 7))
    suite = apply_overrides(load_suite(name), objectives=[objective])
    games = {strategy: game_of(suite, strategy) for strategy in STRATEGIES}
    plain = Strategy("torch", "plain", False)
    game = games[STRATEGIES[0]]
    if not any(isinstance(layer, Windowed) for layer in game.critic().modules()):
        print(f"{name}: found the network {suite.network} without convolutions; name another suite", file=sys.stderr)
        return 2
    runners: dict[Strategy, Ensemble | PlainLoop] = {plain: PlainLoop(games[Strategy("torch", "loop", False)])}
    runners |= {strategy: Ensemble(game) for strategy, game in games.items()}
    expected = runners[plain].gradients()
    for strategy in STRATEGIES:
        apart = difference(runners[strategy].gradients(), expected)
        if not apart < TOLERANCE:
            print(f"{strategy}: other gradients than the plain loop's, {apart:.1e} apart", file=sys.stderr)
            return 1
    iterations = {s: max(1, round(ROUND_S / (round_s(runner, 1) * runner.replicas))) for s, runner in runners.items()}
    seconds: dict[Strategy, list[float]] = {strategy: [] for strategy in runners}
    for _ in range(rounds):
        for strategy, runner in runners.items():
            seconds[strategy].append(round_s(runner, iterations[strategy]))
    print(f"{objective}, {suite.network}, {game.shape}, batch {game.batch}, {game.width} replicas; median of {rounds}")
    print("convolutions, lift, code      ms per replica and iteration, and in parts of the plain loop (least to most)")
    for strategy, times in seconds.items():
        print(f"{strategy!s:26s} {statistics.median(times) * 1e3:8.3f}  {ratio(times, seconds[plain])[1]}")
    return judged(suite, seconds, plain)


def judged(suite: Suite, seconds: dict[Strategy, list[float]], plain: Strategy) -> int:
    """1 where a chosen strategy is too slow, else 0; prints what is chosen and how slow it is."""
    shipped, failures = suite.execution.on("cpu"), 0
    for words, said in (("the suite", shipped), ("where no compiler is found", shipped | WITHOUT_COMPILER)):
        chosen = Strategy(said["convolution"], said["lift"], said["compiled"])
        loops = [s for s in STRATEGIES if s.lift == "loop" and s.compiled == chosen.compiled]
        fastest = min(loops, key=lambda s: statistics.median(seconds[s]))
        for loop in (plain, fastest):
            times, told = ratio(seconds[chosen], seconds[loop])
            failures += times > SLOWER
            print(f"{words}: {chosen} takes {told} of {loop}")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
