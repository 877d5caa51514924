"""The command `ganbench`: words for people around calls of the package; no numbers are made here.

Everything heavy is imported inside the commands, so that `ganbench --help` and `ganbench list` stay fast.
"""

from __future__ import annotations

import click

from ganbench import __version__
from ganbench.cli.checking import check
from ganbench.cli.comparing import compare
from ganbench.cli.creating import new
from ganbench.cli.doctor import doctor
from ganbench.cli.errors import Program
from ganbench.cli.merging import merge
from ganbench.cli.names import info, list_names
from ganbench.cli.results import evaluate, report
from ganbench.cli.running import run
from ganbench.cli.tuning import tune
from ganbench.cli.verifying import verify


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Benchmarks and evaluates GAN objectives: many seeds at once, metrics with a known truth, honest statistics.

    \b
    ganbench run --suite toy2d        train, measure and rank the objectives of a suite
    ganbench check minimax            the laws of mathematics that an objective keeps or breaks
    ganbench list                     everything that has a name
    ganbench info wasserstein-gp      source, formula and fields of one of them
    ganbench new objective my-idea    a file to start an objective of your own from
    ganbench doctor                   whether and how fast this machine trains, and what to change

    Exit codes: 0 all replicas completed or diverged, all laws hold; 1 some failed, no run would work (doctor), or
    something stored is wrong (verify); 2 bad input; 3 worse than before (compare --fail-on-regression);
    130 interrupted, 143 by SIGTERM.
    """


for command in (run, check, list_names, info, report, compare, merge, verify, evaluate, tune, new, doctor):
    main.add_command(command)
