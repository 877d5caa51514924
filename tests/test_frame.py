"""Stored files become one tidy table, merged, with what was measured later, and without torch."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stored import ROW, failed, replica_id, result

from ganbench import store
from ganbench.store import StoreError


def test_there_is_a_row_for_every_replica_evaluation_and_metric(tmp_path: Path):
    for seed in range(3):
        store.write(tmp_path, result(seed))
    frame = store.load_results(tmp_path)
    assert frame.groupby("seed").iteration.apply(list).to_dict() == {seed: [200, 400] for seed in range(3)}


def test_the_table_has_the_promised_columns(tmp_path: Path):
    store.write(tmp_path, result())
    promised = "suite target objective label seed replica_id cell_id status iteration generator_steps gradient_steps"
    promised += " real_samples seconds metric value unit direction floor n final instrument spread flag device width"
    promised += (
        " compiled lift convolution iteration_s iterations_per_s samples_per_s training_s compile_s evaluation_s"
    )
    promised += " peak_memory_mb precision threads"
    assert set(promised.split()) <= set(store.load_results(tmp_path).columns)


def test_how_an_ensemble_ran_is_told_and_of_older_files_none(tmp_path: Path):
    definition = result(1).definition
    execution = {**definition["execution"], "lift": "loop", "convolution": "torch"}
    store.write(tmp_path, result(0))
    store.write(tmp_path, result(1, definition={**definition, "execution": execution}))
    told = store.load_results(tmp_path).drop_duplicates("seed").set_index("seed")[["lift", "convolution"]]
    assert list(told.loc[1]) == ["loop", "torch"]
    assert told.loc[0].isna().all()


def test_iterations_per_second_are_those_of_one_replica_and_of_one_that_never_trained_no_number(tmp_path: Path):
    store.write(tmp_path, result(0, info={"iteration_s": 4e-4}))
    store.write(tmp_path, failed(1))
    frame = store.load_results(tmp_path).drop_duplicates("seed").set_index("seed")
    assert frame.iterations_per_s[0] == pytest.approx(2500)
    assert math.isnan(frame.iterations_per_s[1])


def test_a_file_that_tells_no_cost_at_all_still_loads(tmp_path: Path):
    store.write(tmp_path, result(0, info={}))
    assert store.load_results(tmp_path)[["iterations_per_s", "training_s", "compile_s"]].isna().all(axis=None)


def test_a_replica_that_failed_before_its_first_evaluation_still_appears(tmp_path: Path):
    store.write(tmp_path, result(0))
    store.write(tmp_path, failed(1))
    row = store.load_results(tmp_path).query("seed == 1").iloc[0]
    assert row.status == "failed"
    assert row.error == "out of memory"
    assert math.isnan(row.value)


def test_a_parent_folder_gives_the_results_of_all_its_suites(tmp_path: Path):
    store.write(tmp_path / "one", result(0))
    store.write(tmp_path / "two", result(1))
    assert set(store.load_results(tmp_path).seed) == {0, 1}


def test_copying_files_is_merging(tmp_path: Path):
    store.write(tmp_path / "one", result(0))
    store.write(tmp_path / "two", result(1))
    shutil.copytree(tmp_path / "one", tmp_path / "two", dirs_exist_ok=True)
    assert store.stored(tmp_path / "two") == {replica_id(0): "completed", replica_id(1): "completed"}


@pytest.mark.parametrize("parent", [False, True])
def test_a_later_measurement_joins_its_replica_and_is_marked(tmp_path: Path, parent: bool):
    store.write(tmp_path / "one", result())
    later = dataclasses.replace(ROW, metric="sliced_w1", value=0.125, final=True)
    store.write_measurements(tmp_path / "one", replica_id(0), "sliced_w1", [later])
    frame = store.load_results(tmp_path if parent else tmp_path / "one")
    assert frame[frame.measured_later].metric.tolist() == ["sliced_w1"]
    assert len(frame) == 3


def test_a_later_measurement_goes_with_its_replica_s_own_file(tmp_path: Path):
    for seed in range(2):
        path = store.write(tmp_path, result(seed))
        store.write_measurements(tmp_path, replica_id(seed), "sliced_w1", [ROW])
    path.unlink()
    frame = store.load_results(tmp_path)
    assert set(frame.seed) == {0}
    assert frame.measured_later.sum() == 1


def test_later_measurements_alone_are_no_results(tmp_path: Path):
    path = store.write(tmp_path, result())
    store.write_measurements(tmp_path, replica_id(0), "sliced_w1", [ROW])
    path.unlink()
    with pytest.raises(StoreError, match="no stored replica here"):
        store.load_results(tmp_path)


def test_a_later_measurement_leaves_the_replica_as_it_was(tmp_path: Path):
    path = store.write(tmp_path, result())
    before = path.read_bytes()
    store.write_measurements(tmp_path, replica_id(0), "sliced_w1", [ROW])
    assert path.read_bytes() == before


def test_a_metric_name_never_leaves_the_folder(tmp_path: Path):
    store.write(tmp_path, result())
    with pytest.raises(ValueError, match="metric"):
        store.write_measurements(tmp_path, replica_id(0), "../w1", [ROW])


def test_an_empty_folder_says_that_it_is_empty(tmp_path: Path):
    with pytest.raises(StoreError, match="no stored replica here"):
        store.load_results(tmp_path)


def test_baselines_are_marked(tmp_path: Path):
    definition = result().definition
    definition["cell"]["objective"] = {"name": "oracle", "fields": {}}
    store.write(tmp_path, result(definition={**definition, "label": "oracle"}))
    frame = store.load_results(tmp_path)
    assert frame.baseline.all()
    assert set(frame.objective) == {"oracle"}


WITHOUT_TORCH = """
import importlib, json, pkgutil, sys
sys.modules["torch"] = None
import ganbench.statistics, ganbench.store, ganbench.report
for module in pkgutil.iter_modules(ganbench.report.__path__):
    importlib.import_module(f"ganbench.report.{module.name}")
print(json.dumps(sorted(name for name in sys.modules if name.partition(".")[0] in ("torch", "ot", "sklearn"))))
"""


def test_store_statistics_and_report_work_where_torch_cannot_be_imported():
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["torch"]
