"""The page's figures hold the numbers that their words promise, and its data can close no script."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from studies import Study

from ganbench.report.clouds import clouds, failures
from ganbench.report.curves import curves, incidence
from ganbench.report.figures import Figure, distribution, divergences, looks, matrix
from ganbench.report.page.render import json_block
from ganbench.report.ranking import rank
from ganbench.report.verdicts import verdicts
from ganbench.store import load_results


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "tiny")


def made(figure: Figure | None) -> list[dict[str, Any]]:
    assert figure is not None
    return figure.data


def over_training(values: list[list[float]]) -> pd.DataFrame:
    """Rows of replicas of em, a list of values at iterations 100, 200, ... for each."""
    rows = [
        {"label": "em", "seed": seed, "replica_id": str(seed), "iteration": 100 * (i + 1), "value": value}
        for seed, of_seed in enumerate(values)
        for i, value in enumerate(of_seed)
    ]
    about: dict[str, Any] = {
        "metric": "w1",
        "final": False,
        "measured_later": False,
        "floor": 0.1,
        "unit": "",
        "direction": "lower",
    }
    return pd.DataFrame(rows).assign(**about)


def test_a_cell_of_the_matrix_is_the_probability_of_its_row_over_its_column(study: Study):
    for seed in range(6):
        study.add("em", seed, {"w1": 0.1 + seed / 100})
        study.add("minimax", seed, {"w1": 0.9 + seed / 100})
    results = load_results(study.folder)
    (heat,) = made(matrix(rank(results), verdicts(results).query("family == 'pairs'"), "t0"))
    assert heat["y"] == ["em", "minimax"]
    assert heat["z"] == [[None, 1.0], [0.0, None]]
    assert heat["text"][0][1] == "1.00*"


def test_a_curve_is_the_interquartile_mean_its_band_the_middle_half_and_each_replica_is_there():
    _, thin, thick, floor = made(
        curves(over_training([[1, 2], [2, 3], [3, 4], [90, 5]]), "w1", looks(["em"]), "iteration", "t0")
    )
    assert (thick["x"], thick["y"]) == ([100, 200], [2.5, 3.5])
    assert thin["y"] == [1, 2, None, 2, 3, None, 3, 4, None, 90, 5, None]
    assert thin["text"][3] == "em, seed 1"
    assert floor["y"] == [0.1, 0.1]


def test_the_band_has_the_quartiles():
    band, *_ = made(curves(over_training([[v, v] for v in (1, 2, 3, 4, 5)]), "w1", looks(["em"]), "iteration", "t0"))
    assert band["y"] == [4, 4, 2, 2]


def test_a_diverged_replica_never_reaches_the_target_and_counts():
    reached = [
        {"replica_id": str(i), "metric": "reached_iteration", "value": value, "status": status}
        for i, (value, status) in enumerate(
            [(100.0, "completed"), (300.0, "completed"), (math.inf, "completed"), (100.0, "diverged")]
        )
    ]
    about: dict[str, Any] = {"label": "em", "iteration": 500, "quality_target": 0.3, "quality_metric": "w1"}
    (line,) = made(incidence(pd.DataFrame(reached).assign(**about), looks(["em"]), "iteration", "t0"))
    assert (line["x"], line["y"]) == ([0, 100, 300, 500], [0, 0.25, 0.5, 0.5])


def test_divergences_are_drawn_where_they_happened():
    table = pd.DataFrame({"label": ["em", "em"], "seed": [3, 4], "replica_id": ["a", "b"], "diverged_at": [70, 90]})
    (crosses,) = made(divergences(table.assign(status="diverged"), looks(["em"]), "t0"))
    assert (crosses["x"], crosses["text"]) == ([70, 90], ["seed 3", "seed 4"])
    assert divergences(table.assign(status="completed"), looks(["em"]), "t0") is None


def test_the_distribution_has_every_seed_in_the_order_of_the_table(study: Study):
    for seed in range(3):
        study.add("minimax", seed, {"w1": 0.9 + seed / 100})
        study.add("em", seed, {"w1": 0.1 + seed / 100})
    results = load_results(study.folder)
    boxes = made(distribution(results, rank(results), looks(["em", "minimax"]), "t0"))
    assert [(box["name"], box["x"]) for box in boxes] == [("em", [0.1, 0.11, 0.12]), ("minimax", [0.9, 0.91, 0.92])]


def test_the_gallery_has_what_diverged_and_what_ended_worse_than_trivial_the_worst_first(study: Study):
    cloud = {"snapshot/1": np.ones((4, 2), np.float32)}
    for seed, value in enumerate((0.2, 5.0, 7.0)):
        study.add("em", seed, {"w1": value}, arrays=cloud)
    study.add("minimax", 3, status="diverged", arrays=cloud)
    study.add("trivial", 0, {"w1": 1.0}, arrays=cloud)
    results = load_results(study.folder)
    files = {path.stem: path for path in study.folder.glob("*.parquet")}
    gallery = failures(results, rank(results), files)
    assert gallery is not None
    shown = [(panel["label"], panel["which"], panel["note"]) for panel in gallery["panels"]]
    assert shown == [("minimax", "seed 3", "diverged"), ("em", "seed 2", ""), ("em", "seed 1", "")]


def test_the_samples_are_of_the_median_and_the_worst_replica(study: Study):
    for seed, value in enumerate((0.2, 0.9, 0.5)):
        study.add("em", seed, {"w1": value}, arrays={"snapshot/1": np.ones((4, 2), np.float32)})
    results = load_results(study.folder)
    shown = clouds(results, rank(results), {path.stem: path for path in study.folder.glob("*.parquet")})
    assert shown is not None
    assert [panel["which"] for panel in shown["panels"]] == ["median seed 2", "worst seed 1"]


@pytest.mark.parametrize("text", ["</script><b>", "<!--<script>", "a & b \u2028"])
def test_data_in_the_page_can_close_no_element_and_are_read_back_as_they_were(text: str):
    block = str(json_block({"name": text}))
    assert not set("<>&\u2028") & set(block)
    assert json.loads(block) == {"name": text}


def test_a_number_that_is_none_is_refused_in_the_page_s_data():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_block([math.nan])
