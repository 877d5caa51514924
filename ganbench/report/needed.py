"""The rows that tables and pages are made of: of a million rows of `load_results`, a fifth or a tenth."""

from __future__ import annotations

import pandas as pd

from ganbench.report.finals import is_finding, plain


def needed(results: pd.DataFrame, rank_by: str | None = None) -> pd.DataFrame:
    """The table of `load_results` without intermediate values that no table, sentence or figure of it has.

    What stays is that of `endings`, and every value of the metrics that rank, for their curves. `rank_by` is the metric
    that a person asks for.
    """
    ranking = {*results.rank_by.dropna().unique(), *({plain(rank_by)} if rank_by else ()), "w1"}
    return results[_ending(results) | results.metric.isin(ranking)]


def endings(results: pd.DataFrame) -> pd.DataFrame:
    """The table of `load_results` without the course of training, which curves alone need.

    What stays: final values; each replica's first and last row; the first row of each metric and instrument of a cell;
    findings.
    """
    return results[_ending(results)]


def _ending(results: pd.DataFrame) -> pd.Series[bool]:
    replica, measured = results.replica_id, results[["cell_id", "metric", "instrument"]]
    ends = ~replica.duplicated() | ~replica.duplicated(keep="last") | ~measured.duplicated()
    return results.final | ends | is_finding(results)
