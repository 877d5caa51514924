"""Every stored file of a folder of results read again and checked, whatever any cache says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganbench.planning import digest
from ganbench.store.aside import ASIDE
from ganbench.store.bundle import read_bundle
from ganbench.store.compaction import COMPACTED, contradicted
from ganbench.store.container import REMAKE, DamagedError, Stored, StoreError, open_result
from ganbench.store.kept import COSTS, WIDTHS, read_table
from ganbench.store.records import read_record, record_files
from ganbench.store.replicas import BUNDLE, read_arrays, result_files

ALTERED = "restore it from a copy, or move it away; the next run makes it anew"


@dataclass
class Checked:
    """What was read in a folder: the sound results of replicas, how many files of each kind, and what is wrong."""

    results: list[Stored] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    wrong: list[StoreError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def read(self, kind: str, path: Path, reader: Callable[[Path], Any]) -> Any:
        """What a reader makes of a file, None where that is wrong; it is counted either way."""
        self.files[kind] = self.files.get(kind, 0) + 1
        try:
            return reader(path)
        except StoreError as error:
            self.wrong.append(error)
            return None


def check_files(folder: Path | str) -> Checked:
    """Checks every file under a suite's folder, or under a parent of several, that `ganbench run` stores there.

    Raises StoreError where there is none.
    """
    folder, checked = Path(folder), Checked()
    for place in _suites(folder):
        _check_suite(place, checked)
    if not checked.files:
        raise StoreError(folder, "no stored replica here", "give a folder that `ganbench run` has written")
    return checked


def _suites(folder: Path) -> Iterator[Path]:
    own = ("measured", "runs", "checkpoints", "pictures", "profile", ASIDE)
    yield folder
    yield from sorted(child for child in folder.glob("*") if child.is_dir() and child.name not in own)


def _check_suite(folder: Path, checked: Checked) -> None:
    found = [checked.read("replicas", path, _whole) for path in result_files(folder)]
    here = [result for result in found if result is not None]
    for result in here:
        if result.payload["arrays_sha256"]:
            checked.read("arrays", result.path, read_arrays)
    own = {path.stem for path in result_files(folder)}
    for path in result_files(folder / "measured"):
        later = checked.read("later measurements", path, _whole)
        if later is not None and later.replica_id not in own:
            checked.notes.append(f"{path}: its replica is not here")
    for path in record_files(folder) if folder.joinpath("runs").is_dir() else []:
        checked.read("records of runs", path, read_record)
    for name in (COSTS, WIDTHS):
        if (folder / name).exists():
            checked.read("tables", folder / name, read_table)
    if (folder / BUNDLE).exists():
        checked.read("bundles", folder / BUNDLE, read_bundle)
    if (folder / COMPACTED).exists():
        checked.read("derived files", folder / COMPACTED, lambda path: _derived(path, here))
    for path in sorted((folder / "checkpoints").glob("*.safetensors")):
        checked.read("checkpoints", path, _checkpoint)
    strays = [path for path in folder.glob("*.safetensors") if path.stem not in own]
    checked.notes += [f"{path}: arrays of no replica that is here" for path in sorted(strays)]
    for aside in sorted(folder.glob(f"{ASIDE}/*")):
        checked.notes.append(f"{aside}: was set aside by a run")
    checked.results += here


def _whole(path: Path) -> Stored:
    """A result with its rows read, under the identity that its definition has. Raises StoreError."""
    result = open_result(path)
    result.table()
    definition = result.payload["definition"]
    if digest([definition["cell_id"], definition["seed"], definition["execution"]]) != result.replica_id:
        raise StoreError(path, "its definition was altered: another replica_id belongs to it", ALTERED)
    return result


def _checkpoint(path: Path) -> None:
    """Reads a checkpoint; one that is gone was its run's. Raises DamagedError."""
    from ganbench.training.checkpoint import Checkpoint, CheckpointError

    try:
        Checkpoint.read(path)
    except CheckpointError as error:
        if path.exists():
            found = str(error).removeprefix(f"{path}: ")
            raise DamagedError(path, found, "move it away; its replicas are trained from the beginning") from None


def _derived(path: Path, results: list[Stored]) -> None:
    if contradicted(path.parent, results):
        raise StoreError(path, "does not say what the results' own files say", REMAKE.replace("run", "reader"))
