"""Runs of a small suite from end to end, with replicas that are trained in seconds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from ganbench import store
from ganbench.pipeline import Run, run
from ganbench.suite import Suite, parse_suite

TEXT = """\
name = "tiny"
seeds = 3
targets = ["ring8", "moons"]
objectives = ["non-saturating", "wasserstein-clip"]
baselines = ["trivial", "vae"]
network = "mlp[width=8,depth=1]"
[budget]
currency = "gradient_steps"
amount = 12
[training]
batch = 32
[execution]
compiled = false
width = 4
[evaluation]
times = 2
samples = 32
final_samples = 50
metrics = ["sliced_w1", "kl_modes"]
rank_by = "sliced_w1"
"""


def suite(currency: str = "gradient_steps", amount: float = 12, text: str = TEXT) -> Suite:
    return parse_suite(text.replace("gradient_steps", currency).replace("amount = 12", f"amount = {amount}"))


def nothing(*_: Any) -> Iterator[Any]:
    """An executor that finishes nothing."""
    yield from ()


@lru_cache(maxsize=1)
def _ran(results: Path) -> Run:
    return run(suite(), results=results, device="cpu", workers=1)


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Run:
    # each file that imports a fixture has one of its own, so that its scope alone would run this once per file
    return _ran(tmp_path_factory.getbasetemp() / "small-runs")


@pytest.fixture
def folder(ran: Run, tmp_path: Path) -> Path:
    """A copy of the results, free to be changed."""
    return Path(shutil.copytree(ran.folder, tmp_path / "tiny"))


def only(folder: Path, **kept: Any) -> None:
    """Removes all replicas but those with these values in their definitions."""
    for path in folder.glob("*.parquet"):
        definition = store.read(path).definition
        if any(definition[key] != value for key, value in kept.items()):
            path.unlink()
