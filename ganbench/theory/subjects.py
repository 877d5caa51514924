"""Specs -> subjects: what is checked, named as in a suite."""

from __future__ import annotations

from typing import Any

from ganbench import catalogue
from ganbench.fields import FieldError, build
from ganbench.objectives.contract import Objective
from ganbench.plugins import ERRORS, ObjectiveError, told
from ganbench.registry import Registry, shown
from ganbench.suite.spec import Spec, SpecError, parse_spec
from ganbench.theory.law import Subject


def subject(text: str) -> Subject:
    """The subject of a spec such as "relativistic + r1[weight=.1]".

    Raises ValueError where the text is no spec, a name or field is unknown, a value is out of range or a grid, what is
    added cannot be, or a class from outside refuses its values.
    """
    try:
        spec = parse_spec(text)
    except SpecError as error:
        raise ValueError(f"{shown(text)}: column {error.column}: {error}") from None
    for position, one in enumerate(spec.added):
        if one.name in [other.name for other in spec.added[:position]]:
            raise ValueError(f"{shown(text)}: column {one.column}: {one.name} is added twice; remove one")
    objective: Objective = _built(catalogue.OBJECTIVES, spec)
    if spec.added and not objective.judged:
        raise ValueError(f"{shown(text)}: {spec.name} has no critic whose inputs and slopes a regulariser could change")
    regularisers = tuple(_built(catalogue.REGULARISERS, one) for one in spec.added)
    return Subject(str(spec), objective, regularisers)


def _built(registry: Registry, spec: Spec) -> Any:
    if spec.gridded():
        raise ValueError(f"{shown(str(spec))}: found a list for {spec.gridded()[0]}; expected one value")
    try:
        return build(registry.load(spec.name), spec.fields)
    except FieldError as error:
        raise ValueError(f"{shown(str(spec))}: {error}") from None
    except ERRORS as error:  # a class from outside may raise anything at a value
        files = [str(path) for path in registry.sources(spec.name)]
        if not files:
            raise
        raise ObjectiveError(told(error, files)) from None
