"""Objectives and baselines ranked on each target, over all their replicas: the numbers behind every table.

Over 250 lines: every column of a rank comes from the same replicas, gathered once.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ganbench import streams
from ganbench.registry import did_you_mean
from ganbench.report import wording
from ganbench.report.finals import AT, REACHED, final_values, is_finding, plain, ranking_metric
from ganbench.report.needed import endings
from ganbench.statistics import (
    FEWEST_FOR_INFERENCE,
    NARROW_BELOW,
    bootstrap_interval,
    clopper_pearson,
    interquartile_mean,
)

COSTS = ("iteration_s", "iterations_per_s", "samples_per_s", "compile_s", "evaluation_s", "peak_memory_mb")
"""Medians over a cell's replicas."""

PLACE = {"device": "device", "arithmetic": "precision", "width": "width", "threads": "threads"}
"""Where a cell's costs arose -> the results' name of it: beside metrics "precision" is that of samples."""

BESIDE = ("spread", "flag", "instrument")
"""What may stand beside a value; a metric has a column of each that any of its values on the target has."""


def rank(results: pd.DataFrame, rank_by: str | None = None) -> pd.DataFrame:
    """One row per suite, target and cell, best first, from the table of `load_results`.

    `value` is the interquartile mean of the final `rank_by` over completed and diverged replicas. A diverged one counts
    as the worse of `trivial`'s interquartile mean and the target's worst completed replica; a final value that is no
    number counts as infinitely bad. low, high: 95% percentile bootstrap over replicas,
    NaN below 5. `median` and `worst` are over the same values. Failed replicas, which an error ended, and missing ones
    are counted and enter no value: missing is what the newest run planned and nobody stored or, where no run is on
    record, a seed that only other rows of the target have. Each other metric has the median of its completed
    replicas and its floor; one that was measured later is a metric of its own, named as in `final_values`, and
    `rank_by` may leave out the number of samples.
    Baselines have no rank. `rank_by` defaults to what the suite says, or "w1". Where a cell has several
    replicas of one seed, the one written last counts and `superseded` says how many do not.

    Values of two instruments never share a column: a metric that has several on one target is one for each, and
    `rank_by` means the most frequent; a cell that only others measured has no value and no rank. Beside a value stand
    `n`, `instrument`, `spread` (median over replicas) and `flag`; a flagged value is shown and has no rank.

    Findings measure no samples and are left out; where nothing else is there the table is empty. Raises ValueError for
    a metric that nothing has.
    """
    results = endings(results[~is_finding(results)])
    if results.empty:
        return pd.DataFrame({"suite": [], "target": [], "rank": []})
    rank_by = _known(rank_by, results) if rank_by else None
    newest = selectable(latest(results))
    tables = [
        _rank_target(group, rank_by or suite_rank_by(group))
        for _, group in newest.groupby(["suite", "target"], sort=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    there = results[results.status != "missing"]
    counts = there.groupby(["suite", "target", "cell_id"]).replica_id.nunique()
    kept = table[["completed", "diverged", "failed"]].sum(axis=1)
    table["superseded"] = [
        counts.get(key, 0) - k
        for key, k in zip(table[["suite", "target", "cell_id"]].itertuples(index=False, name=None), kept, strict=True)
    ]
    return table.astype({"rank": "Int64"})


def suite_rank_by(results: pd.DataFrame) -> str:
    """The metric that the suite ranks by; "w1" where its files do not say."""
    named = results.rank_by.dropna()
    return str(named.iloc[0]) if len(named) else "w1"


def _known(rank_by: str, results: pd.DataFrame) -> str:
    """The metric of that name, or the first one measured later. Raises ValueError where no replica has either."""
    final = final_values(results)
    known = list(dict.fromkeys([*final.metric, *final.asked]))
    if not known or rank_by in known or (results.rank_by == rank_by).any():
        return rank_by  # the suite's own metric is no typing error, though all of its replicas diverged
    later = [name for name in final.asked.drop_duplicates() if name.startswith(f"{rank_by}{AT}")]
    if not later:
        raise ValueError(f'rank by "{rank_by}": no replica has it at its end; {did_you_mean(rank_by, known)}')
    return later[0]


def latest(results: pd.DataFrame) -> pd.DataFrame:
    """One replica per suite, target, cell and seed: two executions of one seed are no two seeds."""
    places = {"missing": 0, "failed": 1}
    replicas = results.drop_duplicates("replica_id").assign(finished=lambda r: r.status.map(places).fillna(2))
    replicas = replicas.sort_values(["finished", "written_s", "replica_id"])
    kept = replicas.drop_duplicates(["suite", "target", "cell_id", "seed"], keep="last").replica_id
    return results[results.replica_id.isin(kept)]


def selectable(results: pd.DataFrame) -> pd.DataFrame:
    """The same table, of which pandas takes rows several times faster: texts as plain objects, types side by side."""
    texts = [name for name in results if isinstance(results[name].dtype, pd.StringDtype)]
    return results.astype(dict.fromkeys(texts, object)).copy()  # a copy has one block of memory for each type


def _rank_target(results: pd.DataFrame, rank_by: str) -> pd.DataFrame:
    final = final_values(results)
    rank_by = ranking_metric(final, rank_by)
    ranked = final[final.metric == rank_by]
    sign = -1 if (ranked.direction == "higher").any() else 1
    # costs: small is good, whichever way the metric points
    costs = (sign * ranked.set_index("replica_id").value).fillna(math.inf)
    trusted = costs[(ranked.flag == "").to_numpy()]
    penalty = _penalty(results, trusted if len(trusted) else costs)
    seeds = results.seed.nunique()
    on_record = bool(results.planned.notna().any())
    of_metric = dict(list(final[[*MEASURED]].groupby("metric", sort=False)))
    metrics = [str(name) for name in of_metric if name != rank_by]
    beside = {name: [key for key in BESIDE if _has(of_metric[name], key)] for name in metrics}
    counted = final.groupby(["cell_id", "metric"]).n.max().to_dict()
    completed = final[final.status == "completed"][[*MEASURED]]
    medians = {key: _median(rows) for key, rows in completed.groupby(["cell_id", "metric"])}
    # where all replicas of an objective diverged, the other rows of the table tell that there was a target
    sought = {name for name in REACHED if (results.metric == name).any()}
    several = results.drop_duplicates("cell_id").label.value_counts().gt(1).to_dict()
    rows = []
    for cell_id, cell in ((str(key), group) for key, group in results.groupby("cell_id", sort=True)):
        label, replicas = cell.label.iloc[0], cell.drop_duplicates("replica_id")
        # one label with two definitions, say two budgets: the table must not show them as one
        shown = f"{label} ({cell_id[:6]})" if several[label] else label
        row: dict[str, Any] = {"suite": cell.suite.iloc[0], "target": cell.target.iloc[0], "rank": None, "label": shown}
        row |= {"objective": cell.objective.iloc[0], "baseline": bool(cell.baseline.iloc[0]), "cell_id": cell_id}
        own = medians.get((cell_id, rank_by), NOTHING)
        comparable_costs = costs.iloc[:0] if _foreign(cell, ranked) else costs
        row |= {"rank_by": rank_by, **_score(replicas, comparable_costs, penalty, sign)}
        row |= {
            "floor": own["floor"],
            "n": float(counted.get((cell_id, rank_by), math.nan)),
            **{key: own[key] for key in BESIDE},
        }
        row |= {
            **_counts(replicas, seeds, on_record),
            **_reached(cell, sought),
            **_costs(replicas),
            **_budget(replicas),
        }
        row |= {"notes": wording.counted_notes(replicas)}
        for name in metrics:
            found = medians.get((cell_id, name), NOTHING)
            row |= {name: found["value"], f"{name}_floor": found["floor"]}
            row |= {f"{name}_n": float(counted.get((cell_id, name), math.nan))}
            row |= {f"{name}_{key}": found[key] for key in beside[name]}
        rows.append(row)
    table = pd.DataFrame(rows)
    order = (sign * table.value).rank(method="min")
    table = table.assign(order=order).sort_values(["order", "diverged", "label"]).drop(columns="order")
    # where no value can be trusted, a cell without one, since all of it diverged, must not be the first
    comparable = ~table.baseline & (table.flag == "") & (len(trusted) > 0 or not len(costs))
    table["rank"] = (sign * table.value).where(comparable).rank(method="min")
    return table


MEASURED = ("cell_id", "metric", "value", "floor", "spread", "flag", "instrument")
NOTHING: dict[str, Any] = {"value": math.nan, "floor": math.nan, "spread": math.nan, "flag": "", "instrument": ""}


def _median(rows: pd.DataFrame) -> dict[str, Any]:
    """Medians of one metric over completed replicas, NaN where one of them is, and what else stands beside them."""
    found: dict[str, Any] = {name: float(np.median(rows[name].to_numpy())) for name in ("value", "floor", "spread")}
    return found | {name: ", ".join(sorted(set(rows[name]) - {""})) for name in ("flag", "instrument")}


def _has(rows: pd.DataFrame, key: str) -> bool:
    return bool(rows[key].notna().any() if key == "spread" else (rows[key] != "").any())


def _foreign(cell: pd.DataFrame, ranked: pd.DataFrame) -> bool:
    """Whether only other instruments than the ranked values' measured a cell, be it before its end."""
    if ranked.empty:
        return False
    own = set(cell[cell.metric == plain(str(ranked.metric.iloc[0]))].instrument)
    return bool(own) and ranked.instrument.iloc[0] not in own


def _penalty(results: pd.DataFrame, costs: pd.Series) -> float:
    """What a diverged replica costs; infinite where nothing completed."""
    completed = results[results.status == "completed"].drop_duplicates("replica_id")
    worst = costs[costs.index.isin(completed.replica_id)]
    trivial = worst[worst.index.isin(completed[completed.objective == "trivial"].replica_id)]
    if not len(worst):
        return math.inf
    return max(float(worst.max()), float(interquartile_mean(trivial.to_numpy())) if len(trivial) else -math.inf)


def _score(replicas: pd.DataFrame, costs: pd.Series, penalty: float, sign: int) -> dict[str, Any]:
    completed = replicas[replicas.status == "completed"].replica_id
    diverged = int((replicas.status == "diverged").sum()) if len(costs) else 0
    # sorted, since resampling draws by position: the order of the files must not move an interval
    values = np.sort(np.concatenate([costs[costs.index.isin(completed)].to_numpy(), np.full(diverged, penalty)]))
    if not len(values):
        return dict.fromkeys(("value", "low", "high", "median", "worst"), math.nan) | {"too_narrow": False}
    ends = [math.nan, math.nan]
    if len(values) >= FEWEST_FOR_INFERENCE:
        # its own key: no other cell may move an interval
        key = f"bootstrap/{replicas.target.iloc[0]}/{replicas.cell_id.iloc[0]}"
        ends = sorted(sign * end for end in _interval(key, tuple(values)))
    return {
        "value": sign * float(interquartile_mean(values)),
        "low": ends[0],
        "high": ends[1],
        "too_narrow": len(values) < NARROW_BELOW,
        "median": sign * float(np.median(values)),
        "worst": sign * float(values.max()),
    }


@lru_cache(maxsize=1024)
def _interval(key: str, values: tuple[float, ...]) -> tuple[float, float]:
    """Kept, since a run ranks twice: for the terminal, and for the files that it writes."""
    return bootstrap_interval(np.array(values), interquartile_mean, streams.generator(0, key))


def _counts(replicas: pd.DataFrame, seeds: int, on_record: bool) -> dict[str, Any]:
    """Replicas by status, with the exact 95% interval of the share that diverges."""
    status = replicas.status
    counts = {name: int((status == name).sum()) for name in ("completed", "diverged", "failed")}
    low, high = clopper_pearson(counts["diverged"], counts["completed"] + counts["diverged"])
    missing = int((status == "missing").sum()) if on_record else seeds - replicas.seed.nunique()
    return {"seeds": seeds, **counts, "missing": missing, "diverged_low": low, "diverged_high": high}


def _reached(cell: pd.DataFrame, sought: Collection[str]) -> dict[str, Any]:
    """Count, median iteration and median second of reaching the quality target; a diverged replica never reaches it."""
    found: dict[str, Any] = {"quality_target": cell.quality_target.iloc[0], "reached": math.nan}
    diverged = cell[cell.status == "diverged"].replica_id.nunique()
    for name in REACHED:
        rows = cell.loc[(cell.metric == name) & (cell.status == "completed"), ["replica_id", "value"]]
        rows = rows.drop_duplicates("replica_id", keep="last")
        counted = len(rows) or (diverged and name in sought)
        values = np.concatenate([rows.value.fillna(math.inf).to_numpy(), np.full(diverged, math.inf)])
        found[name] = float(np.median(values)) if counted else math.nan
        if counted:
            found["reached"] = int(np.isfinite(values).sum())
    return found


def _costs(replicas: pd.DataFrame) -> dict[str, Any]:
    """What a replica costs, and on what: where nothing was trained and timed, nothing ran at once."""
    medians = {name: float(pd.to_numeric(replicas[name]).median()) for name in COSTS}
    timed = replicas.loc[replicas.iteration_s.notna(), [*PLACE.values()]]
    return medians | {name: _several(timed[column]) for name, column in PLACE.items()}


def _several(values: pd.Series) -> str | None:
    """The different values, whole numbers without decimals, or None."""
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values.dropna().unique()) or None


def _budget(replicas: pd.DataFrame) -> dict[str, Any]:
    """Currency, amount and how it is charged; nothing where nothing is trained."""
    currency, amount = replicas.budget_currency.iloc[0], replicas.budget_amount.iloc[0]
    if currency is None or not wording.spends(replicas).iloc[0]:
        return {"budget_currency": None, "budget_amount": math.nan, "charged": None}
    return {"budget_currency": currency, "budget_amount": float(amount), "charged": wording.charging(currency)}
