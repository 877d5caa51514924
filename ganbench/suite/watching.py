"""Diagnostics -> cells: each cell that is trained has those of its suite that apply to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ganbench.suite.cells import Cell, Part
from ganbench.suite.spec import Spec


def watched(cells: Sequence[Cell], diagnostics: Sequence[Part]) -> tuple[list[Cell], list[str | None]]:
    """The cells with their diagnostics; and for each diagnostic the first cell's reason, where it applies to none."""
    texts = [str(Spec(part.name, part.fields)) for part in diagnostics]
    found: list[Cell] = []
    reasons: list[list[str | None]] = [[] for _ in diagnostics]
    for cell in cells:
        own = [part.instance.inapplicable(cell) if cell.trained else "nothing is trained" for part in diagnostics]
        chosen = tuple(text for text, reason in zip(texts, own, strict=True) if reason is None)
        found.append(dataclasses.replace(cell, evaluation=dataclasses.replace(cell.evaluation, diagnostics=chosen)))
        for told, reason in zip(reasons, own, strict=True):
            told.append(reason)
    return found, [None if None in told or not told else told[0] for told in reasons]
