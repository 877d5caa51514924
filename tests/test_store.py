"""The store keeps what was measured, whole or not at all, and finds every damage."""

from __future__ import annotations

import dataclasses
import errno
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from stored import ROW, failed, replica_id, result

import ganbench.store.container as container
from ganbench import store
from ganbench.store import StoreError


def test_what_is_written_is_read_back(tmp_path: Path):
    written = result()
    found = store.read(store.write(tmp_path, written))
    assert (found.definition, found.status, found.rows, found.info) == (
        written.definition,
        written.status,
        written.rows,
        written.info,
    )


def test_arrays_are_read_back_with_their_values_shapes_and_types(tmp_path: Path):
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    path = store.write(tmp_path, result(arrays={"snapshot/1": transposed}))
    found = store.read_arrays(path)["snapshot/1"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, transposed)


def test_numpy_numbers_in_the_information_become_plain_numbers(tmp_path: Path):
    path = store.write(tmp_path, result(info={"diverged_at": np.int64(7), "iteration_s": np.float32(0.5)}))
    assert store.read(path).info == {"diverged_at": 7, "iteration_s": 0.5}


@pytest.mark.parametrize("status", ["completed", "diverged"])
def test_a_finished_replica_is_never_overwritten(tmp_path: Path, status: Any):
    path = store.write(tmp_path, result(status=status))
    before = path.read_bytes()
    store.write(tmp_path, result(info={"iteration_s": 1.0}))
    assert path.read_bytes() == before


def test_a_failed_replica_is_replaced(tmp_path: Path):
    store.write(tmp_path, failed())
    store.write(tmp_path, result())
    assert store.stored(tmp_path) == {replica_id(0): "completed"}


def test_a_replica_that_failed_again_has_its_later_reason(tmp_path: Path):
    store.write(tmp_path, failed())
    path = store.write(tmp_path, dataclasses.replace(failed(), info={"error": "its worker was lost"}))
    assert store.read(path).info == {"error": "its worker was lost"}
    assert list(tmp_path.iterdir()) == [path]


OVERTAKEN = [("fsync", []), ("link", []), *((call, [failed()]) for call in ("fsync", "link", "replace"))]


@pytest.mark.parametrize(("call", "before"), OVERTAKEN, ids=[f"{call}, {len(before)}" for call, before in OVERTAKEN])
def test_a_failure_leaves_what_another_run_finishes_in_any_moment_of_its_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, before: list[store.ReplicaResult]
):
    real, finished = getattr(os, call), result()
    for one in before:
        store.write(tmp_path, one)

    def overtaken(*names: Any) -> Any:
        monkeypatch.setattr(os, call, real)
        store.write(tmp_path, finished)
        return real(*names)

    monkeypatch.setattr(os, call, overtaken)
    path = store.write(tmp_path, failed())
    assert getattr(os, call) is real
    assert (store.read(path).status, store.read(path).rows) == ("completed", finished.rows)
    assert sorted(found.suffix for found in tmp_path.iterdir()) == [".parquet", ".safetensors"]


def test_a_failure_is_stored_where_the_file_system_knows_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*names: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = store.write(tmp_path, failed())
    assert list(tmp_path.iterdir()) == [path]


def test_the_status_of_every_stored_replica_is_listed(tmp_path: Path):
    for made in (result(0), result(1, status="diverged"), failed(2)):
        store.write(tmp_path, made)
    expected = {replica_id(0): "completed", replica_id(1): "diverged", replica_id(2): "failed"}
    assert store.stored(tmp_path) == expected


def test_a_folder_that_is_not_there_holds_no_replica(tmp_path: Path):
    assert store.stored(tmp_path / "nothing") == {}


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from stored import result
from ganbench import store
replace = os.replace
def killed(source, destination):
    if str(destination).endswith(".parquet"):
        os._exit(9)
    replace(source, destination)
os.replace = killed
store.write(sys.argv[1], result())
"""


def test_a_kill_between_the_two_files_leaves_the_replica_unfinished_and_writable(tmp_path: Path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)], check=False)
    assert killed.returncode == 9
    assert (tmp_path / f"{replica_id(0)}.safetensors").exists()
    assert store.stored(tmp_path) == {}
    store.write(tmp_path, result())
    assert store.stored(tmp_path) == {replica_id(0): "completed"}


def test_old_leftovers_of_interrupted_writes_are_removed(tmp_path: Path):
    leftover = tmp_path / f".{replica_id(0)}.parquet.123.tmp"
    leftover.write_bytes(b"half a file")
    os.utime(leftover, (0, 0))
    store.stored(tmp_path)
    assert not leftover.exists()


def test_a_write_that_is_under_way_elsewhere_is_left_alone(tmp_path: Path):
    young = tmp_path / f".{replica_id(0)}.parquet.123.tmp"
    young.write_bytes(b"half a file")
    assert store.stored(tmp_path) == {}
    assert young.exists()


@pytest.mark.parametrize("kept", [0, 1, 4, 100, 0.3, 0.5, 0.9, -8, -1])
def test_a_truncated_file_is_found_and_says_what_to_do(tmp_path: Path, kept: float):
    path = store.write(tmp_path, result())
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(StoreError, match=rf"{path.name}: .*the next run makes it anew"):
        store.stored(tmp_path)


def test_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path):
    path = store.write(tmp_path, result())
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        with pytest.raises(StoreError):
            store.read(path)


def test_a_flipped_bit_of_the_arrays_is_found_wherever_it_is(tmp_path: Path):
    path = store.write(tmp_path, result())
    arrays = path.with_suffix(".safetensors")
    content = arrays.read_bytes()
    for at in range(0, len(content), 7):
        arrays.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        with pytest.raises(StoreError, match="SHA-256"):
            store.read_arrays(path)


def test_arrays_of_another_replica_are_found(tmp_path: Path):
    one = store.write(tmp_path, result(0))
    other = store.write(tmp_path, result(1, arrays={"snapshot/200": np.zeros(3, np.float32)}))
    shutil.copy(other.with_suffix(".safetensors"), one.with_suffix(".safetensors"))
    with pytest.raises(StoreError, match="SHA-256"):
        store.read(one)


def test_missing_arrays_are_named(tmp_path: Path):
    path = store.write(tmp_path, result())
    path.with_suffix(".safetensors").unlink()
    with pytest.raises(StoreError, match=r"\.safetensors: cannot be read"):
        store.read(path)


def test_rows_of_an_older_schema_have_what_it_lacked_at_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    older = pa.schema([field for field in container.ROW_SCHEMA if field.name not in ("instrument", "spread", "flag")])
    with monkeypatch.context() as patch:
        patch.setattr(container, "ROW_SCHEMA", older)
        path = store.write(tmp_path, result())
    found = store.read(path).rows[0]
    assert (found.instrument, found.flag, math.isnan(found.spread)) == ("", "", True)
    assert (found.value, found.n) == (ROW.value, ROW.n)


def test_a_newer_schema_asks_for_an_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganbench.store.replicas.SCHEMA", container.SCHEMA + 1)
    path = store.write(tmp_path, result())
    with pytest.raises(StoreError, match="upgrade ganbench"):
        store.read(path)


def test_a_renamed_copy_would_count_twice_and_is_refused(tmp_path: Path):
    path = store.write(tmp_path, result())
    shutil.copy(path, tmp_path / "copy.parquet")
    with pytest.raises(StoreError, match=f"rename it to {path.name}"):
        store.stored(tmp_path)


@pytest.mark.parametrize("name", ["", "abc", "../../etc/passwd", "ABCDEF0123456789", "0" * 65, 12])
def test_an_id_that_is_not_hexadecimal_never_becomes_a_path(tmp_path: Path, name: Any):
    with pytest.raises(ValueError, match="16 to 64 of the digits"):
        store.result_path(tmp_path, name)


def test_a_result_without_its_seed_is_refused(tmp_path: Path):
    definition = result().definition
    del definition["seed"]
    with pytest.raises(ValueError, match="seed"):
        store.write(tmp_path, result(definition=definition))


def test_a_folder_under_a_file_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another folder"):
        store.check_writable(tmp_path / "file" / "results")


def test_a_file_system_that_turns_read_only_is_trouble_and_one_that_is_so_from_the_beginning_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(path: Path, *_: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(container.DiskError, match="Read-only file system"):
        store.write(tmp_path, result())
    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(StoreError, match=r"Read-only file system.*choose another folder") as told:
        store.check_writable(tmp_path)
    assert not isinstance(told.value, container.DiskError)


def test_a_label_that_imitates_the_digest_does_not_deceive_it(tmp_path: Path):
    hostile = container._DIGEST_MARK.decode() + "0" * 64 + '"'
    definition = {**result().definition, "label": hostile}
    path = store.write(tmp_path, result(definition=definition))
    assert store.read(path).definition["label"] == hostile


def test_hundreds_of_stored_replicas_are_listed_in_a_second(tmp_path: Path):
    content = store.write(tmp_path / "one", result()).read_bytes()
    payload = container.open_result(tmp_path / "one" / f"{replica_id(0)}.parquet").payload
    assert len(content) < 10_000
    for seed in range(300):
        definition = {**payload["definition"], "replica_id": replica_id(seed)}
        packed = container.encode({**payload, "definition": definition}, [ROW] * 100)
        (tmp_path / f"{replica_id(seed)}.parquet").write_bytes(packed)
    start = time.perf_counter()
    assert len(store.stored(tmp_path)) == 300
    assert time.perf_counter() - start < 1
