"""`python -m ganbench` is the command `ganbench`."""

from __future__ import annotations

from ganbench.cli import main

main(prog_name="ganbench")
