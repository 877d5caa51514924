"""What a lower precision gains in speed and costs in quality: the same seeds in each, their exact W1 side by side.

A GPU is asked for fp32, tf32 and bf16, a processor for fp32 and, where it has matrix units for it, bf16. All precisions
see the same data and start from the same weights, so seeds are compared in pairs.

    python -m suites.peers.precision [--device cuda] [--iterations 2000]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from ganbench.execution.diagnosis import BF16
from ganbench.execution.machine import processor
from suites.peers.tables import aligned

SAMPLES, WIDTH = 500, 16


def precisions(device: str) -> tuple[str, ...]:
    if device == "cuda":
        return ("fp32", "tf32", "bf16")
    if not BF16.keys() & processor()[1]:
        print(f"bf16: this processor states none of {', '.join(BF16)}, so it is not measured")
        return ("fp32",)
    return ("fp32", "bf16")


def trained(work: Any, seeds: int, width: int, iterations: int) -> tuple[float, np.ndarray]:
    """Replica iterations per second, and the exact W1 of each seed (R,) at the end."""
    from ganbench.metrics.transport import W1
    from ganbench.targets.mixtures import Ring8
    from ganbench.training.loop import true_samples
    from suites.peers.ensemble import training_of

    target, seconds, found = Ring8(), 0.0, []
    for first in range(0, seeds, width):
        each = list(range(first, min(first + width, seeds)))
        training = training_of(work, width, each)
        training.prepare()
        training.advance(iterations)
        seconds += training.seconds
        made = training.samples("evaluation", 0, SAMPLES)
        found += [
            W1().value(made[i].astype(np.float64), true_samples(target, seed, 0, SAMPLES), target)
            if np.isfinite(made[i]).all()
            else np.inf
            for i, seed in enumerate(each)
        ]
    return seeds * iterations / seconds, np.array(found)


def compared(found: dict[str, tuple[float, np.ndarray]]) -> list[dict[str, Any]]:
    """Each precision: speed, interquartile mean of W1 with its interval, and its seeds against those in fp32."""
    from ganbench.statistics.comparison import paired_difference
    from ganbench.statistics.estimates import bootstrap_interval, interquartile_mean

    rows = []
    for precision, (speed, w1) in found.items():
        low, high = bootstrap_interval(w1, interquartile_mean, np.random.default_rng(0))
        pairs = {"fp32": dict(enumerate(found["fp32"][1])), precision: dict(enumerate(w1))}
        _, difference, p = paired_difference(pairs[precision], pairs["fp32"])
        rows.append(
            {
                "precision": precision,
                "replica_iterations_per_s": speed,
                "w1": float(interquartile_mean(w1)),
                "interval": [low, high],
                "median_paired_difference": difference,
                "p": p,
                "w1_each": w1.tolist(),
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    cells = [["precision", "replica iterations/s", "of fp32", "W1, interquartile mean", "median difference", "p"]]
    for row in rows:
        low, high = row["interval"]
        speed = row["replica_iterations_per_s"]
        beside = ["", ""] if row is rows[0] else [f"{row['median_paired_difference']:+.4f}", f"{row['p']:.2f}"]
        parts = f"{speed / rows[0]['replica_iterations_per_s']:.2f}"
        cells.append([row["precision"], f"{speed:.0f}", parts, f"{row['w1']:.4f} ({low:.4f} to {high:.4f})", *beside])
    return aligned(cells)


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@click.option("--objectives", default="non-saturating,wasserstein-gp", show_default=True)
@click.option("--hidden", default=64, show_default=True)
@click.option("--batch", default=256, show_default=True)
@click.option("--seeds", default=32, show_default=True, type=click.IntRange(2))
@click.option("--iterations", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--output", default="build/precision.json", show_default=True, type=click.Path(path_type=Path))
def main(objectives: str, hidden: int, batch: int, seeds: int, iterations: int, device: str, output: Path) -> None:
    from suites.peers.work import D_STEPS, Work

    unknown = sorted(set(objectives.split(",")) - set(D_STEPS))
    if unknown:
        raise click.BadParameter(f'found "{unknown[0]}", expected some of {",".join(D_STEPS)}')
    found: dict[str, Any] = {"command": sys.argv[1:], "objectives": {}}
    width = seeds if device == "cuda" else WIDTH
    for objective in objectives.split(","):
        each = {}
        for precision in precisions(device):
            each[precision] = trained(Work(objective, hidden, batch, 2, device, precision), seeds, width, iterations)
        rows = compared(each)
        found["objectives"][objective] = rows
        title = (
            f"{objective}, H={hidden} B={batch}, ring8, {seeds} seeds, {iterations} iterations, W1 of {SAMPLES} samples"
        )
        print(f"\n### {title}\n\n{table(rows)}", flush=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
