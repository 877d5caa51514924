"""The figures for papers: every kind that the page has, as SVG and PDF, the same bytes for the same results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from small_runs import ran
from studies import Study

from ganbench.pipeline import Run
from ganbench.report.page.write import page_figures
from ganbench.report.paper import write_figures
from ganbench.store import load_results

__all__ = ["ran"]  # a fixture


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = Study(tmp_path / "tiny")
    for seed in range(6):
        made.add("em[x='$a_1$ <b>']", seed, {"w1": 0.1 + seed / 50})
        made.add("minimax", seed, {"w1": 0.3 + seed / 50}, status="diverged" if seed > 4 else "completed")
    return made


def figures(folder: Path):
    return page_figures(load_results(folder), [folder])


def test_every_figure_of_a_real_run_is_written_in_both_formats(ran: Run, tmp_path: Path):
    drawn = figures(ran.folder)
    assert {f.id.split("-")[0] for f in drawn} >= {"curves", "seeds", "pairs"}
    written = write_figures(drawn, tmp_path / "figures")
    assert {path.name for path in written} == {f"{f.id}.{form}" for f in drawn for form in ("svg", "pdf")}
    assert all(path.stat().st_size > 1000 for path in written)


def test_text_stays_text_and_nothing_of_a_name_is_a_formula(study: Study, tmp_path: Path):
    (path,) = [p for p in write_figures(figures(study.folder), tmp_path) if p.name == "seeds-t0.svg"]
    assert "em[x='$a_1$ &lt;b&gt;']" in path.read_text(encoding="utf-8")


def test_equal_results_give_equal_files(study: Study, tmp_path: Path):
    first, second = (write_figures(figures(study.folder), tmp_path / name) for name in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_an_objective_that_only_failed_has_an_empty_row_of_seeds(study: Study, tmp_path: Path):
    study.add("cramer", 0, status="failed")
    (path,) = [p for p in write_figures(figures(study.folder), tmp_path) if p.name == "seeds-t0.svg"]
    assert ">cramer<" in path.read_text(encoding="utf-8")


def test_the_best_objective_is_the_uppermost_row_of_the_matrix(study: Study, tmp_path: Path):
    (path,) = [p for p in write_figures(figures(study.folder), tmp_path) if p.name == "pairs-t0.svg"]
    # the names of the rows end at their ticks, those of the columns are turned
    found = re.findall(r'text-anchor: end" x="[^"]*" y="([^"]*)"[^>]*>([^<]*)<', path.read_text(encoding="utf-8"))
    heights = {name[:2]: float(y) for y, name in found if not name.replace(".", "").isdigit()}
    assert heights["em"] < heights["mi"]
