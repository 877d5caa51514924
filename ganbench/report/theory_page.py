"""The findings of a folder on one page that opens without a network."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import ganbench
from ganbench.report.finals import is_finding
from ganbench.report.page.content import Part, Section, content
from ganbench.report.page.render import render
from ganbench.report.theory_figures import figures
from ganbench.report.theory_table import law_tables, laws_text
from ganbench.store.container import write_whole
from ganbench.store.replicas import result_files


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


def write_theory(folder: Path, results: pd.DataFrame) -> list[Path]:
    """The path of theory.html, written into a folder of results; none where it has no finding. Raises StoreError."""
    if not is_finding(results).any():
        return []
    places = [folder, *(child for child in folder.glob("*") if child.is_dir())]
    files = {file.stem: file for place in places for file in result_files(place)}
    alarms = [f"{table.title}: {table.alarm}" for table in law_tables(results) if table.alarm]
    page = content(
        results.iloc[:0],
        files,
        title=folder.name,
        source=folder.name,
        version=ganbench.__version__,
        alarms=alarms,
        findings=sections(results, files),
    )
    path = folder / "theory.html"
    write_whole(path, render(page).encode())
    return [path]
