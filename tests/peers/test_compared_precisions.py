"""The comparison of precisions trains real seeds, and says nothing where nothing differs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ganbench.execution.diagnosis import BF16
from ganbench.execution.machine import processor
from suites.peers import ensemble
from suites.peers.precision import compared, table, trained
from suites.peers.work import Work


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """ganbench without its compiler: what is proved here does not depend on it, and compiling takes its time."""
    game_of = ensemble.game_of

    def uncompiled(work: Work, width: int):
        game, objective, adam = game_of(work, width)
        return dataclasses.replace(game, compiled=False), objective, adam

    monkeypatch.setattr(ensemble, "game_of", uncompiled)


def test_equal_precisions_have_equal_samples_and_no_difference():
    work = Work("non-saturating", hidden=8, batch=32)
    first, again = trained(work, 6, 4, 3), trained(work, 6, 4, 3)
    rows = compared({"fp32": first, "again": again})
    assert rows[0]["w1"] == rows[1]["w1"] > 0
    assert rows[1]["median_paired_difference"] == 0
    assert len(rows[0]["w1_each"]) == 6
    assert "+0.0000" in table(rows)


def test_a_worse_precision_has_a_higher_w1_and_a_small_p():
    w1 = np.linspace(0.2, 0.4, 32)
    rows = compared({"fp32": (100.0, w1), "bf16": (200.0, w1 + 0.1)})
    assert rows[1]["median_paired_difference"] == pytest.approx(0.1)
    assert rows[1]["p"] < 0.01
    assert "2.00" in table(rows)


@pytest.mark.parametrize(
    ("line", "units"),
    [("flags : sse avx512_bf16 amx_bf16", True), ("flags : sse avx512f", False), ("Features : fp bf16", True)],
)
def test_the_units_for_bfloat16_are_read_off_the_processors_flags(line: str, units: bool, tmp_path: Path):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nmodel name : A 64-core\n{line}\n")
    name, flags = processor(tmp_path / "cpuinfo")
    assert name == "A 64-core"
    assert bool(BF16.keys() & flags) == units


def test_a_round_of_a_run_trains_all_its_ensembles():
    runner = ensemble.sequence_runner(Work("non-saturating", hidden=8, batch=32), {"width": 4}, 6)
    assert runner.replicas == 6
    runner.run(2)
