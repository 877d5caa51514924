"""Folders of results -> one HTML file, with what is known of the runs that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.report import theory_page
from ganbench.report.figures import Figure
from ganbench.report.needed import needed
from ganbench.report.page.content import Part, Section, content
from ganbench.report.page.render import render
from ganbench.report.several import marked
from ganbench.report.tables import Told
from ganbench.report.verdicts import AGAINST
from ganbench.report.wording import inert
from ganbench.store import load_results, read_records
from ganbench.store.container import write_whole
from ganbench.store.records import Record
from ganbench.store.replicas import result_files, with_children

NAME = "report.html"
SHOWN_PICTURES = 40
"""Grids of images in a page; each is some hundred kilobytes."""


def write_page(
    results: pd.DataFrame,
    folders: Sequence[Path],
    out: Path,
    *,
    rank_by: str | None = None,
    against: str = AGAINST,
    title: str | None = None,
    labels: Sequence[str] = (),
    differing: Sequence[str] = (),
    more: Sequence[Section] = (),
    tables: Told | None = None,
) -> Path:
    """The path of the page, written whole or not at all; `results` is the table of `load_results` on the folders.

    Of several folders it is that of `gathered`, by their `labels`; a folder whose label is empty stands in it unmarked.
    `differing` says what the results were not made alike with, besides what the records of runs tell; `more` are
    sections that stand before the last one. `tables` spares ranking again: it is `told(results, rank_by)`.
    """
    files = _files(folders, labels)
    pictures = sorted({path for folder in folders for path in (*folder.glob(PICTURES), *folder.glob(f"*/{PICTURES}"))})
    records, wrong = [], []
    for folder in folders:
        found, unreadable = read_records(folder)
        records += distinct(found)
        wrong += unreadable
    made = content(
        results,
        files,
        title=title or " and ".join(folder.resolve().name for folder in folders),
        source=", ".join(map(str, folders)),
        version=version("ganbench"),
        rank_by=rank_by,
        against=against,
        pictures=_fewest(pictures),
        reproduce=[*([Part("Not made alike", differing)] if differing else []), *reproduce(results, records)],
        alarms=[*(f"A record of a run cannot be read: {error}" for error in wrong), *theory_page.alarms(results)],
        findings=[*theory_page.sections(results, files), *more],
        tables=tables,
    )
    write_whole(out, render(made).encode("utf-8"))
    return out


PICTURES = "pictures/*.png"


def distinct(records: Sequence[Record]) -> list[Record]:
    """The newest record of each command, suite's text and environment: what two machines made lies in one folder."""
    return list({(r.suite, r.command, r.toml_sha256, json.dumps(flat(r.environment))): r for r in records}.values())


def page_figures(
    results: pd.DataFrame,
    folders: Sequence[Path],
    *,
    rank_by: str | None = None,
    against: str = AGAINST,
    labels: Sequence[str] = (),
    more: Sequence[Section] = (),
) -> list[Figure]:
    """Every figure of the page, for papers."""
    files = _files(folders, labels)
    said = content(results, files, title="", source="", version="", rank_by=rank_by, against=against)
    sections = [*said["sections"], *theory_page.sections(results, files), *more]
    return [figure for section in sections for part in section.parts for figure in part.figures]


def _files(folders: Sequence[Path], labels: Sequence[str]) -> dict[str, Path]:
    """replica_id -> file, the ids as they stand in a table of several folders."""
    return {
        marked(file.stem, label) if label else file.stem: file
        for folder, label in zip(folders, labels or [""] * len(folders), strict=True)
        for place in with_children(folder)
        for file in result_files(place)
    }


def _fewest(pictures: Sequence[Path]) -> list[Path]:
    """The overviews first, then grids of single replicas as long as there is room."""
    return sorted(pictures, key=lambda path: ("-overview" not in path.name, path))[:SHOWN_PICTURES]


def reproduce(results: pd.DataFrame, records: Sequence[Record]) -> list[Part]:
    """How the results were made: command, suite, versions, machine, git state; and where environments differ."""
    parts = [_record(record) for record in records]
    if not records:
        parts.append(Part(words=["No record of a run lies in the folder: it was written by an earlier version."]))
    differing = differences([r.environment for r in records], [f"{r.suite} begun {r.began[:16]}" for r in records])
    if differing:
        parts.append(Part("Runs on different machines", differing))
    executions = sorted(results.execution.dropna().unique()) if len(results) else []
    text = "\n".join(map(inert, executions))
    many = f"{len(executions)} different executions" if len(executions) > 1 else "The execution"
    return [*parts, Part(blocks=[{"title": f"{many} of the replicas", "text": text, "open": False}])]


def _record(record: Record) -> Part:
    words = [f"Begun {record.began} UTC; suite text with SHA-256 {record.toml_sha256}."]
    if record.git:
        words.append(f"Sources: {', '.join(f'{key} {value}' for key, value in record.git.items())}.")
    blocks = [
        {"title": "Command", "text": inert(record.command or "called from Python"), "open": True},
        {"title": "Suite", "text": _printable(record.toml), "open": False},
        {"title": "Machine and versions", "text": _printable(_listed(record.environment)), "open": False},
    ]
    return Part(inert(record.suite), words, blocks=blocks)


def _printable(text: str) -> str:
    return "\n".join(map(inert, text.splitlines()))


def _listed(environment: Mapping[str, Any]) -> str:
    return "\n".join(f"{key}: {value}" for key, value in flat(environment).items())


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values under dotted names, each as text."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return found


def differences(environments: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """A sentence for each thing in which environments differ; none where they are alike."""
    each = [flat(environment) for environment in environments]
    found = []
    for key in dict.fromkeys(key for one in each for key in one):
        values = [one.get(key, "unknown") for one in each]
        if len(set(values)) > 1:
            told = "; ".join(f"{inert(n)}: {inert(v)}" for n, v in zip(names, values, strict=True))
            found.append(f"{inert(key)} differs: {told}.")
    return found


def page_of(folder: Path, rank_by: str | None = None, against: str = AGAINST) -> Path:
    """The page of one folder, written into it as `report.html`."""
    results = needed(load_results(folder), rank_by)
    return write_page(results, [folder], folder / NAME, rank_by=rank_by, against=against)
