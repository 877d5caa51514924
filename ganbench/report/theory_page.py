"""What findings add to the page: their laws and their figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ganbench.report.page.content import Part, Section
from ganbench.report.theory_figures import figures
from ganbench.report.theory_table import law_tables, laws_text


def sections(results: pd.DataFrame, files: dict[str, Path]) -> list[Section]:
    """What findings add to a page, from the table of `load_results` and replica_id -> file; none without findings."""
    words = [table.title for table in law_tables(results)]
    if not words:
        return []
    laws = {
        "title": "The laws, with what was expected and what was measured",
        "text": laws_text(results),
        "open": False,
    }
    return [Section("theory", "Findings", words, [Part(blocks=[laws]), Part(figures=figures(results, files))])]


def alarms(results: pd.DataFrame) -> list[str]:
    """A sentence for each finding that is not whole."""
    return [f"{table.title}: {table.alarm}" for table in law_tables(results) if table.alarm]
