"""Figures as data for plotly.js: plain dictionaries, so that no plotting library is loaded to make them."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ganbench.report.finals import final_values, plain
from ganbench.report.verdicts import DECIDED
from ganbench.report.wording import ARROWS
from ganbench.report.wording import inert as printable
from ganbench.statistics import cumulative_incidence, interquartile_mean, performance_profile

# Okabe and Ito's palette without its yellow, which a white page swallows, and its black, which a dark one does
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "star", "hexagon", "pentagon", "bowtie")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")

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


def curves(results: pd.DataFrame, metric: str, by: Mapping[str, Look], x: str, where: str) -> Figure | None:
    """Quality over training on one target: interquartile mean, the middle half as a band, and every replica.

    `x` is a column: "iteration" or "seconds". None where nothing was measured more than once.
    """
    rows = results[(results.metric == plain(metric)) & ~results.final & ~results.measured_later]
    rows = rows[rows.label.isin(by) & np.isfinite(rows.value)]
    trained = rows[rows.groupby("replica_id").iteration.transform("nunique") > 1]
    if trained.empty:
        return None
    data: list[Trace] = []
    of_label = dict(list(trained.groupby("label")))
    for label in (label for label in by if label in of_label):
        data += _curve(label, of_label[label], by[label], x)
    floor = float(rows.floor.median())
    if math.isfinite(floor):
        ends = [0, float(trained[x].max())]
        data.append(_line("floor", ends, [floor, floor], {"color": "#7F7F7F", "dash": "dot", "width": 1.5}))
    unit = _unit(rows)
    words = {"iteration": "iterations", "seconds": "seconds of training, one replica's share of its ensemble"}[x]
    return Figure(
        f"curves-{x}-{where}",
        f"{plain(metric)} against {x if x == 'seconds' else 'iterations'}",
        "Thick: interquartile mean over the replicas that are finite. Band: their middle half. Thin: each replica.",
        data,
        {
            "xaxis": _axis(words),
            "yaxis": _axis(f"{inert(plain(metric))}{unit} {_arrow(rows)}") | _scale(rows),
            **LEGEND,
        },
    )


def _scale(rows: pd.DataFrame) -> dict[str, str]:
    """A logarithmic axis where values go through more than a factor of five and none is zero or less."""
    low, high = float(rows.value.min()), float(rows.value.max())
    return {"type": "log"} if low > 0 and high > 5 * low else {}


def _curve(label: str, rows: pd.DataFrame, look: Look, x: str) -> list[Trace]:
    name = inert(label)
    each = [replica.sort_values("iteration") for _, replica in rows.groupby("seed", sort=True)]
    of_point = [of for _, of in rows.groupby("iteration", sort=True)[[x, "value"]]]
    at = _rounded([float(np.median(of[x])) for of in of_point])
    low, high = (_rounded([float(np.quantile(of.value, q)) for of in of_point]) for q in (0.25, 0.75))
    means = _rounded([float(interquartile_mean(of.value.to_numpy(float))) for of in of_point])
    band = {
        **_line(name, at + at[::-1], high + low[::-1], {"width": 0}),
        **{"fill": "toself", "fillcolor": look.filled(0.15), "hoverinfo": "skip", "mode": "lines"},
    }
    thin = _line(
        name,
        [v for replica in each for v in (*_rounded(replica[x]), None)],
        [v for replica in each for v in (*_rounded(replica.value), None)],
        {"color": look.filled(0.35), "width": 1},
    )
    thin |= {"text": [t for replica in each for t in (*[f"{name}, seed {replica.seed.iloc[0]}"] * len(replica), "")]}
    thin |= {"hovertemplate": "%{text}<br>%{x}: %{y}<extra></extra>"}
    thick = _line(name, at, means, look.line())
    thick |= {"mode": "lines+markers", "marker": {"symbol": look.symbol, "size": 7, "color": look.colour}}
    hidden = {"showlegend": False, "legendgroup": name}
    return [band | hidden, thin | hidden, thick | {"legendgroup": name, "showlegend": True}]


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
        rows = final[final.cell_id == cell].sort_values("seed")
        look = by.get(label, Look("#7F7F7F", "circle", "solid"))
        data.append(
            {
                **{"type": "box", "orientation": "h", "name": inert(label), "x": _rounded(rows.value)},
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
        "Each point is a replica that completed, each box their quartiles. Dotted: the floor.",
        data,
        {
            **{"xaxis": _axis(f"{inert(plain(metric))}{_unit(final)} {_arrow(final)}"), "height": height},
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
        words[i][j] = f"{inert(row.label)} is {row.word} than {inert(row.other)}{ends}, adjusted p {row.adjusted:.3f}"
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
        },
    )


def incidence(results: pd.DataFrame, by: Mapping[str, Look], x: str, where: str) -> Figure | None:
    """The share of replicas that have reached the quality target, over iterations or seconds."""
    metric = {"iteration": "reached_iteration", "seconds": "reached_s"}[x]
    rows = results[(results.metric == metric) & results.label.isin(by)]
    if rows.empty:
        return None
    end = float(results[x].max())
    data = []
    for label, look in by.items():
        own = results[results.label == label].drop_duplicates("replica_id")
        own = own[own.status.isin(("completed", "diverged"))]
        if own.empty:
            continue
        reached = rows[rows.replica_id.isin(own[own.status == "completed"].replica_id)].value.to_numpy(float)
        times = np.concatenate([reached, np.full(len(own) - len(reached), math.inf)])
        moments, shares = cumulative_incidence(times)
        xs = [0.0, *(float(f"{m:.4g}") for m in moments), end]
        ys = [0.0, *map(float, shares), float(shares[-1]) if len(shares) else 0.0]
        trace = _line(inert(label), xs, [round(y, 4) for y in ys], {**look.line(2), "shape": "hv"})
        data.append({**trace, "mode": "lines+markers", "marker": {"symbol": look.symbol, "size": 7}})
    level, quality = results.quality_target.dropna(), results.quality_metric.dropna()
    what = (
        f"{inert(str(quality.iloc[0]))} of {level.iloc[0]:g}" if len(level) and len(quality) else "its quality target"
    )
    words = {"iteration": "iterations", "seconds": "seconds of training"}[x]
    return Figure(
        f"reached-{x}-{where}",
        f"Share of replicas at {what}, against {words.split(' of')[0]}",
        "Three evaluations in a row at the target. A diverged replica never reaches it.",
        data,
        {"xaxis": _axis(words), "yaxis": {**_axis("share of replicas"), "range": [-0.03, 1.03]}, **LEGEND},
    )


def divergences(results: pd.DataFrame, by: Mapping[str, Look], where: str) -> Figure | None:
    """When replicas diverged, objective by objective; None where none did."""
    diverged = results[(results.status == "diverged") & results.label.isin(by)].drop_duplicates("replica_id")
    if diverged.empty:
        return None
    data: list[Trace] = []
    for label, rows in diverged.groupby("label", sort=False):
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
        "Each cross is a replica whose loss, weights or samples became non-finite.",
        data,
        {
            **{"xaxis": {**_axis("iteration"), "rangemode": "tozero"}, "height": 110 + 30 * len(data)},
            "yaxis": {"automargin": True},
        },
    )


def profile(scores: Mapping[str, Float[np.ndarray, " n"]], by: Mapping[str, Look]) -> Figure | None:
    """The share of replicas over all targets above each normalised score: 0 is `trivial`, 1 the floor."""
    scores = {label: values for label, values in scores.items() if len(values) and label in by}
    if not scores:
        return None
    levels = np.round(np.linspace(-0.5, 1.1, 81), 3)
    data = [
        _line(inert(label), levels.tolist(), performance_profile(values, levels).round(4).tolist(), by[label].line(2))
        for label, values in scores.items()
    ]
    return Figure(
        "profile",
        "Performance profile over all targets",
        "Share of replicas whose score is above a level. A score of 0 is that of `trivial`, 1 that of true samples.",
        data,
        {"xaxis": _axis("normalised score"), "yaxis": {**_axis("share of replicas"), "range": [-0.03, 1.03]}, **LEGEND},
    )


LEGEND = {"legend": {"orientation": "h", "y": -0.25, "x": 0}, "hovermode": "closest"}


def _line(name: str, x: Sequence[Any], y: Sequence[Any], line: dict[str, Any]) -> Trace:
    return {"type": "scatter", "mode": "lines", "name": name, "x": list(x), "y": list(y), "line": line}


def _vertical(x: float) -> dict[str, Any]:
    line = {"color": "#7F7F7F", "dash": "dot", "width": 1.5}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def _axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "automargin": True, "zeroline": False}


def _rounded(values: Iterable[float]) -> list[float]:
    """Four significant digits: what a screen shows."""
    return [float(f"{v:.4g}") for v in values]


def _unit(rows: pd.DataFrame) -> str:
    unit = rows.unit.iloc[0] if len(rows) else ""
    return f" in {inert(unit)}" if unit else ""


def _arrow(rows: pd.DataFrame) -> str:
    return ARROWS.get(rows.direction.iloc[0], "") if len(rows) else ""
