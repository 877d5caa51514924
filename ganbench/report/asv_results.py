"""What airspeed velocity has measured, read from its own files: one row per machine, commit, benchmark and parameters.

asv itself is not needed. Its folder holds benchmarks.json, which says what each benchmark is, and for each machine a
folder with one file per commit and environment. A value whose benchmark has changed since, or is gone, is left out.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.report.wording import inert

VERSION = 2
"""Of asv's files; they have had it since asv 0.6."""

ABOUT = ("benchmarks.json", "machine.json")
COLUMNS = ("machine", "commit", "date", "benchmark", "kind", "unit", "parameters", "value", "low", "high", "samples")
KINDS = ("time", "track", "memory", "peakmemory")


class AsvError(ValueError):
    """A file that is none of asv's; the message names it and says what to do."""

    def __init__(self, path: Path, found: str):
        super().__init__(f"{path}: found {found}, expected a file of asv's results; remove it, or run make bench again")


def read_asv(folder: Path | str) -> pd.DataFrame:
    """Every value under a results folder of asv, oldest commit first, with COLUMNS.

    `kind` is asv's: "time" (seconds), "track", "peakmemory" (bytes). `parameters` maps names to asv's texts, those of
    words without their quotation marks. `low` and `high` are asv's quartiles, NaN where it has none; `samples` is a
    tuple, empty where none were kept. A benchmark that failed or was skipped has no row. Raises AsvError.
    """
    folder = Path(folder)
    about = _json(folder / ABOUT[0])
    benchmarks = {name: known for name, known in about.items() if name != "version"}
    for name, known in benchmarks.items():
        if not (isinstance(known, dict) and known.get("type") in KINDS and _parameters(known)):
            raise AsvError(folder / ABOUT[0], f'a benchmark "{inert(name)[:60]}" without type and parameters')
    files = sorted(path for path in folder.glob("*/*.json") if path.name not in ABOUT)
    rows = [row for path in files for row in _rows(path, benchmarks)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["date", "machine", "commit", "benchmark"], kind="stable", ignore_index=True)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AsvError(path, f"nothing to read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise AsvError(path, "no JSON") from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        version = found.get("version") if isinstance(found, dict) else None
        raise AsvError(path, f"version {inert(repr(version))[:20]} and not {VERSION}")
    return found


def _parameters(known: Mapping[str, Any]) -> bool:
    names, values = known.get("param_names"), known.get("params")
    return (
        isinstance(names, list)
        and isinstance(values, list)
        and len(names) == len(values)
        and all(isinstance(name, str) for name in names)
        and all(isinstance(each, list) for each in values)
        and isinstance(known.get("unit"), str)
    )


def _rows(path: Path, benchmarks: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The values of one commit in one environment."""
    found = _json(path)
    commit, date, columns = (found.get(key) for key in ("commit_hash", "date", "result_columns"))
    if not isinstance(commit, str) or not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        raise AsvError(path, "no commit")
    if not isinstance(date, int) or not 0 <= date < 4e12:  # milliseconds, until the year 2096
        raise AsvError(path, "no date of the commit")
    if not isinstance(columns, list) or not isinstance(found.get("results"), dict):
        raise AsvError(path, "no results")
    where = {"machine": path.parent.name, "commit": commit, "date": pd.Timestamp(date, unit="ms")}
    for name, values in found["results"].items():
        known = benchmarks.get(name)
        if known is None or not isinstance(values, list):
            continue
        result = dict(zip(columns, values, strict=False))  # asv leaves out what stands empty at the end
        if result.get("version") != known.get("version") or result.get("result") is None:
            continue
        about = {"benchmark": name, "kind": known["type"], "unit": known["unit"]}
        for point in _points(path, name, result, known["param_names"]):
            yield {**where, **about, **point}


def _points(path: Path, name: str, result: Mapping[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    """A benchmark's value for each combination of its parameters; the last one runs fastest."""
    params = result.get("params")
    if not isinstance(params, list) or len(params) != len(names) or not all(isinstance(p, list) for p in params):
        raise AsvError(path, f'other parameters of "{inert(name)[:60]}" than in {ABOUT[0]}')
    combinations = list(itertools.product(*params))
    wanted = {"value": "result", "low": "stats_q_25", "high": "stats_q_75", "samples": "samples"}
    lists = {key: result.get(column) or [None] * len(combinations) for key, column in wanted.items()}
    if any(not isinstance(each, list) or len(each) != len(combinations) for each in lists.values()):
        raise AsvError(path, f'more or fewer values of "{inert(name)[:60]}" than it has parameters')
    for at, combination in enumerate(combinations):
        value, low, high = (_number(lists[key][at]) for key in ("value", "low", "high"))
        if not math.isfinite(value):
            continue
        samples = lists["samples"][at] or ()
        parameters = {n: _word(text) for n, text in zip(names, combination, strict=True)}
        numbers = tuple(map(_number, samples)) if isinstance(samples, list) else ()
        yield {"parameters": parameters, "value": value, "low": low, "high": high, "samples": numbers}


def _number(value: object) -> float:
    # true is a number to Python, and none to asv
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _word(text: object) -> str:
    """A parameter as it is told: asv keeps the text that Python would write."""
    said = str(text)
    quoted = len(said) > 1 and said[0] == said[-1] == "'"
    return said[1:-1] if quoted else said
