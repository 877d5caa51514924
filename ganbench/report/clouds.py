"""Samples of points in the plane over training: the median and the worst replica of each objective beside the truth."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ganbench.report.pictures import final_costs, median_and_worst
from ganbench.store import read_arrays

POINTS = 300
"""Points of a cloud that are drawn."""


def clouds(results: pd.DataFrame, ranked: pd.DataFrame, files: Mapping[str, Path]) -> dict[str, Any] | None:
    """Panels of one target for the page: for each cell two replicas and the iterations at which they were kept.

    Coordinates are 16-bit integers within the target's own range, base64: `low` and `high` bound both axes. None where
    the samples are no points in the plane or nothing was kept.
    """
    costs = final_costs(results, str(ranked.rank_by.iloc[0]))
    panels, truth = [], None
    for cell, label, baseline in zip(ranked.cell_id, ranked.label, ranked.baseline, strict=True):
        of_cell = results[results.cell_id == cell]
        for which, replica in median_and_worst(of_cell, costs).items():
            kept = _snapshots(files.get(replica))
            if not kept or next(iter(kept.values())).shape[1:] != (2,):
                continue
            if ranked.objective[ranked.cell_id == cell].iloc[0] == "oracle":
                truth = truth if truth is not None else next(iter(kept.values()))
                continue
            if baseline and which == "worst":
                continue
            own = of_cell[of_cell.replica_id == replica].iloc[0]
            panels.append((label, which, own, kept))
    if not panels:
        return None
    reference = truth if truth is not None else np.concatenate([k[max(k)] for *_, k in panels])
    centre, half = _window(reference)
    iterations = sorted({i for *_, kept in panels for i in kept if i})
    return {
        "iterations": iterations,
        "low": [float(c - half) for c in centre],
        "high": [float(c + half) for c in centre],
        "truth": _packed(reference, centre, half) if truth is not None else None,
        "panels": [
            {
                "label": label,
                "which": f"{which} seed {own.seed}",
                "note": "" if own.status == "completed" else str(own.status),
                "clouds": {str(i): _packed(points, centre, half) for i, points in kept.items()},
            }
            for label, which, own, kept in panels
        ],
    }


def _snapshots(file: Path | None) -> dict[int, Float[np.ndarray, "n d"]]:
    if file is None:
        return {}
    arrays = read_arrays(file)
    found = {int(k.partition("/")[2]): v for k, v in arrays.items() if k.startswith("snapshot/")}
    return dict(sorted(found.items()))


def _window(points: Float[np.ndarray, "n d"]) -> tuple[np.ndarray, float]:
    """Centre and half width of a square that shows the points with room around them."""
    finite = points[np.isfinite(points).all(1)]
    low, high = finite.min(0), finite.max(0)
    return (low + high) / 2, float(max(high - low)) * 0.7 + 1e-9


def _packed(points: Float[np.ndarray, "n d"], centre: np.ndarray, half: float) -> str:
    """x and y in turn as little-endian int16 over the window, beyond whose edge a point lies on it, base64."""
    scaled = np.nan_to_num((points[:POINTS] - centre) / half, nan=9.0, posinf=9.0, neginf=-9.0)
    return base64.b64encode((np.clip(scaled, -1.02, 1.02) * 32000).astype("<i2").tobytes()).decode("ascii")
