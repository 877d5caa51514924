"""`doctor`: whether and how fast this machine trains, and what to change."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import click

from ganbench.cli.errors import FAILED


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The facts and the advice as JSON.")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default="results",
    show_default=True,
    metavar="DIR",
    help="Where runs store.",
)
def doctor(as_json: bool, results: Path) -> None:
    """Show what of this machine matters for training, measure it, and say what to change.

    It compiles one line as training compiles its steps, from an empty cache, and multiplies matrices of the sizes of
    usual networks: seconds to a minute in all. Exit code 1 where something keeps every run from working.
    """
    if not as_json and sys.stderr.isatty():
        click.echo("compiling and measuring ...", err=True)
    from ganbench.execution.diagnosis import advice, examine, works

    facts = examine(results)
    if as_json:
        said = [dataclasses.asdict(one) for one in advice(facts)]
        click.echo(json.dumps({**facts, "advice": said, "works": works(facts)}, indent=2))
    else:
        for title, text in lines(facts):
            click.echo(f"{title:<10}{text}")
        click.echo("\nwhat to change")
        for one in advice(facts):
            click.echo(f"  {'STOPS RUNS: ' if one.stops else ''}{one.found}\n    {one.do}")
        click.echo("  nothing keeps a run from working" if works(facts) else "  no run works here before that is done")
    if not works(facts):
        sys.exit(FAILED)


def lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts in words: a title, which may be empty, and a line."""
    from ganbench.report.wording import inert

    said = [
        ("machine", f"{inert(facts['machine']['processor'])}; {_machine(facts['machine'])}"),
        ("", inert(facts["machine"]["system"])),
        ("load", "not known here" if facts["load"] is None else f"{facts['load']:.2f} over the last minute"),
        ("devices", _devices(facts["devices"])),
        ("threads", _threads(facts["threads"])),
        *(("" if i else "compiler", inert(line)) for i, line in enumerate(_compiler(facts["compiler"]))),
        ("cache", f"{_folder(facts['cache'])}, holds {facts['cache']['mb']:,.0f} MB"),
        ("results", _folder(facts["results"])),
        ("clock", _clock(facts["clock"])),
        *(("" if i else "versions", inert(_version(one))) for i, one in enumerate(facts["versions"])),
    ]
    return said + [("" if i else "products", line) for i, line in enumerate(_products(facts["gflop_per_s"]))]


def _machine(found: dict[str, Any]) -> str:
    memory, free = found["memory_gb"], found["free_memory_gb"]
    told = f"{found['usable_cores']} of {found['cores']} cores usable"
    told += f", {memory:.1f} GB of memory" if memory else ""
    told += f", {free:.1f} of them free" if free else ""
    bf16 = f"bf16 products in {found['bf16']}" if found["bf16"] else "no bf16 matrix units"
    return f"{told}; {found['instructions']}, {bf16}"


def _devices(found: dict[str, Any]) -> str:
    build = f"built for CUDA {found['torch_cuda']}" if found["torch_cuda"] else "a CPU build"
    driver = f"; NVIDIA driver {found['driver']}" if found["driver"] else ""
    return f"{', '.join(['cpu', *found['gpus']])} (torch is {build}{driver})"


def _threads(found: dict[str, Any]) -> str:
    given = found["OMP_NUM_THREADS"]
    told = f"OMP_NUM_THREADS is {given}" if given else "OMP_NUM_THREADS is not set"
    return (
        f"{told}, torch takes {found['torch']} here; a run gives each process the threads of its suite, whatever is set"
    )


def _compiler(found: dict[str, Any]) -> list[str]:
    if found["path"] is None:
        return [f"{found['command']} is not there"]
    named = f"{found['path']}: {found['version'] or 'tells no version'}"
    if "error" in found:
        return [named, "compiled and ran nothing:", *found["error"].splitlines()]
    return [named, f"compiled and ran a function from an empty cache in {found['seconds']:.1f} s"]


def _folder(found: dict[str, Any]) -> str:
    return f"{found['folder']}: {_permitted(found)}, {found['free_gb']:,.1f} GB free"


def _permitted(found: dict[str, Any]) -> str:
    return f"{'writable' if found['writable'] else 'NOT writable'}{', by every user' if found['others_write'] else ''}"


def _clock(found: dict[str, Any]) -> str:
    off = f"; a new file's is {found['files_off_s']:+,.0f} s off it" if abs(found["files_off_s"]) >= 1 else ""
    return f"{found['utc']}{off}"


def _version(found: dict[str, Any]) -> str:
    supported = f" (supported: {found['supported']})" if found["supported"] else ""
    mark = "" if found["fits"] else "  <- outside"
    return f"{found['name']} {found['version'] or 'is not installed'}{supported}{mark}"


def _products(found: dict[str, Any]) -> list[str]:
    if "error" in found:
        return ["not measured:", *found["error"].splitlines()]
    shapes = list(next(iter(found.values())))
    width = max(map(len, found))
    rows = [f"{'GFLOP/s':<{width}}  {'  '.join(f'{shape:>12}' for shape in shapes)}"]
    for who, rates in found.items():
        rows.append(f"{who:<{width}}  {'  '.join(f'{rates[shape]:>12,.1f}' for shape in shapes)}")
    return rows
