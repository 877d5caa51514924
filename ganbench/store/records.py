"""What a suite's folder knows of its runs: a small JSON file for each, written before it trains."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ganbench.store.container import SCHEMA, DamagedError, StoreError, read_plain, write_whole
from ganbench.store.validation import SUITE_NAME, first_of, parsed, printed

RUNS = "runs"
LARGEST_BYTES = 64 * 2**20
NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}\.json")
MISSING = "missing"
REMEDY = "move it away; nothing that was measured is lost"
EXACT = ConfigDict(extra="forbid", strict=True)
"""Every value of its own type, no key that is not known."""


@dataclass(frozen=True)
class Planned:
    """A replica that a run was to make, in the words of its suite."""

    __pydantic_config__ = EXACT

    replica_id: str
    cell_id: str
    target: str
    label: str
    objective: str
    baseline: bool
    seed: int


@dataclass(frozen=True)
class Record:
    """One run: what was asked for, by which code, on which machine.

    `command` is the command line, None where Python asked; `toml` the suite's text with what was changed in it (of a
    search, the suite that is searched). `environment` holds machine, device and versions, `git` the commit of the
    package's sources and whether they were changed since, None where they lie in no repository.
    """

    __pydantic_config__ = EXACT

    began: str  # UTC, ISO 8601
    suite: Annotated[str, Field(pattern=SUITE_NAME)]
    rank_by: str | None
    command: str | None
    toml: str
    toml_sha256: str
    environment: dict[str, Any]
    git: dict[str, Any] | None
    replicas: tuple[Planned, ...] = field(repr=False)
    schema: int = SCHEMA


READER: TypeAdapter[Record] = TypeAdapter(Record)


def record(
    suite: str,
    rank_by: str | None,
    command: str | None,
    toml: str,
    environment: Mapping[str, Any],
    git: Mapping[str, Any] | None,
    replicas: Iterable[Planned],
) -> Record:
    """The record of a run that begins now."""
    began, sha256 = datetime.now(UTC).isoformat(timespec="microseconds"), _sha256(toml.encode())
    about = dict(environment), None if git is None else dict(git)
    return Record(began, suite, rank_by, command, toml, sha256, *about, tuple(replicas))


def write_record(folder: Path | str, made: Record) -> Path:
    """The path of a record in a suite's folder, runs/<UTC time>-<its first eight digits>.json. Raises StoreError."""
    content = json.dumps(asdict(made), indent=1).encode()
    when = datetime.fromisoformat(made.began).astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = Path(folder) / RUNS / f"{when}-{_sha256(content)[:8]}.json"
    write_whole(path, content)
    return path


def known(folder: Path | str, made: Record) -> bool:
    """Whether a readable record in a suite's folder asks for the same replicas by the same suite."""
    asked = {replica.replica_id for replica in made.replicas}
    found, _ = read_records(folder)
    return any(r.toml_sha256 == made.toml_sha256 and {p.replica_id for p in r.replicas} == asked for r in found)


def read_records(folder: Path | str) -> tuple[list[Record], list[StoreError]]:
    """The records of a suite's folder, or of a parent of several, oldest first, and what is wrong with the others."""
    found, wrong = [], []
    for path in record_files(folder):
        try:
            found.append(read_record(path))
        except StoreError as error:
            wrong.append(error)
    return sorted(found, key=lambda r: r.began), wrong


def record_files(folder: Path | str) -> list[Path]:
    """The files of records in a suite's folder, or in those below a parent."""
    paths = [*Path(folder).glob(f"{RUNS}/*.json"), *Path(folder).glob(f"*/{RUNS}/*.json")]
    return sorted(path for path in paths if not path.name.startswith("."))


def read_record(path: Path | str) -> Record:
    """One record, every value of its type, its own name and its suite's SHA-256 checked. Raises StoreError."""
    path = Path(path)
    content = read_plain(path, LARGEST_BYTES)
    if not NAME.fullmatch(path.name) or path.stem[-8:] != _sha256(content)[:8]:
        raise DamagedError(path, "corrupt: the content does not match the digits in its name", REMEDY)
    try:
        about = parsed(content)
        schema = about.get("schema") if isinstance(about, dict) else None
        if isinstance(schema, int) and schema > SCHEMA:
            raise StoreError(path, f"schema {schema}, this version reads up to {SCHEMA}", "upgrade ganbench")
        made = READER.validate_json(content)
        datetime.fromisoformat(made.began)
    except StoreError:
        raise
    except (ValueError, RecursionError) as error:
        told = str(error)
        if isinstance(error, ValidationError):
            told = first_of(error)
        raise DamagedError(path, f"no record of a run ({printed(told)})", REMEDY) from None
    if _sha256(made.toml.encode()) != made.toml_sha256:
        raise DamagedError(path, "corrupt: the suite's text does not match its SHA-256", REMEDY)
    return made


def missing(folder: Path | str, results: pd.DataFrame) -> dict[str, list[Planned]]:
    """Suite -> the planned replicas of its newest readable record of which the results hold no status.

    `results` is the table of `load_results`; a suite without a record has no entry.
    """
    there = set(results.replica_id[results.status != MISSING])
    return {r.suite: [p for p in r.replicas if p.replica_id not in there] for r in newest(folder)}


def newest(folder: Path | str) -> list[Record]:
    """The newest readable record of every suite."""
    return list({r.suite: r for r in read_records(folder)[0]}.values())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
