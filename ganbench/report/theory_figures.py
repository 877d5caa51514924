"""The figures of findings as data for plotly.js, drawn from the arrays of their newest replicas."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ganbench.catalogue import FINDINGS
from ganbench.report.figures import COLOURS, SYMBOLS, Figure, Trace, looks
from ganbench.report.finals import is_finding
from ganbench.report.ranking import latest
from ganbench.report.wording import inert
from ganbench.store import read

Arrays = Mapping[str, np.ndarray]
Draw = Callable[[Arrays, Sequence[str]], Iterable[Figure]]

GREY = "#7F7F7F"
BELOW = {"orientation": "h", "x": 0, "yref": "container", "y": 0, "yanchor": "bottom"}
LEGEND = {"legend": BELOW, "hovermode": "closest"}
WAYS = ("simultaneous", "alternating, G first")
ROW = 240
"""Pixels of a row of phase portraits."""


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


def dirac_gan(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """Phase portraits on linear axes, which show the shape, and radii on a logarithmic one, which shows the rate."""
    yield _portraits(arrays, subjects)
    by, data = looks(subjects), []
    for column in range(len(WAYS)):
        for subject, path in zip(subjects, arrays["trajectories"][:, column], strict=True):
            radius = np.maximum(np.linalg.norm(path, axis=1), 1e-300)  # a logarithm has no place for 0
            trace = _line(
                subject, np.arange(len(radius)), radius, {"color": by[subject].colour, "dash": by[subject].dash}
            )
            trace |= {"xaxis": _name("x", column), "yaxis": _name("y", column), "legendgroup": subject}
            data.append(trace | {"showlegend": column == 0})
    layout: dict[str, Any] = {**LEGEND, "height": 620, "annotations": []}
    for column, way in enumerate(WAYS):
        left, right = _part(column, len(WAYS), 0.06)
        layout[_axis_name("x", column)] = {**_axis("iterations"), "domain": [left, right], "anchor": _name("y", column)}
        radii = _axis("distance from the equilibrium" if column == 0 else "")
        radii |= {"type": "log", "exponentformat": "power", "matches": "y", "anchor": _name("x", column), "nticks": 8}
        layout[_axis_name("y", column)] = radii | ({"showticklabels": False} if column else {})
        layout["annotations"].append(_words(way, (left + right) / 2, 1.0))
    yield Figure(
        "dirac-radii",
        "Dirac-GAN: distance from the equilibrium",
        "On a logarithmic scale. What converges ends on a line, as steep as the logarithm of the largest eigenvalue's"
        " modulus; what cycles stays level. On a linear critic r1 and r2 of one weight are the same.",
        data,
        layout,
    )


def _portraits(arrays: Arrays, subjects: Sequence[str]) -> Figure:
    rows, data = len(subjects), list[Trace]()
    layout: dict[str, Any] = {"height": 60 + ROW * rows, "showlegend": False, "hovermode": "closest", "annotations": []}
    layout["margin"] = {"t": 40, "l": 40}
    for row, subject in enumerate(subjects):
        bottom, top = (1 - end for end in reversed(_part(row, rows, 0.26 / rows)))
        paths = arrays["trajectories"][row]
        reach = 1.15 * float(np.abs(paths).max())
        layout["annotations"].append(_words(f"<b>{subject}</b>", 0.5, top, 12))
        for column, way in enumerate(WAYS):
            at = len(WAYS) * row + column
            x, y = _name("x", at), _name("y", at)
            place = {"xaxis": x, "yaxis": y}
            data += [trace | place for trace in (_arrows(arrays, row, reach), *_path(paths[column], way, column))]
            bounds = {"range": [-reach, reach], "zeroline": True, "zerolinecolor": GREY, "nticks": 5}
            left, right = _part(column, len(WAYS), 0.08)
            sideways = {"domain": [left, right], "anchor": y, "constrain": "domain"}
            sideways["constraintoward"] = "left" if column else "right"  # the two stay neighbours on a wide screen
            upwards = {"domain": [bottom, top], "anchor": x, "scaleanchor": x, "constrain": "domain"}
            last, first = row == rows - 1, column == 0
            layout[_axis_name("x", at)] = {**bounds, **sideways, "title": {"text": f"θ, {way}" if last else ""}}
            layout[_axis_name("y", at)] = {**bounds, **upwards, "title": {"text": "ψ" if first else ""}}
            layout[_axis_name("y", at)]["showticklabels"] = first
    return Figure(
        "dirac-portraits",
        "Dirac-GAN: phase portraits",
        "Data at 0, a generator at θ, the critic ψx: the equilibrium is (0, 0). Left simultaneous, right alternating,"
        " the generator first. 500 iterations at a rate of .2 from the circle, (1, -1), to the diamond. Grey: the"
        " direction of a small joint step.",
        data,
        layout,
    )


def _arrows(arrays: Arrays, row: int, reach: float) -> Trace:
    """Short strokes of one length along the flow, with a dot where they lead to; fewer of the grid's on a wide view."""
    every = 2 if reach > arrays["grid"].max() / 1.5 else 1
    grid, flow = arrays["grid"][::every], arrays["flow"][row, ::every, ::every]
    theta, psi = np.meshgrid(grid, grid, indexing="ij")
    inside = (np.abs(theta) < reach) & (np.abs(psi) < reach)
    size = np.linalg.norm(flow, axis=-1)
    seen = inside & (size > 0)
    step = 0.09 * reach * flow[seen] / size[seen][:, None]
    starts = np.stack([theta[seen], psi[seen]], axis=-1)
    ends = starts + step
    gaps = np.full_like(starts, np.nan)
    strokes = np.stack([starts, ends, gaps], axis=1).reshape(-1, 2)
    tips = {"symbol": "circle", "size": [0, 3.5, 0] * len(starts), "color": GREY, "opacity": 1, "line": {"width": 0}}
    return {
        **_line("flow", strokes[:, 0], strokes[:, 1], {"color": GREY, "width": 0.8}),
        **{"mode": "lines+markers", "marker": tips, "hoverinfo": "skip", "opacity": 0.7},
    }


def _path(path: Float[np.ndarray, "n 2"], way: str, column: int) -> list[Trace]:
    colour, ends = COLOURS[column], path[[0, -1]]
    radius = float(np.linalg.norm(path[-1]))
    told = [f"start (1, -1), {way}", f"after {len(path) - 1} iterations: {radius:.3g} from the equilibrium"]
    marks = {"symbol": ["circle", "diamond"], "size": [8, 10], "color": colour, "line": {"width": 1, "color": GREY}}
    return [
        {**_line(way, path[:, 0], path[:, 1], {"color": colour, "width": 1.3}), "hoverinfo": "skip"},
        {
            **_line(way, ends[:, 0], ends[:, 1], {}),
            **{"mode": "markers", "marker": marks, "text": told, "hovertemplate": "%{text}<extra></extra>"},
        },
    ]


def optimal_discriminator(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """What a trained discriminator has become, and the game's value along a path to the data."""
    data: list[Trace] = []
    for i, (mean, sd) in enumerate(arrays["generators"]):
        x, name = arrays["points"][i], f"p_g = N({mean:g}, {sd:g}²)"
        colour, own = COLOURS[i], {"legendgroup": name}
        data.append(
            _line(f"D*, {name}", x, arrays["optimal"][i], {"color": colour, "width": 7}) | own | {"opacity": 0.35}
        )
        few = slice(10 * i, None, 30)
        mark = {"symbol": SYMBOLS[i], "size": 9, "color": colour}
        data.append(
            _line(f"learned, {name}", x[few], arrays["learned"][i][few], {}) | own | {"mode": "markers", "marker": mark}
        )
    yield Figure(
        "learned-discriminator",
        "The learned discriminator beside the optimal one",
        "Data N(0, 1). Lines: D* = p_r / (p_r + p_g). Marks: a network that has descended the discriminator's loss,"
        " over the central 99% of mass.",
        data,
        {"xaxis": _axis("x"), "yaxis": {**_axis("D(x)"), "range": [0, 1]}, **LEGEND},
    )
    jsd, value = arrays["jsd"], arrays["value"]
    told = [f"p_g = N({mean:.3g}, {sd:.3g}²)" for mean, sd in arrays["path"]]
    ends = np.array([0.0, float(jsd.max())])
    marks = {"symbol": "circle", "size": 10, "color": COLOURS[1]}
    measured = _line("measured", jsd, value, {}) | {"mode": "markers", "marker": marks, "text": told}
    yield Figure(
        "value-against-jsd",
        "The game's value at the optimal discriminator against the divergence",
        "Generators along a path to the data. Theory: C(G) = -log 4 + 2 JSD, at its least, -1.386, where p_g = p_r.",
        [
            _line("-log 4 + 2 JSD", ends, 2 * ends - math.log(4), {"color": COLOURS[0], "width": 2}),
            measured | {"hovertemplate": "%{text}: %{y}<extra></extra>"},
        ],
        {"xaxis": _axis("Jensen-Shannon divergence in nats"), "yaxis": _axis("C(G) in nats"), **LEGEND},
    )


def generator_gradients(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """What each objective's generator feels at the optimal discriminator, by distance from the data."""
    by, data = looks(subjects), list[Trace]()
    for subject, measured, divergence in zip(subjects, arrays["measured"], arrays["divergence"], strict=True):
        mark = {"symbol": by[subject].symbol, "size": 9, "color": by[subject].colour}
        own = {"legendgroup": subject}
        data.append(
            _line(f"{subject}, theory", arrays["mu"], divergence, {"color": by[subject].colour, "width": 2}) | own
        )
        data.append(_line(subject, arrays["mu"], measured, {}) | own | {"mode": "markers", "marker": mark})
    yield Figure(
        "generator-gradients",
        "The generator's gradient at the optimal discriminator",
        "Data N(0, 1) against p_g = N(μ, 1), the gradient in μ. Marks: the objective's own loss. Lines: the divergence"
        " that theory says it descends. Far from the data minimax's vanishes.",
        data,
        {"xaxis": _axis("μ"), "yaxis": {**_axis("gradient in μ"), "rangemode": "tozero"}, **LEGEND},
    )


def vanishing_gradients(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """The norm of the generator's gradient while its discriminator gets better and better."""
    by, data = looks(subjects), list[Trace]()
    for subject, norms in zip(subjects, arrays["gradient_norm"], strict=True):
        mark = {"symbol": by[subject].symbol, "size": 8, "color": by[subject].colour}
        trace = _line(subject, arrays["d_steps"], norms, by[subject].line(2))
        data.append(trace | {"mode": "lines+markers", "marker": mark})
    yield Figure(
        "vanishing-gradients",
        "The generator's gradient against discriminator steps",
        "One generator that stays as it is, and a discriminator that is trained on. On a logarithmic scale.",
        data,
        {
            **{"xaxis": _axis("discriminator steps"), **LEGEND},
            "yaxis": {**_axis("norm of the generator's gradient"), "type": "log", "exponentformat": "power"},
        },
    )


DRAWINGS: dict[str, Draw] = {
    "dirac-gan": dirac_gan,
    "optimal-discriminator": optimal_discriminator,
    "generator-gradients": generator_gradients,
    "vanishing-gradients": vanishing_gradients,
}
"""Registered finding -> what draws it."""


def _line(name: str, x: np.ndarray, y: np.ndarray, line: dict[str, Any]) -> Trace:
    """A line through points, of five significant digits; it breaks where a number is none."""
    return {"type": "scatter", "mode": "lines", "name": name, "x": _numbers(x), "y": _numbers(y), "line": line}


def _numbers(values: np.ndarray) -> list[float | None]:
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in values.astype(float)]


def _axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "automargin": True, "zeroline": False}


def _name(axis: str, number: int) -> str:
    """How a trace names an axis: x, x2, x3, ..."""
    return f"{axis}{number + 1}" if number else axis


def _axis_name(axis: str, number: int) -> str:
    """How a layout names it: xaxis, xaxis2, xaxis3, ..."""
    return f"{axis}axis{number + 1}" if number else f"{axis}axis"


def _part(number: int, count: int, gap: float) -> tuple[float, float]:
    """The ends of one of several equal parts of 0 to 1 with gaps between them."""
    size = (1 - gap * (count - 1)) / count
    return round(number * (size + gap), 5), round(number * (size + gap) + size, 5)


def _words(text: str, x: float, y: float, size: int = 13) -> dict[str, Any]:
    """A heading above a place of the figure."""
    place = {"xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom", "x": x, "y": y}
    return {"text": text, "showarrow": False, "font": {"size": size}, **place}
