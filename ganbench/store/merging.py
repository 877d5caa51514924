"""Folders of results united in a new one: every file verified before and after, the sources untouched."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from ganbench.folders import temporary_path
from ganbench.store.container import Stored, StoreError, open_result, refusal, write_whole
from ganbench.store.kept import COSTS, WIDTHS, keep_costs, keep_widths, read_table
from ganbench.store.records import RUNS, read_record, record_files
from ganbench.store.replicas import BUNDLE, read_arrays, result_files

CLOCK = ("seconds", "reached_s")
"""What the clock said, as a column and as a metric: it differs between two runs of one replica, all else does not."""


@dataclass(frozen=True)
class Merged:
    """What a merge came to; `notes` tell what was left out or decided."""

    folder: Path
    replicas: int
    measured: int
    runs: int
    repeated: int  # files of which another source had the same content
    written: bool  # False where the folder held all of it already
    notes: tuple[str, ...] = ()


@dataclass
class _Union:
    """Destination, relative to the folder -> the source of each file."""

    results: dict[Path, Stored] = field(default_factory=dict)
    runs: dict[Path, Path] = field(default_factory=dict)
    suites: dict[Path, list[Path]] = field(default_factory=dict)  # suite's folder -> the sources' folders
    repeated: int = 0
    notes: list[str] = field(default_factory=list)


def merge(sources: Iterable[Path | str], destination: Path | str) -> Merged:
    """Unites suites' folders, or parents of them, in a folder that is new, empty, or an equal merge made earlier.

    It is a suite's folder where every source is one of the same suite, else a parent of one for each. Of one replica
    stored twice the finished one is taken, then the earlier; both must say the same but for what the clock said.
    Tables, reports, pictures, checkpoints and bundles are not copied.
    Raises StoreError, with nothing written, for a source that is empty or damaged, for two that disagree, and for a
    destination that holds anything else.
    """
    folders, destination = [Path(source) for source in sources], Path(destination)
    _check_places(folders, destination)
    united = _unite(folders)
    merged = Merged(
        destination,
        replicas=sum(result.measured is None for result in united.results.values()),
        measured=sum(result.measured is not None for result in united.results.values()),
        runs=len(united.runs),
        repeated=united.repeated,
        written=True,
        notes=tuple(united.notes),
    )
    if destination.is_dir() and any(destination.iterdir()):
        _check_equal(united, destination)
        return replace(merged, written=False)
    made = temporary_path(destination)
    try:
        _write(united, made)
        if destination.exists():
            destination.rmdir()  # empty, as seen above
        made.rename(destination)
    except OSError as error:
        raise refusal(destination, "cannot be written", error, "make room or choose another folder") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return merged


def _check_places(sources: list[Path], destination: Path) -> None:
    places, there = [source.resolve() for source in sources], destination.resolve()
    for source, place in zip(sources, places, strict=True):
        if places.count(place) > 1:
            raise StoreError(source, "given twice", "give each folder once")
        if place.is_relative_to(there) or there.is_relative_to(place):
            raise StoreError(
                destination, f"lies within {source}, or holds it", "choose a folder apart from the sources"
            )
    if destination.exists() and not destination.is_dir():
        raise StoreError(destination, "a file, not a folder", "choose another name")


def _unite(sources: list[Path]) -> _Union:
    found = {source: list(_verified(source)) for source in sources}
    for source, results in found.items():
        if not results:
            raise StoreError(source, "no stored replica here", "give a folder that `ganbench run` has written")
    suites = {result.payload["definition"]["suite"] for results in found.values() for result in results}
    flat = len(suites) == 1 and all(result_files(source) for source in sources)
    united = _Union()
    for source, results in found.items():
        for result in results:
            folder = Path() if flat else Path(result.payload["definition"]["suite"])
            own = result.path.parent.parent if result.measured else result.path.parent
            if own not in (known := united.suites.setdefault(folder, [])):
                known.append(own)
            place = folder / ("measured" if result.measured else "") / result.path.name
            if place in united.results:
                united.repeated += 1
                result = _agreed(united.results[place], result)
            united.results[place] = result
        _add_runs(united, source, flat)
        bundles = [*source.glob(BUNDLE), *source.glob(f"*/{BUNDLE}")]
        united.notes += [f"left out: {bundle}: final values alone, which no run goes on from" for bundle in bundles]
    return united


def _verified(source: Path) -> Iterator[Stored]:
    """Every result of a source with its arrays checked, one replica's at a time."""
    for folder in (source, *sorted(child for child in source.glob("*") if child.is_dir() and child.name != "measured")):
        for path in (*result_files(folder), *result_files(folder / "measured")):
            result = open_result(path)
            result.table()
            if result.measured is None:
                read_arrays(path)
            yield result


def _agreed(one: Stored, other: Stored) -> Stored:
    """Which of two files of one name is taken. Raises StoreError where they contradict each other."""
    first, second = sorted((one, other), key=lambda r: (r.status == "failed", r.payload["written_s"]))
    if second.status == "failed":
        return first  # an error says nothing of what the replica would have come to
    contradicting = differing(first, second)
    if contradicting:
        raise StoreError(
            one.path,
            f"differs from {other.path} in {', '.join(contradicting[:3])}, though both are the same "
            + (f"metric of replica {one.replica_id}" if one.measured else f"replica, {one.replica_id}"),
            "find out which machine is wrong, move one of the two away and merge again",
        )
    return first


def differing(one: Stored, other: Stored) -> list[str]:
    """The names of what two results of one replica say otherwise, but for the clock."""
    first, second = _said(one), _said(other)
    return [name for name, value in first.items() if value != second[name]]


def _said(result: Stored) -> dict[str, Any]:
    """What a result says, but for the clock."""
    payload, table = result.payload, result.table()
    rows = table.drop_columns([CLOCK[0]]).filter(pc.not_equal(table["metric"], CLOCK[1]))
    # as text, since a NaN is not equal to itself
    values = {name: str(rows[name].to_pylist()) for name in rows.column_names}
    keys = ("cell", "cell_id", "seed", "execution")
    definition = {name: payload["definition"][name] for name in keys}
    arrays = {} if result.measured else {"arrays": payload["arrays_sha256"]}
    return {**definition, "status": result.status, **arrays, "number of rows": len(rows), **values}


def _add_runs(united: _Union, source: Path, flat: bool) -> None:
    for path in record_files(source):
        try:
            suite = read_record(path).suite
        except StoreError as error:
            united.notes.append(f"left out: {error}")
            continue
        # its name holds a part of its own SHA-256: equal names are equal files
        united.runs[(Path() if flat else Path(suite)) / RUNS / path.name] = path


def _write(united: _Union, folder: Path) -> None:
    for place, result in united.results.items():
        arrays = result.path.with_suffix(".safetensors")
        if result.measured is None and result.payload["arrays_sha256"]:
            write_whole((folder / place).with_suffix(".safetensors"), arrays.read_bytes())
        write_whole(folder / place, result.content)
        copied = open_result(folder / place)
        if result.measured is None:
            read_arrays(copied.path)
    for place, path in united.runs.items():
        write_whole(folder / place, path.read_bytes())
        read_record(folder / place)
    for place, sources in united.suites.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        for own in sources:  # what the first source has stays: counts were made from it
            keep_costs(folder / place, read_table(own / COSTS))
            keep_widths(folder / place, {key: int(width) for key, width in read_table(own / WIDTHS).items()})


def _check_equal(united: _Union, destination: Path) -> None:
    """Raises StoreError unless a folder holds what a merge would write, and no other result."""
    expected = {destination / place: result.content for place, result in united.results.items()}
    found = {result.path: result.content for result in _verified(destination)}
    runs = {destination / place for place in united.runs}
    for path in (*expected, *found):
        if expected.get(path) != found.get(path):
            was = "has another content" if path in expected and path in found else "was not merged here"
            was = "is no part of this merge" if path not in expected else was
            raise StoreError(
                destination, f"not empty, and {path.relative_to(destination)} {was}", "choose a new folder"
            )
    for path in (*runs, *record_files(destination)):
        if not path.exists() or path not in runs:
            raise StoreError(destination, f"not empty, and {path.name} differs", "choose a new folder")
