"""Whether the time of ganbench grows in a line with the number of seeds, and its memory not at all per replica.

Ensembles of one width, each made, trained and dropped before the next in its process, as a run does. A line is fitted
to the wall seconds; each point is compared with it above its fixed part.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from suites.peers.crew import Crew, Setting
from suites.peers.tables import aligned
from suites.peers.work import Work

SEEDS, WIDTH, WITHIN = (8, 32, 128, 512), 4, 0.10
MB_PER_SEED = 0.5
"""What a seed may add to the memory of all processes: an ensemble that is done leaves little behind."""


def fitted(seeds: np.ndarray, seconds: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Fixed seconds, seconds per seed, and each point's deviation from the line in parts of what a line has above it.

    Deviations are relative, so the fit is weighted by 1 / seconds: else the largest point alone would fix the line.
    """
    A = np.stack([np.ones_like(seeds, dtype=float), seeds], axis=1)
    (fixed, each), *_ = np.linalg.lstsq(A / seconds[:, None], np.ones(len(seconds)), rcond=None)
    return float(fixed), float(each), (seconds - fixed) / (each * seeds) - 1


def measured(work: Work, harness: Any) -> dict[str, Any]:
    """Wall seconds of equally many iterations for each number of seeds, the median over interleaved rounds."""
    # every process has whole ensembles at every number of seeds
    processes = 1 if work.device == "cuda" else min(harness.processes, SEEDS[0] // WIDTH)
    setting = Setting(processes, 1, {"width": WIDTH})
    crews = [Crew("ganbench-run", work, setting, seeds) for seeds in SEEDS]
    try:
        for crew in crews:
            crew.get_ready()
        crews[0].fit(harness.seconds / 4)
        iterations = crews[0].iterations
        seconds = [[crew.run(iterations) for crew in crews] for _ in range(harness.rounds)]
        memory = [crew.peak_mb() for crew in crews]
    finally:
        for crew in crews:
            crew.stop()
    median = np.median(seconds, axis=0)
    fixed, each, deviations = fitted(np.array(SEEDS), median)
    mb = np.polyfit(SEEDS, memory, 1)
    return {
        "work": dataclasses.asdict(work),
        "setting": str(setting),
        "iterations": iterations,
        "seeds": list(SEEDS),
        "seconds": median.tolist(),
        "fixed_s": fixed,
        "s_per_seed": each,
        "deviations": deviations.tolist(),
        "memory_mb": memory,
        "mb_per_seed": float(mb[0]),
        "mb_fixed": float(mb[1]),
    }


def in_a_line(found: dict[str, Any]) -> bool:
    """Whether every time is within reach of the line, and a seed's memory that of its own results."""
    return all(abs(off) <= WITHIN for off in found["deviations"]) and found["mb_per_seed"] <= MB_PER_SEED


def table(found: dict[str, Any]) -> str:
    work = found["work"]
    rows = [["seeds", "wall s", "off the line", "MB in all", ""]]
    for seeds, s, off, mb in zip(*(found[k] for k in ("seeds", "seconds", "deviations", "memory_mb")), strict=True):
        rows.append([str(seeds), f"{s:.3f}", f"{off:+.1%}", f"{mb:.0f}", "" if abs(off) <= WITHIN else "too far"])
    title = f"{work['objective']}, H={work['hidden']} B={work['batch']}, {found['iterations']} iterations"
    line = f"{found['fixed_s'] * 1e3:.1f} ms + {found['s_per_seed'] * 1e3:.2f} ms per seed"
    memory = f"{found['mb_fixed']:.0f} MB + {found['mb_per_seed']:.2f} MB per seed"
    return f"\n### {title}, {found['setting']}\n\n{aligned(rows)}\n\n{line}; {memory}"
