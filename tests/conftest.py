"""One thread, a compile cache of its own for the session, and the shapes of annotations checked at run time."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
# no test may wait for a network, or depend on one
os.environ["HF_HUB_OFFLINE"] = "1"
# pytest-xdist starts its workers from this process: they inherit the folder and share what one of them compiled
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["GANBENCH_CACHE"] = tempfile.mkdtemp(prefix="ganbench-tests-")
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)
    atexit.register(shutil.rmtree, os.environ["GANBENCH_CACHE"], ignore_errors=True)

from beartype import BeartypeConf, FrozenDict, beartype
from jaxtyping import install_import_hook
from torch import Tensor

from ganbench.fields import Swept

# a whole number passes for a float, as type checkers have it; inside a loss a swept number is a tensor
CONFIGURATION = BeartypeConf(is_pep484_tower=True, hint_overrides=FrozenDict({Swept: float | int | Tensor}))
checker = beartype(conf=CONFIGURATION)
# not `parameters`, which has no shapes of its own and is called more often than all others together
networks = (module.stem for module in (Path(__file__).parents[1] / "ganbench" / "networks").glob("*.py"))
install_import_hook(
    [
        *("ganbench.objectives", "ganbench.targets", "ganbench.metrics"),
        *(f"ganbench.networks.{name}" for name in networks if name != "parameters"),
    ],
    "conftest.checker",
)

from ganbench.training.device import prepare_process  # noqa: E402  the hook must come before what it checks

prepare_process(threads=1)

from ganbench.execution import local  # noqa: E402
from ganbench.execution.machine import machine  # noqa: E402
from ganbench.execution.tasks import Finished, Progress, Task  # noqa: E402
from ganbench.execution.worker import run_job  # noqa: E402


@pytest.fixture(autouse=True)
def unchanged_environment() -> Iterator[None]:
    """Sets the variables back that a command sets for its workers, such as --data."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


def run_here(tasks: list[Task], *_: Any) -> Iterator[Progress | Finished]:
    """The local executor without processes of its own, each of which takes seconds to begin."""
    for task in tasks:
        heard: list[int] = []
        outcomes = run_job(task.job, heard.append)
        for outcome in outcomes:
            outcome.info = {**machine(), **outcome.info}
        yield from (Progress(task.number, iterations) for iterations in heard)
        yield Finished(task.number, outcomes)


@pytest.fixture(autouse=True, scope="session")
def workers_are_this_process() -> Iterator[None]:
    with mock.patch.object(local, "run_local", run_here):
        yield


run_in_processes = local.run_local


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives a test worker processes, as a run has them."""
    monkeypatch.setattr(local, "run_local", run_in_processes)
