"""`report`, `compare` and `merge` on good folders and on every bad one: a clear line and 2, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from stored import made
from studies import Study

from ganbench.cli import main
from ganbench.store import load_results, write_record
from ganbench.store.container import SCHEMA


def ganbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def good(folder: Path, shift: float = 0.0) -> Path:
    """Eight seeds of two objectives."""
    study = Study(folder)
    for seed in range(8):
        for label in ("em", "minimax"):
            study.add(label, seed, {"w1": 0.5 + seed / 100 + shift})
    return folder


def truncated(folder: Path) -> None:
    path = next(good(folder).glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-9])


def corrupt(folder: Path) -> None:
    path = next(good(folder).glob("*.parquet"))
    content = path.read_bytes()
    path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])


def newer(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganbench.store.replicas.SCHEMA", SCHEMA + 1)
        Study(folder).add("em", 0, {"w1": 0.5})


def empty(folder: Path) -> None:
    folder.mkdir()


BAD = {"empty": (empty, "no stored replica here"), "truncated": (truncated, "truncated, or no result|corrupt")}
BAD |= {"corrupt": (corrupt, "corrupt"), "newer": (newer, "upgrade ganbench")}

COMMANDS: dict[str, Callable[[Path, Path, Path], Result]] = {
    "report": lambda bad, good, out: ganbench("report", "--format", "text", bad),
    "report of two": lambda bad, good, out: ganbench("report", "--format", "text", good, bad),
    "compare before": lambda bad, good, out: ganbench("compare", bad, good),
    "compare after": lambda bad, good, out: ganbench("compare", good, bad),
    "merge": lambda bad, good, out: ganbench("merge", good, bad, "-o", out),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(("spoil", "told"), BAD.values(), ids=BAD)
def test_a_folder_that_cannot_be_read_is_one_message_that_names_it_and_exit_code_2(
    tmp_path: Path, spoil: Callable[[Path], None], told: str, command: Callable[[Path, Path, Path], Result]
):
    spoil(tmp_path / "bad")
    found = command(tmp_path / "bad", good(tmp_path / "good"), tmp_path / "out")
    assert (found.exit_code, found.stdout) == (2, "")
    assert len(found.stderr.splitlines()) == 1
    assert f"Error: {tmp_path / 'bad'}" in found.stderr
    assert any(part in found.stderr for part in told.split("|"))
    assert not (tmp_path / "out").exists()


def single_seed(study: Study) -> None:
    study.add("em", 0, {"w1": 0.5})
    study.add("minimax", 0, {"w1": 0.6})


def all_diverged(study: Study) -> None:
    for seed in range(8):
        study.add("em", seed, status="diverged")


def one_objective(study: Study) -> None:
    for seed in range(8):
        study.add("em", seed, {"w1": 0.5})


def all_failed(study: Study) -> None:
    study.add("em", 0, status="failed")


SCARCE = {
    "a single seed": (single_seed, "0.500 ± —", "too few seeds"),
    "all diverged": (all_diverged, "8/8", "8 → 8"),
    "one objective": (one_objective, "0/8", "0 → 0"),
    "all failed": (all_failed, "INCOMPLETE: 1 failed", "no replica has a w1 that can be compared"),
}


@pytest.mark.parametrize(("fill", "reported", "compared"), SCARCE.values(), ids=SCARCE)
def test_scarce_results_are_reported_compared_and_merged_and_say_what_is_not_known(
    tmp_path: Path, fill: Callable[[Study], None], reported: str, compared: str
):
    fill(Study(tmp_path / "a"))
    merged = ganbench("merge", tmp_path / "a", "-o", tmp_path / "c")
    # the default, which writes the page as well
    report, compare = ganbench("report", tmp_path / "c"), ganbench("compare", tmp_path / "a", tmp_path / "c")
    assert (merged.exit_code, report.exit_code, compare.exit_code) == (0, 0, 0)
    assert reported in report.stdout
    assert compared in compare.stdout


def test_a_comparison_fails_a_build_where_something_is_worse_and_only_then(tmp_path: Path):
    before, after = good(tmp_path / "before"), good(tmp_path / "after", shift=0.5)
    worse = ganbench("compare", before, after, "--fail-on-regression")
    assert (worse.exit_code, worse.stderr) == (3, "worse than before: em on ring8, minimax on ring8\n")
    assert "| much worse |" in worse.stdout
    assert ganbench("compare", before, after).exit_code == 0
    assert ganbench("compare", after, before, "--fail-on-regression").exit_code == 0


def test_a_build_is_not_passed_by_folders_without_a_common_cell(tmp_path: Path):
    one, other = Study(tmp_path / "one"), Study(tmp_path / "other")
    one.add("em", 0, {"w1": 0.5})
    other.add("minimax", 0, {"w1": 0.5})
    found = ganbench("compare", one.folder, other.folder, "--fail-on-regression")
    assert found.exit_code == 2
    assert "no cell in common" in found.stderr


WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from ganbench.cli import main; main(sys.argv[1:])"


def test_a_page_with_its_figures_is_made_where_torch_cannot_be_imported_and_made_again(tmp_path: Path):
    folder, figures = good(tmp_path / "tiny"), tmp_path / "figures"
    command = [sys.executable, "-c", WITHOUT_TORCH, "report", str(folder), "--figures", str(figures)]
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True)
        assert "em is first by w1" in (folder / "report.html").read_text(encoding="utf-8")
        assert {"pairs-t0.pdf", "pairs-t0.svg"} <= {path.name for path in figures.iterdir()}


def test_a_folder_of_another_suite_is_not_compared(tmp_path: Path):
    other = Study(tmp_path / "other")
    other.add("em", 0, {"w1": 0.5}, suite="digits")
    found = ganbench("compare", good(tmp_path / "good"), other.folder)
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert "holds the suite digits" in found.stderr


def test_two_folders_are_reported_under_the_labels_that_are_given(tmp_path: Path):
    folders, out = (good(tmp_path / "a"), good(tmp_path / "b")), tmp_path / "both.html"
    found = ganbench("report", *folders, "--label", "old", "--label", "new", "-o", out)
    assert "em · old" in out.read_text(encoding="utf-8")
    assert "em · old" in found.stdout
    assert "minimax · new" in found.stdout


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "latex"])
def test_a_report_goes_into_a_file_that_holds_what_would_be_printed(tmp_path: Path, form: str):
    folder, file = good(tmp_path / "good"), tmp_path / "out"
    printed = ganbench("report", folder, "--format", form).stdout
    assert ganbench("report", folder, "--format", form, "-o", file).stdout == ""
    assert file.read_text(encoding="utf-8") == printed
    assert "minimax" in printed


def test_parquet_goes_into_a_file_and_never_onto_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, file = good(tmp_path / "good"), tmp_path / "ranked.parquet"
    assert ganbench("report", folder, "--format", "parquet", "-o", file).exit_code == 0
    assert pd.read_parquet(file).label.tolist() == ["em", "minimax"]
    monkeypatch.setattr("ganbench.cli.results.on_terminal", lambda: True)
    refused = ganbench("report", folder, "--format", "parquet")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "-o FILE" in refused.stderr


def test_a_file_in_no_folder_is_refused(tmp_path: Path):
    found = ganbench("report", good(tmp_path / "good"), "-o", tmp_path / "none" / "out")
    assert found.exit_code == 2
    assert "is no folder" in found.stderr


def test_a_corrupt_record_is_a_warning_beside_the_report(tmp_path: Path):
    folder = good(tmp_path / "good")
    bad = write_record(folder, made())
    bad.write_bytes(b"{}")
    found = ganbench("report", "--format", "text", folder)
    assert found.exit_code == 0
    assert "warning: what a run planned is not known" in found.stderr
    assert bad.name in found.stderr


def test_a_merge_says_what_it_holds(tmp_path: Path):
    found = ganbench("merge", good(tmp_path / "a"), "-o", tmp_path / "c")
    assert found.stdout.startswith("16 replicas, 0 later measurements, 0 records of runs\n")
    assert len(load_results(tmp_path / "c")) == 16
