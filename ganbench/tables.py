"""Tables of results, for people who write Python: `ganbench.tables.rank(ganbench.load_results(folder))`."""

from __future__ import annotations

from ganbench.report.latex import to_latex
from ganbench.report.ranking import rank
from ganbench.report.several import gathered
from ganbench.report.tables import print_tables, to_csv, to_markdown, to_parquet
from ganbench.report.verdicts import verdicts

__all__ = ["gathered", "print_tables", "rank", "to_csv", "to_latex", "to_markdown", "to_parquet", "verdicts"]
