"""Tuning: equal and repeatable trials, scores and places, the best to expect, winners that load as a suite."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ganbench.report import tuning as told
from ganbench.suite import apply_overrides, parse_suite, resolve
from ganbench.tuning import Tuning, contenders, trial_suite, tune

TEXT = """\
name = "tiny"
seeds = 3
targets = ["ring8"]
objectives = ["non-saturating", "wasserstein-clip"]
baselines = ["oracle"]
network = "mlp[width=8,depth=1]"
[budget]
currency = "gradient_steps"
amount = 12
[training]
batch = 32
[execution]
compiled = false
width = 4
[evaluation]
times = 1
samples = 32
final_samples = 50
metrics = ["w1"]
rank_by = "w1"
[defaults.wasserstein-clip]
optimiser = "rmsprop"
[search."*"]
lr_d = "loguniform(1e-5,1e-1)"
lr_g = "loguniform(1e-5,1e-1)"
[search.wasserstein-clip]
clip = "loguniform(1e-3,1)"
d_steps = [1, 5]
[tuning]
trials = 3
seeds = "1000:1002"
"""


def of(objectives: str, trials: int | None = None):
    return contenders(parse_suite(TEXT.replace('"non-saturating", "wasserstein-clip"', objectives)), trials)


def scores(*rows: tuple[str, str, int, float, int], direction: str = "lower") -> pd.DataFrame:
    return told.scored(pd.DataFrame(rows, columns=["label", "target", "trial", "value", "lost"]), direction)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    return tune(parse_suite(TEXT), results=tmp_path_factory.mktemp("results"), device="cpu", workers=1)


def test_every_objective_has_the_same_number_of_trials() -> None:
    assert [len(c.trials) for c in of('"non-saturating", "wasserstein-gp[d_steps=[1,5]]"', 7)] == [7, 7, 7]


def test_a_trial_is_the_same_however_many_there_are() -> None:
    few, many = of('"wasserstein-clip"', 2), of('"wasserstein-clip"', 9)
    assert few[0].trials == many[0].trials[:2]


def test_objectives_that_search_one_space_search_the_same_values() -> None:
    first, second = of('"non-saturating", "wasserstein-clip"', 5)
    assert [t["lr_d"] for t in first.trials] == [t["lr_d"] for t in second.trials]


def test_drawn_numbers_have_three_digits_and_lie_in_their_interval() -> None:
    (found,) = of('"em[lr_d=loguniform(1.2344e-3,1.2346e-3)]"', 50)
    assert {trial["lr_d"] for trial in found.trials} == {1.2344e-3}
    assert all(float(f"{trial['lr_g']:.3g}") == trial["lr_g"] for trial in found.trials)


def test_a_field_that_a_spec_fixes_is_not_searched() -> None:
    (found,) = of('"em[lr_d=2e-3]"')
    assert list(found.spaces) == ["lr_g"]
    assert found.label == "em[lr_d=0.002]"


def test_equal_trials_are_trained_once() -> None:
    suite = parse_suite(TEXT.replace('"*"', "em").replace('"non-saturating"', '"wasserstein-clip[clip=.1]"'))
    suite = suite.model_copy(update={"objectives": suite.objectives[:1]})
    assert len(trial_suite(suite, contenders(suite, 20)).objectives) == 2  # d_steps is 1 or 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TEXT.replace('[search."*"]', "[search.em]"),
            r"non-saturating has no search space; write non-saturating\[lr_g=",
        ),
        (TEXT.replace('"wasserstein-clip"]', '"non-saturating[lr_d=uniform(1,2)]"]'), "found non-saturating twice"),
        (TEXT.replace('["non-saturating", "wasserstein-clip"]', "[]"), "found no objective to tune"),
    ],
)
def test_a_suite_that_cannot_be_searched_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contenders(parse_suite(text))


def test_a_space_in_a_spec_is_enough_for_a_search_of_16_trials() -> None:
    suite = apply_overrides("toy2d", objectives=["em[lr_g=loguniform(1e-4,1e-2)]"])
    (found,) = contenders(suite)
    assert (found.label, list(found.spaces), len(found.trials)) == ("em", ["lr_g"], 16)
    assert trial_suite(suite, (found,)).seeds == (1000, 1001, 1002)


def test_a_search_takes_the_changes_of_a_suite_as_its_command_does(tmp_path: Path) -> None:
    changes: Any = {
        "targets": ["moons"],
        "network": "mlp[width=4]",
        "settings": {"training.batch": 64},
        "iterations": 2,
    }
    spec = "em[lr_g=loguniform(1e-4,1e-2)]"
    found = tune(parse_suite(TEXT), objectives=[spec], **changes, seeds="7:9", trials=2, results=tmp_path, device="cpu")
    cells = [replica.cell for replica in found.run.plan.replicas]
    assert {(c.target.name, c.objective.name, c.batch, c.iterations) for c in cells} == {("moons", "em", 64, 2)}
    assert {c.network.fields["width"] for c in cells if c.network} == {4}
    assert [replica.seed for replica in found.run.plan.replicas] == [7, 8, 7, 8]


def test_no_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="trials: found 0; expected at least 1"):
        contenders(parse_suite(TEXT), 0)


@pytest.mark.parametrize("direction", ["lower", "higher"])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_expected_best_is_the_mean_over_all_draws_of_k_trials(k: int, direction: str) -> None:
    values = np.array([0.3, 2.0, 0.7, 0.7, -1.0])
    best = min if direction == "lower" else max
    every = [best(drawn) for drawn in itertools.product(values, repeat=k)]
    assert told.expected_best(values, k, direction) == pytest.approx(np.mean(every), rel=1e-12)


def test_the_expected_best_is_infinite_where_a_score_is() -> None:
    assert told.expected_best(np.array([1.0, math.inf]), 4096) == math.inf


def test_a_trial_that_lost_a_seed_comes_after_all_that_lost_none() -> None:
    found = scores(("a", "t", 0, 0.1, 1), ("a", "t", 1, 5.0, 0), ("a", "t", 2, math.nan, 2), ("a", "t", 3, 2.0, 0))
    assert found.place.tolist() == [3, 2, 4, 1]


def test_a_trial_that_lost_a_seed_scores_as_the_worst_of_its_target_that_lost_none() -> None:
    found = scores(("a", "t", 0, 0.1, 1), ("a", "t", 1, 1.0, 0), ("b", "t", 0, 7.0, 0), ("b", "u", 0, 9.0, 0))
    assert found.score.tolist() == [7.0, 1.0, 7.0, 9.0]


def test_where_higher_is_better_the_highest_value_has_the_first_place() -> None:
    found = scores(("a", "t", 0, 3.0, 0), ("a", "t", 1, 8.0, 0), ("a", "t", 2, 9.0, 1), direction="higher")
    assert found.place.tolist() == [2, 1, 3]
    assert found.score.tolist() == [3.0, 8.0, 3.0]


def test_the_winner_has_the_least_sum_of_places_and_of_equals_comes_first() -> None:
    rows = [("a", "t", k, v, 0) for k, v in enumerate([1.0, 2.0, 3.0])]
    rows += [("a", "u", k, v, 0) for k, v in enumerate([9.0, 1.0, 5.0])]
    assert told.winners(scores(*rows)) == {"a": 1}  # places 1 + 3, 2 + 1, 3 + 2
    assert told.winners(scores(("a", "t", 0, 1.0, 0), ("a", "t", 1, 1.0, 0))) == {"a": 0}


def test_the_share_near_the_best_counts_scores_within_a_tenth_of_it() -> None:
    assert told.near_best(np.array([1.0, 1.09, 1.11, 2.0])) == 0.5
    assert told.near_best(np.array([10.0, 9.0, 8.9]), "higher") == pytest.approx(2 / 3)


def test_a_field_that_decides_alone_has_a_rank_correlation_of_one() -> None:
    values = [0.1, 0.4, 0.2, 0.3]
    trials = pd.DataFrame({"label": "a", "trial": range(4), "field": "lr_d", "space": "s", "value": values})
    found = told.sensitivity(trials, scores(*(("a", "t", k, v**3, 0) for k, v in enumerate(values))))
    assert found.correlation.tolist() == pytest.approx([1.0])
    assert found.best.tolist() == [[0.1]]


def test_a_field_of_texts_has_no_correlation_but_its_best_values() -> None:
    trials = pd.DataFrame({"label": "a", "trial": range(4), "field": "order", "space": "s", "value": list("xyxy")})
    found = told.sensitivity(trials, scores(*(("a", "t", k, float(k), 0) for k in range(4))))
    assert math.isnan(found.correlation[0])
    assert found.best.tolist() == [["x"]]


def test_a_search_trains_every_trial_on_the_tuning_seeds_in_a_folder_of_its_own(tuned: Tuning) -> None:
    assert tuned.run.counts() == {"completed": 2 * 3 * 2}
    assert tuned.run.folder.name == "tiny-tune"
    assert {replica.seed for replica in tuned.run.plan.replicas} == {1000, 1001}


def test_trials_that_differ_in_swept_numbers_share_their_ensembles(tuned: Tuning) -> None:
    sharing = [e for e in tuned.run.plan.ensembles if e.replicas[0].cell.objective.name == "non-saturating"]
    assert [len(ensemble.replicas) for ensemble in sharing] == [4, 2]


def test_the_score_of_a_trial_is_the_mean_of_its_seeds_in_the_store(tuned: Tuning) -> None:
    trial = tuned.contenders[1].trials[2]
    of_trial = [
        r.replica_id
        for r in tuned.run.plan.replicas
        if r.cell.optimiser and r.cell.optimiser.fields["lr_d"] == trial["lr_d"] and "clip" in r.cell.objective.fields
    ]
    results = tuned.run.results()
    final = results[results.replica_id.isin(of_trial) & results.final & (results.metric == "w1")]
    score = tuned.scores[(tuned.scores.label == "wasserstein-clip") & (tuned.scores.trial == 2)].score.item()
    assert len(final) == 2
    assert score == pytest.approx(final.value.mean(), rel=1e-12)


def test_the_same_search_twice_gives_the_same_scores(tuned: Tuning, tmp_path: Path) -> None:
    again = tune(parse_suite(TEXT), results=tmp_path, device="cpu", workers=2)
    pd.testing.assert_frame_equal(again.scores, tuned.scores, check_exact=True)


def test_a_finished_search_is_read_and_not_trained_again(tuned: Tuning) -> None:
    again = tune(parse_suite(TEXT), results=tuned.run.folder.parent, device="cpu")
    assert again.run.plan.ensembles == ()
    assert again.winners() == tuned.winners()


def test_the_winners_load_as_a_suite_whose_cells_have_their_values(tuned: Tuning) -> None:
    suite = parse_suite(tuned.winners())
    cells = {c.label: c for c in resolve(suite) if c.trained}
    assert suite.name == "tiny-tuned"
    for label, fields in tuned.chosen().items():
        objective, optimiser = cells[label].objective, cells[label].optimiser
        assert optimiser is not None
        assert fields.items() <= {**objective.fields, **optimiser.fields}.items()


def test_winners_of_one_name_stand_in_their_specs(tuned: Tuning) -> None:
    suite = parse_suite(TEXT.replace('"wasserstein-clip"]', '"non-saturating[d_steps=2]"]'))
    found = contenders(suite)
    copies = pd.concat([tuned.scores.head(3).assign(label=contender.label) for contender in found])
    written = parse_suite(Tuning(suite, tuned.run, found, copies, "lower").winners())
    assert all("lr_d" in spec.fields for spec in written.objectives)
    assert "non-saturating" not in written.defaults


def test_the_text_of_a_search_says_trials_seeds_and_budget(tuned: Tuning) -> None:
    text = tuned.to_markdown()
    assert "3 trials for each objective, the same number for all, on 2 seeds" in text
    assert "12 gradient steps of both players together" in text
    assert "| ring8 | wasserstein-clip | clip | loguniform(0.001,1) |" in text
