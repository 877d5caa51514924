"""What an installation holds, seen in the wheel and the source archive that setuptools builds; needs no network."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "from setuptools import build_meta as b; b.build_wheel('dist'); b.build_sdist('dist')"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a wheel and a source archive, built from a copy so that no build folder lands in the checkout."""
    source = tmp_path_factory.mktemp("source")
    for name in ("ganbench", "suites", "results/reference"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-c", BUILD], cwd=source, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_holds_every_module_of_the_package(wheel):
    sources = [*(ROOT / "ganbench").rglob("*.py"), *(ROOT / "ganbench").rglob("*.cpp")]
    assert {file.suffix for file in sources} == {".py", ".cpp"}
    assert {file.relative_to(ROOT).as_posix() for file in sources} <= set(wheel)


def test_a_wheel_holds_every_shipped_suite_byte_for_byte(wheel):
    suites = {f"ganbench/shipped/{file.name}": file.read_bytes() for file in (ROOT / "suites").glob("*.toml")}
    assert suites == {name: content for name, content in wheel.items() if name.startswith("ganbench/shipped/")}


def test_a_wheel_holds_every_bundle_of_reference_results_byte_for_byte(wheel):
    folder = ROOT / "results" / "reference"
    bundles = {
        f"ganbench/reference/{f.relative_to(folder).as_posix()}": f.read_bytes() for f in folder.glob("*/*.parquet")
    }
    assert "ganbench/reference/toy2d/bundle.parquet" in bundles
    assert bundles == {name: content for name, content in wheel.items() if name.startswith("ganbench/reference/")}


def test_a_wheel_installs_the_command(wheel):
    entries = next(content for name, content in wheel.items() if name.endswith("entry_points.txt"))
    assert b"ganbench = ganbench.cli:main" in entries


def test_a_wheel_holds_no_tests(wheel):
    assert not [name for name in wheel if name.startswith("tests")]


def test_an_installed_package_finds_its_suites_without_a_checkout(built, tmp_path):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        archive.extractall(tmp_path)
    code = "import ganbench.suite as s; print(s.__file__, *sorted(s.shipped_suites()), s.load_suite('toy2d').name)"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    file, *suites, loaded = found.stdout.split()
    assert Path(file).is_relative_to(tmp_path)
    assert (suites, loaded) == (sorted(file.stem for file in (ROOT / "suites").glob("*.toml")), "toy2d")


def test_an_installed_package_finds_its_reference_results_without_a_checkout(built, tmp_path):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        archive.extractall(tmp_path)
    code = (
        "from ganbench import store; print(store.reference('toy2d'), len(store.open_results(store.reference('toy2d'))))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    folder, replicas = found.stdout.split()
    assert Path(folder).is_relative_to(tmp_path)
    assert int(replicas) == 176


def test_a_source_archive_holds_what_builds_it(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "pyproject.toml", "README.md", "LICENSE", "suites/toy2d.toml", "suites/digits.toml"} <= names
    assert "results/reference/toy2d/bundle.parquet" in names
