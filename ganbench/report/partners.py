"""What one of two folders alone holds, and by which fields its nearest relative in the other differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ganbench.report.several import differing
from ganbench.report.wording import inert
from ganbench.store.container import Stored

BEFORE, AFTER = "before", "after"


def unmatched(before: Iterable[Stored], after: Iterable[Stored], shared: set[str]) -> list[str]:
    """A sentence for each cell that one folder alone holds, with the fields in which its nearest relative differs."""
    cells = [{r.payload["definition"]["cell_id"]: r.payload["definition"] for r in side} for side in (before, after)]
    said = []
    for here, there, only in ((cells[0], cells[1], BEFORE), (cells[1], cells[0], AFTER)):
        for cell_id in sorted(here.keys() - there.keys() - shared, key=lambda i: (_target(here[i]), here[i]["label"])):
            own = here[cell_id]
            name = f"{inert(_target(own))}, {inert(own['label'])}: only {only}"
            said.append(f"{name}; {_nearest(own, there.values(), only)}")
    return said


def _nearest(own: dict[str, Any], others: Iterable[dict[str, Any]], only: str) -> str:
    objective, target = own["cell"]["objective"]["name"], own["cell"]["target"]["name"]
    kin = [
        other
        for other in others
        if other["cell"]["objective"]["name"] == objective and other["cell"]["target"]["name"] == target
    ]
    if not kin:
        return f"the other folder has no {inert(objective)} on {inert(target)}"

    def change(other: dict[str, Any]) -> list[str]:
        pair = (own, other) if only == BEFORE else (other, own)
        return differing(pair[0]["cell"], pair[1]["cell"])

    near = min(kin, key=lambda other: (other["label"] != own["label"], len(change(other)), other["cell_id"]))
    fields = change(near)
    return f"nearest is {inert(near['label'])}: {'; '.join(fields) or 'equal fields, so other data or weights'}"


def _target(definition: Mapping[str, Any]) -> str:
    return str(definition.get("target_label", definition["cell"]["target"]["name"]))


def codes(before: Iterable[Stored], after: Iterable[Stored]) -> list[str]:
    """How many of the shared cells another version of their code computed."""
    known: list[dict[str, set[str]]] = [{}, {}]
    for side, found in zip((before, after), known, strict=True):
        for result in side:
            definition = result.payload["definition"]
            found.setdefault(definition["cell_id"], set()).add(str(definition["execution"].get("code")))
    shared = known[0].keys() & known[1].keys()
    changed = sum(known[0][cell] != known[1][cell] for cell in shared)
    return [f"code: {changed} of {len(shared)} shared cells were computed by other sources"] if changed else []
