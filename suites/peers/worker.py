"""One process of a participant: does what its task says, then runs rounds of iterations on command.

Reads numbers of iterations from standard input, one a line; answers each with its processor seconds on standard output.
With a check to make it answers with losses and ends; with variants to try, with the milliseconds of each.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time

from suites.peers.work import Runner, Work

PLACES = {
    "loop-default": "loop:runner",
    "loop": "loop:runner",
    "compiled": "loop:runner",
    "jax": "jax_peer:runner",
    "ganbench": "ensemble:runner",
    "ganbench-run": "ensemble:sequence_runner",
    "products": "products:runner",
    "traffic": "products:traffic_runner",
}
"""Participants, each with the function that makes it ready."""


TRIAL_S, TRIALS = 0.2, 3


def quickest_ms(runner: Runner) -> float:
    """The best of a few short rounds, per replica and iteration."""

    def seconds(iterations: int) -> float:
        began = time.perf_counter()
        runner.run(iterations)
        return time.perf_counter() - began

    n = runner.chunk
    while (took := seconds(n)) < TRIAL_S:
        n *= max(2, min(8, round(TRIAL_S / max(took, 1e-6))))
    return 1e3 * min(seconds(n) for _ in range(TRIALS)) / n / runner.replicas


def main() -> None:
    task = json.loads(sys.argv[1])
    if task["core"] is not None:  # before any library counts the cores
        os.sched_setaffinity(0, [task["core"]])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(**said: object) -> None:
        print(json.dumps(said), file=answers, flush=True)

    module, function = PLACES[task["participant"]].split(":")
    participant, work = importlib.import_module(f"suites.peers.{module}"), Work(**task["work"])
    if task["check"]:
        answer(losses=participant.trajectory(work, task["setting"], **task["check"]).tolist())
        return
    ready = getattr(participant, function)
    if task["variants"]:
        answer(ms=[quickest_ms(ready(work, own, task["replicas"])) for own in task["variants"]])
        return
    runner = ready(work, task["setting"], task["replicas"])
    answer(replicas=runner.replicas, chunk=runner.chunk, said=runner.said)
    for line in sys.stdin:
        began = time.process_time()
        runner.run(int(line))
        answer(cpu_s=time.process_time() - began)


if __name__ == "__main__":
    main()
