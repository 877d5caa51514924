"""The rows that tables and pages are made of: of a million rows of `load_results`, about a fifth."""

from __future__ import annotations

import pandas as pd

from ganbench.report.finals import is_finding, plain


def needed(results: pd.DataFrame, rank_by: str | None = None) -> pd.DataFrame:
    """The table of `load_results` without intermediate values that no table, sentence or figure of it has.

    What stays: final values; every value of the metrics that rank; each replica's first and last row; the first row of
    each metric and instrument of a cell; findings. `rank_by` is the metric that a person asks for.
    """
    ranking = {*results.rank_by.dropna().unique(), *({plain(rank_by)} if rank_by else ()), "w1"}
    replica, measured = results.replica_id, results[["cell_id", "metric", "instrument"]]
    ends = ~replica.duplicated() | ~replica.duplicated(keep="last") | ~measured.duplicated()
    return results[results.final | results.metric.isin(ranking) | ends | is_finding(results)]
