"""Samples of points in the plane over training: the median and the worst replica of each objective beside the truth."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ganbench.report.pictures import final_costs, median_and_worst, snapshots
from ganbench.report.wording import inert

POINTS = 300
"""Points of a cloud that are drawn."""

MOST_FAILURES = 18
"""Replicas in a gallery of failures."""


def clouds(results: pd.DataFrame, ranked: pd.DataFrame, files: Mapping[str, Path]) -> dict[str, Any] | None:
    """The median and the worst replica of each objective and the median of each baseline; see `_panels`."""
    costs = final_costs(results, str(ranked.rank_by.iloc[0]))
    replicas = results.drop_duplicates("replica_id")
    chosen = []
    for cell, label, baseline in zip(ranked.cell_id, ranked.label, ranked.baseline, strict=True):
        for which, replica in median_and_worst(replicas[replicas.cell_id == cell], costs).items():
            if not (baseline and which == "worst"):
                chosen.append((str(label), which, replica))
    return _panels(results, ranked, files, chosen)


def failures(results: pd.DataFrame, ranked: pd.DataFrame, files: Mapping[str, Path]) -> dict[str, Any] | None:
    """Replicas that diverged or ended worse than the trivial baseline, the worst first; see `_panels`."""
    costs = final_costs(results, str(ranked.rank_by.iloc[0]))
    trivial = [costs[r] for r in results[results.objective == "trivial"].replica_id.unique() if r in costs]
    limit = float(np.median(trivial)) if trivial else math.inf
    own = results[results.cell_id.isin(ranked[~ranked.baseline].cell_id) & (results.status != "failed")]
    own = own.drop_duplicates("replica_id")
    names = dict(zip(ranked.cell_id, ranked.label, strict=True))
    found = [
        (costs.get(replica, math.inf), names[cell], seed, replica)
        for replica, cell, seed in zip(own.replica_id, own.cell_id, own.seed, strict=True)
        if costs.get(replica, math.inf) > limit or costs.get(replica, math.inf) == math.inf
    ]
    found.sort(key=lambda one: (-one[0], one[1], one[2]))
    return _panels(results, ranked, files, [(label, "", replica) for _, label, _, replica in found[:MOST_FAILURES]])


def _panels(
    results: pd.DataFrame, ranked: pd.DataFrame, files: Mapping[str, Path], chosen: list[tuple[str, str, str]]
) -> dict[str, Any] | None:
    """What the page draws of some replicas, (label, which, replica_id) each, beside a replica of the oracle.

    Coordinates are 16-bit integers within the target's own range, base64: `low` and `high` bound both axes. None where
    the samples are no points in the plane or nothing was kept.
    """
    panels, truth = [], _truth(results, files)
    replicas = results.drop_duplicates("replica_id").set_index("replica_id")[["objective", "seed", "status"]]
    for label, which, replica in chosen:
        kept = _snapshots(files.get(replica))
        own = replicas.loc[replica]
        if kept and next(iter(kept.values())).shape[1:] == (2,) and own.objective != "oracle":
            panels.append((label, f"{which} seed {own.seed}".strip(), str(own.status), kept))
    if not panels:
        return None
    centre, half = _window(truth if truth is not None else np.concatenate([k[max(k)] for *_, k in panels]))
    return {
        "iterations": sorted({i for *_, kept in panels for i in kept if i}) or [0],
        "low": [float(c - half) for c in centre],
        "high": [float(c + half) for c in centre],
        "truth": None if truth is None else _packed(truth, centre, half),
        "panels": [
            {
                "label": inert(label),
                "which": which,
                "note": "" if status == "completed" else status,
                "clouds": {str(i): _packed(points, centre, half) for i, points in kept.items()},
            }
            for label, which, status, kept in panels
        ],
    }


def _truth(results: pd.DataFrame, files: Mapping[str, Path]) -> Float[np.ndarray, "n d"] | None:
    """True samples, of the first replica of the oracle that kept some."""
    for replica in results[results.objective == "oracle"].replica_id.unique():
        kept = _snapshots(files.get(replica))
        if kept:
            return next(iter(kept.values()))
    return None


def _snapshots(file: Path | None) -> dict[int, Float[np.ndarray, "n d"]]:
    return dict(sorted(snapshots(file).items())) if file is not None else {}


def _window(points: Float[np.ndarray, "n d"]) -> tuple[np.ndarray, float]:
    """Centre and half width of a square that shows the points with room around them."""
    finite = points[np.isfinite(points).all(1)]
    if not len(finite):
        return np.zeros(2), 1.0
    low, high = finite.min(0), finite.max(0)
    return (low + high) / 2, float(max(high - low)) * 0.7 + 1e-9


def _packed(points: Float[np.ndarray, "n d"], centre: np.ndarray, half: float) -> str:
    """x and y in turn as little-endian int16 over the window, beyond whose edge a point lies on it, base64."""
    # nothing is repaired: what is not finite is drawn on the window's edge, as all that lies beyond it
    scaled = np.nan_to_num((points[:POINTS] - centre) / half, nan=9.0, posinf=9.0, neginf=-9.0)
    return base64.b64encode((np.clip(scaled, -1.02, 1.02) * 32000).astype("<i2").tobytes()).decode("ascii")
