"""The figures of the Dirac-GAN: phase portraits, and the distance from the equilibrium."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from ganbench.report.figures import COLOURS, LEGEND, Figure, Trace, axis, looks
from ganbench.report.theory_axes import GREY, Arrays, axis_name, axis_of_trace, heading, line, part

WAYS = ("simultaneous", "alternating, G first")
ROW = 240
"""Pixels of a row of phase portraits."""


def dirac_gan(arrays: Arrays, subjects: Sequence[str]) -> Iterable[Figure]:
    """Phase portraits on linear axes, which show the shape, and radii on a logarithmic one, which shows the rate."""
    yield _portraits(arrays, subjects)
    by, data = looks(subjects), []
    for column in range(len(WAYS)):
        for subject, path in zip(subjects, arrays["trajectories"][:, column], strict=True):
            radius = np.maximum(np.linalg.norm(path, axis=1), 1e-300)  # a logarithm has no place for 0
            trace = line(
                subject, np.arange(len(radius)), radius, {"color": by[subject].colour, "dash": by[subject].dash}
            )
            trace |= {"xaxis": axis_of_trace("x", column), "yaxis": axis_of_trace("y", column), "legendgroup": subject}
            data.append(trace | {"showlegend": column == 0})
    layout: dict[str, Any] = {**LEGEND, "height": 620, "annotations": []}
    for column, way in enumerate(WAYS):
        left, right = part(column, len(WAYS), 0.06)
        layout[axis_name("x", column)] = {
            **axis("iterations"),
            "domain": [left, right],
            "anchor": axis_of_trace("y", column),
        }
        radii = axis("distance from the equilibrium" if column == 0 else "")
        radii |= {
            "type": "log",
            "exponentformat": "power",
            "anchor": axis_of_trace("x", column),
            "nticks": 8,
        }
        layout[axis_name("y", column)] = radii | ({"matches": "y", "showticklabels": False} if column else {})
        layout["annotations"].append(heading(way, (left + right) / 2, 1.0))
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
        bottom, top = (1 - end for end in reversed(part(row, rows, 0.26 / rows)))
        paths = arrays["trajectories"][row]
        reach = 1.15 * float(np.abs(paths).max())
        layout["annotations"].append(heading(f"<b>{subject}</b>", 0.5, top, 12))
        for column, way in enumerate(WAYS):
            at = len(WAYS) * row + column
            x, y = axis_of_trace("x", at), axis_of_trace("y", at)
            place = {"xaxis": x, "yaxis": y}
            data += [trace | place for trace in (_arrows(arrays, row, reach), *_path(paths[column], way, column))]
            bounds = {"range": [-reach, reach], "zeroline": True, "zerolinecolor": GREY, "nticks": 5}
            left, right = part(column, len(WAYS), 0.08)
            sideways = {"domain": [left, right], "anchor": y, "constrain": "domain"}
            sideways["constraintoward"] = "left" if column else "right"  # the two stay neighbours on a wide screen
            upwards = {"domain": [bottom, top], "anchor": x, "scaleanchor": x, "constrain": "domain"}
            last, first = row == rows - 1, column == 0
            layout[axis_name("x", at)] = {**bounds, **sideways, "title": {"text": f"θ, {way}" if last else ""}}
            layout[axis_name("y", at)] = {**bounds, **upwards, "title": {"text": "ψ" if first else ""}}
            layout[axis_name("y", at)]["showticklabels"] = first
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
        **line("flow", strokes[:, 0], strokes[:, 1], {"color": GREY, "width": 0.8}),
        **{"mode": "lines+markers", "marker": tips, "hoverinfo": "skip", "opacity": 0.7},
    }


def _path(path: Float[np.ndarray, "n 2"], way: str, column: int) -> list[Trace]:
    colour, ends = COLOURS[column], path[[0, -1]]
    radius = float(np.linalg.norm(path[-1]))
    told = [f"start (1, -1), {way}", f"after {len(path) - 1} iterations: {radius:.3g} from the equilibrium"]
    marks = {"symbol": ["circle", "diamond"], "size": [8, 10], "color": colour, "line": {"width": 1, "color": GREY}}
    return [
        {**line(way, path[:, 0], path[:, 1], {"color": colour, "width": 1.3}), "hoverinfo": "skip"},
        {
            **line(way, ends[:, 0], ends[:, 1], {}),
            **{"mode": "markers", "marker": marks, "text": told, "hovertemplate": "%{text}<extra></extra>"},
        },
    ]
