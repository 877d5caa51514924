"""ganbench beside its peers, on the whole machine: milliseconds per replica and iteration, interleaved, with ratios.

Participants, each in processes that start once and then run short rounds in turn: `loop-default`, a plain PyTorch loop
as people run it (one process, default threads, default Adam); `loop`, the same in its best setting; `compiled`, the
same with torch.compile, in its best; `jax`, jit(vmap(scan)) with optax, in its best; `ganbench`. The best setting is
the fastest of a short trial. Beside them run the matrix products of that very work alone, and the least bytes that all
else must move. Before anything is timed, all participants are shown to compute the same losses.

    make peers        or  python -m suites.peers.run --help
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import click

from ganbench.execution.machine import processor
from suites.peers import agreement, linearity, tables
from suites.peers.crew import Failed
from suites.peers.harness import Harness, check_settings
from suites.peers.work import D_STEPS, Work

PARTICIPANTS = ("loop-default", "loop", "compiled", "jax", "ganbench")
LIMITS = ("products", "traffic")
SIZES = {"64x256": (64, 256, 2), "128x512": (128, 512, 2), "512x256": (512, 256, 3)}
"""Hidden width x batch: both with the depth in hidden layers; the last is the toy of WGAN-GP."""


def machine(device: str) -> dict[str, Any]:
    """What the numbers hold for."""
    import torch

    versions = {"torch": torch.__version__, "python": platform.python_version()}
    for name in ("jax", "optax"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    gpu = torch.cuda.get_device_name() if device == "cuda" else None
    return {"cpu": processor()[0], "cores": len(os.sched_getaffinity(0)), "gpu": gpu, **versions}


def listed(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """A list with commas; each of its names known."""
    known = {"objectives": tuple(D_STEPS), "sizes": tuple(SIZES), "participants": (*PARTICIPANTS, *LIMITS)}
    names = tuple(value.split(","))
    for name in names:
        if parameter.name in known and name not in known[parameter.name]:
            raise click.BadParameter(f'found "{name}", expected some of {",".join(known[parameter.name])}')
        if parameter.name == "replicas" and not (name.isdigit() and int(name) > 0):
            raise click.BadParameter(f'found "{name}", expected numbers of seeds, such as 1,32')
    return names


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@click.option("--objectives", default=",".join(D_STEPS), callback=listed, show_default=True)
@click.option("--sizes", default=",".join(SIZES), callback=listed, show_default=True)
@click.option("--replicas", default="1,8,32,128", callback=listed, show_default=True)
@click.option("--participants", default=",".join((*PARTICIPANTS, *LIMITS)), callback=listed, show_default=True)
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=1.0, show_default=True, help="of a round", type=click.FloatRange(0, min_open=True))
@click.option("--width", default=16, show_default=True, help="lanes of ganbench at most", type=click.IntRange(4))
@click.option("--trial/--no-trial", default=True, help="or each peer's first setting, usually its best")
@click.option("--check-iterations", default=100, show_default=True, type=click.IntRange(0), help="0: no check")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--precision", default="fp32", show_default=True, type=click.Choice(["fp32", "tf32"]))
@click.option("--linearity", "linear", is_flag=True, help="time ganbench alone for 8, 32, 128 and 512 seeds instead")
@click.option(
    "--output", default="build/peers.json", show_default=True, type=click.Path(dir_okay=False, path_type=Path)
)
def main(
    objectives: tuple[str, ...],
    sizes: tuple[str, ...],
    replicas: tuple[str, ...],
    participants: tuple[str, ...],
    rounds: int,
    seconds: float,
    width: int,
    trial: bool,
    check_iterations: int,
    device: str,
    precision: str,
    linear: bool,
    output: Path,
) -> None:
    if precision == "tf32" and device != "cuda":
        raise click.BadParameter("found the device cpu, expected cuda: only its products can round to tf32")
    found: dict[str, Any] = {"machine": machine(device), "command": sys.argv[1:], "checks": {}, "tables": []}
    print(tables.of_machine(found["machine"]))
    works = [Work(o, *SIZES[size], device=device, precision=precision) for size in sizes for o in objectives]
    harness = Harness(seconds, rounds, found["machine"]["cores"], width, trial)
    try:
        for work in works:
            if linear:
                found["tables"].append(linearity.measured(work, harness))
                print(linearity.table(found["tables"][-1]), flush=True)
            else:
                compared(work, harness, participants, tuple(map(int, replicas)), check_iterations, found)
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(json.dumps(found, indent=1))
    except (agreement.Disagreement, Failed) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    finally:
        harness.close()
    print(f"\nwritten to {output}")
    sys.exit(linear and not all(map(linearity.in_a_line, found["tables"])))


def compared(
    work: Work,
    harness: Harness,
    participants: tuple[str, ...],
    replicas: tuple[int, ...],
    check_iterations: int,
    found: dict[str, Any],
) -> None:
    """One work: checked, then a table for each number of replicas."""
    began = time.perf_counter()
    if check_iterations:
        check = agreement.checked(work, check_settings(participants), check_iterations)
        found["checks"][work.name] = check
        print(f"\n{work.name}: {check['words']}", flush=True)
    for r in replicas:
        found["tables"].append(harness.table(work, r, participants))
        print(tables.of_rounds(found["tables"][-1]), flush=True)
        harness.close(keep=work)
    harness.close()
    found.setdefault("seconds", {})[work.name] = round(time.perf_counter() - began, 1)


if __name__ == "__main__":
    main()
