"""The values at the end of training, under names that never hold two sample sizes or two instruments."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ganbench.catalogue import FINDINGS

REACHED = ("reached_iteration", "reached_s")
"""Metrics that say when a replica reached the suite's quality target: infinite where it never did."""

AT = ", n ="
"""Stands between a metric and its number of samples where it was measured after training."""

IMAGE_METRICS = ("kid", "fid", "fid_infinity", "inception_score", "precision", "recall", "memorisation")
"""Metrics that images alone have."""


def is_finding(results: pd.DataFrame) -> pd.Series[bool]:
    """Which rows are of findings: these measure laws, and nothing of theirs is ranked."""
    return results.objective.isin(FINDINGS.names())


def final_values(results: pd.DataFrame) -> pd.DataFrame:
    """The last evaluation's rows, one per replica, metric, number of samples and instrument.

    A metric that `evaluate` measured is named with its number of samples, as in "w1, n = 5,000, measured later": it is
    no value of training's own. Where it repeats one, by the same instrument on as many samples, training's row stands
    alone. A metric with several instruments on one target is one metric for each of them, named as in
    "fid, classifier digits 98.3% 1a2b3c4d"; `asked` is the name without the instrument.
    """
    rows = np.flatnonzero(results.final & ~results.metric.isin(REACHED))
    rows = rows[np.argsort(results.measured_later.to_numpy(bool)[rows], kind="stable")]
    alike = results[["replica_id", "metric", "n", "instrument"]].take(rows).duplicated()
    final = results.take(rows[~alike])  # once: of many columns and rows it takes longer than all else here
    keys = ["suite", "target", "metric"]
    each = final[[*keys, "instrument"]].drop_duplicates()
    several = each.loc[each.duplicated(keys), keys]
    split = np.zeros(len(final), bool)
    if len(several):
        split = pd.MultiIndex.from_frame(final[keys]).isin(pd.MultiIndex.from_frame(several))
    asked = final.metric.to_numpy(dtype=object, copy=True)
    for i in np.flatnonzero(final.measured_later):
        asked[i] += f"{AT} {final.n.iloc[i]:,}, measured later"
    names = asked.copy()
    for i in np.flatnonzero(split):
        metric, instrument = final.metric.iloc[i], final.instrument.iloc[i] or "unnamed instrument"
        names[i] = f"{metric}, {instrument}{asked[i].removeprefix(metric)}"
    # the type that the texts had: of plain objects, and of the texts of pandas 3
    kind = final.metric.dtype
    return final.assign(metric=pd.Series(names, final.index, kind), asked=pd.Series(asked, final.index, kind))


def plain(metric: str) -> str:
    """The metric's own name, without instrument and number of samples."""
    return metric.partition(",")[0]


def other_metrics(results: pd.DataFrame, rank_by: str) -> list[str]:
    """Names of the sample metrics besides `rank_by`, in the order in which they are stored."""
    return [name for name in final_values(results).metric.drop_duplicates() if name != rank_by]


def ranking_metric(final: pd.DataFrame, rank_by: str) -> str:
    """The name that ranks one target: `rank_by`, by its most frequent instrument where it has several."""
    if (final.metric == rank_by).any():
        return rank_by
    counts = final[final.asked == rank_by].metric.value_counts()
    return str(min(counts[counts == counts.max()].index)) if len(counts) else rank_by


def on_images(results: pd.DataFrame) -> bool:
    """Whether a target's samples are images, by what was measured on it."""
    return bool(results.metric.isin(IMAGE_METRICS).any())
