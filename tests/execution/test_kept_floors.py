"""A floor is measured once on a machine, bit for bit the same from disk, and anew where anything could change it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganbench.execution import floors
from ganbench.execution.floors import kept_floor
from ganbench.metrics.modes import KLModes
from ganbench.metrics.transport import W1, SlicedW1
from ganbench.targets.images import Digits
from ganbench.targets.mixtures import Grid25, Ring8


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    kept_floor.cache_clear()
    return tmp_path / "floors"


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process, in which to measure a floor is an error."""

    def refuse(*_: object) -> float:
        raise AssertionError("measured again")

    refuse.__module__ = floors.floor.__module__
    kept_floor.cache_clear()
    monkeypatch.setattr(floors, "floor", refuse)


@pytest.mark.parametrize("metric", [W1(), SlicedW1()])
def test_another_process_reads_the_same_bits(metric: W1 | SlicedW1, request: pytest.FixtureRequest):
    measured = kept_floor(metric, Ring8(), 40)
    assert measured == floors.floor(metric, Ring8(), 40)
    request.getfixturevalue("unmeasured")
    assert kept_floor(metric, Ring8(), 40) == measured


OTHERS = {
    "another number": (W1(), Ring8(), 41),
    "another metric": (SlicedW1(), Ring8(), 40),
    "another target": (W1(), Grid25(), 40),
    "a field of the target": (W1(), Ring8(sd=0.1), 40),
}


@pytest.mark.parametrize(("metric", "target", "n"), OTHERS.values(), ids=OTHERS)
def test_what_is_asked_otherwise_is_measured_for_itself(
    metric: W1, target: Ring8, n: int, request: pytest.FixtureRequest
):
    kept_floor(W1(), Ring8(), 40)
    request.getfixturevalue("unmeasured")
    with pytest.raises(AssertionError, match="measured again"):
        kept_floor(metric, target, n)


@pytest.mark.parametrize("changed", ["sources_version", "version", "execution_identity"])
def test_other_code_libraries_or_instructions_measure_anew(
    changed: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    kept_floor(W1(), Ring8(), 40)
    request.getfixturevalue("unmeasured")
    monkeypatch.setattr(floors, changed, lambda _: "another")
    with pytest.raises(AssertionError, match="measured again"):
        kept_floor(W1(), Ring8(), 40)


def test_a_damaged_file_is_measured_again_and_mended(cache: Path):
    measured = kept_floor(W1(), Ring8(), 40)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    point = whole.index(b".")
    other_digit = whole[: point + 1] + bytes([whole[point + 1] ^ 1]) + whole[point + 2 :]
    assert 0 < json.loads(other_digit)["floor"] != measured
    for damaged in (b"", whole[:-3], b"[]", b'{"floor": null}', b'{"floor": 0.5}', other_digit):
        file.write_bytes(damaged)
        kept_floor.cache_clear()
        assert kept_floor(W1(), Ring8(), 40) == measured
        assert file.read_bytes() == whole


def test_a_set_of_images_keeps_no_floor(cache: Path):
    kept_floor(SlicedW1(), Digits(), 100)
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "file"))
    assert kept_floor(SlicedW1(), Ring8(), 40) == floors.floor(SlicedW1(), Ring8(), 40)


def test_where_a_metric_is_inapplicable_the_reason_is_told():
    from ganbench.targets.manifolds import Moons

    with pytest.raises(ValueError, match="no known mode centres"):
        kept_floor(KLModes(), Moons(), 40)
