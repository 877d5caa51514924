"""The processes of one participant: started once, warmed up, then asked for rounds that all of them begin together."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from suites.peers.work import Work

ROOT = Path(__file__).parents[2]


class Failed(RuntimeError):
    """A process of a participant ended by itself; the message carries the end of what it printed."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """How a participant runs: processes, threads of each (None: as many as its library takes) and its own choices."""

    processes: int = 1
    threads: int | None = 1
    own: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        threads = "default threads" if self.threads is None else f"{self.threads} thread{'s' * (self.threads != 1)}"
        own = [name if value is True else f"{name} {value}" for name, value in self.own.items() if value is not False]
        return ", ".join([f"{self.processes} process{'es' * (self.processes != 1)}", threads, *own])


class Process:
    """One worker."""

    def __init__(
        self,
        participant: str,
        work: Work,
        setting: Setting,
        replicas: int,
        core: int | None = None,
        check: dict[str, int] | None = None,
        variants: list[dict[str, Any]] | None = None,
    ):
        task = {
            "participant": participant,
            "work": dataclasses.asdict(work),
            "setting": setting.own,
            "replicas": replicas,
            "core": core,
            "check": check,
            "variants": variants,
        }
        environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
        if setting.threads is not None:
            environment |= {f"{library}_NUM_THREADS": str(setting.threads) for library in ("OMP", "MKL")}
        # a pool of compiling helpers would take the cores from participants that have begun
        environment |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        environment |= {"JAX_PLATFORMS": work.device} if participant == "jax" else {}
        self.participant, self.work = participant, work
        self.printed = tempfile.TemporaryFile("w+")  # noqa: SIM115  open as long as the process runs
        self.process = subprocess.Popen(
            [sys.executable, "-m", "suites.peers.worker", json.dumps(task)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.printed,
            text=True,
        )

    def ask(self, iterations: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{iterations}\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.printed.seek(0)
            raise Failed(f"{self.participant} on {self.work.name} ended:\n{self.printed.read()[-3000:]}")
        return json.loads(line)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.printed):
            assert stream is not None
            stream.close()


class Crew:
    """A participant in one setting, `replicas` of one work divided among its processes."""

    def __init__(self, participant: str, work: Work, setting: Setting, replicas: int):
        self.participant, self.setting = participant, setting
        cores = sorted(os.sched_getaffinity(0))
        pinned = work.device == "cpu" and setting.threads == 1
        self.members = [
            Process(participant, work, setting, share, cores[i % len(cores)] if pinned else None)
            for i, share in enumerate(shares(replicas, setting.processes, setting.own.get("width", 1)))
        ]
        self.iterations = self.replicas = self.chunk = 0
        self.trial: dict[str, float] = {}  # ms of each setting that was tried
        self.said: dict[str, Any] = {}

    def get_ready(self) -> None:
        """Waits until all are compiled and warm."""
        for answer in [member.answer() for member in self.members]:
            self.replicas += answer["replicas"]
            self.chunk, self.said = answer["chunk"], answer["said"]

    def run(self, iterations: int) -> float:
        """Wall seconds of a round, from the first that begins to the last that ends."""
        return self._round(iterations)[0]

    def _round(self, iterations: int) -> tuple[float, float]:
        """Wall seconds, and seconds on processors of all its processes."""
        began = time.perf_counter()
        for member in self.members:
            member.ask(iterations)
        cpu_s = sum(member.answer()["cpu_s"] for member in self.members)
        return time.perf_counter() - began, cpu_s

    def fit(self, seconds: float) -> None:
        """Finds the iterations of a round of so many seconds."""
        n = self.chunk
        while (took := self.run(n)) < seconds / 4:
            n *= max(2, min(8, round(seconds / 2 / max(took, 1e-6))))
        self.iterations = self.chunk * max(1, round(n * seconds / took / self.chunk))

    def round_ms(self) -> tuple[float, float]:
        """Milliseconds per replica and iteration, on the wall and on processors."""
        wall_s, cpu_s = self._round(self.iterations)
        each = 1e3 / self.iterations / self.replicas
        return wall_s * each, cpu_s * each

    def peak_mb(self) -> float:
        """The most memory that its processes have taken so far, together."""
        files = [Path(f"/proc/{member.process.pid}/status").read_text() for member in self.members]
        return sum(int(line.split()[1]) for text in files for line in text.splitlines() if "VmHWM" in line) / 1024

    def stop(self) -> None:
        for member in self.members:
            member.stop()


def shares(replicas: int, processes: int, width: int) -> list[int]:
    """Replicas of each process: whole ensembles of a width, as evenly as they go; no process without any."""
    ensembles = math.ceil(replicas / width)
    each = [ensembles // processes + (i < ensembles % processes) for i in range(min(processes, ensembles))]
    found, left = [], replicas
    for count in each:
        found.append(min(left, count * width))
        left -= found[-1]
    return found
