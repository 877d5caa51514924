"""Declared fields of objectives, targets, networks and optimisers: types, ranges, and the errors of wrong values."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from ganbench.registry import did_you_mean, shown

Swept = Annotated[float, "swept"]
"""A number that may differ between the replicas of one ensemble; inside a loss it is a tensor of shape ()."""


LARGEST_INTEGER = 2**53
"""Beyond it a reader of JSON may round an integer."""


class FieldError(ValueError):
    """A field that does not exist or a value outside its type or range; `field` names it, `message` says the rest."""

    def __init__(self, field: str, message: str):
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def ranged(
    default: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] | None = None,
    unit: str = "",
    local: bool = False,
) -> Any:
    """A dataclass field with a range; `above` and `below` are exclusive.

    A `local` field says where something lies on this machine and not what it is: no part of an identity.
    """
    limits = {"above": above, "at_least": at_least, "below": below, "at_most": at_most}
    held = {k: v for k, v in limits.items() if v is not None}
    metadata = {"limits": held, "choices": choices, "unit": unit, "local": local}
    return dataclasses.field(default=default, metadata=metadata)


def settable(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """Field name -> dataclass field, for every field that a person can set; none where the class declares none."""
    declared = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return {f.name: f for f in declared if f.init and not f.name.startswith("_")}


@functools.cache  # reading annotations takes longer than what asks for them in every iteration
def field_types(cls: type) -> Mapping[str, Any]:
    """Field name -> annotation, for every field that a person can set."""
    hints = get_type_hints(cls, include_extras=True)
    return MappingProxyType({name: hints[name] for name in settable(cls)})


def swept_fields(cls: type) -> tuple[str, ...]:
    """Names of the fields that may differ between the replicas of one ensemble."""
    return tuple(name for name, hint in field_types(cls).items() if hint is Swept)


def local_fields(cls: type) -> tuple[str, ...]:
    """Names of the fields that say where something lies on this machine."""
    return tuple(name for name, declared in settable(cls).items() if declared.metadata.get("local"))


def defaults(cls: type) -> dict[str, Any]:
    """Field name -> default."""
    return {name: declared.default for name, declared in settable(cls).items()}


def describe(value: Any) -> str:
    """How a value is written in a message and in a label; floats are short where that is exact."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(describe(v) for v in value)}]"
    return str(value)


def printable(value: Any) -> str:
    """A found value for a message: at most 60 characters, and none that could command a terminal."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return "a very large integer"
    text = "a list" if isinstance(value, list | tuple) and _holds_more(value) else describe(value)
    # 64.0 where an integer is expected must not be shown as 64
    text = repr(value) if isinstance(value, float) else text
    return shown(text)


def _holds_more(values: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list is too long or too nested to be shown."""
    return len(values) > 10 or any(isinstance(v, list | tuple | dict) or printable(v) != describe(v) for v in values)


def build(cls: type, values: dict[str, Any]) -> Any:
    """An instance of a dataclass from checked values.

    Raises FieldError where a field is unknown, of the wrong type, not finite or out of range.
    """
    types = field_types(cls)
    checked = {}
    for name, value in values.items():
        if name not in types:
            raise FieldError(name, f"unknown field; {did_you_mean(name, list(types))}")
        checked[name] = check(cls, name, value)
    return cls(**checked)


def check(cls: type, name: str, value: Any) -> Any:
    """One value in the declared type of a field. Raises FieldError."""
    declared = settable(cls)[name]
    value = _typed(name, field_types(cls)[name], value)
    choices = declared.metadata.get("choices")
    if choices and value not in choices:
        raise FieldError(name, f'found "{printable(value)}"; {did_you_mean(str(value), choices)}')
    for limit, bound in declared.metadata.get("limits", {}).items():
        for number in value if isinstance(value, tuple) else (value,):
            held = {
                "above": number > bound,
                "at_least": number >= bound,
                "below": number < bound,
                "at_most": number <= bound,
            }[limit]
            if not held:
                words = limit.replace("_", " ")
                raise FieldError(name, f"found {describe(number)}, expected a number {words} {describe(bound)}")
    return value


def _typed(name: str, hint: Any, value: Any) -> Any:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise FieldError(
                name, f"found {printable(value)}, expected a list; in a spec write [[a,b]], as [a,b] is a grid"
            )
        return tuple(_typed(name, get_args(hint)[0], v) for v in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            raise FieldError(name, "found an integer beyond the range of a float") from None
    # bool is an int to Python; a person who writes `d_steps = true` has made a mistake
    if type(value) is not hint:
        expected = {float: "a number", int: "an integer", bool: "true or false", str: "a string"}[hint]
        raise FieldError(name, f"found {printable(value)} ({type(value).__name__}), expected {expected}")
    if hint is int and abs(value) > LARGEST_INTEGER:
        raise FieldError(name, f"found {printable(value)}, expected at most {LARGEST_INTEGER:,}")
    if hint is float and not math.isfinite(value):
        raise FieldError(name, f"found {value}, expected a finite number")
    return value
