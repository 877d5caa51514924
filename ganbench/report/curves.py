"""Figures over training as data for plotly.js: quality, and the share of replicas at their quality target."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ganbench.report.figures import (
    LEGEND,
    MOST_LINES,
    Figure,
    Look,
    Trace,
    arrow_of,
    axis,
    inert,
    line_through,
    rounded,
    some,
    some_words,
    unit_of,
)
from ganbench.report.finals import plain
from ganbench.statistics import cumulative_incidence, interquartile_mean

DRAWN = ("label", "replica_id", "seed", "iteration", "seconds", "value", "floor", "unit", "direction")
"""What curves take of the results: of these columns rows are taken five times as fast as of all."""


def curves(results: pd.DataFrame, metric: str, by: Mapping[str, Look], x: str, where: str) -> Figure | None:
    """Quality over training on one target: interquartile mean, the middle half as a band, and every replica.

    `x` is a column: "iteration" or "seconds". None where nothing was measured more than once.
    """
    rows = results[results.columns.intersection([*DRAWN])].loc[
        (results.metric == plain(metric)) & ~results.final & ~results.measured_later
    ]
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
        data.append(line_through("floor", ends, [floor, floor], {"color": "#7F7F7F", "dash": "dot", "width": 1.5}))
    unit = unit_of(rows)
    words = {"iteration": "iterations", "seconds": "seconds of training"}[x]
    share = {"iteration": "", "seconds": " Seconds are a replica's share of those of its ensemble."}[x]
    return Figure(
        f"curves-{x}-{where}",
        f"{plain(metric)} against {x if x == 'seconds' else 'iterations'}",
        "Thick: interquartile mean over the replicas that are finite. Band: their middle half. Thin: each replica."
        + some_words(trained.groupby("label").replica_id.nunique().max(), MOST_LINES)
        + share,
        data,
        {
            "xaxis": axis(words),
            "yaxis": axis(f"{inert(plain(metric))}{unit} {arrow_of(rows)}") | _scale(rows),
            **LEGEND,
        },
    )


def _scale(rows: pd.DataFrame) -> dict[str, str]:
    """A logarithmic axis where values go through more than a factor of five and none is zero or less."""
    low, high = float(rows.value.min()), float(rows.value.max())
    # whole numbers at every tick: plotly would write 2 for .2 and for 2 alike
    return {"type": "log", "tickformat": "~g"} if low > 0 and high > 5 * low else {}


def _curve(label: str, rows: pd.DataFrame, look: Look, x: str) -> list[Trace]:
    name = inert(label)
    rows = rows.sort_values("iteration", kind="stable")
    last = rows.drop_duplicates("replica_id", keep="last")
    drawn = some(last.sort_values(["value", "seed"]), MOST_LINES)
    each = _lines(rows[rows.replica_id.isin(drawn.replica_id)], x)
    # arrays: thousands of small tables would take longer than all else on the page
    ends = np.flatnonzero(np.diff(rows.iteration)) + 1
    points = np.split(rows.value.to_numpy(float), ends)
    at = rounded([float(np.median(xs)) for xs in np.split(rows[x].to_numpy(float), ends)])
    low, high = map(rounded, np.transpose([np.quantile(values, (0.25, 0.75)) for values in points]))
    means = rounded([float(interquartile_mean(values)) for values in points])
    band = {
        **line_through(name, at + at[::-1], high + low[::-1], {"width": 0}),
        **{"fill": "toself", "fillcolor": look.filled(0.15), "hoverinfo": "skip", "mode": "lines"},
    }
    thin = line_through(
        name,
        [v for _, xs, _ in each for v in (*xs, None)],
        [v for _, _, values in each for v in (*values, None)],
        {"color": look.filled(0.35), "width": 1},
    )
    thin |= {"text": [t for seed, xs, _ in each for t in (*[f"{name}, seed {seed}"] * len(xs), "")]}
    thin |= {"hovertemplate": "%{text}<br>%{x}: %{y}<extra></extra>"}
    thick = line_through(name, at, means, look.line())
    thick |= {"mode": "lines+markers", "marker": {"symbol": look.symbol, "size": 7, "color": look.colour}}
    hidden = {"showlegend": False, "legendgroup": name}
    return [band | hidden, thin | hidden, thick | {"legendgroup": name, "showlegend": True}]


def _lines(rows: pd.DataFrame, x: str) -> list[tuple[int, list[float], list[float]]]:
    """Seed, places and values of each replica, by seed."""
    seeds, xs, values = (rows[name].to_numpy() for name in ("seed", x, "value"))
    return [(seed, rounded(xs[seeds == seed]), rounded(values[seeds == seed])) for seed in np.unique(seeds)]


def incidence(results: pd.DataFrame, by: Mapping[str, Look], x: str, where: str) -> Figure | None:
    """The share of replicas that have reached the quality target, over iterations or seconds."""
    metric = {"iteration": "reached_iteration", "seconds": "reached_s"}[x]
    rows = results[(results.metric == metric) & results.label.isin(by)]
    if rows.empty:
        return None
    end = float(results[x].max())
    data = []
    replicas = results[["label", "replica_id", "status"]].drop_duplicates("replica_id")
    for label, look in by.items():
        own = replicas[replicas.label == label]
        own = own[own.status.isin(("completed", "diverged"))]
        if own.empty:
            continue
        reached = rows[rows.replica_id.isin(own[own.status == "completed"].replica_id)].value.to_numpy(float)
        times = np.concatenate([reached, np.full(len(own) - len(reached), math.inf)])
        moments, shares = cumulative_incidence(times)
        xs = [0.0, *(float(f"{m:.4g}") for m in moments), end]
        ys = [0.0, *map(float, shares), float(shares[-1]) if len(shares) else 0.0]
        trace = line_through(inert(label), xs, [round(y, 4) for y in ys], {**look.line(2), "shape": "hv"})
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
        {"xaxis": axis(words), "yaxis": {**axis("share of replicas"), "range": [-0.03, 1.03]}, **LEGEND},
    )
