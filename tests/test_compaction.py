"""Thousands of results are read as one derived file, whose absence, damage or age is harmless.

Over 300 lines: one file in each state in which a reader may find it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from many_replicas import settle, write_many
from stored import ROW, failed, made, replica_id, result

from ganbench import store
from ganbench.store import StoreError, compaction
from ganbench.store.compaction import COMPACTED
from ganbench.store.container import Stored


@pytest.fixture(scope="module")
def three_hundred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "many"
    assert write_many(folder, seeds=29, baseline_seeds=5, targets=("ring8",)) == 300
    settle(folder)
    return folder


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of few results of all kinds, from four of which a derived file is written."""
    monkeypatch.setattr(compaction, "WORTH", 4)
    folder = tmp_path / "tiny"
    for one in (*map(result, range(3)), failed(3), result(4, status="diverged", rows=[]), result(5, info={})):
        store.write(folder, one)
    for seed in range(4):
        store.write_measurements(folder, replica_id(seed), "fid", [dataclasses.replace(ROW, metric="fid", value=seed)])
    store.write_record(folder, made(8))
    settle(folder)
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files of results that are read while a test runs."""
    names: list[str] = []
    read = Path.read_bytes

    def noted(path: Path) -> bytes:
        names.extend([path.name] if path.suffix != ".json" else [])  # the records of runs
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    return names


def test_a_second_load_of_hundreds_of_replicas_opens_one_file(three_hundred: Path, opened: list[str]):
    first = store.load_results(three_hundred)
    assert len(opened) >= 300
    opened.clear()
    pd.testing.assert_frame_equal(store.load_results(three_hundred), first, check_exact=True)
    assert len(store.stored(three_hundred)) == 300
    assert opened == [COMPACTED, COMPACTED]


def test_the_table_is_the_same_with_and_without_the_derived_file(few: Path):
    without = store.load_results(few)
    assert {path.parent.name for path in few.rglob(COMPACTED)} == {"tiny", "measured"}
    for folder in (few, few.parent):
        found = store.load_results(folder)
        pd.testing.assert_frame_equal(found, without, check_exact=True)
        assert found.map(type).equals(without.map(type))


def test_a_replica_that_is_added_is_seen_and_read_alone(few: Path, opened: list[str]):
    store.load_results(few)
    store.write(few, result(6))
    opened.clear()
    assert set(store.load_results(few).query("status != 'missing'").seed) == set(range(7))
    assert [name for name in opened if name != COMPACTED] == [f"{replica_id(6)}.parquet"]


def test_the_derived_file_takes_over_what_it_knew_when_it_is_written_anew(few: Path, opened: list[str]):
    store.stored(few)
    for seed in range(6, 10):
        store.write(few, result(seed))
    settle(few)
    opened.clear()
    store.stored(few)
    assert len(opened) == 5
    opened.clear()
    assert len(store.stored(few)) == 10
    assert opened == [COMPACTED]


def test_a_table_of_a_derived_file_with_gaps_and_of_new_files_is_that_of_the_files_alone(few: Path):
    store.load_results(few)
    (few / f"{replica_id(1)}.parquet").unlink()
    for seed in (6, 7):
        store.write(few, result(seed, rows=[dataclasses.replace(ROW, metric="newly named", value=seed)]))
    of_both = store.load_results(few)
    assert {"newly named", ROW.metric} <= set(of_both.metric)
    for derived in few.rglob(COMPACTED):
        derived.unlink()
    pd.testing.assert_frame_equal(of_both, store.load_results(few), check_exact=True)


def test_the_read_that_writes_the_derived_file_parses_the_rows_of_each_file_once(
    few: Path, monkeypatch: pytest.MonkeyPatch
):
    parsed: list[Path] = []
    table = Stored.table

    def noted(stored: Stored) -> pa.Table:
        parsed.append(stored.path)
        return table(stored)

    monkeypatch.setattr(Stored, "table", noted)
    store.load_results(few)
    assert len(parsed) == len(set(parsed)) == 10
    store.load_results(few)
    assert len(parsed) == 10


def test_a_replica_that_failed_and_now_is_finished_is_read_anew(few: Path):
    store.stored(few)
    store.write(few, result(3))
    assert store.stored(few)[replica_id(3)] == "completed"


def test_a_replica_that_is_taken_away_is_gone(few: Path):
    store.load_results(few)
    (few / f"{replica_id(2)}.parquet").unlink()
    assert set(store.load_results(few).query("status != 'missing'").seed) == {0, 1, 3, 4, 5}


def test_a_change_that_leaves_size_and_time_alone_is_seen_within_a_second(few: Path, monkeypatch: pytest.MonkeyPatch):
    def again(value: float) -> None:
        path = few / f"{replica_id(9)}.parquet"
        path.unlink(missing_ok=True)
        store.write(few, result(9, rows=[dataclasses.replace(ROW, value=value)]))
        os.utime(path, ns=(now, now))

    now = time.time_ns()
    monkeypatch.setattr(compaction.time, "time_ns", lambda: now + 10**9)  # however slow this machine is
    monkeypatch.setattr("ganbench.store.replicas.time.time", lambda: 1.5)  # it is in the file: digits change its size
    again(0.25)
    size = (few / f"{replica_id(9)}.parquet").stat().st_size
    store.load_results(few)
    again(0.75)
    assert (few / f"{replica_id(9)}.parquet").stat().st_size == size
    assert store.load_results(few).query("seed == 9").value.tolist() == [0.75]


def test_a_derived_file_that_is_damaged_anywhere_is_ignored_and_made_anew(few: Path, opened: list[str]):
    expected = store.load_results(few)
    whole = (few / COMPACTED).read_bytes()
    damaged = [whole[:-1], whole[: len(whole) // 2], b"", b"x" * 31, whole + b"x"]
    damaged += [whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :] for at in range(0, len(whole), len(whole) // 9)]
    for content in damaged:
        (few / COMPACTED).write_bytes(content)
        opened.clear()
        pd.testing.assert_frame_equal(store.load_results(few), expected)
        assert len(opened) > 6
        assert (few / COMPACTED).read_bytes() == whole


def without_results() -> bytes:
    """A derived file of a stranger, with a right digest and not one batch of results."""
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_file(buffer, compaction._SCHEMA):
        pass
    content = buffer.getvalue().to_pybytes()
    return content + hashlib.sha256(content).digest()


STRANGE: dict[str, Callable[[Path], object]] = {
    "no batch of results": lambda path: path.write_bytes(without_results()),
    "a folder": lambda path: path.mkdir(),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
}
if os.name == "posix":
    STRANGE |= {"a pipe": os.mkfifo, "a link to endless zeros": lambda path: path.symlink_to("/dev/zero")}


@pytest.mark.parametrize("put", STRANGE.values(), ids=STRANGE)
def test_whatever_a_stranger_puts_in_the_place_of_the_derived_file_is_ignored(few: Path, put: Callable[[Path], object]):
    expected = store.load_results(few)
    (few / COMPACTED).unlink()
    put(few / COMPACTED)
    pd.testing.assert_frame_equal(store.load_results(few), expected)


def test_a_derived_file_that_memory_does_not_hold_is_ignored(few: Path, monkeypatch: pytest.MonkeyPatch):
    def exhausted(*_: object) -> None:
        raise MemoryError

    expected = store.load_results(few)
    monkeypatch.setattr(compaction, "WORTH", 99)
    monkeypatch.setattr(compaction, "_decoded", exhausted)
    pd.testing.assert_frame_equal(store.load_results(few), expected)


def test_a_derived_file_beyond_the_largest_is_ignored(few: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]):
    expected = store.load_results(few)
    opened.clear()
    monkeypatch.setattr(compaction, "LARGEST", (few / COMPACTED).stat().st_size - 1)
    pd.testing.assert_frame_equal(store.load_results(few), expected)
    assert f"{replica_id(0)}.parquet" in opened


def test_a_derived_file_of_another_version_is_ignored_and_made_anew(few: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(compaction, "_SCHEMA", compaction._SCHEMA.with_metadata({"ganbench": "compacted 0"}))
        expected = store.load_results(few)
    other = (few / COMPACTED).read_bytes()
    pd.testing.assert_frame_equal(store.load_results(few), expected)
    assert (few / COMPACTED).read_bytes() != other


def test_a_damaged_replica_is_found_though_the_derived_file_knows_it(few: Path):
    store.load_results(few)
    path = few / f"{replica_id(1)}.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match=f"{path.name}: corrupt"):
        store.load_results(few)


def test_damage_that_no_time_tells_is_found_by_whatever_opens_or_copies_the_file(few: Path):
    store.load_results(few)
    path = few / f"{replica_id(1)}.parquet"
    seen, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    store.load_results(few)
    with pytest.raises(StoreError, match=f"{path.name}: corrupt"):
        store.read(path)
    with pytest.raises(StoreError, match=f"{path.name}: corrupt"):
        store.merge([few], few.parent / "merged")
    with pytest.raises(StoreError, match=f"{path.name}: corrupt"):
        store.write_bundle(few, few.parent / "bundle")


def test_a_folder_that_cannot_be_written_is_read_without_a_derived_file(few: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*names: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ganbench.folders.os.replace", refuse)
    assert len(store.stored(few)) == 6
    assert len(store.load_results(few).query("status != 'missing'").seed.unique()) == 6
    assert not [*few.rglob(f"*{COMPACTED}*")]


@pytest.mark.parametrize(("share", "anew"), [(2, False), (6, True)])
def test_few_new_results_beside_many_that_are_known_are_no_reason_to_write_it_anew(
    share: int, anew: bool, few: Path, monkeypatch: pytest.MonkeyPatch
):
    store.load_results(few)
    before = (few / COMPACTED).read_bytes()
    store.write(few, result(6))
    settle(few)
    monkeypatch.setattr(compaction, "WORTH", 1)
    monkeypatch.setattr(compaction, "WORTH_SHARE", share)
    assert len(store.stored(few)) == 7
    assert ((few / COMPACTED).read_bytes() != before) == anew


def test_results_without_a_row_have_a_derived_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compaction, "WORTH", 4)
    for seed in range(5):
        store.write(tmp_path, result(seed, status="diverged", rows=[]))
    settle(tmp_path)
    assert list(store.load_results(tmp_path).status) == ["diverged"] * 5
    assert (tmp_path / COMPACTED).exists()
    assert store.stored(tmp_path) == {replica_id(seed): "diverged" for seed in range(5)}


def test_a_folder_of_few_results_has_no_derived_file(tmp_path: Path):
    for seed in range(5):
        store.write(tmp_path, result(seed))
    settle(tmp_path)
    store.load_results(tmp_path)
    assert not (tmp_path / COMPACTED).exists()


def test_two_that_write_the_derived_file_at_once_leave_a_whole_one(few: Path, monkeypatch: pytest.MonkeyPatch):
    expected = store.load_results(few)
    whole = (few / COMPACTED).read_bytes()
    (few / COMPACTED).unlink()
    write = compaction.write_whole

    def both(path: Path, content: bytes) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(compaction, "write_whole", write)
            pd.testing.assert_frame_equal(store.load_results(few), expected)
        write(path, content)

    monkeypatch.setattr(compaction, "write_whole", both)
    pd.testing.assert_frame_equal(store.load_results(few), expected)
    assert (few / COMPACTED).read_bytes() == whole


@pytest.mark.parametrize("copy", [shutil.copy, shutil.copy2], ids=["new times", "the same times"])
def test_a_folder_that_is_copied_elsewhere_gives_the_same_table(few: Path, copy):
    expected = store.load_results(few)
    shutil.copytree(few, few.parent / "elsewhere", copy_function=copy)
    shutil.rmtree(few)
    pd.testing.assert_frame_equal(store.load_results(few.parent / "elsewhere"), expected)


def test_a_leftover_of_an_interrupted_derived_file_is_removed(few: Path):
    leftover = few / f".{COMPACTED}.123.tmp"
    leftover.write_bytes(b"half a file")
    os.utime(leftover, (0, 0))
    store.stored(few)
    assert not leftover.exists()


def test_the_derived_file_holds_numbers_that_are_none(few: Path):
    store.load_results(few)
    values = store.load_results(few).query("status != 'missing' and not measured_later").groupby("seed").value
    assert values.apply(list)[0] == [0.25, math.inf]
    assert math.isnan(values.apply(list)[3][0])
    assert json.loads(json.dumps(store.stored(few)))[replica_id(4)] == "diverged"
