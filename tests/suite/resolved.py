"""One small suite resolved into cells, with changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from ganbench.suite import Cell, SuiteError, apply_overrides, parse_suite, resolve

TEXT = """\
name = "mine"
targets = ["ring8"]
objectives = ["em"]
optimiser = "adam[lr_d=2e-3]"
[budget]
currency = "gradient_steps"
amount = 61
[training]
batch = 64
[evaluation]
metrics = ["modes_covered", "w1"]
rank_by = "w1"
"""


def cells(*objectives: str, more: str = "", **overrides: Any) -> list[Cell]:
    return resolve(apply_overrides(parse_suite(TEXT + more, "my.toml"), objectives=objectives, **overrides))


def cell(*objectives: str, more: str = "", **overrides: Any) -> Cell:
    (only,) = cells(*objectives, more=more, **overrides)
    return only


def error_of(*objectives: str, more: str = "", **overrides: Any) -> str:
    with pytest.raises(SuiteError) as caught:
        cells(*objectives, more=more, **overrides)
    return str(caught.value)


@dataclass(frozen=True)
class Scheduled:
    steps: tuple[str, ...]
    g_step_uses_real: ClassVar[bool] = False
    inner_steps: ClassVar[int] = 0

    def schedule(self) -> tuple[str, ...]:
        return self.steps
