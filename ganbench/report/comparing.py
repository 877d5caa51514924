"""What changed between two folders of results: cells matched by what they are, each with a verdict in fixed words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ganbench import streams
from ganbench.registry import did_you_mean
from ganbench.report.finals import final_values, is_finding
from ganbench.report.needed import needed
from ganbench.report.partners import AFTER, BEFORE, codes, unmatched
from ganbench.report.ranking import latest, suite_rank_by
from ganbench.report.several import environments, gathered
from ganbench.report.verdicts import seed_costs
from ganbench.report.wording import inert
from ganbench.statistics import FEWEST_FOR_INFERENCE, Comparison, compare, families, interquartile_mean
from ganbench.store.container import StoreError
from ganbench.store.frame import open_results, tabulated

WORSE = ("worse", "much worse")
RESAMPLES = 10_000
FINDINGS = ("findings are not compared: they measure laws, and `ganbench report` tells which are kept",)


@dataclass(frozen=True)
class Change:
    """One cell before and after; `word` is that of after against before.

    `before` and `after` are interquartile means over seeds, with a diverged replica, or a value that is no number, at
    the worst completed one of either folder on the target; `low` and `high` are the ends of the 95% interval of
    `difference`.
    """

    suite: str
    target: str
    label: str
    cell_id: str
    metric: str
    before: float
    after: float
    difference: float
    low: float
    high: float
    diverged: tuple[int, int]
    paired: float  # median difference of shared seeds, in the metric's own direction
    same: int  # shared seeds whose values are equal to the last bit
    comparison: Comparison

    @property
    def word(self) -> str:
        return self.comparison.word


@dataclass(frozen=True)
class Changes:
    """What changed between two folders, what has no partner and why, and what was not made alike."""

    before: Path
    after: Path
    changes: tuple[Change, ...]
    unmatched: tuple[str, ...]
    incomplete: tuple[str, ...]
    environments: tuple[str, ...]

    @property
    def regressions(self) -> tuple[Change, ...]:
        """Cells that are worse than before, at an adjusted p below .05."""
        return tuple(change for change in self.changes if change.word in WORSE)


def compare_folders(before: Path | str, after: Path | str, metric: str | None = None) -> Changes:
    """The cells of two folders matched by `cell_id`, so across versions of code and torch and across machines.

    `metric` defaults to what each suite ranks by. Holm's family is one metric on one target, baselines apart.
    Raises StoreError where a folder has no results or the two have no suite in common, ValueError for a metric that
    nothing has.
    """
    paths = {BEFORE: Path(before), AFTER: Path(after)}
    stored = {name: open_results(path) for name, path in paths.items()}
    suites = {name: {r.payload["definition"]["suite"] for r in results} for name, results in stored.items()}
    if not suites[BEFORE] & suites[AFTER]:
        had, has = (", ".join(sorted(inert(s) for s in suites[name])) for name in (BEFORE, AFTER))
        remedy = "give two folders of one suite"
        raise StoreError(
            paths[AFTER], f"holds the suite {has}, {paths[BEFORE]} holds {had}: nothing to compare", remedy
        )
    both = gathered({name: needed(tabulated(paths[name], results), metric) for name, results in stored.items()})
    newest = latest(both[~is_finding(both)])
    _check_metric(newest, metric)
    changes: list[Change] = []
    unvalued: list[str] = []
    for (suite, target), group in newest.groupby(["suite", "target"], sort=True):
        if suite in suites[BEFORE] & suites[AFTER]:
            found, without = _changed(str(suite), str(target), group, metric or suite_rank_by(group))
            changes += found
            unvalued += without
    return Changes(
        paths[BEFORE],
        paths[AFTER],
        tuple(changes),
        (
            *(FINDINGS if is_finding(both).any() else ()),
            *unvalued,
            *unmatched(stored[BEFORE], stored[AFTER], _shared(newest)),
        ),
        tuple(filter(None, (_incomplete(newest[newest.folder == name], paths[name]) for name in paths))),
        (*environments(stored[BEFORE], stored[AFTER]), *codes(stored[BEFORE], stored[AFTER])),
    )


def _check_metric(results: pd.DataFrame, metric: str | None) -> None:
    known = list(dict.fromkeys(final_values(results).asked))
    if metric and metric not in known and known:
        raise ValueError(f'metric "{inert(metric)}": no replica has it at its end; {did_you_mean(metric, known)}')


def _changed(suite: str, target: str, group: pd.DataFrame, metric: str) -> tuple[list[Change], list[str]]:
    """The changes on one target, and a sentence for each cell that both folders hold but one has no values of."""
    costs = seed_costs(group, metric)
    final = final_values(group)
    sign = -1 if (final[final.asked == metric].direction == "higher").any() else 1
    finite = [cost for of_cell in costs.values() for cost in of_cell.values() if math.isfinite(cost)]
    penalty = max(finite, default=math.inf)
    cells = group[group.folder == AFTER].drop_duplicates("cell_id")
    counted = group[group.status == "diverged"].drop_duplicates("replica_id").cell_id.value_counts()
    found: dict[bool, list[tuple[Any, Comparison]]] = {False: [], True: []}
    unvalued = []
    for cell in cells.sort_values(["label", "cell_id"]).itertuples():
        own = _own(str(cell.cell_id))
        sides = costs.get(f"{own}@{BEFORE}"), costs[f"{own}@{AFTER}"]
        if sides[0] is None:
            continue
        if not sides[0] or not sides[1]:
            where = " and ".join(name for name, side in zip((BEFORE, AFTER), sides, strict=True) if not side)
            label = f"{inert(target)}, {inert(_plain(str(cell.label)))}"
            unvalued.append(f"{label}: no replica has a {inert(metric)} that can be compared, {where}")
            continue
        found[bool(cell.baseline)].append((cell, compare(sides[1], sides[0])))
    changes = []
    for family in found.values():
        for (cell, _), compared in zip(family, families([c for _, c in family]), strict=True):
            own = _own(str(cell.cell_id))
            sides = costs[f"{own}@{BEFORE}"], costs[f"{own}@{AFTER}"]
            about = (suite, target, _plain(str(cell.label)), own, metric)
            diverged = int(counted.get(f"{own}@{BEFORE}", 0)), int(counted.get(f"{own}@{AFTER}", 0))
            changes.append(_change(about, *sides, sign, penalty, diverged, compared))
    return changes, unvalued


def _own(cell_id: str) -> str:
    return cell_id.rpartition("@")[0]


def _plain(label: str) -> str:
    return label.removesuffix(f" · {AFTER}")


def _change(
    about: tuple[str, str, str, str, str],
    before: Mapping[int, float],
    after: Mapping[int, float],
    sign: int,
    penalty: float,
    diverged: tuple[int, int],
    compared: Comparison,
) -> Change:
    # sorted, since resampling draws by position
    one, other = (np.sort(np.minimum(list(side.values()), penalty)) for side in (before, after))
    low, high = _interval(one, other, streams.generator(0, f"difference/{about[1]}/{about[3]}"))
    means = [float(interquartile_mean(values)) for values in (one, other)]
    ends = sorted((sign * low, sign * high))
    same = sum(before[seed] == after[seed] for seed in before.keys() & after.keys())
    return Change(
        *about,
        before=sign * means[0],
        after=sign * means[1],
        difference=sign * (means[1] - means[0]) if all(map(math.isfinite, means)) else math.nan,
        low=ends[0],
        high=ends[1],
        diverged=diverged,
        paired=sign * compared.paired,
        same=same,
        comparison=compared,
    )


def _interval(before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of the difference of interquartile means, resampled folder by folder.

    NaN where too few seeds allow no inference, or where nothing completed.
    """
    if min(len(before), len(after)) < FEWEST_FOR_INFERENCE or not np.isfinite([*before, *after]).all():
        return math.nan, math.nan
    drawn = [interquartile_mean(v[rng.integers(0, len(v), (RESAMPLES, len(v)))]) for v in (before, after)]
    low, high = np.quantile(drawn[1] - drawn[0], [0.025, 0.975])
    return float(low), float(high)


def _shared(results: pd.DataFrame) -> set[str]:
    """The cells that both folders know, be it only as planned."""
    known = [set(results.cell_id[results.folder == name].map(_own)) for name in (BEFORE, AFTER)]
    return known[0] & known[1]


def _incomplete(results: pd.DataFrame, folder: Path) -> str:
    counts = results.drop_duplicates("replica_id").status.value_counts()
    parts = [f"{counts[name]} {name}" for name in ("failed", "missing") if name in counts]
    return f"INCOMPLETE: {folder}: {', '.join(parts)}." if parts else ""
