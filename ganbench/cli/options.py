"""The options that `run` and `tune` share: which suite, what of it is changed, and where it runs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def settings(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """section.key -> the text of its value."""
    found = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f'found {text!r}; expected section.key=value, such as "training.batch=128"')
        found[key] = value
    return found


def data_folder(context: click.Context, parameter: click.Parameter, folder: Path | None) -> Path | None:
    """The folder of data sets, made known to the workers through the environment."""
    if folder is not None:
        os.environ["GANBENCH_DATA"] = str(folder.absolute())
    return folder


def duration_s(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """The seconds of a text such as 1h30m."""
    from ganbench.limiting import seconds_of

    if text is None:
        return None
    try:
        return seconds_of(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def with_precision(changes: dict[str, str], precision: str | None) -> dict[str, str]:
    """The changes with the precision among them, where one is given."""
    return changes if precision is None else {**changes, "execution.precision": precision}


def writable(context: click.Context, parameter: click.Parameter, output: Path | None) -> Path | None:
    """The file itself, refused before the work and not after it."""
    if output is not None and not output.absolute().parent.is_dir():
        raise click.BadParameter(f"{output.parent} is no folder; make it first")
    return output


def command_line() -> str:
    """The command line of this process, as a shell takes it."""
    return shlex.join(["ganbench", *sys.argv[1:]])


SET = "Any key of the suite, such as training.batch=128; repeat."
RESULTS = click.Path(path_type=Path)
OUTPUT = click.Path(dir_okay=False, writable=True, path_type=Path)

NAMED = click.option(
    "-o",
    "--objective",
    "objectives",
    multiple=True,
    metavar="FILE.py:CLASS",
    help="An objective from outside whose code may be run; repeat.",
)

OPTIONS = (
    click.option("--suite", "suite", required=True, metavar="NAME|PATH", help="A shipped suite, or a suite file."),
    click.option(
        "-o",
        "--objective",
        "objectives",
        multiple=True,
        metavar="SPEC",
        help="Instead of the suite's, also your own: FILE.py:CLASS; repeat.",
    ),
    click.option("-t", "--target", "targets", multiple=True, metavar="SPEC", help="Instead of the suite's; repeat."),
    click.option("-n", "--network", metavar="SPEC", help="Instead of the suite's."),
    click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", callback=settings, help=SET),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "tf32", "bf16"]),
        help="Of products and convolutions, instead of the suite's.",
    ),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
    click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes; by default cores / threads."),
    click.option(
        "--executor",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="This machine, or a Ray cluster.",
    ),
    click.option(
        "--address", metavar="HOST:PORT", help="The cluster's; by default the one that Ray finds, or one started here."
    ),
    click.option(
        "--results", type=RESULTS, default="results", show_default=True, metavar="DIR", help="Where to store."
    ),
    click.option(
        "--data",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        envvar="GANBENCH_DATA",
        callback=data_folder,
        expose_value=False,
        metavar="DIR",
        help="Where data sets lie; also GANBENCH_DATA.",
    ),
)


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `run` and `tune` have in common."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
