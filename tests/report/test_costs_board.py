"""Every row says what it costs and on what: on the terminal, in Markdown and CSV, and under "How fast" on the page."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from studies import Study

from ganbench.report.board import Board
from ganbench.report.costs_board import costs
from ganbench.report.page.write import write_page
from ganbench.report.ranking import latest, rank
from ganbench.report.tables import to_csv, to_markdown
from ganbench.store import load_results

COSTS = {"compile_s": 12.5, "evaluation_s": 0.25, "peak_memory_mb": 300.0}
PLACE = {"device": "cpu", "precision": "fp32", "width": 8, "threads": 1}
HEADINGS = {"iterations/s", "samples/s", "compile s", "evaluation s", "peak MB", "device", "arithmetic", "R", "threads"}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    found = Study(tmp_path / "tiny")
    for seed in range(2):
        found.add("em", seed, {"w1": 0.2}, info=COSTS, execution=PLACE)
        found.add("trivial", seed, {"w1": 0.9}, info={"iteration_s": None, "samples_per_s": None}, execution=PLACE)
    return found


def made(study: Study) -> Board:
    results = load_results(study.folder)
    found = costs(latest(results), rank(results))
    assert found is not None, "something was timed"
    return found


def row(study: Study, label: str) -> dict[str, str]:
    table = made(study)
    (cells,) = (cells for _, cells in table.rows if cells[0].text == label)
    return dict(zip((heading.name for heading in table.headings), (cell.text for cell in cells), strict=True))


def test_the_page_has_a_row_of_costs_for_every_cell(study: Study):
    told = row(study, "em")
    assert (told["ms per iteration"], told["iterations/s"], told["samples/s"]) == ("0.400", "2,500", "1,280,000")
    assert (told["compile s"], told["evaluation s"], told["peak MB"]) == ("12.5", "0.250", "300")
    assert (told["device"], told["arithmetic"], told["R"], told["threads"]) == ("cpu", "fp32", "8", "1")


def test_what_was_not_trained_has_no_speed_and_ran_on_nothing(study: Study):
    told = row(study, "trivial")
    assert {told[name] for name in ("iterations/s", "samples/s", "compile s", "device", "R")} == {"—"}


def test_two_machines_of_one_cell_stand_side_by_side(study: Study):
    study.add("em", 2, {"w1": 0.2}, execution={**PLACE, "threads": 2, "device": "NVIDIA H200"})
    assert (row(study, "em")["threads"], row(study, "em")["device"]) == ("1, 2", "cpu, NVIDIA H200")


def test_where_nothing_was_timed_there_is_no_table_of_costs(tmp_path: Path):
    study = Study(tmp_path / "tiny")
    study.add("oracle", 0, {"w1": 0.9}, info={"iteration_s": None})
    results = load_results(study.folder)
    assert costs(latest(results), rank(results)) is None


def test_the_widest_table_and_markdown_have_every_cost(study: Study):
    line = next(line for line in study.printed(300).splitlines() if line.startswith("#"))
    assert {"iterations/s", "samples/s", "device", "arithmetic", "R", "threads"} <= set(line.split())
    markdown = to_markdown(load_results(study.folder)).splitlines()[2]
    assert {cell.strip() for cell in markdown.split("|")} >= HEADINGS


def test_the_csv_has_every_cost(study: Study):
    (em,) = (r for r in csv.DictReader(io.StringIO(to_csv(load_results(study.folder)))) if r["label"] == "em")
    assert float(em["iterations_per_s"]) == pytest.approx(2500)
    assert (float(em["compile_s"]), float(em["evaluation_s"])) == (12.5, 0.25)
    assert (em["device"], em["arithmetic"], em["width"], em["threads"]) == ("cpu", "fp32", "8", "1")


def test_wherever_a_throughput_stands_a_sentence_says_what_it_leaves_out(study: Study):
    results, said = load_results(study.folder), "Speeds leave out compilation, warm-up and evaluation"
    page = write_page(results, [study.folder], study.folder / "report.html").read_text()
    speed = page[page.index('id="speed"') : page.index('id="meaning"')]
    assert said in speed
    assert "iterations/s" in speed
    assert said in to_markdown(results)
    assert said in " ".join(study.printed(300).split())
