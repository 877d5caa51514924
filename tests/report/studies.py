"""Made-up studies for the tests of tables: replicas in a folder, with whatever values a test needs."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from ganbench.report.tables import print_tables, rank
from ganbench.store import ReplicaResult, Row, load_results, write, write_measurements


class Study:
    """A folder of made-up replicas, each with a final w1 and whatever else a test needs."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.count = 0

    def add(
        self,
        label: str,
        seed: int,
        values: dict[str, float] | None = None,
        status: Any = "completed",
        direction: str = "lower",
        **changes: Any,
    ) -> None:
        """One replica; `changes` replace parts of its definition, its cell's budget and optimiser, info or arrays.

        `beside` has for some metrics fields of their rows, such as an instrument.
        """
        beside = changes.pop("beside", {})
        self.count += 1
        objective = label.partition("[")[0]
        cell = {
            "target": {"name": "ring8", "fields": {}},
            "objective": {"name": objective, "fields": {}},
            "budget": changes.pop("budget", {"currency": "gradient_steps", "amount": 6000}),
            "evaluation": {"reached_metric": "w1", "reached": 0.3},
            "optimiser": {"name": changes.pop("optimiser", "adam"), "fields": {}},
        }
        definition = {
            "suite": "tiny",
            "label": label,
            "target_label": "ring8",
            "cell": cell,
            "cell_id": label,
            "seed": seed,
            "execution": {"device": "cpu", "width": 8},
            "replica_id": f"{self.count:016x}",
        }
        rows = [
            replace(
                Row(3000, 3000, 6000, 768_000, 1.0, name, value, "", direction, 0.06, 1000, True),
                **beside.get(name, {}),
            )
            for name, value in (values or {}).items()
        ]
        info = {"iteration_s": 4e-4, "samples_per_s": 1.28e6, "notes": changes.pop("notes", None)}
        info |= changes.pop("info", {})
        arrays = changes.pop("arrays", {})
        write(self.folder, ReplicaResult({**definition, **changes}, status, rows, info, arrays))

    def measure_later(self, seed: int, metric: str, value: float, n: int, **fields: Any) -> None:
        """What `evaluate` stores for the replica that was added as the seed-th."""
        row = replace(Row(3000, 3000, 6000, 768_000, 1.0, metric, value, "", "lower", 0.03, n, True), **fields)
        write_measurements(self.folder, f"{seed + 1:016x}", metric, [row])

    def ranked(self, **options: Any) -> pd.DataFrame:
        return rank(load_results(self.folder), **options).set_index("label")

    def printed(self, width: int = 100) -> str:
        console = Console(width=width, file=io.StringIO())
        print_tables(load_results(self.folder), console)
        return console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO, which the type of a file hides


def three_objectives(study: Study) -> None:
    for seed in range(8):
        study.add("em", seed, {"w1": 0.2 + seed / 100, "modes_covered": 8.0})
        study.add("minimax", seed, {"w1": 0.5 + seed / 100, "modes_covered": 4.0})
        study.add("trivial", seed, {"w1": 1.0, "modes_covered": 0.0})
