"""Figures as data for plotly.js: plain dictionaries, so that no plotting library is loaded to make them."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ganbench.report.finals import final_values, plain
from ganbench.report.verdicts import DECIDED
from ganbench.report.wording import ARROWS
from ganbench.report.wording import inert as printable

# Okabe and Ito's palette without its yellow, which a white page swallows, and its black, which a dark one does
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "star", "hexagon", "pentagon", "bowtie")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")

MOST_POINTS, MOST_LINES = 100, 50
"""Replicas of an objective that a figure draws one by one."""

Trace = dict[str, Any]


def inert(text: str) -> str:
    """A name as plotly shows it letter by letter: what it takes for markup is escaped."""
    return html.escape(printable(text))


@dataclass(frozen=True)
class Figure:
    """A figure with the words around it; `data` and `layout` are plotly's."""

    id: str
    title: str
    text: str
    data: list[Trace]
    layout: dict[str, Any]


@dataclass(frozen=True)
class Look:
    """How one objective is drawn everywhere: a colour, and a symbol and a dash that tell it without colour."""

    colour: str
    symbol: str
    dash: str

    def line(self, width: float = 2.5) -> dict[str, Any]:
        return {"color": self.colour, "dash": self.dash, "width": width}

    def filled(self, opacity: float) -> str:
        """The colour as CSS with an opacity."""
        red, green, blue = (int(self.colour[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},{opacity})"


def looks(labels: Iterable[str]) -> dict[str, Look]:
    """Label -> look; no two among 45 labels are alike in colour and symbol and dash."""
    return {
        label: Look(COLOURS[i % len(COLOURS)], SYMBOLS[i % len(SYMBOLS)], DASHES[i % len(DASHES)])
        for i, label in enumerate(labels)
    }


def distribution(results: pd.DataFrame, ranked: pd.DataFrame, by: Mapping[str, Look], where: str) -> Figure | None:
    """The final values of every replica on one target, row by row in the order of the table."""
    metric = str(ranked.rank_by.iloc[0])
    final = final_values(results)
    final = final[(final.metric == metric) & np.isfinite(final.value)]
    if final.empty:
        return None
    labels = dict(zip(ranked.cell_id, ranked.label, strict=True))
    data: list[Trace] = []
    for cell, label in labels.items():
        rows = some(final[final.cell_id == cell].sort_values("value"), MOST_POINTS).sort_values("seed")
        look = by.get(label, Look("#7F7F7F", "circle", "solid"))
        data.append(
            {
                **{"type": "box", "orientation": "h", "name": inert(label), "x": rounded(rows.value)},
                **{"boxpoints": "all", "jitter": 0.5, "pointpos": 0, "line": {"color": look.colour, "width": 1.5}},
                **{"fillcolor": look.filled(0.12), "marker": {"symbol": look.symbol, "color": look.colour, "size": 6}},
                **{"text": [f"seed {seed}" for seed in rows.seed], "showlegend": False},
                "hovertemplate": "%{text}: %{x}<extra>%{fullData.name}</extra>",
            }
        )
    floor = float(final.floor.median())
    shapes = [_vertical(floor)] if math.isfinite(floor) else []
    height = 90 + 34 * len(data)
    return Figure(
        f"seeds-{where}",
        f"{plain(metric)} of every seed",
        "Each point is a replica that completed, each box their quartiles. Dotted: the floor."
        + some_words(final[final.cell_id.isin(labels)].groupby("cell_id").size().max(), MOST_POINTS),
        data,
        {
            **{"xaxis": axis(f"{inert(plain(metric))}{unit_of(final)} {arrow_of(final)}"), "height": height},
            **{"yaxis": {"autorange": "reversed", "automargin": True}, "shapes": shapes},
        },
    )


def matrix(ranked: pd.DataFrame, pairs: pd.DataFrame, where: str) -> Figure | None:
    """Probability that the row's objective improves on the column's, with a mark where that is decided."""
    labels = [label for label in ranked.label if label in {*pairs.label, *pairs.other}]
    if len(labels) < 2:
        return None
    index = {label: i for i, label in enumerate(labels)}
    n = len(labels)
    values: list[list[float | None]] = [[None] * n for _ in range(n)]
    words: list[list[str]] = [["" for _ in range(n)] for _ in range(n)]
    marks: list[list[str]] = [["" for _ in range(n)] for _ in range(n)]
    compared: Iterable[Any] = pairs.itertuples()
    for row in compared:
        i, j = index[row.label], index[row.other]
        ends = "" if math.isnan(row.low) else f", 95% {row.low:.2f} to {row.high:.2f}"
        star = "*" if row.word in DECIDED else "≈" if row.word == "equivalent" else ""
        for a, b, p in ((i, j, row.probability), (j, i, 1 - row.probability)):
            values[a][b] = round(p, 3)
            marks[a][b] = f"{p:.2f}{star}"
        p = "" if math.isnan(row.adjusted) else f", adjusted p {row.adjusted:.3f}"
        words[i][j] = f"{inert(row.label)} against {inert(row.other)}: {row.word}{ends}{p}"
        words[j][i] = words[i][j]
    names = [inert(label) for label in labels]
    heat: Trace = {
        **{"type": "heatmap", "x": names, "y": names, "z": values, "zmin": 0, "zmax": 1, "text": marks},
        **{"colorscale": [[0, "#D55E00"], [0.5, "#F7F7F7"], [1, "#0072B2"]], "texttemplate": "%{text}"},
        **{"customdata": words, "hovertemplate": "%{customdata}<extra></extra>", "xgap": 2, "ygap": 2},
        **{"textfont": {"size": 12}, "showscale": False},
    }
    return Figure(
        f"pairs-{where}",
        "Probability of improvement, row over column",
        "Over all pairs of seeds, ties counted half. * decided at an adjusted p below .05; ≈ equivalent.",
        [heat],
        {
            **{"xaxis": {"side": "top", "automargin": True, "tickangle": -40}, "height": 130 + 40 * n},
            "yaxis": {"autorange": "reversed", "automargin": True},
            "meta": {"width": 150 + 48 * n},  # below it the numbers run into each other
        },
    )


def divergences(results: pd.DataFrame, by: Mapping[str, Look], where: str) -> Figure | None:
    """When replicas diverged, objective by objective; None where none did."""
    diverged = results[(results.status == "diverged") & results.label.isin(by)].drop_duplicates("replica_id")
    if diverged.empty:
        return None
    data: list[Trace] = []
    for label, every in diverged.groupby("label", sort=False):
        rows = some(every.sort_values("diverged_at", kind="stable"), MOST_POINTS)
        look = by[str(label)]
        at = [float(v) for v in rows.diverged_at.fillna(0)]
        data.append(
            {
                **{"type": "scatter", "mode": "markers", "x": at, "y": [inert(str(label))] * len(rows)},
                **{"marker": {"symbol": "x", "size": 10, "color": look.colour}, "showlegend": False},
                **{"text": [f"seed {seed}" for seed in rows.seed]},
                "hovertemplate": "%{text} diverged at iteration %{x}<extra>%{y}</extra>",
            }
        )
    return Figure(
        f"divergences-{where}",
        "When replicas diverged",
        "Each cross is a replica whose loss, weights or samples became non-finite."
        + some_words(diverged.label.value_counts().max(), MOST_POINTS),
        data,
        {
            **{"xaxis": {**axis("iteration"), "rangemode": "tozero"}, "height": 110 + 30 * len(data)},
            "yaxis": {"automargin": True},
        },
    )


LEGEND = {
    "legend": {"orientation": "h", "x": 0, "yref": "container", "y": 0, "yanchor": "bottom"},
    "hovermode": "closest",
}


def line_through(name: str, x: Sequence[Any], y: Sequence[Any], line: dict[str, Any]) -> Trace:
    return {"type": "scatter", "mode": "lines", "name": name, "x": list(x), "y": list(y), "line": line}


def _vertical(x: float) -> dict[str, Any]:
    line = {"color": "#7F7F7F", "dash": "dot", "width": 1.5}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "automargin": True, "zeroline": False}


def some(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many of the rows, evenly spaced, the first and the last among them: a page of thousands must open."""
    return rows.iloc[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)]


def some_words(count: float, most: int) -> str:
    """Says that a figure draws fewer replicas than it tells of; nothing where it draws all."""
    return (
        f" {most} replicas of each objective at most are drawn, evenly spaced in their order." if count > most else ""
    )


def rounded(values: Iterable[float]) -> list[float]:
    """Four significant digits: what a screen shows."""
    return [float(f"{v:.4g}") for v in values]


def unit_of(rows: pd.DataFrame) -> str:
    unit = rows.unit.iloc[0] if len(rows) else ""
    return f" in {inert(unit)}" if unit else ""


def arrow_of(rows: pd.DataFrame) -> str:
    return ARROWS.get(rows.direction.iloc[0], "") if len(rows) else ""
