"""The executor on a cluster without one of three nodes: what it refuses, writes and mirrors, and a cluster of one."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import tiny
from tiny import numbers

from ganbench import pipeline
from ganbench.execution import cluster
from ganbench.execution.node import Mirror
from ganbench.execution.worker import Job, set_aside_path
from ganbench.suite import parse_suite

ray = pytest.importorskip("ray", reason="Ray is not installed; pip install 'ganbench[ray]'")

SUITE = parse_suite(tiny.SUITE)


def test_a_cluster_of_one_processor_gives_the_bits_of_this_machine(tmp_path: Path):
    changes: Any = {"objectives": ["minimax"], "targets": ["ring8"], "device": "cpu"}
    pipeline.run(SUITE, results=tmp_path / "local" / "results", **changes)
    ray.init("local", num_cpus=1, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False)
    try:
        pipeline.run(SUITE, results=tmp_path / "ray" / "results", executor="ray", **changes)
    finally:
        ray.shutdown()
    assert numbers(tmp_path / "ray") == numbers(tmp_path / "local")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:1", "no answer .* start Ray there"),
        ("ray://10.0.0.1:10001", "expected HOST:PORT"),
        ("10.0.0.1", "expected HOST:PORT"),
    ],
)
def test_an_address_without_a_cluster_is_refused_at_once(address: str, expected: str, tmp_path: Path):
    with pytest.raises(ValueError, match=expected):
        pipeline.run(SUITE, results=tmp_path, device="cpu", executor="ray", address=address)
    assert not (tmp_path / "tiny" / "runs").exists()


def test_what_a_node_wrote_is_on_the_disk_before_it_has_its_name_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fsync(file: int) -> None:
        kept.append([path.name for path in tmp_path.rglob("*.safetensors")])
        real(file)

    kept, real = list[list[str]](), os.fsync
    monkeypatch.setattr(os, "fsync", fsync)
    cluster._write({str(tmp_path / "checkpoints" / "a.safetensors"): b"content"})
    assert kept == [[], ["a.safetensors"]]  # first the content, then its name
    assert (tmp_path / "checkpoints" / "a.safetensors").read_bytes() == b"content"
    cluster._write({str(tmp_path / "checkpoints" / "a.safetensors"): None})
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_disk_that_refuses_what_a_node_wrote_is_told_with_its_path_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as caught:
        cluster._write({str(tmp_path / "a.safetensors"): b"content"})
    assert caught.value.filename == str(tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_mirror_tells_each_change_of_a_file_once(tmp_path: Path):
    mirror = Mirror(Job((), "cpu", "there/checkpoint", "there/trace"), tmp_path, b"before")
    here = Path(mirror.job.checkpoint)
    assert here.read_bytes() == b"before"
    assert mirror.changed() == {}
    (tmp_path / "new").write_bytes(b"after!")
    os.replace(tmp_path / "new", here)
    Path(mirror.job.trace).write_bytes(b"trace")
    assert mirror.changed() == {"there/checkpoint": b"after!", "there/trace": b"trace"}
    assert mirror.changed() == {}
    here.unlink()
    assert mirror.changed() == {"there/checkpoint": None}


def test_a_mirror_tells_of_a_checkpoint_that_was_set_aside_under_the_name_that_the_worker_says(tmp_path: Path):
    mirror = Mirror(Job((), "cpu", "there/a.safetensors"), tmp_path, b"damaged")
    here = Path(mirror.job.checkpoint)
    here.rename(set_aside_path(here))
    changed = mirror.changed()
    assert list(changed.items()) == [("there/a.safetensors.damaged", b"damaged"), ("there/a.safetensors", None)]
    assert set_aside_path(here).name == "a.safetensors.damaged"
