"""The inside of a worker process: takes jobs from its pipe until the pipe closes.

Started as `python -m ganbench.execution.process FD THREADS [elsewhere]`, so that no script of a user is imported a
second time. It says "ready" once; of each job "progress", and at last "outcomes" or "unfit".
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from ganbench.training import sources  # noqa: F401  before all that it vouches for

if TYPE_CHECKING:
    from ganbench.execution.worker import Job

WATCH_S = 1.0
"""Seconds between two looks at whether the driver still lives."""


def main() -> None:
    threading.Thread(target=die_with, args=(os.getppid(),), daemon=True).start()
    descriptor, threads, elsewhere = int(sys.argv[1]), int(sys.argv[2]), "elsewhere" in sys.argv
    from ganbench.execution.machine import machine
    from ganbench.execution.worker import run_job
    from ganbench.training.device import prepare_process

    prepare_process(threads)
    pipe = Connection(descriptor)
    try:
        pipe.send(("ready", None))
        while True:
            job = pipe.recv()
            if elsewhere and (why := unfit(job)):
                pipe.send(("unfit", why))
                continue
            outcomes = run_job(job, lambda iterations: pipe.send(("progress", iterations)))
            for outcome in outcomes:
                outcome.info = {**machine(), **outcome.info}
            pipe.send(("outcomes", outcomes))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # whoever gave the jobs is gone


def die_with(driver: int) -> None:
    """Ends this process soon after its driver has died, in the middle of an ensemble too: nobody hears it any more."""
    while os.getppid() == driver:
        time.sleep(WATCH_S)  # no system but Linux tells of it by itself
    os._exit(1)


def unfit(job: Job) -> str:
    """Why this machine cannot give the bits that a job's definitions promise; "" where it can."""
    from ganbench.planning import code_version
    from ganbench.plugins import ERRORS
    from ganbench.suite import Cell
    from ganbench.training.device import execution_identity, resolve_device

    try:
        here = execution_identity(resolve_device(job.device))
    except ValueError as error:
        return str(error)
    with suppress(*ERRORS):  # such as a missing file of data, or of an objective: `run_job` tells it
        here["code"] = code_version(Cell.from_definition(job.definitions[0]["cell"]))
    planned = job.execution
    return ", ".join(
        f"{key} {found}, planned with {planned[key]}" for key, found in here.items() if planned[key] != found
    )


if __name__ == "__main__":
    main()
