"""Specs -> subjects: what is checked, named as in a suite."""

from __future__ import annotations

from typing import Any

from ganbench import catalogue
from ganbench.fields import FieldError, build
from ganbench.objectives.contract import Objective
from ganbench.registry import Registry
from ganbench.suite.spec import Spec, SpecError, parse_spec
from ganbench.theory.law import Subject


def subject(text: str) -> Subject:
    """The subject of a spec such as "relativistic + r1[weight=.1]".

    Raises ValueError where the text is no spec, a name or field is unknown, a value is out of range, or a grid.
    """
    try:
        spec = parse_spec(text)
    except SpecError as error:
        raise ValueError(f"{text}: column {error.column}: {error}") from None
    objective: Objective = _built(catalogue.OBJECTIVES, spec)
    if spec.added and not objective.judged:
        raise ValueError(f"{spec}: {spec.name} has no critic whose inputs and slopes a regulariser could change")
    regularisers = tuple(_built(catalogue.REGULARISERS, one) for one in spec.added)
    return Subject(str(spec), objective, regularisers)


def _built(registry: Registry, spec: Spec) -> Any:
    if spec.gridded():
        raise ValueError(f"{spec}: found a list for {spec.gridded()[0]}; expected one value")
    try:
        return build(registry.load(spec.name), spec.fields)
    except FieldError as error:
        raise ValueError(f"{spec}: {error}") from None
