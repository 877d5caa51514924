"""A run ranked among results that are there already, such as those that ship with the package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.report.page.write import write_page
from ganbench.report.several import BESIDE, differing, environments, gathered
from ganbench.report.verdicts import verdicts
from ganbench.report.wording import inert
from ganbench.store.container import Stored, StoreError
from ganbench.store.frame import open_results, tabulated

NAME = "reference"
CHOSEN = ("metrics", "diagnostics", "weights")
"""What of an evaluation may differ: it changes no value of the metrics that both have."""

PROTOCOL = ("budget", "batch", "latent", "network")
"""What a fair ranking holds equal."""

Definition = Mapping[str, Any]


@dataclass(frozen=True)
class Reference:
    """Results that a run can be ranked among: those of its suite and targets, evaluated alike; and what differs."""

    folder: Path
    results: pd.DataFrame
    stored: tuple[Stored, ...]
    notes: tuple[str, ...]

    def ranked_with(self, own: pd.DataFrame) -> pd.DataFrame:
        """The results of a run and these in one table, where "reference" stands beside the labels of these."""
        marked = gathered({NAME: self.results}).assign(rank_by=own.rank_by.iloc[0])
        return pd.concat([own, marked], ignore_index=True)

    def write_page(self, own: pd.DataFrame, folder: Path, out: Path, rank_by: str | None) -> Path:
        """The path of the page of a run's folder, in which its results, `own`, stand among these."""
        told = [*self.notes, *(f"from the reference to the run, {d}" for d in self.differences(open_results(folder)))]
        return write_page(
            self.ranked_with(own),
            [folder, self.folder],
            out,
            rank_by=rank_by,
            title=f"{folder.resolve().name} beside the reference",
            labels=["", NAME],
            differing=[f"{what}." for what in told],
        )

    def differences(self, own: Iterable[Stored]) -> list[str]:
        """What a run's replicas were not made alike with, from the reference to the run."""
        return environments(self.stored, own)


def read_reference(folder: Path, definitions: Sequence[Definition]) -> Reference:
    """The results of a folder that can stand beside a plan's replicas, by their definitions.

    Of the same suite, on the same targets under the plan's names for them, and evaluated alike. Raises StoreError where
    there are none of these.
    """
    stored, suite = open_results(folder), str(definitions[0]["suite"])
    suites = sorted({r.payload["definition"]["suite"] for r in stored})
    if suite not in suites:
        had = ", ".join(map(inert, suites))
        raise StoreError(folder, f"holds the suite {had}, not {inert(suite)}", f"give a folder of {inert(suite)}")
    stored = [r for r in stored if r.payload["definition"]["suite"] == suite]
    kept: dict[str, str] = {}  # cell_id -> the plan's name of its target
    notes: list[str] = []
    for target, own in _by_target(definitions).items():
        found, told = _matching(own, (r.payload["definition"] for r in stored), inert(target))
        kept |= dict.fromkeys(found, target)
        notes += told
    if not kept:
        raise StoreError(
            folder, f"nothing to rank with: {'; '.join(notes)}", "change targets or evaluation, or give another"
        )
    results = tabulated(folder, stored)
    results = results[results.cell_id.isin(kept)]
    results = results.assign(target=results.cell_id.map(kept))
    return Reference(
        folder,
        results,
        tuple(r for r in stored if r.payload["definition"]["cell_id"] in kept),
        tuple(notes),
    )


def _by_target(definitions: Iterable[Definition]) -> dict[str, Definition]:
    """The plan's name of each target -> a definition of a replica on it, a trained one where there is any."""
    trained_last = sorted(definitions, key=lambda d: d["cell"].get("optimiser") is not None)
    return {d["target_label"]: d for d in trained_last}


def _matching(own: Definition, others: Iterable[Definition], name: str) -> tuple[list[str], list[str]]:
    """Cells on the target of a definition that were evaluated alike, and notes on what was left out or differs."""
    there = {d["cell_id"]: d["cell"] for d in others if d["cell"]["target"] == own["cell"]["target"]}
    if not there:
        return [], [f"{name}: the reference has no such target, so nothing stands beside the run there"]
    alike = {cell_id: cell for cell_id, cell in there.items() if _evaluated(cell) == _evaluated(own["cell"])}
    if not alike:
        fields = differing(_evaluated(next(iter(there.values()))), _evaluated(own["cell"]))
        return [], [f"{name}: the reference was evaluated otherwise ({'; '.join(fields)}), so it is left out there"]
    trained = [cell for cell in alike.values() if cell.get("optimiser")]
    mine = {key: own["cell"][key] for key in PROTOCOL}
    if not trained or not own["cell"].get("optimiser") or any(_protocol(cell) == mine for cell in trained):
        return list(alike), []
    fields = min((differing(_protocol(cell), mine) for cell in trained), key=len)
    return list(alike), [f"{name}: NOT held equal with the reference: {'; '.join(fields)}"]


def _evaluated(cell: Definition) -> dict[str, Any]:
    return {f"evaluation.{key}": value for key, value in cell["evaluation"].items() if key not in CHOSEN}


def _protocol(cell: Definition) -> dict[str, Any]:
    return {key: cell[key] for key in PROTOCOL}


def told_apart(results: pd.DataFrame, rank_by: str | None = None) -> list[str]:
    """For each target and objective of the run, which of the reference it is better than, by the fixed words.

    `results` is the table of `Reference.ranked_with`; the family is all pairs of a target.
    """
    mark, said = f"{BESIDE}{NAME}", []
    pairs = verdicts(results, rank_by)
    pairs = pairs[pairs.family == "pairs"]
    turned = {"better": "worse", "much better": "much worse", "worse": "better", "much worse": "much better"}
    rows = [
        (target, label, other, word)
        for target, one, two, given in zip(pairs.target, pairs.label, pairs.other, pairs.word, strict=True)
        for label, other, word in ((one, two, given), (two, one, turned.get(given, given)))
        if other.endswith(mark) and not label.endswith(mark)
    ]
    table = pd.DataFrame(rows, columns=["target", "label", "other", "word"])
    for (target, label), of_label in table.groupby(["target", "label"], sort=True):
        words = of_label.groupby("word", sort=True).other.agg(list)
        parts = [f"{word}: {', '.join(inert(o.removesuffix(mark)) for o in others)}" for word, others in words.items()]
        said.append(f"{inert(str(target))}: {inert(str(label))} against the reference: {'; '.join(parts)}.")
    return said
