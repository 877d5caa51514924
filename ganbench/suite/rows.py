"""Specs -> rows: every objective and baseline with its values, its optimiser, its regularisers and its label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ganbench import catalogue
from ganbench.fields import defaults, describe
from ganbench.suite.assemble import Assembler, written_in
from ganbench.suite.cells import Part
from ganbench.suite.document import Keys, Problem
from ganbench.suite.spec import Spec


@dataclass(frozen=True)
class Row:
    """An objective or baseline with its values (optimiser None where it is not trained), before it meets a target."""

    objective: Part
    optimiser: Part | None
    label: str
    keys: Keys
    regularisers: tuple[Part, ...] = ()


class Rows(Assembler):
    """Builds the rows of a suite's tables."""

    def rows(self, kind: str, specs: tuple[Spec, ...]) -> Iterator[Row]:
        for index, spec in enumerate(specs):
            for point in spec.grid():
                row = self.row(point, spec, (kind, index))
                if row is not None:
                    yield row

    def refuse_repeated(self, kind: str, specs: tuple[Spec, ...]) -> None:
        """A problem for each spec that stands in its table already: its replicas would be stored over each other."""
        for index, spec in enumerate(specs):
            if spec in specs[:index]:
                self.problems.append(Problem((kind, index), f"{spec} is listed twice; remove one"))

    def row(self, point: Spec, spec: Spec, keys: Keys) -> Row | None:
        """The row of one point of a spec's grid; None where something is wrong with it."""
        written = written_in(point, keys)
        if point.name in catalogue.BASELINES.places:
            if point.added:
                self.problems.append(Problem(keys, f"{point.name} is not trained; remove + {point.added[0].name}"))
            baseline = self.part(catalogue.BASELINES, point.name, written, keys)
            return Row(baseline, None, label_of(point, spec, baseline), keys) if baseline else None
        objective, optimiser = self.pair(point.name, written, keys)
        added = [self.part(catalogue.REGULARISERS, one.name, written_in(one, keys), keys) for one in point.added]
        regularisers = tuple(part for part in added if part is not None)
        if objective is None or optimiser is None or len(regularisers) < len(added):
            return None
        if added and not objective.instance.judged:
            message = f"{point.name} has no critic whose inputs and slopes a regulariser could change; remove it"
            self.problems.append(Problem(keys, message, point.added[0].column))
            return None
        usual, _ = self.layers(point.name, {})
        _, lower = self.layers(point.name, written)
        base = (
            _defaults(objective) | _defaults(optimiser) | {f: g.value for f, g in lower.items()} | {"optimiser": usual}
        )
        values = objective.fields | optimiser.fields | {"optimiser": optimiser.name}
        labels = [_label(replace(point, name=objective.name), spec.gridded(), values, base)]
        labels += map(label_of, point.added, spec.added, regularisers)
        # in whatever order they were written they are the same game, and so the same cell
        order = catalogue.REGULARISERS.names().index
        regularisers = tuple(sorted(regularisers, key=lambda part: order(part.name)))
        return Row(objective, optimiser, " + ".join(labels), keys, regularisers)


def _defaults(part: Part) -> dict[str, Any]:
    return defaults(type(part.instance))


def _label(point: Spec, gridded: tuple[str, ...], values: dict[str, Any], base: dict[str, Any]) -> str:
    """The name with the values that a grid lists or that differ from what they would be without the spec."""
    changed = [f for f in point.fields if f in gridded or describe(values[f]) != describe(base.get(f))]
    return str(Spec(point.name, {f: tuple(v) if isinstance(v := values[f], list) else v for f in changed}))


def label_of(point: Spec, spec: Spec, part: Part) -> str:
    """The name of a part with the values that its spec lists or that differ from its defaults."""
    return _label(point, spec.gridded(), part.fields, _defaults(part))
