"""A suite's content as TOML text, which `parse_suite` reads back to the same content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ganbench.suite.spec import Choices, Interval

BARE = re.compile(r"[A-Za-z0-9_-]+")
LONGEST_LINE = 100


def to_toml(content: Mapping[str, Any]) -> str:
    """Keys in their order, tables after them; comments of the file that the content came from are lost."""
    return "\n".join(_table((), content)).lstrip("\n") + "\n"


def _table(keys: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    if keys and (plain or not table):
        yield f"\n[{'.'.join(map(_key, keys))}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_value(value, len(key))}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _table((*keys, key), value)


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else _text(key)


def _value(value: Any, indent: int = 0) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        items = [_value(item) for item in value]
        line = f"[{', '.join(items)}]"
        if indent + len(line) <= LONGEST_LINE:
            return line
        return "[\n" + "".join(f"    {item},\n" for item in items) + "]"
    if isinstance(value, Choices):
        return _value(list(value.values))
    return _text(str(value) if isinstance(value, Interval) else value)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for the one control character that JSON lets through
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
