"""Stored results verified: every file read again, and a random few replicas trained again and compared bit for bit."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ganbench import store
from ganbench.measuring import EXECUTED, check_execution, rebuilt
from ganbench.pipeline import to_store
from ganbench.planning import Replica, code_version, digest, plan_ensembles
from ganbench.store.container import Stored, open_result
from ganbench.store.merging import differing
from ganbench.store.verification import ALTERED, check_files
from ganbench.suite.schema import Limits

FEW = 3
"""Replicas that are trained again, where nobody says how many."""
FINISHED = ("completed", "diverged")


@dataclass
class Verified:
    """What was found: files of each kind, what is wrong, what was trained again, and what could not be and why."""

    files: dict[str, int]
    wrong: list[str]
    notes: list[str]
    repeated: list[str] = field(default_factory=list)  # replicas that came to the stored bits again
    unrepeatable: dict[str, int] = field(default_factory=dict)  # reason -> replicas
    repeatable: int = 0


def verify(
    folder: Path | str, *, retrain: int = FEW, allowed: Sequence[str] = (), workers: int = 1, seed: int | None = None
) -> Verified:
    """Checks every stored file under a folder, and trains `retrain` of its replicas again, chosen at random.

    Only those are chosen whose code, torch, device and instructions are those of this machine: others may differ in
    their last bits. Each takes the time and the memory that its file asks for, a stranger's too; one that an error ends
    here, such as too little memory, counts as not repeatable. Of objectives from outside those alone that `allowed`
    names, since their code is run. Nothing is written into the folder. `seed` makes the choice again. Raises StoreError
    where nothing is stored there.
    """
    checked = check_files(folder)
    found = Verified(checked.files, [str(error) for error in checked.wrong], checked.notes)
    if retrain > 0:
        able = _repeatable(checked.results, allowed, found)
        found.repeatable = len(able)
        chosen = random.Random(seed).sample(able, min(retrain, len(able)))
        _train_again(chosen, workers, found)
    return found


def _repeatable(results: list[Stored], allowed: Sequence[str], found: Verified) -> list[tuple[Stored, Replica]]:
    """The finished results that this machine must be able to repeat bit for bit, rebuilt."""
    from ganbench.training.device import execution_identity, has_compiler, resolve_device

    here = {device: execution_identity(device) for device in ("cpu", resolve_device("auto"))}
    able, reasons = [], Counter[str]()
    for result in (result for result in results if result.status in FINISHED):
        definition = result.payload["definition"]
        execution = definition["execution"]
        if lacking := [key for key in (*EXECUTED, "code") if key not in execution]:
            reasons[f"an older version stored it, without {', '.join(lacking)}"] += 1
            continue
        elsewhere = [
            [
                f"{key} {execution.get(key)}, here {value}"
                for key, value in identity.items()
                if execution.get(key) != value
            ]
            for identity in here.values()
        ]
        if all(elsewhere):
            reasons[f"made with {min(elsewhere, key=len)[0]}"] += 1
            continue
        if execution.get("compiled") and not has_compiler():
            reasons["compiled, and no C++ compiler is here"] += 1
            continue
        try:
            check_execution(execution)
            cell = rebuilt(definition, allowed)
            if code_version(cell) != execution["code"]:
                reasons["made by other code"] += 1
                continue
            if digest(cell.identity()) != definition["cell_id"]:
                told = "its cell was altered, or its data here are others: another cell_id belongs to it"
                found.wrong.append(f"{result.path}: {told}; {ALTERED}")
                continue
        except ValueError as error:
            reasons[str(error)] += 1
            continue
        able.append((result, Replica(cell, definition["seed"], result.replica_id, definition, width_key="")))
    found.unrepeatable = dict(reasons)
    return able


def _train_again(chosen: list[tuple[Stored, Replica]], workers: int, found: Verified) -> None:
    from ganbench.execution.local import Finished, Task, run_local
    from ganbench.execution.worker import Job

    # alone, padded to their width: how replicas are grouped changes no bit of any of them
    for threads in sorted({replica.definition["execution"]["threads"] for _, replica in chosen}):
        own = [pair for pair in chosen if pair[1].definition["execution"]["threads"] == threads]
        with tempfile.TemporaryDirectory(prefix="ganbench-") as place:
            tasks = []
            for number, (_, replica) in enumerate(own):
                device = "cpu" if replica.definition["execution"]["device"] == "cpu" else "cuda"
                job = Job((replica.definition,), device, str(Path(place) / f"{number}.checkpoint"))
                (ensemble,) = plan_ensembles([replica])
                tasks.append(Task(number, job, ensemble.affinity))
            for event in run_local(tasks, workers, threads, Limits().silence_s):
                if isinstance(event, Finished):
                    (outcome,) = event.outcomes
                    stored, replica = own[event.number]
                    if outcome.status not in FINISHED:
                        why = f"could not be trained again: {outcome.info.get('error') or outcome.status}"
                        found.unrepeatable[why] = found.unrepeatable.get(why, 0) + 1
                        continue
                    again = open_result(store.write(Path(place), to_store(outcome)))
                    name = f"{replica.cell.target_label} {replica.definition['label']} seed {replica.seed}"
                    if otherwise := differing(stored, again):
                        why = ", ".join(otherwise[:5])
                        found.wrong.append(f"{stored.path}: {name}, trained again, differs: {why}")
                    else:
                        found.repeated.append(name)
