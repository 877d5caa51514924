"""A plan that must end within a time: which ensembles fit, the same for every objective, and what is left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ganbench.planning import Ensemble, Replica, plan_ensembles
from ganbench.study import Plan

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Unit:
    """An ensemble as it is chosen: its target, the seeds its cell has before it, its seconds in one process.

    `floors_s` is spent once for each target.
    """

    target: str
    before: int
    seconds: float
    floors_s: float = 0.0


def seconds_of(text: str) -> float:
    """Seconds in a text such as "90s", "10m" or "1h30m". Raises ValueError."""
    parts = re.findall(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])", text)
    total = sum(float(number) * UNITS_S[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or not total > 0:
        raise ValueError(f"found {text[:60]!r}; expected a time such as 90s, 10m or 1h30m")
    return total


def fitting(units: Sequence[Unit], limit_s: float, workers: int) -> list[int]:
    """The places of the units that fit into so many seconds, in their order.

    All units of a target whose cells have equally many seeds are taken together or not at all, so that no objective
    has more seeds than another; few seeds go before many, and targets stay in their order. Where not even the first of
    these groups fits, its cheapest units are taken: as many objectives as there is time for.
    """
    groups: dict[tuple[int, str], list[int]] = {}
    targets = list(dict.fromkeys(unit.target for unit in units))
    for place, unit in enumerate(units):
        groups.setdefault((unit.before, unit.target), []).append(place)
    ordered = [groups[key] for key in sorted(groups, key=lambda key: (key[0], targets.index(key[1])))]
    chosen: list[int] = []
    for group in ordered:
        if wall_s([units[place] for place in (*chosen, *group)], workers) > limit_s:
            break
        chosen += group
    if not chosen and ordered:
        for place in sorted(ordered[0], key=lambda place: (units[place].seconds, place)):
            if wall_s([units[at] for at in (*chosen, place)], workers) <= limit_s:
                chosen.append(place)
    return sorted(chosen)


def wall_s(units: Sequence[Unit], workers: int) -> float:
    """Seconds of units on so many processes: the longest queue where each next unit goes to the shortest.

    Each process finds the floors of each target, at the same time as the others.
    """
    queues = [0.0] * max(1, workers)
    for seconds in sorted((unit.seconds for unit in units), reverse=True):
        queues[queues.index(min(queues))] += seconds
    return max(queues) + sum({unit.target: unit.floors_s for unit in units}.values())


def within(planned: Plan, limit_s: float, workers: int) -> Plan:
    """The plan with the ensembles that fit, by the costs that a short probe measures; its notes say what does not.

    Findings, whose time is not known beforehand, are left out. Raises ValueError where nothing fits.
    """
    from ganbench.execution.costs import priced

    timed = tuple(e for e in planned.ensembles if not e.replicas[0].cell.finding)
    if not planned.ensembles:
        return planned
    prices = priced(timed, planned.device).prices if timed else ()
    units = [
        Unit(e.replicas[0].cell.target_label, before, price.seconds, price.floors_s)
        for e, before, price in zip(timed, _before(planned, timed), prices, strict=True)
    ]
    kept = [timed[place] for place in fitting(units, limit_s, workers)]
    if not kept:
        least = min((wall_s([unit], workers) for unit in units), default=0.0)
        what = f"the shortest ensemble takes about {least:,.0f} s" if units else "what findings take is not known"
        raise ValueError(f"--limit-time: no replica fits into {limit_s:,.0f} s: {what}; give more time, or none")
    taken = {key(replica) for ensemble in kept for replica in ensemble.replicas}
    return only(planned, taken, f"left out: no room within {limit_s:,.0f} s")


def only(planned: Plan, taken: Iterable[tuple[str, int]], why: str) -> Plan:
    """The plan with those of its unfinished replicas alone whose cell_id and seed are taken; notes name the others."""
    taken = set(taken)
    todo = [replica for ensemble in planned.ensembles for replica in ensemble.replicas]
    left = {replica.replica_id for replica in todo if key(replica) not in taken}
    counts = Counter((r.cell.target_label, r.cell.label) for r in planned.replicas if r.replica_id in left)
    notes = [
        f"{label} on {target}: {count} replica{'' if count == 1 else 's'} {why}"
        for (target, label), count in counts.items()
    ]
    return replace(
        planned,
        ensembles=tuple(plan_ensembles(replica for replica in todo if replica.replica_id not in left)),
        replicas=tuple(replica for replica in planned.replicas if replica.replica_id not in left),
        notes=(*planned.notes, *notes),
    )


def key(replica: Replica) -> tuple[str, int]:
    """What stays of a replica where it is planned anew under another execution."""
    return replica.definition["cell_id"], replica.seed


def _before(planned: Plan, ensembles: Sequence[Ensemble]) -> list[int]:
    """For each ensemble the seeds that its first cell has stored, or planned in an earlier one."""
    todo = {replica.replica_id for ensemble in planned.ensembles for replica in ensemble.replicas}
    counts = Counter(r.definition["cell_id"] for r in planned.replicas if r.replica_id not in todo)
    before = []
    for ensemble in ensembles:
        before.append(counts[ensemble.replicas[0].definition["cell_id"]])
        counts.update(replica.definition["cell_id"] for replica in ensemble.replicas)
    return before
