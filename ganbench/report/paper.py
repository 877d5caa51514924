"""The page's figures for papers, as SVG and PDF: the same data drawn by matplotlib, with text that stays text."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganbench.report.figures import Figure, Trace

FORMATS = ("svg", "pdf")
SIZE_INCHES = (6.4, 4.0)
MARKERS = {
    **{"circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "triangle-down": "v", "star": "*"},
    **{"hexagon": "h", "pentagon": "p", "bowtie": "d", "x": "x"},
}
DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3))}
# no date and no random ids: equal results give equal files
SETTINGS: Any = {"svg.hashsalt": "ganbench", "svg.fonttype": "none", "pdf.fonttype": 42, "font.size": 9}
SETTINGS |= {"axes.grid": True, "grid.alpha": 0.3, "legend.frameon": False, "figure.dpi": 100}


def write_figures(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """The paths of one SVG and one PDF for each figure, named by its id; the folder is made where it is missing.

    Raises ValueError where matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise ValueError("figures: matplotlib is not installed; pip install 'ganbench[figures]'") from None
    from matplotlib.figure import Figure as Canvas

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with matplotlib.rc_context(SETTINGS):
        for figure in figures:
            canvas = Canvas(figsize=SIZE_INCHES, layout="constrained")
            _draw(figure, canvas.subplots())
            for form in FORMATS:
                path = folder / f"{figure.id}.{form}"
                dateless = {"Date": None} if form == "svg" else {"CreationDate": None, "Producer": None}
                canvas.savefig(path, format=form, metadata=dateless)
                written.append(path)
    return written


def _draw(figure: Figure, axes: Any) -> None:
    drawing: dict[str, Callable[[Any, Trace], None]] = {"scatter": _scatter, "heatmap": _heatmap}
    boxes = [trace for trace in figure.data if trace["type"] == "box"]
    if boxes:
        _boxes(axes, boxes)
    for trace in figure.data:
        if trace["type"] != "box" and trace.get("visible") != "legendonly":
            drawing[trace["type"]](axes, trace)
    for axis, name in (("x", "xaxis"), ("y", "yaxis")):
        about = figure.layout.get(name, {})
        title = about.get("title", {}).get("text", "")
        getattr(axes, f"set_{axis}label")(_text(title))
        if about.get("type") == "log":
            getattr(axes, f"set_{axis}scale")("log")
        if about.get("autorange") == "reversed":
            getattr(axes, f"invert_{axis}axis")()
    for shape in figure.layout.get("shapes", ()):
        axes.axvline(shape["x0"], color=shape["line"]["color"], linestyle=":", linewidth=1)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, fontsize=7, ncols=2)


def _scatter(axes: Any, trace: Trace) -> None:
    x, y = (np.array([np.nan if v is None else v for v in trace[k]], dtype=object) for k in ("x", "y"))
    if trace.get("fill") == "toself":
        axes.fill(x.astype(float), y.astype(float), color=_colour(trace["fillcolor"]), linewidth=0)
        return
    line, marker = trace.get("line", {}), trace.get("marker", {})
    named = trace.get("showlegend", True) and trace.get("name")
    axes.plot(
        *(
            _categories(values) if any(isinstance(v, str) for v in values) else values.astype(float)
            for values in (x, y)
        ),
        color=_colour(line.get("color") or marker.get("color", "#7F7F7F")),
        linestyle=DASHES[line.get("dash", "solid")] if "lines" in trace.get("mode", "lines") else "none",
        linewidth=0.6 * line.get("width", 2),
        drawstyle="steps-post" if line.get("shape") == "hv" else "default",
        marker=MARKERS.get(marker.get("symbol", ""), "o") if "markers" in trace.get("mode", "lines") else None,
        markersize=4,
        label=_text(trace["name"]) if named else None,
    )


def _categories(values: Iterable[Any]) -> list[str]:
    return [_text(v) for v in values]


def _boxes(axes: Any, traces: Sequence[Trace]) -> None:
    axes.boxplot(
        [trace["x"] for trace in traces],
        orientation="horizontal",
        tick_labels=[_text(trace["name"]) for trace in traces],
        showfliers=False,
        medianprops={"color": "black"},
    )
    for i, trace in enumerate(traces, start=1):
        count = len(trace["x"])
        places = i + np.linspace(-0.2, 0.2, count) if count > 1 else [i] * count
        marker = MARKERS.get(trace["marker"]["symbol"], "o")
        axes.scatter(trace["x"], places, s=12, color=_colour(trace["marker"]["color"]), marker=marker, zorder=3)


def _heatmap(axes: Any, trace: Trace) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    values = np.array([[np.nan if v is None else v for v in row] for row in trace["z"]], dtype=float)
    colours = LinearSegmentedColormap.from_list("improvement", [colour for _, colour in trace["colorscale"]])
    axes.grid(False)
    axes.imshow(values, cmap=colours, vmin=trace["zmin"], vmax=trace["zmax"], aspect="auto", origin="lower")
    axes.set_xticks(range(len(trace["x"])), [_text(v) for v in trace["x"]], rotation=40, ha="right")
    axes.set_yticks(range(len(trace["y"])), [_text(v) for v in trace["y"]])
    for i, row in enumerate(trace["text"]):
        for j, text in enumerate(row):
            axes.text(j, i, text, ha="center", va="center", fontsize=8)


def _text(value: Any) -> str:
    """A name letter by letter: nothing of it is a formula to matplotlib."""
    return html.unescape(str(value)).replace("$", r"\$")


def _colour(value: str) -> Any:
    """A colour of the page as matplotlib reads it."""
    if not value.startswith("rgba("):
        return value
    red, green, blue, opacity = (float(v) for v in value[5:-1].split(","))
    return red / 255, green / 255, blue / 255, opacity
