"""Lines, axes and legends of the figures of findings, as data for plotly.js."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ganbench.report.figures import Trace

Arrays = Mapping[str, np.ndarray]

GREY = "#7F7F7F"


def line(name: str, x: np.ndarray, y: np.ndarray, style: dict[str, Any]) -> Trace:
    """A line through points, of five significant digits; it breaks where a number is none."""
    return {"type": "scatter", "mode": "lines", "name": name, "x": numbers(x), "y": numbers(y), "line": style}


def numbers(values: np.ndarray) -> list[float | None]:
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in values.astype(float)]


def axis_of_trace(axis: str, number: int) -> str:
    """How a trace names an axis: x, x2, x3, ..."""
    return f"{axis}{number + 1}" if number else axis


def axis_name(axis: str, number: int) -> str:
    """How a layout names it: xaxis, xaxis2, xaxis3, ..."""
    return f"{axis}axis{number + 1}" if number else f"{axis}axis"


def part(number: int, count: int, gap: float) -> tuple[float, float]:
    """The ends of one of several equal parts of 0 to 1 with gaps between them."""
    size = (1 - gap * (count - 1)) / count
    return round(number * (size + gap), 5), round(number * (size + gap) + size, 5)


def heading(text: str, x: float, y: float, size: int = 13) -> dict[str, Any]:
    """A heading above a place of the figure."""
    place = {"xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom", "x": x, "y": y}
    return {"text": text, "showarrow": False, "font": {"size": size}, **place}
