"""Several folders in one report, tables in other formats, and a run ranked among results that are there already."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from stored import result
from studies import Study, three_objectives

import ganbench
from ganbench import store
from ganbench.report.against import read_reference, told_apart
from ganbench.report.latex import latex, to_latex
from ganbench.report.page.write import write_page
from ganbench.report.ranking import rank
from ganbench.report.several import folder_labels, gathered
from ganbench.report.tables import to_csv, to_parquet
from ganbench.store import StoreError, load_results


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = Study(tmp_path / "tiny")
    three_objectives(made)
    return made


def test_two_folders_of_the_same_replicas_are_ranked_side_by_side_under_their_labels(study: Study):
    results = load_results(study.folder)
    ranked = rank(gathered({"old": results, "new": results})).set_index("label")
    assert ranked.value["em · old"] == ranked.value["em · new"] == rank(results).set_index("label").value["em"]
    assert ranked.completed.tolist() == [8] * 6
    assert ranked.superseded.sum() == 0


def test_the_samples_of_several_folders_are_drawn_each_from_its_own(tmp_path: Path):
    folders = [tmp_path / name / "tiny" for name in ("old", "new")]
    for shift, folder in enumerate(folders):
        study = Study(folder)
        for seed in range(2):
            cloud = np.array([[seed, shift], [3, 3]], np.float32)
            study.add("em", seed, {"w1": 0.1 + seed}, arrays={"snapshot/1": cloud})
    both = gathered({folder.parent.name: load_results(folder) for folder in folders})
    page = write_page(both, folders, tmp_path / "both.html", labels=["old", "new"]).read_text(encoding="utf-8")
    drawn = json.loads(re.findall(r'data-clouds="clouds-t0">(.*?)</script>', page)[0])
    points = {(panel["label"], panel["which"]): panel["clouds"]["1"] for panel in drawn["panels"]}
    assert len(points) == len(set(points.values())) == 4
    assert {label for label, _ in points} == {"em · old", "em · new"}


def test_a_folder_s_label_is_its_name_with_as_many_parents_as_tell_it_apart():
    assert folder_labels([Path("a/toy2d"), Path("a/digits")], ()) == ["toy2d", "digits"]
    assert folder_labels([Path("old/toy2d"), Path("new/toy2d")], ()) == ["old/toy2d", "new/toy2d"]


@pytest.mark.parametrize(
    ("labels", "told"), [(("one",), "1 labels for 2 folders"), (("one", "one"), '"one" twice')], ids=["few", "equal"]
)
def test_labels_that_do_not_tell_folders_apart_are_refused(labels: tuple[str, ...], told: str):
    with pytest.raises(ValueError, match=told):
        folder_labels([Path("a"), Path("b")], labels)


def test_one_folder_given_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        folder_labels([Path("a"), Path("b/../a")], ())


def test_parquet_holds_the_table_of_rank(study: Study):
    results = load_results(study.folder)
    found, expected = (
        table.astype(object).where(table.notna(), None)  # a file has one kind of nothing, pandas has several
        for table in (pd.read_parquet(io.BytesIO(to_parquet(results))), rank(results))
    )
    pd.testing.assert_frame_equal(found, expected)


def test_parquet_of_a_study_that_all_diverged_is_a_table_too(tmp_path: Path):
    made = Study(tmp_path)
    made.add("em", 0, status="diverged")
    assert pd.read_parquet(io.BytesIO(to_parquet(load_results(made.folder)))).label.tolist() == ["em"]


def test_latex_has_as_many_cells_in_every_row_as_columns(study: Study):
    text = to_latex(load_results(study.folder))
    columns = re.search(r"\\begin{tabular}{(\w+)}", text)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert columns
    assert [len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows] == [
        len(columns[1])
    ] * 5  # heading, floor, three rows


def test_latex_is_plain_ascii_whatever_the_table_shows(study: Study):
    study.add("wasserstein-gp", 0, status="diverged")
    assert to_latex(load_results(study.folder)).isascii()


def test_a_label_is_no_command_of_latex():
    assert latex(r"a_b & 50% \input{x} #1 $y$ ~^") == (
        r"a\_b \& 50\% \textbackslash{}input\{x\} \#1 \$y\$ \textasciitilde{}\textasciicircum{}"
    )


def test_tables_are_a_public_module(study: Study):
    results = ganbench.load_results(study.folder)
    pd.testing.assert_frame_equal(ganbench.tables.rank(results), rank(results))
    assert ganbench.tables.to_csv(results) == to_csv(results)


def definition(**changes: Any) -> dict[str, Any]:
    """A replica that a plan asks for; `changes` replace parts of its cell."""
    made = result(0).definition
    evaluation = {"samples": 500, "final_samples": 1000, "metrics": ["w1"]}
    cell = {"network": None, "optimiser": {"name": "adam"}, "batch": 128, "latent": 2, "evaluation": evaluation}
    return {**made, "cell": {**made["cell"], **cell, **changes}}


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """Results of em on ring8, eight seeds."""
    final = result(0).rows[1]
    for seed in range(8):
        about = {**definition(), "seed": seed, "replica_id": f"{seed + 1:016x}"}
        rows = [replace(final, value=0.2 + seed / 100, flag="", instrument="")]
        store.write(tmp_path / "reference", result(seed, definition=about, rows=rows))
    return tmp_path / "reference"


def test_a_run_is_ranked_among_the_results_of_a_folder_which_are_named(reference: Path, tmp_path: Path):
    for seed in range(8):
        about = {
            **definition(objective={"name": "mine", "fields": {}}),
            "label": "mine",
            "cell_id": "ace",
            "seed": seed,
        }
        rows = [replace(result(0).rows[1], value=0.1 + seed / 1000, flag="", instrument="")]
        store.write(tmp_path / "own", result(definition={**about, "replica_id": f"{seed + 77:016x}"}, rows=rows))
    beside = read_reference(reference, [definition()])
    both = beside.ranked_with(load_results(tmp_path / "own"))
    assert rank(both).label.tolist() == ["mine", "em · reference"]
    assert told_apart(both) == ["ring8: mine against the reference: much better: em."]


def test_a_reference_is_matched_by_what_a_target_is_and_takes_the_run_s_name_for_it(reference: Path):
    asked = {**definition(), "target_label": "my ring"}
    assert set(read_reference(reference, [asked]).results.target) == {"my ring"}


NOT_COMPARABLE = {
    "another target": ({"target": {"name": "ring8", "fields": {"radius": 3.0}}}, "no such target"),
    "another evaluation": (
        {"evaluation": {"samples": 500, "final_samples": 5000, "metrics": ["w1"]}},
        "evaluation.final_samples: 1000 → 5000",
    ),
}


@pytest.mark.parametrize(("changes", "told"), NOT_COMPARABLE.values(), ids=NOT_COMPARABLE)
def test_what_cannot_stand_beside_a_run_is_refused_with_the_reason(reference: Path, changes: dict[str, Any], told: str):
    with pytest.raises(StoreError, match=told):
        read_reference(reference, [definition(**changes)])


def test_metrics_that_only_one_of_both_has_do_not_part_them(reference: Path):
    more = {"samples": 500, "final_samples": 1000, "metrics": ["w1", "sliced_w1"], "diagnostics": ["critic_slope"]}
    assert len(read_reference(reference, [definition(evaluation=more)]).results)


def test_what_was_not_held_equal_with_the_reference_is_told(reference: Path):
    assert read_reference(reference, [definition(batch=256)]).notes == (
        "ring8: NOT held equal with the reference: training.batch: 128 → 256",
    )
    assert read_reference(reference, [definition()]).notes == ()


def test_a_reference_of_another_suite_is_refused(reference: Path):
    with pytest.raises(StoreError, match="holds the suite tiny, not digits"):
        read_reference(reference, [{**definition(), "suite": "digits"}])


def test_a_run_in_another_environment_than_the_reference_is_told(reference: Path):
    beside = read_reference(reference, [definition()])
    (own, *_) = beside.stored
    execution = {**own.payload["definition"]["execution"], "width": 16}
    other = replace(own, payload={**own.payload, "definition": {**own.payload["definition"], "execution": execution}})
    assert beside.differences([own]) == []
    assert beside.differences([other]) == ["width: 8 → 16"]
