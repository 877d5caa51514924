"""Whether a replica of a shipped suite has the same bits in every lane and beside any neighbours, compiled as it says.

For every trained cell of the first target: one seed in all lanes gives equal lanes, and the seed alone, padded, equals
itself among seven others. The tests prove it eagerly for every objective and compiled for one; here all are compiled.

    OMP_NUM_THREADS=1 python suites/peers/same_bits.py [SUITE] [ITERATIONS]
"""

from __future__ import annotations

import sys

import torch
from torch.utils import _pytree as pytree

from ganbench.execution.worker import Job, new_training
from ganbench.planning import plan_replicas
from ganbench.suite import Cell, Suite, load_suite, resolve
from ganbench.training.device import execution_identity, prepare_process

SEED, LANE = 3, 5


def trained(suite: Suite, cell: Cell, seeds: list[int], iterations: int) -> dict:
    """The state of an ensemble with these seeds in its lanes, the rest padded."""
    execution = {**execution_identity("cpu"), **suite.execution.on("cpu")}
    one = plan_replicas(suite.model_copy(update={"seeds": (0,)}), [cell], execution)[0].definition
    job = Job(tuple({**one, "seed": seed} for seed in seeds), "cpu", "none")
    training = new_training(job, [cell] * len(seeds))
    training.advance(iterations)
    return training.state


def lane(state: dict, number: int) -> list[torch.Tensor]:
    return [leaf[number] for leaf in pytree.tree_leaves(state)]


def equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def main() -> int:
    suite = load_suite(sys.argv[1] if len(sys.argv) > 1 else "toy2d")
    iterations = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    prepare_process(suite.execution.threads)
    width, failures = suite.execution.width, 0
    cells = resolve(suite)
    for cell in (c for c in cells if c.trained and c.target == cells[0].target):
        everywhere = trained(suite, cell, [SEED] * width, iterations)
        neighbours = [seed + 100 for seed in range(width)]
        neighbours[LANE] = SEED
        among, alone = trained(suite, cell, neighbours, iterations), trained(suite, cell, [SEED], iterations)
        lanes = all(equal(lane(everywhere, 0), lane(everywhere, i)) for i in range(width))
        company = equal(lane(alone, 0), lane(among, LANE)) and equal(lane(alone, 0), lane(everywhere, 0))
        different = not equal(lane(among, 0), lane(among, LANE))
        failures += not (lanes and company and different)
        print(f"{cell.label:17s} lanes equal: {lanes}; alone equals among others: {company}; seeds differ: {different}")
    return failures


if __name__ == "__main__":
    sys.exit(main())
