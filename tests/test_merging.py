"""Merging unites folders, believes no damaged file, and refuses what contradicts itself."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest
from stored import ROW, failed, made, replica_id, result

from ganbench import store
from ganbench.store import StoreError, merge


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def halves(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of one suite, with a seed each."""
    for seed, name in enumerate(("a", "b")):
        store.write(tmp_path / name, result(seed))
    return tmp_path / "a", tmp_path / "b"


def test_a_merge_holds_every_file_of_its_sources_and_leaves_them_as_they_were(
    halves: tuple[Path, Path], tmp_path: Path
):
    one, other = halves
    store.write_measurements(one, replica_id(0), "sliced_w1", [ROW])
    store.write_record(other, made())
    store.keep_costs(one, {"em": 0.25})
    store.keep_widths(other, {"em": 4})
    before = contents(one), contents(other)
    merged = merge(halves, tmp_path / "c")
    assert contents(tmp_path / "c") == {**before[0], **before[1]}
    assert (contents(one), contents(other)) == before
    assert (merged.replicas, merged.measured, merged.runs, merged.repeated, merged.written) == (2, 1, 1, 0, True)


def test_of_two_suites_each_has_a_folder_of_its_own(halves: tuple[Path, Path], tmp_path: Path):
    definition = {**result(1).definition, "suite": "other"}
    store.write(tmp_path / "other", result(1, definition=definition))
    merge([halves[0], tmp_path / "other"], tmp_path / "c")
    assert {path.parent.name for path in (tmp_path / "c").rglob("*.parquet")} == {"tiny", "other"}


def test_a_parent_of_suites_is_merged_into_a_parent(tmp_path: Path):
    store.write(tmp_path / "a" / "tiny", result(0))
    store.write(tmp_path / "b" / "tiny", result(1))
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert set(store.stored(tmp_path / "c" / "tiny")) == {replica_id(0), replica_id(1)}


def test_a_replica_that_two_machines_made_alike_is_taken_once_the_earlier(halves: tuple[Path, Path], tmp_path: Path):
    slower = [dataclasses.replace(row, seconds=9.0) for row in result(0).rows]
    store.write(halves[1], result(0, rows=slower, info={"machine": "other"}))
    merged = merge(halves, tmp_path / "c")
    name = f"{replica_id(0)}.parquet"
    assert (tmp_path / "c" / name).read_bytes() == (halves[0] / name).read_bytes()
    assert merged.repeated == 1


def test_seconds_until_the_quality_target_are_the_clock_s_and_contradict_nothing(
    halves: tuple[Path, Path], tmp_path: Path
):
    for folder, seconds in zip(halves, (1.0, 2.0), strict=True):
        reached = dataclasses.replace(ROW, metric="reached_s", value=seconds, final=True)
        store.write(folder, result(5, rows=[*result(5).rows, reached]))
    assert merge(halves, tmp_path / "c").repeated == 1


CONFLICTS = {
    "another value": ({"rows": [dataclasses.replace(result(0).rows[0], value=0.5), result(0).rows[1]]}, "value"),
    "another number of rows": ({"rows": [ROW]}, "number of rows"),
    "no number": ({"rows": [dataclasses.replace(row, value=math.nan) for row in result(0).rows]}, "value"),
    "another end": ({"status": "diverged"}, "status"),
    "another generator": ({"arrays": {}}, "arrays"),
    "another seed": ({"definition": {**result(0).definition, "seed": 3}}, "seed"),
}


@pytest.mark.parametrize(("changes", "field"), CONFLICTS.values(), ids=CONFLICTS)
def test_two_files_of_one_replica_that_contradict_each_other_are_refused_with_nothing_written(
    halves: tuple[Path, Path], tmp_path: Path, changes: dict, field: str
):
    store.write(halves[1], result(0, **changes))
    there = halves[1] / f"{replica_id(0)}.parquet"
    with pytest.raises(StoreError, match=rf"differs from {there} in [a-z, ]*{field}.*{replica_id(0)}.*merge again"):
        merge(halves, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_later_measurements_that_contradict_each_other_are_refused(halves: tuple[Path, Path], tmp_path: Path):
    store.write(halves[1], result(0))
    for folder, value in zip(halves, (0.25, 0.5), strict=True):
        store.write_measurements(folder, replica_id(0), "w1", [dataclasses.replace(ROW, value=value)])
    with pytest.raises(StoreError, match="the same metric of replica"):
        merge(halves, tmp_path / "c")


@pytest.mark.parametrize("first", [True, False])
def test_a_finished_replica_goes_before_a_failed_one(tmp_path: Path, first: bool):
    for name, made_here in (("a", result(0) if first else failed(0)), ("b", failed(0) if first else result(0))):
        store.write(tmp_path / name, made_here)
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert store.stored(tmp_path / "c") == {replica_id(0): "completed"}
    assert store.read(tmp_path / "c" / f"{replica_id(0)}.parquet").arrays


@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
def test_a_damaged_source_is_named_and_nothing_is_written(halves: tuple[Path, Path], tmp_path: Path, suffix: str):
    path = halves[1] / f"{replica_id(1)}{suffix}"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StoreError, match=re.escape(str(path))):
        merge(halves, tmp_path / "c")
    assert {p.name for p in tmp_path.iterdir()} == {"a", "b"}


def test_a_corrupt_record_of_a_run_is_left_out_by_name(halves: tuple[Path, Path], tmp_path: Path):
    bad = store.write_record(halves[0], made())
    bad.write_bytes(b"{}")
    merged = merge(halves, tmp_path / "c")
    assert (merged.runs, len(merged.notes)) == (0, 1)
    assert bad.name in merged.notes[0]


def test_a_bundle_is_left_out_by_name(halves: tuple[Path, Path], tmp_path: Path):
    bundle = store.write_bundle(halves[1], halves[0])
    (note,) = merge(halves, tmp_path / "c").notes
    assert note.startswith(f"left out: {bundle}")


def test_an_equal_merge_made_earlier_stays_as_it_is(halves: tuple[Path, Path], tmp_path: Path):
    merge(halves, tmp_path / "c")
    (tmp_path / "c" / "tables.md").write_text("a report")
    before = contents(tmp_path / "c")
    assert not merge(halves, tmp_path / "c").written
    assert contents(tmp_path / "c") == before


def foreign(folder: Path) -> None:
    store.write(folder, result(9))


def fewer(folder: Path) -> None:
    merge([folder.parent / "a"], folder)


def unrelated(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")


@pytest.mark.parametrize("fill", [foreign, fewer, unrelated])
def test_a_folder_that_holds_anything_but_an_equal_merge_is_never_written_to(
    halves: tuple[Path, Path], tmp_path: Path, fill
):
    fill(tmp_path / "c")
    before = contents(tmp_path / "c")
    with pytest.raises(StoreError, match="not empty"):
        merge(halves, tmp_path / "c")
    assert contents(tmp_path / "c") == before


def test_an_empty_folder_is_a_new_one(halves: tuple[Path, Path], tmp_path: Path):
    (tmp_path / "c").mkdir()
    assert merge(halves, tmp_path / "c").written


@pytest.mark.parametrize("place", ["a", "a/below", "."])
def test_a_destination_within_a_source_or_around_it_is_refused(halves: tuple[Path, Path], tmp_path: Path, place: str):
    with pytest.raises(StoreError, match="apart from the sources"):
        merge(halves, tmp_path / place)


def test_a_source_given_twice_is_refused(halves: tuple[Path, Path], tmp_path: Path):
    with pytest.raises(StoreError, match="given twice"):
        merge([halves[0], halves[0] / ".." / "a"], tmp_path / "c")


def test_an_empty_source_is_named(halves: tuple[Path, Path], tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="empty: no stored replica here"):
        merge([halves[0], tmp_path / "empty"], tmp_path / "c")


def test_a_merge_that_the_disk_refuses_leaves_nothing_behind(
    halves: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(StoreError, match="No space left"):
        merge(halves, tmp_path / "c")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
