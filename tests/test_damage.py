"""A damaged file is found before it is used, whatever was lost of it, set aside, listed, and made anew by a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import cut_off, flipped
from small_runs import folder, ran, suite
from stored import ROW, made, replica_id, result

from ganbench import store
from ganbench.pipeline import Run, plan, run
from ganbench.store.aside import ASIDE
from ganbench.store.bundle import read_bundle
from ganbench.store.kept import read_table
from ganbench.store.records import read_record
from ganbench.store.replicas import BUNDLE
from ganbench.training.checkpoint import Checkpoint, CheckpointError

__all__ = ["folder", "ran"]  # fixtures

CHECKPOINT = Checkpoint(7, 1.5, {"rows": [1, "two"]}, {"a": np.arange(300.0), "b": np.ones((1, 2), np.float32)})


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """One file of each kind that a folder of results can hold."""
    store.write(tmp_path, result())
    store.write_measurements(tmp_path, replica_id(0), "kid", [ROW])
    store.write_record(tmp_path, made(1))
    store.keep_costs(tmp_path, {"em on ring8": 0.00125, "minimax on ring8": 0.5})
    store.keep_widths(tmp_path, {"em on ring8": 4})
    store.write_bundle(tmp_path, tmp_path / "bundle")
    CHECKPOINT.write(tmp_path / "checkpoints" / "a.safetensors")
    return tmp_path


def listed(path: Path) -> None:
    """Raises what `sound` has found in a suite's folder."""
    folder = path.parent.parent if path.parent.name in ("measured", "runs") else path.parent
    _, damaged = store.sound(folder)
    if damaged:
        raise damaged[0]


KINDS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "replica": ("*.parquet", listed),
    "arrays": ("*.safetensors", listed),
    "measured": ("measured/*.parquet", listed),
    "record": ("runs/*.json", read_record),
    "costs": ("costs.json", read_table),
    "widths": ("widths.json", read_table),
    "bundle": (f"bundle/{BUNDLE}", read_bundle),
    "checkpoint": ("checkpoints/*.safetensors", Checkpoint.read),
}


def unnoticed(small: Path, kind: str, damage: Callable[[bytes], Iterator[bytes]]) -> list[bytes]:
    """Those damaged contents of a file that its reader takes for whole."""
    pattern, read = KINDS[kind]
    (path,) = small.glob(pattern)
    whole, passed = path.read_bytes(), []
    read(path)
    for content in damage(whole):
        path.write_bytes(content)
        try:
            read(path)
        except (store.StoreError, CheckpointError):
            continue
        passed.append(content)
    return passed


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_off_is_found(small: Path, kind: str):
    assert unnoticed(small, kind, lambda whole: cut_off(whole, every=97)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_another_byte_is_found(small: Path, kind: str):
    assert unnoticed(small, kind, lambda whole: flipped(whole, 40)) == []


@pytest.mark.torture
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_off_at_any_length_is_found(small: Path, kind: str):
    assert unnoticed(small, kind, cut_off) == []


@pytest.mark.torture
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_any_of_two_thousand_other_bytes_is_found(small: Path, kind: str):
    assert unnoticed(small, kind, lambda whole: flipped(whole, 2000, seed=1)) == []


def spoil(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])


def first(folder: Path) -> Path:
    """The file of a replica that was trained."""
    found = (p for p in sorted(folder.glob("*.parquet")) if store.read(p).definition["label"] == "non-saturating")
    return next(found)


def bits(folder: Path) -> dict[str, Any]:
    """What every replica says but for the clock."""
    found = {}
    for path in sorted(folder.glob("*.parquet")):
        whole = store.read(path)
        rows = [(r.iteration, r.metric, repr(r.value), r.final) for r in whole.rows if r.metric != "reached_s"]
        found[path.name] = whole.status, rows, {k: v.tobytes() for k, v in whole.arrays.items()}
    return found


@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
def test_a_run_sets_a_damaged_replica_aside_lists_it_and_trains_it_again_to_the_same_bits(folder: Path, suffix: str):
    before, path = bits(folder), first(folder)
    spoil(path.with_suffix(suffix))
    again = run(suite(), results=folder.parent, device="cpu", workers=1)
    assert [r.replica_id for e in again.plan.ensembles for r in e.replicas] == [path.stem]
    assert [error.path for error in again.damaged] == [path.with_suffix(suffix)]
    aside = {f"{path.stem}.parquet.1.damaged", f"{path.stem}.safetensors.1.damaged"}
    assert {found.name for found in (folder / ASIDE).iterdir()} == aside
    assert bits(folder) == before


def test_a_plan_tells_of_a_damaged_replica_and_moves_nothing(folder: Path):
    path = first(folder)
    spoil(path)
    planned = plan(suite(), results=folder.parent, device="cpu")
    assert [f"{path.name}: corrupt" in note for note in planned.notes] == [True]
    assert [r.replica_id for e in planned.ensembles for r in e.replicas] == [path.stem]
    assert path.exists()


def test_a_damaged_later_measurement_and_a_damaged_record_are_set_aside_and_nothing_is_trained(folder: Path):
    store.write_measurements(folder, first(folder).stem, "kid", [ROW])
    later, record = next(folder.glob("measured/*.parquet")), next(folder.glob("runs/*.json"))
    for path in (later, record):
        spoil(path)
    again = run(suite(), results=folder.parent, device="cpu", workers=1)
    assert again.plan.ensembles == ()
    assert not later.exists()
    assert store.read_records(folder)[1] == []
    assert {found.name for found in (folder / ASIDE).iterdir()} == {f"{p.name}.1.damaged" for p in (later, record)}


@pytest.mark.parametrize("name", ["costs.json", "widths.json", BUNDLE])
def test_a_damaged_table_or_bundle_is_told_set_aside_and_stops_no_run(folder: Path, name: str):
    store.keep_costs(folder, {"em on ring8": 0.00125, "minimax on ring8": 0.5})
    store.keep_widths(folder, {"em on ring8": 4, "minimax on ring8": 64, "vae on ring8": 64})
    store.write_bundle(folder, folder)
    spoil(folder / name)
    assert name in "".join(plan(suite(), results=folder.parent, device="cpu").notes)
    again = run(suite(), results=folder.parent, device="cpu", workers=1)
    assert [error.path for error in again.damaged] == [folder / name]
    assert {found.name for found in (folder / ASIDE).iterdir()} == {f"{name}.1.damaged"}
    assert not (folder / name).exists()
    assert set(again.results().status) == {"completed"}


def test_what_is_damaged_again_is_set_aside_under_a_name_of_its_own(folder: Path):
    path = first(folder)
    for _ in range(2):
        spoil(path)
        run(suite(), results=folder.parent, device="cpu", workers=1)
    names = {found.name for found in (folder / ASIDE).glob("*.parquet.*")}
    assert names == {f"{path.name}.1.damaged", f"{path.name}.2.damaged"}


def test_arrays_that_were_left_behind_are_no_damage(ran: Run, folder: Path):
    first(folder).with_suffix(".safetensors").unlink()
    assert store.sound(folder)[1] == []


@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
def test_what_another_run_has_made_anew_since_it_was_found_damaged_stays_where_it_is(tmp_path: Path, suffix: str):
    path = store.write(tmp_path, result())
    spoil(path.with_suffix(suffix))
    found = store.sound(tmp_path)[1]
    path.unlink()
    store.write(tmp_path, result())
    assert store.set_aside(tmp_path, found) == ()
    assert store.sound(tmp_path) == ({replica_id(0): "completed"}, [])


def test_what_another_run_has_set_aside_is_not_counted_as_set_aside_here(small: Path):
    for kind in ("replica", "measured", "record", "costs", "widths"):
        spoil(next(small.glob(KINDS[kind][0])))
    found = store.sound(small)[1]
    assert store.set_aside(small, found) == tuple(found)
    assert store.set_aside(small, found) == ()


def test_a_file_that_another_run_sets_aside_while_a_folder_is_read_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    gone, stays = store.write(tmp_path, result(0)), store.write(tmp_path, result(1))
    real = Path.read_bytes

    def overtaken(path: Path) -> bytes:
        gone.unlink(missing_ok=True)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", overtaken)
    assert store.sound(tmp_path) == ({stays.stem: "completed"}, [])


def test_a_newer_schema_is_no_damage_and_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganbench.store.replicas.SCHEMA", store.SCHEMA + 1)
    store.write(tmp_path, result())
    with pytest.raises(store.StoreError, match="upgrade ganbench"):
        store.sound(tmp_path)


def test_a_record_of_a_run_says_what_damaged_it(tmp_path: Path):
    path = store.write_record(tmp_path, made(1))
    path.write_text(json.dumps({"suite": "x"}))
    (error,) = store.sound(tmp_path)[1]
    assert "does not match the digits in its name" in str(error)
