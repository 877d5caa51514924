"""The inside of a worker process: takes jobs from its pipe until the pipe closes.

Started as `python -m ganbench.execution.process FD THREADS`, so that no script of a user is imported a second time.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from multiprocessing.connection import Connection

WATCH_S = 1.0
"""Seconds between two looks at whether the driver still lives."""


def main() -> None:
    threading.Thread(target=die_with, args=(os.getppid(),), daemon=True).start()
    descriptor, threads = map(int, sys.argv[1:])
    from ganbench.execution.worker import run_job
    from ganbench.training.device import prepare_process

    prepare_process(threads)
    pipe = Connection(descriptor)
    try:
        while True:
            job = pipe.recv()
            outcomes = run_job(job, lambda iterations: pipe.send(("progress", iterations)))
            pipe.send(("outcomes", outcomes))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # whoever gave the jobs is gone


def die_with(driver: int) -> None:
    """Ends this process soon after its driver has died, in the middle of an ensemble too: nobody hears it any more."""
    while os.getppid() == driver:
        time.sleep(WATCH_S)
    os._exit(1)


if __name__ == "__main__":
    main()
