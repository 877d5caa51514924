"""A process that has imported what its children need: each child is a fork of it, and starts in milliseconds.

Started as `python -m faults.zygote MODULE`. It has one thread, so that a fork of it is whole, and does one thing for
each line on its standard input: starts a function of the module in a child of its own, or waits for a child.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # pyarrow's allocator
}


class Zygote:
    """Our end of it."""

    def __init__(self, module: str):
        path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
        environment = {**os.environ, "PYTHONPATH": path, **ONE_THREAD}
        command = [sys.executable, "-m", "faults.zygote", module]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threads = self._said()
        assert threads == 1, f"a fork of {threads} threads has one of them alone"

    def start(self, function: str, *arguments: Any, said: Path | str = os.devnull) -> int:
        """The number of a child that calls a function of the module; what it says goes to a file."""
        return self._ask({"function": function, "arguments": arguments, "said": str(said)})

    def wait(self, child: int) -> int:
        """The exit code of a child once it has ended; below 0 the signal that ended it."""
        return self._ask({"wait": child})

    def call(self, function: str, *arguments: Any, said: Path | str = os.devnull) -> int:
        return self.wait(self.start(function, *arguments, said=said))

    def _ask(self, question: dict[str, Any]) -> int:
        assert self.process.stdin is not None, "asked for"
        self.process.stdin.write(f"{json.dumps(question)}\n")
        self.process.stdin.flush()
        return self._said()

    def _said(self) -> int:
        assert self.process.stdout is not None, "asked for"
        line = self.process.stdout.readline()
        assert line, "the zygote has ended"
        return int(line)


@contextmanager
def zygote(module: str) -> Iterator[Zygote]:
    made = Zygote(module)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def main() -> None:
    module = importlib.import_module(sys.argv[1])
    gc.freeze()  # collecting garbage in a child would copy every page
    answers = os.dup(1)
    tasks = Path("/proc/self/task")
    _say(answers, len(list(tasks.iterdir())) if tasks.exists() else 1)
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            _say(answers, os.waitstatus_to_exitcode(os.waitpid(question["wait"], 0)[1]))
        elif child := os.fork():
            os.setpgid(child, child)  # here too: whoever hears of the child may kill its group before it runs
            _say(answers, child)
        else:
            os.close(answers)
            _be(getattr(module, question["function"]), question["arguments"], question["said"])


def _say(to: int, number: int) -> None:
    os.write(to, f"{number}\n".encode())


def _be(function: Any, arguments: list[Any], said: str) -> None:
    """Calls a function as the whole program of this process, and ends it."""
    os.setpgid(0, 0)
    # in the background of a script Ctrl-C is ignored, and a child inherits that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for ours in (0, 1, 2):
        os.dup2(file, ours) if ours else os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code: Any = 0
    try:
        function(*arguments)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
