"""The sentences that say through what image metrics see, at which n they compare, and which values are not ranked."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from ganbench.report.finals import plain, ranking_metric
from ganbench.report.wording import FLAGGED, inert

FLAGS = {"rank-deficient": "fewer samples than features + 1"}
"""Flag -> why its values are not to be trusted."""

SIZED = ("fid", "kid")
"""Metrics that mean nothing without number of samples and extractor."""

SPREADS = {"fid_infinity": "standard error from its line's fit"}
"""Metric -> what its spread is, where it is not that of the metric on subsets."""


def image_sentences(results: pd.DataFrame, final: pd.DataFrame, ranked: pd.DataFrame) -> list[str]:
    """All that a suite's tables have to say about image metrics; nothing where there are none."""
    said = []
    for target, rows in ranked.groupby("target", sort=True):
        own = final[final.target == target]
        said += _mixture(results[results.target == target], own, rows)
        before = f"{inert(str(target))}: " if ranked.target.nunique() > 1 else ""
        said += [f"{before}{sentence}" for sentence in (*_instruments(own), *_sizes(own), *_spreads(own))]
    return said + _flags(final)


def described(instrument: str) -> str:
    """An instrument's name, as stored with each value, in words."""
    if found := re.fullmatch(r"classifier (.+) ([\d.]+%) ([0-9a-f]+)", instrument):
        data, accuracy, weights = found.groups()
        words = f"features and classes of classifier {data}, {accuracy} of a held-out fifth right, weights {weights}"
    elif found := re.fullmatch(r"(\S+) ([0-9a-f]{6,})", instrument):
        words = f"features of {found[1]}, weights {found[2]}"
    else:
        words = instrument
    return inert(words)


def _mixture(results: pd.DataFrame, final: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """That the ranking metric has several instruments on a target, and what was done."""
    rank_by = str(rows.rank_by.iloc[0])
    asked = plain(rank_by)
    instruments = results[(results.metric == asked) & results.final].instrument.unique()
    chosen = final[final.metric == rank_by].instrument
    if len(instruments) < 2 or chosen.empty:
        return []
    most = ", the most frequent" if ranking_metric(final, asked) == rank_by else ""
    return [
        f"NOT one ranking on {inert(str(rows.target.iloc[0]))}: {inert(asked)} has values of {len(instruments)}"
        f" instruments, each in a column of its own. Ranked by {inert(chosen.iloc[0])}{most};"
        " rows without its values have no rank."
    ]


def _instruments(final: pd.DataFrame) -> list[str]:
    named = final[final.instrument != ""]
    return [
        f"{_listed(rows.metric)}: {described(str(instrument))}."
        for instrument, rows in named.groupby("instrument", sort=True)
    ]


def _sizes(final: pd.DataFrame) -> list[str]:
    sized = final[final.metric.map(plain).isin(SIZED) & ~final.measured_later]
    if sized.empty:
        return []
    sizes = sorted(sized.n.unique())
    mixed = ", NOT comparable with each other" if len(sizes) > 1 else ""
    fid = " fid is biased upwards at finite n, kid is not." if "fid" in set(sized.metric.map(plain)) else ""
    verb = "compares" if sized.metric.map(plain).nunique() == 1 else "compare"
    return [
        f"{_listed(sized.metric)} {verb} at equal n and extractor only: here {' or '.join(f'{n:,}' for n in sizes)}"
        f" generated against as many true images{mixed}; the floor is that of two true sets.{fid}"
    ]


def _spreads(final: pd.DataFrame) -> list[str]:
    said = []
    for metric, rows in final[final.spread.notna() & (final.status == "completed")].groupby("metric", sort=True):
        what = SPREADS.get(plain(str(metric)), "spread over subsets of one replica's samples")
        said.append(f"{inert(str(metric))}'s {what}: median {rows.spread.median():.2g}.")
    return said


def _flags(final: pd.DataFrame) -> list[str]:
    flagged = final[(final.flag != "") & (final.status == "completed")]
    said = []
    for flag, rows in flagged.groupby("flag", sort=True):
        why = f": {FLAGS[str(flag)]}" if flag in FLAGS else ""
        said.append(f"{FLAGGED} {inert(str(flag))}{why}; not ranked ({_listed(rows.metric)}).")
    return said


def _listed(metrics: Sequence[str] | pd.Series) -> str:
    """Names of metrics, each once, without instruments and numbers of samples."""
    return ", ".join(dict.fromkeys(inert(plain(str(metric))) for metric in metrics))
