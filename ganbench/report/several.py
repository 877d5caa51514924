"""Results of several folders side by side in one table, and what they were not made alike with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.report.wording import inert
from ganbench.store.container import Stored

BESIDE = " · "
"""Stands between an objective's label and that of its folder."""

KNOWN_AS = {"batch": "training.batch", "latent": "training.latent"}
"""Keys of a definition -> what a suite calls them."""

ABSENT = "nothing"


def gathered(results: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One table of several that `load_results` made, by their labels, which stand beside those of the objectives.

    Cells and replicas have the label in their ids too, so that what two folders both hold stays apart.
    """
    tables = [
        table.assign(**{column: table[column] + mark for column, mark in _marks(name).items()}, folder=name)
        for name, table in results.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _marks(name: str) -> dict[str, str]:
    return {"label": f"{BESIDE}{name}", "cell_id": f"@{name}", "replica_id": marked("", name)}


def marked(replica_id: str, name: str) -> str:
    """A replica's id in the table of several folders."""
    return f"{replica_id}@{name}"


def folder_labels(folders: Sequence[Path], labels: Sequence[str]) -> list[str]:
    """A label for each folder: those that are given, or the folders' names, with as many parents as tell them apart.

    Raises ValueError for a number of labels that does not fit, and for two that are equal.
    """
    if labels and len(labels) != len(folders):
        raise ValueError(f"found {len(labels)} labels for {len(folders)} folders; expected one for each")
    if labels:
        found = list(labels)
    else:
        paths = [folder.resolve().parts for folder in folders]
        depth = next((d for d in range(1, 9) if len({path[-d:] for path in paths}) == len(paths)), 9)
        found = ["/".join(path[-depth:]) for path in paths]
    for name in found:
        if found.count(name) > 1:
            raise ValueError(f'found the label "{inert(name)}" twice; expected labels apart, and each folder once')
    return found


def flattened(definition: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Fields of a definition with their values, named as a suite does: objective, objective.d_steps, training.batch."""
    for key, value in definition.items():
        name = f"{prefix}{KNOWN_AS.get(key, key) if not prefix else key}"
        if isinstance(value, Mapping) and value.keys() == {"name", "fields"}:
            yield name, value["name"]
            yield from flattened(value["fields"], f"{name}.")
        elif isinstance(value, Mapping):
            yield from flattened(value, f"{name}.")
        else:
            yield name, value


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Field by field what two definitions have unequal, such as "training.batch: 128 → 256"."""
    one, other = dict(flattened(before)), dict(flattened(after))
    return [
        f"{name}: {_said(one, name)} → {_said(other, name)}"
        for name in dict.fromkeys((*one, *other))
        if name not in one or name not in other or one[name] != other[name]
    ]


def _said(values: Mapping[str, Any], name: str) -> str:
    return inert(str(values[name])) if name in values else ABSENT


def environments(before: Iterable[Stored], after: Iterable[Stored]) -> list[str]:
    """What the replicas of two folders were not made alike with, such as "torch: 2.12.0 → 2.13.0"."""
    one, other = _environment(before), _environment(after)
    found = []
    for name in dict.fromkeys((*one, *other)):
        values = [", ".join(sorted(made.get(name, {ABSENT}))) for made in (one, other)]
        if values[0] != values[1]:
            found.append(f"{name}: {values[0]} → {values[1]}")
    return found


def _environment(results: Iterable[Stored]) -> dict[str, set[str]]:
    """Everything that can change bits or speeds, but for a cell's own code, with all its values."""
    found: dict[str, set[str]] = {}
    for result in results:
        info = result.payload["info"]
        about = {key: value for key, value in result.payload["definition"]["execution"].items() if key != "code"}
        about |= {key: info[key] for key in ("python", "system", "processor", "cores") if key in info}
        about |= info.get("versions") or {}
        for key, value in about.items():
            found.setdefault(str(key), set()).add(inert(str(value)))
    return found
