"""Each participant in its best setting, and interleaved rounds of all of them."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Mapping
from typing import Any

from suites.peers.crew import Crew, Process, Setting
from suites.peers.work import Work

LEAST_WIDTH = 4
"""Lanes that a few replicas are padded to: with fewer, compiled code gains little from them."""
TRIED_REPLICAS = 8
TRIAL_ROUNDS, TRIAL_PART = 2, 0.5
"""Rounds in which placements are tried, and their length in parts of a round."""


def variants(participant: str, device: str) -> list[dict[str, Any]]:
    """A participant's own choices, of which the fastest in one process is taken; ganbench's width is no such choice."""
    best = {"adam": "fused", "joined": True}
    captured = [{**best, "graph": True}] if device == "cuda" else []
    match participant:
        case "loop-default":
            return [{"adam": "default"}]
        case "loop":
            return [best, {"adam": "fused"}, {"adam": "foreach", "joined": True}, *captured]
        case "compiled":
            own = [best, {"adam": "compiled", "joined": True}, *captured]
            return [{"compiled": True, **each} for each in own]
        case "jax":
            return [{"prng": prng, "joined": joined} for joined in (True, False) for prng in ("threefry2x32", "rbg")]
    return [{}]


def placements(participant: str, replicas: int, processes: int, device: str) -> list[tuple[int, int | None]]:
    """Processes and threads of each, None for the library's default: those that are tried."""
    if participant == "loop-default":
        return [(1, None)]
    if participant in ("ganbench", "products", "traffic") or device == "cuda":
        return [(1 if device == "cuda" else min(processes, replicas), 1)]
    return [(min(processes, replicas), 1), (1, None)]


def check_settings(participants: tuple[str, ...]) -> Mapping[str, tuple[str, dict[str, Any]]]:
    """What each participant is checked in: the choices that change what is computed."""
    own = {
        "loop-default": {"adam": "default"},
        "loop": {"adam": "fused", "joined": True},
        "compiled": {"compiled": True, "adam": "fused", "joined": True},
        "jax": {"joined": True},
        "ganbench": {"width": LEAST_WIDTH},
    }
    return {name: (name, own[name]) for name in participants if name in own}


def say(words: str) -> None:
    """Progress, on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


class Harness:
    """Crews that live as long as their work and setting stay the same."""

    def __init__(self, seconds: float, rounds: int, processes: int, widest: int, trial: bool = True):
        self.seconds, self.rounds, self.processes, self.widest = seconds, rounds, processes, widest
        self.trial = trial  # else the first setting of each participant is taken
        self.kept: dict[Any, Crew] = {}
        self.running: list[Crew] = []
        self.chosen: dict[tuple[str, Work], tuple[dict[str, Any], dict[str, float]]] = {}

    def width(self, work: Work, replicas: int) -> int:
        """Lanes of ganbench's ensembles: on a CPU one for each process as far as the widest allows, on a GPU all."""
        each = replicas if work.device == "cuda" else min(self.widest, -(-replicas // self.processes))
        return max(LEAST_WIDTH, each)

    def choice(self, participant: str, work: Work) -> tuple[dict[str, Any], dict[str, float]]:
        """The fastest of a participant's own choices, and the milliseconds of each that was tried."""
        if (participant, work) not in self.chosen:
            found, ms = variants(participant, work.device), {}
            if self.trial and len(found) > 1:
                say(f"{work.name}: trying {len(found)} variants of {participant}")
                process = Process(participant, work, Setting(), TRIED_REPLICAS, variants=found)
                try:
                    times = process.answer()["ms"]
                finally:
                    process.stop()
                ms = {str(Setting(own=own)): round(t, 4) for own, t in zip(found, times, strict=True)}
                found = [found[times.index(min(times))]]
            self.chosen[participant, work] = found[0], ms
        return self.chosen[participant, work]

    def crews(self, work: Work, replicas: int, participants: tuple[str, ...]) -> dict[str, Crew]:
        """Each participant in its best setting, warm, with rounds of a fitting length."""
        keys, started = {}, {}
        for name in participants:
            own, trial = self.choice(name, work)
            if name in ("ganbench", "products", "traffic"):
                own = {"width": self.width(work, replicas)}
            placed = placements(name, replicas, self.processes, work.device)[: None if self.trial else 1]
            # one seed after another costs the same whatever follows; so do products and copies of one width
            alike = name not in ("jax", "ganbench")
            key = keys[name] = name, work, None if alike else replicas, str(placed), str(own)
            if key not in self.kept:
                started[key] = trial, [Crew(name, work, Setting(*place, own), replicas) for place in placed]
                self.running += started[key][1]
        for (name, *_), (_, crews) in started.items():
            say(f"{work.name}, R={replicas}: waiting for {name}")
            for crew in crews:
                crew.get_ready()
        for key, (trial, crews) in started.items():
            crew = self.kept[key] = self._fastest(crews)
            crew.fit(self.seconds)
            crew.trial = {**trial, **crew.trial}
        return {name: self.kept[key] for name, key in keys.items()}

    def _fastest(self, crews: list[Crew]) -> Crew:
        """Of placements that are ready; the others end."""
        if len(crews) == 1:
            return crews[0]
        for crew in crews:
            crew.fit(TRIAL_PART * self.seconds)
        rounds = [[crew.round_ms()[0] for crew in crews] for _ in range(TRIAL_ROUNDS)]
        best = {crew: min(times) for crew, times in zip(crews, zip(*rounds, strict=True), strict=True)}
        fastest = min(crews, key=best.__getitem__)
        for crew in crews:
            if crew is not fastest:
                crew.stop()
                self.running.remove(crew)
        fastest.trial = {str(crew.setting): round(ms, 4) for crew, ms in best.items()}
        return fastest

    def close(self, keep: Work | None = None) -> None:
        """Ends all processes, but those that a work needs for other numbers of replicas."""
        self.kept = {key: crew for key, crew in self.kept.items() if key[1] == keep and key[2] is None}
        for crew in self.running:
            if crew not in self.kept.values():
                crew.stop()
        self.running = list(self.kept.values())

    def table(self, work: Work, replicas: int, participants: tuple[str, ...]) -> dict[str, Any]:
        """All rounds of one work with so many replicas."""
        crews = self.crews(work, replicas, participants)
        times: dict[str, dict[str, list[float]]] = {clock: {name: [] for name in crews} for clock in ("ms", "cpu_ms")}
        for _ in range(self.rounds):
            for name, crew in crews.items():
                for clock, ms in zip(times, crew.round_ms(), strict=True):
                    times[clock][name].append(ms)
        said = {
            name: {
                "setting": str(crew.setting),
                "processes": len(crew.members),
                "trial_ms": crew.trial,
                "iterations": crew.iterations,
                **crew.said,
            }
            for name, crew in crews.items()
        }
        return {"work": dataclasses.asdict(work), "replicas": replicas, **times, "participants": said}
