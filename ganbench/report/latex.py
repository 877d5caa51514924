"""The ranked tables for a paper: one LaTeX table for each target, with the columns that a page has room for."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ganbench.report.columns import Column
from ganbench.report.tables import fitting, floors, told
from ganbench.report.wording import FLAGGED

WIDTH = 100
"""Characters of a row: what a page holds in small print."""

SYMBOLS = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"},
    **{"↓": r"$\downarrow$", "↑": r"$\uparrow$", "±": r"$\pm$", "∞": r"$\infty$", "≤": r"$\leq$", "≥": r"$\geq$"},
    **{"·": r"$\cdot$", "—": "---", "–": "--", "…": r"\dots{}", FLAGGED: r"\dag{}"},
}


def to_latex(results: pd.DataFrame, rank_by: str | None = None) -> str:
    r"""One table environment for each target, with what the numbers mean below it; findings are left out.

    Needs \usepackage{booktabs} and \usepackage[T1]{fontenc}.
    """
    parts = []
    for suite in told(results, rank_by).suites:
        parts += [_table(fitting(columns, WIDTH), heading) for heading, columns, _ in suite.targets]
        parts.append("{\\footnotesize\n" + "\n\n".join(latex(said) for said in suite.sentences) + "\n}\n")
    return "\n".join(parts)


def _table(columns: list[Column], caption: str) -> str:
    kinds = "".join("l" if column.heading == "objective" else "r" for column in columns)
    lines = [_row(column.heading for column in columns), r"\midrule", _row(floors(columns))]
    lines += [_row(cells) for cells in zip(*(column.cells for column in columns), strict=True)]
    body = "\n".join(lines)
    return (
        f"\\begin{{table}}\n\\centering\\small\n\\caption{{{latex(caption)}}}\n\\begin{{tabular}}{{{kinds}}}\n"
        f"\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def _row(cells: Iterable[str]) -> str:
    return " & ".join(latex(cell.strip()) for cell in cells) + r" \\"


def latex(text: str) -> str:
    """Text that LaTeX sets as it is: no command, no column and no comment can begin in it."""
    return "".join(SYMBOLS.get(c, c) for c in text)
