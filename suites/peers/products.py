"""The least that any participant must do: the matrix products of an iteration, and the bytes of all that is no product.

Both run alone at the participants' own shapes, for an ensemble of replicas. Products are batched ones of torch, each in
the fastest of a few layouts, or on a processor those of ganbench's compiled code where these are faster; what autograd
and a compiler add (biases, activations, losses, Adam, draws) is left out. The bytes are counted as if each result of a
hidden layer, forward or backward, were read once and written once outside its product, and each number of Adam once;
they take the time of as many copies of such results.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganbench.training.compilation import compiled
from ganbench.training.device import prepare_process, synchronise
from suites.peers.work import DATA, LATENT, Runner, Work

Net = list[tuple[int, int]]
"""Inputs and outputs of each layer."""


class Product(NamedTuple):
    """(rows, inner) x (inner, columns) of one replica, and whether its result is an activation or a gradient of one."""

    rows: int
    inner: int
    columns: int
    of_samples: bool

    @property
    def flops(self) -> int:
        return 2 * self.rows * self.inner * self.columns


def layers(work: Work, player: str) -> Net:
    inputs, outputs = (DATA, work.outputs) if player == "D" else (LATENT, DATA)
    sizes = [inputs, *[work.hidden] * work.depth, outputs]
    return list(itertools.pairwise(sizes))


def forward(net: Net, rows: int) -> list[Product]:
    return [Product(rows, a, b, True) for a, b in net]


def to_inputs(net: Net, rows: int) -> list[Product]:
    """Gradients of each layer's inputs, of the network's own too."""
    return [Product(rows, b, a, True) for a, b in net]


def to_weights(net: Net, rows: int) -> list[Product]:
    """Gradients of the weights, from what came in and what comes back."""
    return [Product(b, rows, a, False) for a, b in net]


def step_products(work: Work, player: str) -> list[Product]:
    """The products of one gradient step, in the fewest passes that the objective allows."""
    D, G, n = layers(work, "D"), layers(work, "G"), work.batch
    made = (2 if work.objective == "cramer" else 1) * n  # G(z), and G(z2)
    if player == "G":
        back = to_inputs(D, made) + to_weights(G, made) + to_inputs(G[1:], made)
        # em holds its latents, and G has not moved since the step of D made their samples
        generated = [] if work.objective == "em" else forward(G, made)
        real = forward(D, n) if work.objective == "cramer" else []
        return generated + real + forward(D, made) + back
    judged, slopes = made + n, []
    # the weights of em's E-step need no pass of their own: the step of D makes it
    if work.objective == "wasserstein-gp":
        # the last layer adds a constant to the slope; the penalty's gradient runs forward through the slope's products
        slopes = forward(D[:-1], n) + to_inputs(D[:-1], n) + forward(D[:-1], n) + to_weights(D[:-1], n)
    if work.objective == "cramer":
        # f is not linear in h: the penalty's gradient goes back through the pass at these points too
        judged += n
        slopes = to_inputs(D, n) + forward(D, n) + to_weights(D, n)
    return forward(G, made) + forward(D, judged) + slopes + to_weights(D, judged) + to_inputs(D[1:], judged)


def iteration_products(work: Work) -> list[Product]:
    return [product for player in work.schedule for product in step_products(work, player)]


def least_bytes(work: Work) -> dict[str, int]:
    """Bytes of one replica's iteration outside the products, by what they are of."""
    number, sizes = (8 if work.precision == "fp64" else 4), {"u": work.batch, "x": work.batch * DATA}
    hidden = sum(p.rows * p.columns for p in iteration_products(work) if p.of_samples and p.columns == work.hidden)
    parameters = {player: sum((a + 1) * b for a, b in layers(work, player)) for player in ("D", "G")}
    return {
        "activations": 2 * number * hidden,  # with its bias and activation, or with its mask
        "optimiser": 7 * number * sum(map(parameters.__getitem__, work.schedule)),  # p, m, v twice, gradient once
        "draws": number
        * sum(sizes.get(f, work.batch * LATENT) for player in work.schedule for f in work.draws(player)),
    }


def calls(product: Product, pool: Tensor, width: int) -> list[Callable[[], Any]]:
    """Ways to compute a product of all replicas: factors as they are or transposed, the result too, one by one.

    On a processor compiled code is one of them. All products take their factors and results from the three rows of
    `pool`: a training too finds in its caches what the product before left there.
    """
    rows, inner, columns, of_samples = product

    def taken(row: int, *shape: int) -> Tensor:
        return pool[row, : width * math.prod(shape)].view(width, *shape)

    found: list[Callable[[], Any]] = []
    for turned_a, turned_b, turned_c in itertools.product((False, True), repeat=3):
        a = taken(0, inner, rows).mT if turned_a else taken(0, rows, inner)
        b = taken(1, columns, inner).mT if turned_b else taken(1, inner, columns)
        if turned_c:
            found.append(partial(torch.bmm, b.mT, a.mT, out=taken(2, columns, rows)))
            continue
        c = taken(2, rows, columns)
        found.append(partial(torch.bmm, a, b, out=c))
        if pool.device.type == "cpu":
            found.append(partial(one_by_one, a, b, c))
    if pool.device.type == "cpu":
        a = taken(0, rows, inner) if of_samples else taken(0, inner, rows).mT
        b = taken(1, inner, columns)
        code = compiled(lambda left, right: [torch.bmm(left, right)], (a, b))
        found.append(partial(code.by_leaves, a, b))
    return found


def one_by_one(a: Tensor, b: Tensor, c: Tensor) -> None:
    for i in range(len(a)):
        torch.mm(a[i], b[i], out=c[i])


def fastest(found: list[Callable[[], Any]], device: str) -> Callable[[], Any]:
    """The quickest of a few calls, each timed by its best of three repetitions."""

    def seconds(call: Callable[[], Any]) -> float:
        call()
        synchronise(device)
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            call()
            synchronise(device)
            best = min(best, time.perf_counter() - began)
        return best

    return min(found, key=seconds)


def prepare(work: Work) -> dict[str, Any]:
    prepare_process(threads=1)
    torch.set_float32_matmul_precision("high" if work.precision == "tf32" else "highest")
    return {"device": work.device, "dtype": getattr(torch, work.dtype)}


def repeated(made: Callable[[], Callable[[], Any]], device: str) -> Callable[[int], None]:
    """Runs something so many times; on a GPU from a CUDA graph, so that launching costs nothing.

    It is made in the first round: before, others are compiling, and nothing could be chosen by its time.
    """
    found: list[Callable[[], Any]] = []

    @torch.no_grad()
    def run(iterations: int) -> None:
        if not found:
            found.append(captured(made()) if device == "cuda" else made())
        for _ in range(iterations):
            found[0]()
        synchronise(device)

    return run


def captured(once: Callable[[], Any]) -> Callable[[], Any]:
    """The same work, launched as one CUDA graph."""
    once()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        once()
    return graph.replay


def runner(work: Work, setting: dict[str, Any], replicas: int) -> Runner:
    """The products of an iteration of an ensemble; `replicas` is not used: others follow at the same cost."""
    kind, width = prepare(work), setting["width"]

    def made() -> Callable[[], Any]:
        needed = Counter(iteration_products(work))
        most = max(max(p.rows * p.inner, p.inner * p.columns, p.rows * p.columns) for p in needed)
        pool = torch.randn(3, width * most, **kind)
        chosen = {product: fastest(calls(product, pool, width), work.device) for product in needed}
        order = [chosen[product] for product, count in needed.items() for _ in range(count)]
        return lambda: [call() for call in order]

    flops = sum(product.flops for product in iteration_products(work))
    return Runner(repeated(made, work.device), width, 1, {"flops": flops})


def traffic_runner(work: Work, setting: dict[str, Any], replicas: int) -> Runner:
    """Copies that move the least bytes of an iteration of an ensemble."""
    kind, width = prepare(work), setting["width"]
    bytes_ = least_bytes(work)

    def made() -> Callable[[], Any]:
        numbers = width * work.batch * work.hidden
        # four of them: no copy finds its source in the cache closest by as the result of the one before
        ring = [(torch.randn(numbers, **kind), torch.empty(numbers, **kind)) for _ in range(4)]
        size = 2 * numbers * ring[0][0].element_size()
        whole, rest = divmod(width * sum(bytes_.values()), size)
        pairs = [ring[i % len(ring)] for i in range(whole)]
        pairs.append(tuple(v[: rest * numbers // size] for v in ring[whole % len(ring)]))
        return lambda: [torch.clamp_min(a, 0, out=b) for a, b in pairs]

    return Runner(repeated(made, work.device), width, 1, {"bytes": bytes_})
