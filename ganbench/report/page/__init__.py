"""The report as one HTML file that opens from disk without a network."""

from ganbench.report.page.content import content
from ganbench.report.page.render import render

__all__ = ["content", "render"]
