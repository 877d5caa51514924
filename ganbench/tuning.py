"""Tuning: the same number of drawn trials for every objective, all trained under one budget, one winner for each.

Trials of one objective differ in swept numbers where they can, so that they train as replicas of the same ensembles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import Any

import pandas as pd

from ganbench import pipeline, streams
from ganbench.catalogue import METRICS
from ganbench.report import tuning as told
from ganbench.report.wording import budget_sentence
from ganbench.suite import Choices, Interval, Spec, Suite, apply_overrides, parse_suite, search_space
from ganbench.suite.writing import to_toml

DIGITS = 3
"""Significant digits of a drawn number: what is written down is what was trained."""


@dataclass(frozen=True)
class Contender:
    """An objective in the search: its spec without the searched fields, and the drawn fields of each trial."""

    spec: Spec
    spaces: dict[str, Interval | Choices]
    trials: tuple[dict[str, Any], ...]

    @property
    def label(self) -> str:
        return str(self.spec)

    def specs(self) -> list[Spec]:
        """The spec of each trial."""
        return [replace(self.spec, fields={**self.spec.fields, **drawn}) for drawn in self.trials]


@dataclass(frozen=True)
class Tuning:
    """A finished search. `scores` has a row per label, target and trial, see `report.tuning.scored`."""

    suite: Suite
    run: pipeline.Run
    contenders: tuple[Contender, ...]
    scores: pd.DataFrame
    direction: str

    @property
    def trials(self) -> int:
        """Trials of each objective."""
        return len(self.contenders[0].trials)

    def chosen(self) -> dict[str, dict[str, Any]]:
        """Label -> the searched fields of its winner: the least sum of places over all targets."""
        won = told.winners(self.scores)
        return {c.label: c.trials[won[c.label]] for c in self.contenders}

    def configurations(self) -> pd.DataFrame:
        """Rows of label, trial, field, space and drawn value."""
        rows = [
            {"label": c.label, "trial": trial, "field": field, "space": str(c.spaces[field]), "value": value}
            for c in self.contenders
            for trial, drawn in enumerate(c.trials)
            for field, value in drawn.items()
        ]
        return pd.DataFrame(rows).astype({"value": object})

    def winners(self) -> str:
        """The suite with the winners' values, as TOML: in [defaults.NAME], or in the spec where a name stands twice.

        A spec that names its own optimiser keeps them in itself too: [defaults] says nothing about another optimiser.
        """
        content = dict(self.suite.document.content)
        tables = {name: dict(table) for name, table in content.get("defaults", {}).items()}
        names = [contender.spec.name for contender in self.contenders]
        objectives = []
        for contender, fields in zip(self.contenders, self.chosen().values(), strict=True):
            name, fixed = contender.spec.name, contender.spec.fields
            if names.count(name) > 1 or "optimiser" in fixed:
                objectives.append(str(replace(contender.spec, fields={**fixed, **fields})))
                continue
            tables[name] = {**tables.get(name, {}), **fields}
            objectives.append(str(contender.spec))
        name = f"{self.suite.name.removesuffix('-tuned')[:94]}-tuned"
        content |= {"name": name, "objectives": objectives, "defaults": tables}
        text = (
            "".join(f"# {line}\n" for said in _sentences(self)[:3] for line in wrap(said, 100))
            + "\n"
            + to_toml(content)
        )
        parse_suite(text, "winners.toml")  # what nobody can load must not be written
        return text

    def to_markdown(self) -> str:
        """The search as a short text with tables: winners, expected best after k trials, sensitivity to each field."""
        metric = self.suite.evaluation.rank_by
        return told.to_markdown(
            _sentences(self), self.chosen(), self.scores, self.configurations(), metric, self.direction
        )


def tune(
    suite: Suite | str | Path,
    *,
    objectives: Sequence[str] = (),
    targets: Sequence[str] = (),
    network: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: str | int | None = None,
    iterations: int | None = None,
    trials: int | None = None,
    results: str | Path = "results",
    device: str = "auto",
    workers: int | None = None,
    watcher: pipeline.Watcher | None = None,
    command: str | None = None,
    executor: str = "local",
    address: str | None = None,
) -> Tuning:
    """Trains `trials` configurations of every objective of a suite, on its tuning seeds, and scores them.

    What is changed in the suite is said as to `apply_overrides`, but `seeds` are those of the trials:
    tune("toy2d", objectives=["em[lr_g=loguniform(1e-4,1e-2)]"], trials=8).
    Trial k of a search is the same however many there are, and a field that two objectives search in one space has the
    same value in both. Results are stored under `<results>/<suite>-tune/`; what is there already is not trained again.
    `executor` and `address` are those of `pipeline.run`.
    Raises SuiteError, StoreError, or ValueError for an objective without a search space.
    """
    suite = apply_overrides(
        suite,
        objectives=objectives,
        targets=targets,
        network=network,
        settings={**(settings or {}), **({} if seeds is None else {"tuning.seeds": seeds})},
        iterations=iterations,
    )
    found = contenders(suite, trials)
    planned = trial_suite(suite, found)
    where: dict[str, Any] = {"device": device, "workers": workers, "executor": executor, "address": address}
    run = pipeline.run(planned, results=results, watcher=watcher, command=command, **where)
    direction = METRICS.load(suite.evaluation.rank_by).direction
    return Tuning(suite, run, found, told.scored(_values(run, found), direction), direction)


def contenders(suite: Suite, trials: int | None = None) -> tuple[Contender, ...]:
    """The objectives of a suite with their drawn trials. Raises ValueError where something cannot be searched."""
    count = suite.tuning.trials if trials is None else trials
    if count < 1:
        raise ValueError(f"trials: found {count}; expected at least 1")
    points = [point for spec in suite.objectives for point in spec.grid()]
    if not points:
        raise ValueError(f"{suite.name}: found no objective to tune; name one")
    found = tuple(_contender(suite, point, count) for point in points)
    labels = [contender.label for contender in found]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise ValueError(f"{suite.name}: found {twice} twice apart from its searched fields; remove one")
    return found


def _contender(suite: Suite, point: Spec, count: int) -> Contender:
    alone = suite.model_copy(update={"objectives": (point,)})
    fixed = {field: value for field, value in point.fields.items() if not isinstance(value, Interval)}
    spaces = {f: space for f, space in search_space(alone, point.name).items() if f not in fixed}
    if not spaces:
        how = f"write {point.name}[lr_g=loguniform(1e-4,1e-2)], add [search.{point.name}] or leave it out"
        raise ValueError(f"{suite.name}: {point} has no search space; {how}")
    trials = [{field: _drawn(field, space, k) for field, space in spaces.items()} for k in range(count)]
    return Contender(replace(point, fields=fixed), spaces, tuple(trials))


def _drawn(field: str, space: Interval | Choices, trial: int) -> Any:
    """The value of a field in a trial: keyed by both alone, so that objectives search the same values."""
    value = space.draw(streams.generator(0, f"tune.{field}", trial).random())
    if isinstance(space, Choices):
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), space.low), space.high)  # rounding must not leave the interval


def trial_suite(suite: Suite, found: tuple[Contender, ...]) -> Suite:
    """The suite that trains every trial: no baselines, tuning seeds, equal trials only once."""
    specs = [spec for contender in found for spec in contender.specs()]
    changed = {"name": f"{suite.name[:95]}-tune", "objectives": _distinct(specs), "seeds": suite.tuning_seeds}
    return suite.model_copy(update={**changed, "baselines": (), "search": {}})


def _distinct(specs: list[Spec]) -> tuple[Spec, ...]:
    return tuple({str(spec): spec for spec in specs}.values())


def _values(run: pipeline.Run, found: tuple[Contender, ...]) -> pd.DataFrame:
    """Rows of label, target, trial, value and lost: the mean final value over seeds, and how many seeds have none."""
    results = run.results()
    rank_by = run.plan.suite.evaluation.rank_by
    final = results[results.final & (results.metric == rank_by) & (results.status == "completed")]
    values = final[~final.measured_later].set_index("replica_id").value
    specs = [str(spec) for spec in run.plan.suite.objectives]
    seeds = len(run.plan.suite.seeds)
    planned = run.plan.replicas
    # replicas are planned target by target, in the order of the objectives, seeds innermost
    targets = [planned[i].cell.target_label for i in range(0, len(planned), seeds * len(specs))]
    rows = []
    for at, target in enumerate(targets):
        for contender in found:
            for trial, spec in enumerate(contender.specs()):
                first = seeds * (at * len(specs) + specs.index(str(spec)))
                ids = [replica.replica_id for replica in planned[first : first + seeds]]
                known = values[values.index.isin(ids)]
                about = {"label": contender.label, "target": target, "trial": trial}
                rows.append({**about, "value": known.mean(), "lost": seeds - len(known)})
    return pd.DataFrame(rows)


def _sentences(tuning: Tuning) -> list[str]:
    suite = tuning.suite
    seeds, metric = suite.tuning_seeds, suite.evaluation.rank_by
    many = f"{len(seeds)} seeds" if len(seeds) > 1 else "1 seed"
    return [
        f"Search over {suite.name}: {tuning.trials} trials for each objective, the same number for all,"
        f" on {many} apart from those reported ({seeds[0]} to {seeds[-1]}).",
        budget_sentence(tuning.run.results()),
        f"A trial's value is its mean final {metric} over the seeds. One winner per objective: the least sum of places"
        " over the targets; a trial that lost a seed to divergence or failure comes after all that lost none.",
        "Best of k: the mean of the best among k trials drawn with replacement (Dodge et al. 2019); a trial that lost a"
        " seed counts as the target's worst that lost none.",
        "Within 10%: the share of trials so near to the best one. Rank correlation: Spearman's of a field's value with"
        " the place; negative where larger is better.",
    ]
