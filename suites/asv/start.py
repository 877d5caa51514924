"""Seconds from a fresh interpreter to what a command shows; the interpreter's own start is left out."""

from __future__ import annotations

QUIET = "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    "


class StartUp:
    repeat, rounds, number = (5, 10, 3.0), 1, 1

    def timeraw_import(self) -> str:
        return "import ganbench"

    def timeraw_help(self) -> str:
        return f"{QUIET}from ganbench.cli import main; main(['--help'], standalone_mode=False)"

    def timeraw_list(self) -> str:
        return f"{QUIET}from ganbench.cli import main; main(['list'], standalone_mode=False)"
