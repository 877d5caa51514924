"""Replicas and the code that their identities name: what computes a cell's numbers, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ganbench.planning import NUMBERS, PACKAGE, code_version, plan_ensembles, plan_replicas
from ganbench.suite import Cell, parse_suite, resolve

TEXT = """\
name = "tiny"
seeds = 2
targets = ["ring8"]
objectives = ["em", "em[temperature=2]", "minimax", "vae"]
baselines = ["trivial"]
network = "mlp"
[budget]
currency = "iterations"
amount = 4
[training]
batch = 32
[evaluation]
times = 2
samples = 32
final_samples = 32
metrics = ["w1"]
rank_by = "w1"
"""
EXECUTION = {"compiled": False, "width": 4, "threads": 1}


def cells(text: str = TEXT) -> dict[str, Cell]:
    return {cell.label: cell for cell in resolve(parse_suite(text))}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package's text, free to be changed."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "ganbench", ignore=shutil.ignore_patterns("__pycache__")))


def versions(package: Path) -> dict[str, str]:
    """Label -> code version, under a package that has not been read before."""
    fresh = package.rename(package.with_name(f"{package.name}-"))
    found = {label: code_version(cell, fresh) for label, cell in cells().items()}
    fresh.rename(package)
    return found


def changed(package: Path, file: str) -> set[str]:
    """Labels of the cells whose version changes with a file of the package."""
    before = {label: code_version(cell, package) for label, cell in cells().items()}
    with open(package / file, "a", encoding="utf-8") as text:
        text.write("# changed\n")
    after = versions(package)
    return {label for label in before if after[label] != before[label]}


def test_a_copy_of_the_package_has_its_versions(package: Path):
    assert versions(package) == {label: code_version(cell) for label, cell in cells().items()}


@pytest.mark.parametrize(
    "file", ["objectives/mine.py", "objectives/cramer.py", "targets/mine.py", "metrics/modes.py", "catalogue.py"]
)
def test_a_file_that_no_cell_uses_changes_no_version(package: Path, file: str):
    assert changed(package, file) == set()


@pytest.mark.parametrize(
    ("file", "labels"),
    [
        ("objectives/em.py", {"em", "em[temperature=2]"}),
        ("objectives/minimax.py", {"em", "em[temperature=2]", "minimax"}),
        ("objectives/vae.py", {"vae"}),
        ("training/baselines.py", {"trivial"}),
    ],
)
def test_an_edited_objective_or_baseline_changes_its_own_cells_and_those_built_on_it(
    package: Path, file: str, labels: set[str]
):
    assert changed(package, file) == labels


@pytest.mark.parametrize(
    "file",
    [
        "objectives/contract.py",
        "training/ensemble.py",
        "training/optimisers.py",
        "training/products.cpp",
        "networks/initialisation.py",
        "networks/mlp.py",
        "targets/mixtures.py",
        "metrics/transport.py",
        "metrics/__init__.py",
        "suite/cells.py",
        "fields.py",
        "streams.py",
        "execution/worker.py",
        "execution/measurement.py",
    ],
)
def test_an_edited_file_that_every_training_uses_changes_every_trained_cell(package: Path, file: str):
    assert changed(package, file) >= {"em", "em[temperature=2]", "minimax", "vae"}


@pytest.mark.parametrize("file", ["networks/conv.py", "targets/images.py", "metrics/features.py"])
def test_code_of_images_is_none_of_a_network_of_points(package: Path, file: str):
    assert changed(package, file) <= {"trivial"}


@pytest.mark.parametrize("part", NUMBERS)
def test_every_part_that_computes_numbers_is_there(part: str):
    path = PACKAGE / part.replace(".", "/")
    assert path.is_dir() or path.with_suffix(".py").is_file()


def test_a_replica_s_execution_names_its_cell_s_code():
    replicas = plan_replicas(parse_suite(TEXT), cells().values(), EXECUTION)
    assert all(r.definition["execution"] == {**EXECUTION, "code": code_version(r.cell)} for r in replicas)


def test_cells_that_differ_in_swept_numbers_still_train_together():
    replicas = plan_replicas(parse_suite(TEXT), cells().values(), EXECUTION)
    first = plan_ensembles(replicas)[0]
    assert {r.cell.label for r in first.replicas} == {"em", "em[temperature=2]"}
