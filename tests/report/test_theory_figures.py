"""The figures of findings: what they draw, that all have one, and the page that holds them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from studies import Study

from ganbench import catalogue
from ganbench.report.figures import Figure
from ganbench.report.tables import write_report
from ganbench.report.theory_dirac import dirac_gan
from ganbench.report.theory_figures import (
    DRAWINGS,
    duality_gaps,
    em_bank,
    figures,
    optimal_discriminator,
    sample_gradients,
    wasserstein_critics,
)
from ganbench.store import ReplicaResult, load_results, read, write

HALVING = 0.5 ** np.arange(4)[:, None] * np.array([[1.0, -1.0]])
DIRAC = {
    "trajectories": np.broadcast_to(HALVING, (1, 2, 4, 2)),
    "grid": np.linspace(-2, 2, 3),
    "flow": np.ones((1, 3, 3, 2)),
}
DISCRIMINATOR = {
    "points": np.linspace(-1, 1, 40)[None],
    "optimal": np.full((1, 40), 0.5),
    "learned": np.full((1, 40), 0.25),
    "generators": np.array([[1.0, 2.0]]),
    "path": np.array([[1.0, 1.0], [0.0, 1.0]]),
    "value": np.array([-1.2, -math.log(4)]),
    "jsd": np.array([0.1, 0.0]),
}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def add(study: Study, name: str, arrays: dict[str, np.ndarray], subjects: tuple[str, ...] = ("minimax",)) -> Path:
    """The file of a finding of one comparison that holds."""
    metric = f"law | {subjects[0]} | about"
    study.add(name, study.count, {metric: 1.0}, arrays=arrays, beside={metric: {"instrument": "= source"}})
    path = study.folder / f"{study.count:016x}.parquet"
    stored = read(path)
    path.unlink()  # a file that is complete would be kept
    info = {**stored.info, "subjects": list(subjects)}
    return write(study.folder, ReplicaResult(stored.definition, "completed", stored.rows, info, dict(arrays)))


def drawn(study: Study) -> dict[str, Figure]:
    """Id -> figure of everything in the folder."""
    files = {path.stem: path for path in study.folder.glob("*.parquet")}
    return {figure.id: figure for figure in figures(load_results(study.folder), files)}


def test_every_registered_finding_has_a_figure():
    assert set(DRAWINGS) == set(catalogue.FINDINGS.names())


def test_the_value_at_the_optimum_stands_against_the_line_of_theory():
    (figure,) = (f for f in optimal_discriminator(DISCRIMINATOR, ["minimax"]) if f.id == "value-against-jsd")
    line, measured = figure.data
    assert (line["x"], line["y"]) == ([0.0, 0.1], pytest.approx([-math.log(4), -math.log(4) + 0.2], abs=1e-4))
    assert (measured["x"], measured["y"]) == ([0.1, 0.0], pytest.approx([-1.2, -math.log(4)], abs=1e-4))


def test_what_was_learned_is_drawn_beside_the_optimum_of_the_same_generator():
    figure = next(iter(optimal_discriminator(DISCRIMINATOR, ["minimax"])))
    told = {trace["name"]: set(trace["y"]) for trace in figure.data}
    assert told == {"D*, p_g = N(1, 2²)": {0.5}, "learned, p_g = N(1, 2²)": {0.25}}


def test_a_portrait_of_the_dirac_gan_starts_at_its_circle_and_ends_at_its_diamond():
    portraits, _ = dirac_gan(DIRAC, ["minimax"])
    ends = [trace for trace in portraits.data if trace["mode"] == "markers"]
    assert [(trace["x"], trace["y"]) for trace in ends] == [([1.0, 0.125], [-1.0, -0.125])] * 2
    assert ends[0]["marker"]["symbol"] == ["circle", "diamond"]


SAMPLE_GRADIENTS = {
    "theta": np.array([0.2, 0.8]),
    "samples": np.array([1, 10]),
    "p": np.array([0.6, 0.9]),
    "wasserstein": np.array([[-0.2, -0.2], [-1.0, -0.5]]),
    "wasserstein_truth": np.array([[-1.0, 1.0], [-1.0, -1.0]]),
    "cramer": np.array([[-0.8, 0.4], [-1.4, -0.2]]),
    "cramer_truth": np.array([[-0.8, 0.4], [-1.4, -0.2]]),
}
EM_BANK = {
    "temperatures": np.array([1.0, 1e6]),
    "latents": np.array([64]),  # as the store gives back a number without axes
    "likelihood": np.array([[-2.0, -1.0], [-2.0, -0.5]]),
    "effective_sample_size": np.array([[20.0, 30.0], [64.0, 64.0]]),
}
GAPS = {
    "grid": np.array([-1.0, 0.0, 1.0]),
    "gap": np.array([[2.0, 1.0, 2.0], [1.5, 0.0, 1.5], [2.0, 1.0, 2.0]]),
    "mu": np.array([0.0, 1.0]),
    "maximum": np.array([0.0, 0.1114]),
    "jsd": np.array([0.0, 0.1114]),
}


def test_expected_sample_gradients_are_marks_and_the_truth_is_a_line_for_each_case_side_by_side():
    (figure,) = sample_gradients(SAMPLE_GRADIENTS, [])
    told = [(trace["xaxis"], trace["name"], trace["mode"], trace["y"]) for trace in figure.data]
    assert told[:2] == [
        ("x", "W1, truth", "lines", [-1.0, 1.0]),
        ("x", "W1, expected from samples", "markers", [-0.2, -0.2]),
    ]
    assert [place for place, *_ in told] == ["x"] * 4 + ["x2"] * 4
    assert [words["text"] for words in figure.layout["annotations"]] == ["p = 0.6, m = 1", "p = 0.9, m = 10"]


def test_the_likelihood_of_em_stands_above_its_effective_sample_size():
    (figure,) = em_bank(EM_BANK, ["em"])
    assert [(trace["yaxis"], trace["y"]) for trace in figure.data if trace["name"] == "T = 1"] == [
        ("y", [-2.0, -1.0]),
        ("y2", [20.0, 30.0]),
    ]
    assert figure.layout["yaxis"]["domain"][0] > figure.layout["yaxis2"]["domain"][1]


def test_the_duality_gap_has_theta_to_the_right_and_psi_upwards():
    heat = next(iter(duality_gaps(GAPS, []))).data[0]
    # rows of z go upwards; the array has theta first
    assert heat["z"][1][0] == 1.0
    assert heat["z"][0][1] == 1.5


def test_the_axis_of_gaps_over_w1_holds_a_critic_that_is_far_off():
    (figure,) = wasserstein_critics({"gap_over_w1": np.array([1.0, 3.0])}, [])
    assert figure.layout["yaxis"]["range"][1] > 3


def test_radii_are_distances_from_the_equilibrium_on_a_logarithmic_axis():
    _, radii = dirac_gan(DIRAC, ["minimax"])
    assert radii.data[0]["y"] == pytest.approx(math.sqrt(2) * 0.5 ** np.arange(4), rel=1e-4)
    assert {radii.layout[axis]["type"] for axis in ("yaxis", "yaxis2")} == {"log"}


def test_a_radius_of_0_has_a_place_on_a_logarithmic_axis():
    still = {**DIRAC, "trajectories": np.zeros((1, 2, 4, 2))}
    _, radii = dirac_gan(still, ["minimax"])
    assert all(value > 0 for value in radii.data[0]["y"])


def test_simultaneous_stands_left_of_alternating():
    portraits, _ = dirac_gan(DIRAC, ["minimax"])
    assert portraits.layout["xaxis"]["domain"][1] < portraits.layout["xaxis2"]["domain"][0]
    assert [portraits.layout[axis]["title"]["text"] for axis in ("xaxis", "xaxis2")] == [
        "θ, simultaneous",
        "θ, alternating, G first",
    ]


def test_findings_are_drawn_in_the_order_of_the_catalogue(study):
    add(study, "optimal-discriminator", DISCRIMINATOR)
    add(study, "dirac-gan", DIRAC)
    assert list(drawn(study)) == ["dirac-portraits", "dirac-radii", "learned-discriminator", "value-against-jsd"]


def test_of_several_seeds_the_lowest_is_drawn(study):
    add(study, "optimal-discriminator", DISCRIMINATOR)
    add(study, "optimal-discriminator", {**DISCRIMINATOR, "value": np.zeros(2)})
    assert drawn(study)["value-against-jsd"].data[1]["y"][0] == -1.2


def test_arrays_that_were_left_behind_leave_no_figure(study):
    add(study, "dirac-gan", DIRAC).with_suffix(".safetensors").unlink()
    assert drawn(study) == {}


def test_a_number_that_is_none_is_a_gap(study):
    add(study, "optimal-discriminator", {**DISCRIMINATOR, "value": np.array([np.nan, -1.3])})
    assert drawn(study)["value-against-jsd"].data[1]["y"] == [None, -1.3]


def test_a_report_of_findings_has_a_page_with_every_figure(study):
    add(study, "dirac-gan", DIRAC)
    page = next(path for path in write_report(study.folder) if path.name == "report.html").read_text(encoding="utf-8")
    assert all(f'<div id="{name}"' in page for name in drawn(study))


def test_a_report_without_findings_has_no_section_of_theory(study):
    study.add("em", 0, {"w1": 0.2})
    (page,) = (path for path in write_report(study.folder) if path.name == "report.html")
    assert 'id="theory"' not in page.read_text(encoding="utf-8")


def test_an_objective_cannot_add_an_element_to_the_page(study):
    add(study, "dirac-gan", DIRAC, ("<img src=x>",))
    (page,) = (path for path in write_report(study.folder) if path.name == "report.html")
    assert "<img src=x>" not in page.read_text(encoding="utf-8")


def test_a_law_that_fails_is_an_alarm_on_the_page(study):
    metric = "law | minimax | about"
    study.add("dirac-gan", 0, {metric: 1.0}, beside={metric: {"instrument": "= source", "flag": "fails"}})
    (page,) = (path for path in write_report(study.folder) if path.name == "report.html")
    assert 'role="alert">tiny · dirac-gan · 0 of 1 comparisons hold: a law fails' in page.read_text(encoding="utf-8")
