"""The figures of findings as data for plotly.js, drawn from the arrays of their newest replicas."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ganbench.catalogue import FINDINGS
from ganbench.report.figures import COLOURS, LEGEND, SYMBOLS, Figure, Trace, axis, looks
from ganbench.report.finals import is_finding
from ganbench.report.ranking import latest
from ganbench.report.theory_axes import (
    Arrays,
    axis_name,
    axis_of_trace,
    heading,
    line,
    numbers,
    part,
)
from ganbench.report.theory_dirac import dirac_gan
from ganbench.report.wording import inert
from ganbench.store import read

TOYS = ("8 Gaussians", "swiss roll")
"""The targets of the critics' gaps, in the order of their rows."""

Draw = Callable[[Arrays, Sequence[str]], Iterable[Figure]]


def figures(results: pd.DataFrame, files: Mapping[str, Path]) -> list[Figure]:
    """Every finding's figures in the catalogue's order, from the table of `load_results` and replica_id -> file.

    Each finding is drawn once, from its completed replica of the lowest seed, the newest of them. One whose arrays were
    left behind, or of whose name no figure is known, has none. Raises StoreError for arrays that are corrupt.
    """
    found = latest(results[is_finding(results) & (results.status == "completed")]).drop_duplicates("replica_id")
    found = found.sort_values(["seed", "written_s"], ascending=[True, False]).drop_duplicates("objective")
    newest = dict(zip(found.objective, found.replica_id, strict=True))
    drawn: list[Figure] = []
    for name in FINDINGS.names():
        if name in newest and name in DRAWINGS and files[newest[name]].with_suffix(".safetensors").exists():
            replica = read(files[newest[name]])
            drawn += DRAWINGS[name](replica.arrays, [inert(text) for text in replica.info["subjects"]])
    return drawn


def optimal_discriminator(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """What a trained discriminator has become, and the game's value along a path to the data."""
    data: list[Trace] = []
    for i, (mean, sd) in enumerate(arrays["generators"]):
        x, name = arrays["points"][i], f"p_g = N({mean:g}, {sd:g}²)"
        colour, own = COLOURS[i], {"legendgroup": name}
        data.append(
            line(f"D*, {name}", x, arrays["optimal"][i], {"color": colour, "width": 7}) | own | {"opacity": 0.35}
        )
        few = slice(10 * i, None, 30)
        mark = {"symbol": SYMBOLS[i], "size": 9, "color": colour}
        data.append(
            line(f"learned, {name}", x[few], arrays["learned"][i][few], {}) | own | {"mode": "markers", "marker": mark}
        )
    yield Figure(
        "learned-discriminator",
        "The learned discriminator beside the optimal one",
        "Data N(0, 1). Lines: D* = p_r / (p_r + p_g). Marks: a network that has descended the discriminator's loss,"
        " over the central 99% of mass.",
        data,
        {"xaxis": axis("x"), "yaxis": {**axis("D(x)"), "range": [0, 1]}, **LEGEND},
    )
    jsd, value = arrays["jsd"], arrays["value"]
    told = [f"p_g = N({mean:.3g}, {sd:.3g}²)" for mean, sd in arrays["path"]]
    ends = np.array([0.0, float(jsd.max())])
    marks = {"symbol": "circle", "size": 10, "color": COLOURS[1]}
    measured = line("measured", jsd, value, {}) | {"mode": "markers", "marker": marks, "text": told}
    yield Figure(
        "value-against-jsd",
        "The game's value at the optimal discriminator against the divergence",
        "Generators along a path to the data. Theory: C(G) = -log 4 + 2 JSD, at its least, -1.386, where p_g = p_r.",
        [
            line("-log 4 + 2 JSD", ends, 2 * ends - math.log(4), {"color": COLOURS[0], "width": 2}),
            measured | {"hovertemplate": "%{text}: %{y}<extra></extra>"},
        ],
        {"xaxis": axis("Jensen-Shannon divergence in nats"), "yaxis": axis("C(G) in nats"), **LEGEND},
    )


def generator_gradients(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """What each objective's generator feels at the optimal discriminator, by distance from the data."""
    by, data = looks(subjects), list[Trace]()
    for subject, measured, divergence in zip(subjects, arrays["measured"], arrays["divergence"], strict=True):
        mark = {"symbol": by[subject].symbol, "size": 9, "color": by[subject].colour}
        own = {"legendgroup": subject}
        data.append(
            line(f"{subject}, theory", arrays["mu"], divergence, {"color": by[subject].colour, "width": 2}) | own
        )
        data.append(line(subject, arrays["mu"], measured, {}) | own | {"mode": "markers", "marker": mark})
    yield Figure(
        "generator-gradients",
        "The generator's gradient at the optimal discriminator",
        "Data N(0, 1) against p_g = N(μ, 1), the gradient in μ. Marks: the objective's own loss. Lines: the divergence"
        " that theory says it descends. Far from the data minimax's vanishes.",
        data,
        {"xaxis": axis("μ"), "yaxis": {**axis("gradient in μ"), "rangemode": "tozero"}, **LEGEND},
    )


def vanishing_gradients(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """The norm of the generator's gradient while its discriminator gets better and better."""
    by, data = looks(subjects), list[Trace]()
    for subject, norms in zip(subjects, arrays["gradient_norm"], strict=True):
        mark = {"symbol": by[subject].symbol, "size": 8, "color": by[subject].colour}
        trace = line(subject, arrays["d_steps"], norms, by[subject].line(2))
        data.append(trace | {"mode": "lines+markers", "marker": mark})
    yield Figure(
        "vanishing-gradients",
        "The generator's gradient against discriminator steps",
        "One generator that stays as it is, and a discriminator that is trained on. On a logarithmic scale.",
        data,
        {
            **{"xaxis": axis("discriminator steps"), **LEGEND},
            "yaxis": {**axis("norm of the generator's gradient"), "type": "log", "exponentformat": "power"},
        },
    )


def sample_gradients(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """What a generator of coins expects to feel from samples, against what it should."""
    data: list[Trace] = []
    layout: dict[str, Any] = {**LEGEND, "annotations": []}
    for column, (m, p) in enumerate(zip(arrays["samples"], arrays["p"], strict=True)):
        place = {"xaxis": axis_of_trace("x", column), "yaxis": axis_of_trace("y", column), "showlegend": column == 0}
        for i, (name, key) in enumerate((("W1", "wasserstein"), ("Cramér", "cramer"))):
            mark = {"symbol": SYMBOLS[i], "size": 6, "color": COLOURS[i]}
            truth = line(f"{name}, truth", arrays["theta"], arrays[f"{key}_truth"][column], {"color": COLOURS[i]})
            expected = line(f"{name}, expected from samples", arrays["theta"], arrays[key][column], {})
            own = place | {"legendgroup": name}
            data += [truth | own, expected | own | {"mode": "markers", "marker": mark}]
        left, right = part(column, len(arrays["p"]), 0.08)
        layout[axis_name("x", column)] = {**axis("θ"), "domain": [left, right], "anchor": place["yaxis"]}
        layout[axis_name("y", column)] = {**axis("" if column else "gradient in θ"), "anchor": place["xaxis"]}
        layout["annotations"].append(heading(f"p = {p:g}, m = {m:g}", (left + right) / 2, 1.0))
    yield Figure(
        "sample-gradients",
        "The gradient that samples give, against the distance's own",
        "m samples of a coin of probability p, a generator of probability θ. Lines: the gradient of the distance."
        " Marks: the expected gradient of the distance to the samples. For W1 the two differ, for Cramér they do not.",
        data,
        layout,
    )


def em_bank(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """What M-steps do to the likelihood of a held bank, and to how many of its latents count."""
    names = [f"T = {temperature:g}" for temperature in arrays["temperatures"]]
    by, data = looks(names), list[Trace]()
    for row, key in enumerate(("likelihood", "effective_sample_size")):
        place = {"xaxis": "x", "yaxis": axis_of_trace("y", row), "showlegend": row == 0}
        for name, values in zip(names, arrays[key], strict=True):
            mark = {"symbol": by[name].symbol, "size": 6, "color": by[name].colour}
            trace = line(name, np.arange(len(values)), values, by[name].line(1.5)) | place
            data.append(trace | {"mode": "lines+markers", "marker": mark, "legendgroup": name})
    yield Figure(
        "em-bank",
        "EM: likelihood and effective sample size over M-steps",
        "Above the generator's log-likelihood l on a held bank, below 1 / Σ r² of its weights, of"
        f" {arrays['latents'].item()} latents. At T = 1, EM, no step lowers l; as T grows the weights become equal.",
        data,
        {
            **{**LEGEND, "height": 620, "xaxis": {**axis("M-steps"), "anchor": "y2"}},
            "yaxis": {**axis("l in nats"), "domain": [0.54, 1]},
            "yaxis2": {**axis("effective sample size"), "domain": [0, 0.46], "rangemode": "tozero"},
        },
    )


def wasserstein_critics(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """How a penalised critic's gap compares with the distance."""
    ratios = np.atleast_2d(arrays["gap_over_w1"])
    seeds = np.arange(ratios.shape[1])
    by = looks(TOYS[: len(ratios)])
    marks = [
        line(name, seeds, row, {}) | {"mode": "markers", "marker": {"symbol": s.symbol, "size": 11, "color": s.colour}}
        for (name, s), row in zip(by.items(), ratios, strict=True)
    ]
    band = {"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": 0.95, "y1": 1.15, "fillcolor": COLOURS[0]}
    yield Figure(
        "wasserstein-critics",
        "A penalised critic's gap over the Wasserstein distance",
        "wasserstein-gp against a generator that stays at the data with added normal noise, by seed. Band: .95 to 1.15."
        " The gap alone is no distance.",
        marks,
        {
            **LEGEND,
            "shapes": [{**band, "opacity": 0.15, "line": {"width": 0}}],
            "xaxis": {**axis("seed"), "dtick": 1},
            "yaxis": {**axis("gap over W1"), "range": [min(0.9, ratios.min() - 0.05), max(1.2, ratios.max() + 0.05)]},
        },
    )


def duality_gaps(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """Where the gap of the bilinear game is known, and where the divergence bounds it."""
    grid = numbers(arrays["grid"])
    heat: Trace = {"type": "heatmap", "x": grid, "y": grid, "z": [numbers(row) for row in arrays["gap"].T]}
    heat |= {"colorscale": "Cividis", "colorbar": {"title": {"text": "gap"}, "thickness": 14}}
    heat |= {"hovertemplate": "θ %{x}, ψ %{y}: %{z}<extra></extra>"}
    yield Figure(
        "duality-gap",
        "The duality gap of the bilinear Dirac game",
        "Over the box [-1, 1]²: |θ| + |ψ|, which is 0 at the equilibrium alone.",
        [heat],
        {
            "xaxis": {**axis("θ"), "constrain": "domain"},
            "yaxis": {**axis("ψ"), "scaleanchor": "x", "constrain": "domain"},
        },
    )
    mark = {"symbol": "circle", "size": 9, "color": COLOURS[1]}
    yield Figure(
        "gap-and-jsd",
        "The best discriminator's share of the duality gap is the divergence",
        "N(0, 1) against N(μ, 1). Marks: the maximum over D of half the game's value, plus log 2. Line: JSD.",
        [
            line("JSD", arrays["mu"], arrays["jsd"], {"color": COLOURS[0], "width": 2}),
            line("measured", arrays["mu"], arrays["maximum"], {}) | {"mode": "markers", "marker": mark},
        ],
        {"xaxis": axis("μ"), "yaxis": {**axis("nats"), "rangemode": "tozero"}, **LEGEND},
    )


DRAWINGS: dict[str, Draw] = {
    "dirac-gan": dirac_gan,
    "optimal-discriminator": optimal_discriminator,
    "generator-gradients": generator_gradients,
    "vanishing-gradients": vanishing_gradients,
    "wasserstein-critics": wasserstein_critics,
    "sample-gradients": sample_gradients,
    "em-bank": em_bank,
    "duality-gaps": duality_gaps,
}
"""Registered finding -> what draws it."""
