"""A bundle holds the final values of many replicas in one small file, and tables made of it are the same."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from stored import failed, replica_id, result

from ganbench import store
from ganbench.report.ranking import rank
from ganbench.store import StoreError
from ganbench.store.bundle import BUNDLE, read_bundle

FINAL = ["seed", "status", "metric", "value", "floor", "n", "cell_id", "torch", "execution", "final"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite's folder: one replica of each status."""
    for made in (result(0), result(1, status="diverged"), failed(2)):
        store.write(tmp_path / "tiny", made)
    return tmp_path / "tiny"


def test_a_bundle_has_every_replica_with_its_status_and_its_final_values(folder: Path, tmp_path: Path):
    store.write_bundle(folder, tmp_path / "bundled")
    own, bundled = store.load_results(folder), store.load_results(tmp_path / "bundled")
    columns = [name for name in FINAL if name in own]
    pd.testing.assert_frame_equal(
        own[own.final | own.metric.isna()][columns].reset_index(drop=True), bundled[columns].reset_index(drop=True)
    )
    assert set(bundled.status) == {"completed", "diverged", "failed"}


def test_a_table_of_a_bundle_is_that_of_the_results(folder: Path, tmp_path: Path):
    store.write_bundle(folder, tmp_path / "bundled")
    pd.testing.assert_frame_equal(rank(store.load_results(folder)), rank(store.load_results(tmp_path / "bundled")))


def test_a_bundle_names_no_machine(tmp_path: Path):
    store.write(tmp_path / "tiny", result(info={"machine": "my-laptop", "python": "3.11"}))
    (found,) = read_bundle(store.write_bundle(tmp_path / "tiny", tmp_path))
    assert found.payload["info"] == {"python": "3.11"}


def test_a_run_does_not_go_on_from_a_bundle(folder: Path, tmp_path: Path):
    store.write_bundle(folder, tmp_path / "bundled")
    assert store.stored(tmp_path / "bundled") == {}


def test_a_replica_s_own_file_goes_before_its_place_in_a_bundle_beside_it(folder: Path):
    before = store.load_results(folder)
    store.write_bundle(folder, folder)
    pd.testing.assert_frame_equal(store.load_results(folder), before)


def test_a_truncated_bundle_and_one_of_a_newer_schema_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = store.write_bundle(folder, tmp_path / "bundled")
    monkeypatch.setattr("ganbench.store.container.SCHEMA", 1)
    with pytest.raises(StoreError, match="upgrade ganbench"):
        store.load_results(path.parent)
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StoreError, match="corrupt"):
        store.load_results(path.parent)


def test_a_replica_under_a_bundle_s_name_and_a_bundle_under_a_replica_s_are_refused(folder: Path):
    own = folder / f"{replica_id(0)}.parquet"
    bundle = store.write_bundle(folder, folder.parent)
    content = own.read_bytes()
    own.write_bytes(bundle.read_bytes())
    bundle.write_bytes(content)
    with pytest.raises(StoreError, match="no file of one replica"):
        store.stored(folder)
    with pytest.raises(StoreError, match="no bundle"):
        read_bundle(bundle)


def test_a_folder_without_results_gives_no_bundle(tmp_path: Path):
    with pytest.raises(StoreError, match="no stored replica here"):
        store.write_bundle(tmp_path, tmp_path)


def test_the_reference_that_ships_is_a_whole_run_of_its_suite_under_300_kilobytes():
    folder = store.reference("toy2d")
    results = store.load_results(folder)
    assert (folder / BUNDLE).stat().st_size < 300_000
    assert set(results.suite) == {"toy2d"}
    assert results.groupby(["target", "label"]).seed.nunique().unique().tolist() == [8]
    assert results.groupby("replica_id").value.apply(lambda v: math.isfinite(v.iloc[0])).all()


def test_a_suite_without_a_reference_is_told_which_have_one():
    with pytest.raises(StoreError, match=r'"digits".*there are some for toy2d'):
        store.reference("digits")
