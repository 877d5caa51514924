"""Values -> parts: an objective with its optimiser, a target or a network, built from what a suite wrote and where.

A field is looked up in the objective, then in its optimiser. Its value: the class's default, then the suite's
optimiser, then [defaults.NAME], then the objective's own spec. An objective that its spec gives another optimiser
starts from that optimiser's own defaults: rates that were chosen for one say nothing about another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganbench import catalogue
from ganbench.fields import FieldError, build, check, settable
from ganbench.plugins import told
from ganbench.registry import Registry, did_you_mean
from ganbench.suite.cells import Part
from ganbench.suite.document import Keys, Problem
from ganbench.suite.schema import Suite
from ganbench.suite.spec import Interval, Spec


@dataclass(frozen=True)
class Given:
    """A value and where it was written."""

    value: Any
    keys: Keys
    column: int = 0


class Assembler:
    """Builds the parts of a suite and collects what is wrong with them in `problems`."""

    def __init__(self, suite: Suite):
        self.suite = suite
        self.problems: list[Problem] = []

    def refuse(self, given: Given, field: str, message: str) -> None:
        named = given.keys[-1] == field
        self.problems.append(Problem(given.keys, message if named else f"{field}: {message}", given.column))

    def part(self, registry: Registry, name: str, given: Mapping[str, Given], keys: Keys) -> Part | None:
        """An instance from its values; None where one of them is wrong."""
        cls, before = registry.load(name), len(self.problems)
        for field, entry in given.items():
            try:
                if isinstance(entry.value, Interval):
                    raise FieldError(field, f"found {entry.value}, expected one value; search spaces are for tune")
                if field not in settable(cls):
                    raise FieldError(field, f"unknown field; {did_you_mean(field, list(settable(cls)))}")
                check(cls, field, entry.value)
            except FieldError as error:
                self.refuse(entry, field, error.message)
        if len(self.problems) > before:
            return None
        try:
            instance = build(cls, {field: entry.value for field, entry in given.items()})
            return Part(registry.identity(name), instance, registry.place(name))
        except FieldError as error:
            self.refuse(given.get(error.field, Given(None, keys)), error.field, error.message)
        except Exception as error:  # a class from outside may raise anything
            files = [str(path) for path in registry.sources(name)]
            if not files:
                raise
            self.problems.append(Problem(keys, told(error, files)))
        return None

    def layers(self, name: str, written: Mapping[str, Given]) -> tuple[str, dict[str, Given]]:
        """The optimiser of an objective and the values that stand under those of its spec."""
        table = self.suite.defaults.get(name, {})
        usual = table.get("optimiser", self.suite.optimiser.name)
        chosen = written["optimiser"].value if "optimiser" in written else usual
        given = written_in(self.suite.optimiser, ("optimiser",)) if chosen == self.suite.optimiser.name else {}
        own = settable(catalogue.OBJECTIVES.load(name))
        for field, value in table.items():
            if field != "optimiser" and (chosen == usual or field in own):
                given[field] = Given(value, ("defaults", name, field))
        return chosen, given

    def owners(self, name: str, chosen: str | None = None) -> dict[str, type]:
        """Field -> class that declares it, for an objective and its optimiser."""
        objective = catalogue.OBJECTIVES.load(name)
        optimiser = catalogue.OPTIMISERS.load(chosen or self.layers(name, {})[0])
        return {**dict.fromkeys(settable(optimiser), optimiser), **dict.fromkeys(settable(objective), objective)}

    def pair(self, name: str, written: Mapping[str, Given], keys: Keys) -> tuple[Part | None, Part | None]:
        """An objective and its optimiser, each with its share of the values; None where one of them is wrong."""
        chosen, given = self.layers(name, written)
        before = len(self.problems)
        given |= {field: entry for field, entry in written.items() if field != "optimiser"}
        rule = settable(catalogue.OPTIMISERS.load(chosen))
        own = settable(catalogue.OBJECTIVES.load(name))
        for field in given.keys() & rule.keys() & own.keys():
            self.refuse(given[field], field, f"both {name} and {chosen} have this field; rename it in the objective")
        for field in given.keys() - rule.keys() - own.keys():
            near = did_you_mean(field, [*own, *rule])
            self.refuse(given[field], field, f"unknown field of {name} and of its optimiser {chosen}; {near}")
        if len(self.problems) > before:
            return None, None
        objective = self.part(catalogue.OBJECTIVES, name, {f: g for f, g in given.items() if f in own}, keys)
        return objective, self.part(catalogue.OPTIMISERS, chosen, {f: g for f, g in given.items() if f in rule}, keys)


def written_in(spec: Spec, keys: Keys) -> dict[str, Given]:
    return {field: Given(value, keys, spec.columns.get(field, 0)) for field, value in spec.fields.items()}
