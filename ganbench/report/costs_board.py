"""What each cell costs in time and memory, and on what it was measured: the page's table under "How fast"."""

from __future__ import annotations

import pandas as pd

from ganbench.report.board import Board, Cell, Heading, numbers, text
from ganbench.report.finals import on_images
from ganbench.report.wording import decimals, inert


def costs(results: pd.DataFrame, ranked: pd.DataFrame) -> Board | None:
    """A row for every cell of one target in the order of its ranks; None where nothing was timed."""
    if ranked.iteration_s.isna().all():
        return None
    images = "images/s" if on_images(results) else "samples/s"
    share = "one replica, its share of the replicas that trained at once"
    shown_costs = (
        ("iteration_s", "ms per iteration", 1e3, f"milliseconds of an iteration of {share}"),
        ("iterations_per_s", "iterations/s", 1.0, f"of {share}"),
        ("samples_per_s", images, 1.0, f"real samples that the players see in a second of {share}"),
        ("compile_s", "compile s", 1.0, "seconds of compiling and warming up, once for all replicas at once"),
        ("evaluation_s", "evaluation s", 1.0, "seconds of all evaluations of one replica"),
        ("peak_memory_mb", "peak MB", 1.0, "most memory of the process, or of its tensors on a GPU; MiB"),
    )
    place = (
        ("device", "device", "what trained it"),
        ("arithmetic", "arithmetic", "precision of products and convolutions"),
        ("width", "R", "replicas that trained at once, padding included"),
        ("threads", "threads", "of each process"),
    )
    columns: list[tuple[Heading, list[Cell]]] = [
        (Heading("objective", "medians over its replicas"), [text(inert(label), label) for label in ranked.label])
    ]
    for name, heading, scale, about in shown_costs:
        values = scale * ranked[name].astype(float)
        columns.append((Heading(heading, about), numbers(values, decimals(values))))
    for name, heading, about in place:
        shown = ["—" if pd.isna(value) else inert(value) for value in ranked[name]]
        columns.append((Heading(heading, about), [text(value, value) for value in shown]))
    rows = [(bool(baseline), [cells[i] for _, cells in columns]) for i, baseline in enumerate(ranked.baseline)]
    return Board([heading for heading, _ in columns], rows)
