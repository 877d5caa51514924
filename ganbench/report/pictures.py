"""What generators draw: for each cell on images a grid of its median and its worst replica, and for a target all cells.

A grid has the stored iterations from top to bottom and the same latents in each row. Needs no torch.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from ganbench.report.finals import final_values
from ganbench.report.ranking import latest, rank
from ganbench.store import read_arrays
from ganbench.store.container import write_whole
from ganbench.store.replicas import result_files, with_children

if TYPE_CHECKING:
    from PIL import Image

LATENTS, ITERATIONS = 16, 10
"""Columns and rows of a grid, at most."""

SEEN = 32
"""Pixels that a smaller image is enlarged to, at least, by a whole factor."""

GAP = 2
WHITE, BLACK = 255, 0
NOT_FINITE = (255, 0, 255)
"""Magenta, which no grey image has, for what a diverged generator drew."""

Snapshots = Mapping[int, Float[np.ndarray, "n c h w"]]


def write_pictures(
    folder: Path | str, results: pd.DataFrame, rank_by: str | None = None, ranked: pd.DataFrame | None = None
) -> list[Path]:
    """The paths of the PNG files, in `pictures` beside the replicas that they show; only targets of images have some.

    `results` is the table of `load_results(folder)`. Replicas are ordered by the final value of the metric that ranks,
    a diverged one last, equal ones by seed; of an even number the better of the middle two is the median. Cells without
    stored snapshots have no picture. Raises StoreError for arrays that are corrupt.
    """
    folder = Path(folder)
    files = {file.stem: file for place in with_children(folder) for file in result_files(place)}
    ranked, newest = rank(results, rank_by) if ranked is None else ranked, latest(results)
    written = []
    for (suite, target), rows in ranked.groupby(["suite", "target"], sort=True):
        own = newest[(newest.suite == suite) & (newest.target == target)]
        if _are_images(own, files):
            written += _write_target(own, rows, files)
    return written


def _write_target(results: pd.DataFrame, rows: pd.DataFrame, files: Mapping[str, Path]) -> list[Path]:
    """The grids of every cell of a target, in the order of its table, and their medians' last rows as one picture."""
    costs = final_costs(results, str(rows.rank_by.iloc[0]))
    target, written, finals = str(rows.target.iloc[0]), [], dict[str, np.ndarray]()
    for label, cell_id in zip(rows.label, rows.cell_id, strict=True):
        cell = results[results.cell_id == cell_id]
        for which, replica_id in median_and_worst(cell, costs).items():
            file = files[replica_id]
            kept = snapshots(file)
            if not kept:
                continue
            name = f"{_safe(target, 40)}-{_safe(cell.label.iloc[0], 80)}-{_safe(cell_id[:6], 6)}-{which}.png"
            picture = grid([(f"{i:,}", kept[i]) for i in spread_over(sorted(kept), ITERATIONS)])
            written.append(_write(file.parent / "pictures" / name, picture))
            if which == "median":
                finals[label] = kept[max(kept)]
    if finals:
        place = files[results.replica_id.iloc[0]].parent / "pictures"
        # two long labels, say two paths, may begin alike
        name = f"{_safe(target, 40)}-overview-{hashlib.sha256(target.encode()).hexdigest()[:6]}.png"
        written.append(_write(place / name, grid(list(finals.items()))))
    return written


def final_costs(results: pd.DataFrame, rank_by: str) -> dict[str, float]:
    """replica_id -> final value, turned so that less is better; infinite for what diverged or has no number."""
    final = final_values(results)
    ranked = final[(final.metric == rank_by) & (final.status == "completed")]
    sign = -1 if (ranked.direction == "higher").any() else 1
    found = zip(ranked.replica_id, ranked.value, strict=True)
    return {replica_id: math.inf if math.isnan(value) else sign * value for replica_id, value in found}


def median_and_worst(cell: pd.DataFrame, costs: Mapping[str, float]) -> dict[str, str]:
    """Words "median" and "worst" -> replica_id of the two that are shown of a cell; empty where an error ended all."""
    replicas = cell[cell.status.isin(("completed", "diverged"))].drop_duplicates("replica_id")
    found = [
        (costs.get(name, math.inf), seed, name) for name, seed in zip(replicas.replica_id, replicas.seed, strict=True)
    ]
    if not found:
        return {}
    found.sort()
    worst = min(found, key=lambda replica: (-replica[0], replica[1]))
    return {"median": found[(len(found) - 1) // 2][2], "worst": worst[2]}


def spread_over(iterations: Sequence[int], most: int) -> list[int]:
    """At most so many of the iterations, evenly spaced, the first and the last among them."""
    places = np.linspace(0, len(iterations) - 1, min(most, len(iterations))).round().astype(int)
    return [iterations[place] for place in places]


def _are_images(results: pd.DataFrame, files: Mapping[str, Path]) -> bool:
    """Whether a target's snapshots are images, by the first replica that has some."""
    found = (snapshots(files[name]) for name in results.replica_id.unique())
    first = next((s for s in found if s), {})
    return any(samples.ndim == 4 for samples in first.values())


def snapshots(file: Path) -> Snapshots:
    """Iteration -> samples of one replica; empty where its arrays were left behind."""
    if not file.with_suffix(".safetensors").exists():
        return {}
    arrays = read_arrays(file)
    return {int(name.removeprefix("snapshot/")): a for name, a in arrays.items() if name.startswith("snapshot/")}


def grid(rows: Sequence[tuple[str, Float[np.ndarray, "n c h w"]]]) -> Image.Image:
    """One row of images for each label, which stands at its left; grey where no pixel has a colour."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default()
    labels = ["".join(c if " " <= c <= "~" else "?" for c in label) for label, _ in rows]
    margin = 4 * GAP + max(math.ceil(font.getlength(label)) for label in labels)
    tiles = [enlarged(samples[:LATENTS]) for _, samples in rows]
    height, width = (side + GAP for side in tiles[0].shape[1:3])
    canvas = np.full((GAP + height * len(tiles), margin + width * max(map(len, tiles)), 3), WHITE, dtype=np.uint8)
    for row, images in enumerate(tiles):
        for column, image in enumerate(images):
            y, x = GAP + row * height, margin + column * width
            canvas[y : y + height - GAP, x : x + width - GAP] = image
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    for row, label in enumerate(labels):
        _, top, right, bottom = font.getbbox(label)
        y = GAP + row * height + (height - GAP - top - bottom) / 2
        draw.text((margin - 2 * GAP - right, y), label, fill=(BLACK,) * 3, font=font)
    drawn = np.asarray(picture)
    return picture.convert("L") if (drawn == drawn[..., :1]).all() else picture


def enlarged(samples: Float[np.ndarray, "n c h w"]) -> UInt8[np.ndarray, "n H W 3"]:
    """Samples in [-1, 1] as pixels, repeated until a small image can be seen; other than 3 channels are averaged."""
    channels, height, width = samples.shape[1:]
    coloured = samples if channels == 3 else samples.mean(axis=1, keepdims=True)
    # nothing is repaired: two lines on, what is not finite gets a colour of its own
    levels = np.rint((np.clip(np.nan_to_num(coloured), -1, 1) + 1) * 127.5).astype(np.uint8)
    pixels = np.broadcast_to(levels, (len(samples), 3, height, width)).transpose(0, 2, 3, 1).copy()
    pixels[~np.isfinite(coloured).all(axis=1)] = NOT_FINITE
    factor = math.ceil(SEEN / max(height, width))
    return pixels.repeat(factor, axis=1).repeat(factor, axis=2)


def _write(path: Path, picture: Image.Image) -> Path:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_whole(path, buffer.getvalue())
    return path


def _safe(text: object, most: int) -> str:
    """Text as a part of a file's name on any system: letters, digits and a few marks."""
    return re.sub(r"[^A-Za-z0-9.=,_-]+", "_", str(text)).strip("._-")[:most] or "_"
