"""The suite of the command's tests: seconds to train, two targets, two objectives, two baselines, two seeds."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from ganbench import store
from ganbench.cli import main

SUITE = """\
name = "tiny"
seeds = 2
targets = ["gaussian1d", "ring8"]
objectives = ["minimax", "em"]
baselines = ["oracle", "trivial"]
network = "mlp[width=8,depth=1]"

[budget]
currency = "iterations"
amount = 4

[training]
batch = 32

[execution]
compiled = false
width = 2

[evaluation]
times = 2
samples = 32
final_samples = 32
metrics = ["w1", "high_quality"]
rank_by = "w1"
"""


def ganbench(folder: Path, *arguments: str) -> Result:
    """The command, run in this process."""
    (folder / "tiny.toml").write_text(SUITE)
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def run(folder: Path, *arguments: str) -> Result:
    """`ganbench run` on the tiny suite, with results in a folder."""
    options = ("--suite", str(folder / "tiny.toml"), "--results", str(folder / "results"), "--workers", "1")
    return ganbench(folder, "run", *options, *arguments)


def files(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of the stored replicas."""
    return {file.name: file.read_bytes() for file in sorted((folder / "results" / "tiny").glob("*.parquet"))}


def numbers(folder: Path) -> dict[str, tuple[str, str, dict[str, bytes]]]:
    """replica_id -> status, rows without what a clock says, and the bits of the arrays."""
    found: dict[str, tuple[str, str, dict[str, bytes]]] = {}
    for file in sorted((folder / "results" / "tiny").glob("*.parquet")):
        result = store.read(file)
        rows = [{**vars(row), "seconds": 0.0} for row in result.rows if not row.metric.endswith("_s")]
        arrays = {name: array.tobytes() for name, array in result.arrays.items()}
        found[file.stem] = (result.status, repr(rows), arrays)
    return found
