"""The inside of a worker process: takes jobs from its pipe until the pipe closes.

Started as `python -m ganbench.execution.process FD THREADS`, so that no script of a user is imported a second time.
"""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection


def main() -> None:
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


if __name__ == "__main__":
    main()
