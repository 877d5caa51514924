"""Whether all participants do the same work: their losses, iteration by iteration, from equal weights and data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from suites.peers.crew import Process, Setting
from suites.peers.work import Work

TOLERANCE = 1e-4
"""Of the loss, or of 1 where the loss is smaller."""
REPLICAS = 2

Losses = Mapping[str, np.ndarray]
"""Participant -> losses (iterations, R, 2) of D and G."""


class Disagreement(RuntimeError):
    """A participant does other work; the message says which, and where it leaves the others."""


def distances(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(iterations, R, 2), in parts of the loss or of 1; infinite where a loss is not finite."""
    distance = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    return np.where(np.isfinite(distance), distance, np.inf)


def agreeing(losses: Losses) -> int:
    """Iterations, from the first, over which all agree with the first of them."""
    expected, *others = losses.values()
    apart = np.max([distances(found, expected) for found in others], axis=(0, 2, 3)) > TOLERANCE
    return int(apart.argmax()) if apart.any() else len(expected)


def require_agreement(losses: Losses, words: str) -> None:
    """Raises Disagreement at the first loss of a participant that is another than the first participant's."""
    (reference, expected), *others = losses.items()
    for name, found in others:
        distance = distances(found, expected)
        if (distance > TOLERANCE).any():
            i, r, player = np.argwhere(distance > TOLERANCE)[0]
            raise Disagreement(
                f"{words}: {name} does other work than {reference}: after iteration {i + 1}, replica {r}, the loss of"
                f" {'DG'[player]} is {found[i, r, player]:.7g}, expected {expected[i, r, player]:.7g} to within"
                f" {TOLERANCE:g}; nothing was timed"
            )


def trajectories(work: Work, settings: Mapping[str, tuple[str, dict[str, Any]]], iterations: int) -> Losses:
    """The losses of participants, name -> (participant, its own setting), each in a process of its own."""
    check = {"iterations": iterations, "replicas": REPLICAS}
    processes = {
        name: Process(participant, work, Setting(own=own), REPLICAS, check=check)
        for name, (participant, own) in settings.items()
    }
    try:
        return {name: np.array(process.answer()["losses"]) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.stop()


def checked(work: Work, settings: Mapping[str, tuple[str, dict[str, Any]]], iterations: int) -> dict[str, Any]:
    """Says how the participants were found to do the same work. Raises Disagreement.

    In fp32, and where rounding alone drives a chaotic game apart, in fp64: there no rounding reaches the tolerance.
    """
    if len(settings) < 2:
        return {"precision": None, "words": "a single participant: nothing to compare with"}
    fp32 = trajectories(dataclasses.replace(work, precision="fp32"), settings, iterations)
    together = agreeing(fp32)
    if together == iterations:
        return {"precision": "fp32", "words": f"all losses agree over {iterations} iterations in fp32"}
    fp64 = trajectories(dataclasses.replace(work, precision="fp64"), settings, iterations)
    require_agreement(fp64, f"{work.name}, fp64")
    words = f"all losses agree over {iterations} iterations in fp64; in fp32 over {together}, then rounding parts them"
    return {"precision": "fp64", "fp32_iterations": together, "words": words}
