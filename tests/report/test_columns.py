"""Which columns a terminal shows: what the field asks first, as far as there is room."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import Study

from ganbench.report.columns import Column, table_columns
from ganbench.report.tables import rank
from ganbench.store import load_results


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "tiny")


TOY = ("w1", "sliced_w1", "energy_distance", "jsd_binned", "kl_modes", "modes_covered", "modes_touched", "high_quality")


def shown(study: Study, width: int) -> list[str]:
    """The second lines of the headings of the printed table."""
    (line,) = (line for line in study.printed(width).splitlines() if line.startswith("#"))
    return line.split()


def test_a_hundred_columns_show_divergence_modes_convergence_and_speed(study: Study):
    for seed in range(8):
        reached = {"reached_iteration": 100.0, "reached_s": 1.0}
        study.add("wasserstein-clip", seed, {**dict.fromkeys(TOY, 0.2 + seed / 100), **reached})
    # each heading ends with its second line: jsd_binned, modes_covered, high_quality, reached w1 and ms
    assert {"binned", "covered", "quality", "0.3", "ms"} <= set(shown(study, 100))


IMAGES = ("kid", "w1", "coverage", "memorisation", "fid", "modes_covered", "recall", "precision")


def images(study: Study) -> None:
    """Replicas on an image target whose numbers are as wide as real ones."""
    for label in ("wasserstein-clip", "em"):
        for seed in range(8):
            reached = {"reached_iteration": 100.0, "reached_s": 1.0}
            values = {**dict.fromkeys(IMAGES, 0.2 + seed / 100), "kid": 0.0123 + seed / 1000, "fid": 12.5}
            fields = {name: {"floor": 0.001} for name in ("kid", "fid")}
            study.add(label, seed, {**values, **reached}, rank_by="kid", beside=fields, quality_metric="kid")


def test_a_hundred_columns_show_of_images_fidelity_modes_divergence_convergence_and_speed(study: Study):
    images(study)
    heading = {name for line in study.printed(100).splitlines()[2:5] for name in line.split()}
    assert {"kid", "fid", "precision", "recall", "modes", "diverged", "reached", "ms"} <= heading
    assert not {"coverage", "memorisation"} & heading


def test_images_per_second_follow_where_there_is_room_before_other_metrics(study: Study):
    images(study)
    assert shown(study, 112)[-2:] == ["ms", "images/s"]


def test_points_have_samples_per_second_and_late(study: Study):
    study.add("em", 0, dict.fromkeys((*TOY, "coverage"), 0.2))
    assert "samples/s" in shown(study, 300)
    assert "samples/s" not in shown(study, 112)


def test_an_arrow_stands_where_it_costs_no_width(study: Study):
    assert [Column(heading, [], 1).lines for heading in ("w1 ↓", "modes_covered ↑", "sliced_w1 ↓", "precision ↑")] == [
        ["", "w1 ↓"],
        ["modes ↑", "covered"],
        ["sliced", "w1 ↓"],
        ["precision", "↑"],
    ]


def test_the_last_column_may_end_at_the_terminal_s_edge(study: Study):
    study.add("em", 0, {"w1": 0.2})
    study.add("em", 1, {"w1": 0.4})
    whole = max(map(len, study.printed(200).splitlines()[3:6]))
    assert shown(study, whole) == shown(study, 200)
    assert shown(study, whole - 1) != shown(study, 200)


def test_a_later_measurement_on_more_samples_is_a_column_of_its_own(study: Study):
    study.add("em", 0, {"w1": 0.25})
    study.measure_later(0, "w1", 0.125, n=5000)
    row = study.ranked().loc["em"]
    assert (row["w1, n = 5,000, measured later"], row["w1, n = 5,000, measured later_floor"], row.value) == (
        0.125,
        0.03,
        0.25,
    )
    assert "measured later ↓" in study.printed(80)


def test_a_later_measurement_that_repeats_training_s_adds_nothing(study: Study):
    study.add("em", 0, {"w1": 0.25})
    before = study.printed(200)
    study.measure_later(0, "w1", 0.25, n=1000)
    assert study.printed(200) == before


def test_a_metric_that_was_only_measured_later_can_rank(study: Study):
    for seed, (label, value) in enumerate({"em": 0.5, "minimax": 0.1}.items()):
        study.add(label, seed, {"w1": 0.2})
        study.measure_later(seed, "energy_distance", value, n=5000)
    assert list(study.ranked(rank_by="energy_distance").index) == ["minimax", "em"]


def test_the_ranked_metric_of_averaged_generators_stands_beside_that_of_the_raw_ones(study: Study):
    for seed in range(8):
        study.add("em", seed, {**dict.fromkeys(TOY, 0.2 + seed / 100), "ema_w1": 0.1, "ema_kl_modes": 0.3})
    ranked = study.printed(100).splitlines()
    (second,) = (i for i, line in enumerate(ranked) if line.startswith("#"))
    assert "w1 ↓" in ranked[second - 1]
    assert "ema" in ranked[second].split()
    assert sum(line.split().count("ema") for line in study.printed(400).splitlines()[: second + 1]) == 2


def test_diagnostics_come_after_everything_else(study: Study):
    for seed in range(8):
        study.add("em", seed, {"duality_gap": 0.5, "critic_slope_mean": 2.0, **dict.fromkeys(TOY, 0.2 + seed / 100)})
    results = load_results(study.folder)
    columns = sorted(table_columns(results, rank(results)), key=lambda column: column.importance)
    assert [column.heading for column in columns[-2:]] == ["duality_gap ↓", "critic_slope_mean ↓"]
