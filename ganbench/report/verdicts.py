"""Which objective to use and how sure that is: objectives against a named one and in pairs, target by target."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from ganbench.report.finals import final_values, is_finding, ranking_metric
from ganbench.report.ranking import latest, rank, suite_rank_by
from ganbench.statistics import FEWEST_FOR_INFERENCE, Comparison, compare, families

AGAINST = "non-saturating"
"""What objectives are compared with where nobody names another."""

DECIDED = ("better", "much better", "worse", "much worse")

SeedCosts = dict[str, dict[int, float]]
"""Cell -> seed -> final cost: small is good, infinite is diverged."""


def verdicts(
    results: pd.DataFrame, rank_by: str | None = None, against: str = AGAINST, table: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Comparisons of objectives on each target by their final `rank_by`, from the table of `load_results`.

    One row per suite, target, family and pair: `label` against `other`. The family "baseline" has every objective
    against the one that is labelled `against`, or the best of that name; it is absent where there is none. The family
    "pairs" has all pairs. Columns are those of statistics.Comparison with `word`, `seeds_to_decide` and
    `pairing_differs`. Baselines, which are no objectives, are in no family; failed replicas have no cost. `table`
    spares ranking again: it is `rank(results, rank_by)`.
    """
    table = rank(results, rank_by) if table is None else table
    rows: list[dict[str, Any]] = []
    played = results[~is_finding(results)]
    for (suite, target), group in latest(played).groupby(["suite", "target"], sort=True):
        metric = rank_by or suite_rank_by(group)
        ranked = table[(table.suite == suite) & (table.target == target) & ~table.baseline.astype(bool)]
        labels = dict(zip(ranked.cell_id, ranked.label, strict=True))
        costs = {cell: of_cell for cell, of_cell in seed_costs(group, metric).items() if cell in labels and of_cell}
        cells = [cell for cell in ranked.cell_id if cell in costs]
        named = _named(ranked[ranked.cell_id.isin(cells)], against)
        kinds = {"baseline": [(cell, named) for cell in cells if named and cell != named]}
        kinds["pairs"] = list(combinations(cells, 2))
        # a pair of both families is compared once
        found_of = {(a, b): compare(costs[a], costs[b]) for a, b in {*kinds["baseline"], *kinds["pairs"]}}
        for family, pairs in kinds.items():
            for (cell, other), found in zip(pairs, families([found_of[pair] for pair in pairs]), strict=True):
                about = {"suite": suite, "target": target, "family": family, "metric": metric}
                about |= {"label": labels[cell], "other": labels[other], "cell_id": cell, "other_cell_id": other}
                told = {"word": found.word, "seeds_to_decide": found.seeds_to_decide}
                rows.append({**about, **vars(found), **told, "pairing_differs": found.pairing_differs})
    return pd.DataFrame(rows, columns=[*COLUMNS])


COLUMNS = (
    *("suite", "target", "family", "metric", "label", "other", "cell_id", "other_cell_id"),
    *Comparison.__dataclass_fields__,
    *("word", "seeds_to_decide", "pairing_differs"),
)


def seed_costs(results: pd.DataFrame, rank_by: str) -> SeedCosts:
    """The final costs of one target's replicas; infinite for a diverged one and for a value that is no number.

    A failed replica has none, nor one whose value is flagged or was measured by another instrument.
    """
    final = final_values(results)
    final = final[final.metric == ranking_metric(final, rank_by)]
    sign = -1 if (final.direction == "higher").any() else 1
    trusted = final[(final.status == "completed") & (final.flag == "")]
    found: SeedCosts = {str(cell): {} for cell in results.cell_id.unique()}
    for cell, seed, value in zip(trusted.cell_id, trusted.seed, trusted.value, strict=True):
        found[cell][int(seed)] = math.inf if math.isnan(value) else sign * value
    diverged = results[results.status == "diverged"].drop_duplicates("replica_id")
    for cell, seed in zip(diverged.cell_id, diverged.seed, strict=True):
        found[cell][int(seed)] = math.inf
    return found


def _named(ranked: pd.DataFrame, against: str) -> str | None:
    """The cell that goes by a label, else the best ranked of an objective of that name."""
    for column in ("label", "objective"):
        found = ranked[ranked[column] == against]
        if len(found):
            return str(found.cell_id.iloc[0])
    return None


def groups(ranked: Iterable[str], pairs: pd.DataFrame) -> dict[str, str]:
    """Label -> letters; two objectives that share a letter were not told apart. From one target's family of pairs.

    Letters go to the largest sets of objectives of which no two were told apart, the best first.
    Source: Piepho 2004, "An algorithm for a letter-based representation of all-pairwise comparisons".
    """
    labels = list(ranked)
    decided = pairs[pairs.word.isin(DECIDED)]
    apart = {frozenset(pair) for pair in zip(decided.label, decided.other, strict=True)}
    sets: list[frozenset[str]] = [frozenset(labels)]
    for pair in apart:
        split = [s - {member} for s in sets if pair <= s for member in pair] + [s for s in sets if not pair <= s]
        sets = [s for s in set(split) if s and not any(s < other for other in split)]
    ordered = sorted(sets, key=lambda s: sorted(labels.index(label) for label in s))
    letters = {s: _letter(i) for i, s in enumerate(ordered)}
    return {label: "".join(letters[s] for s in ordered if label in s) for label in labels}


def _letter(i: int) -> str:
    return chr(ord("a") + i) if i < 26 else f"({i + 1})"


def verdict_sentence(ranked: pd.DataFrame, pairs: pd.DataFrame, where: str | None = None) -> str:
    """What one target's replicas say about which objective to use, in words; from its rows of `rank` and its pairs.

    `where` names the target where its own name does not tell it from others.
    """
    own = ranked[~ranked.baseline & ranked["rank"].notna() & np.isfinite(ranked.value.astype(float))]
    own, target = own.sort_values("rank"), where or ranked.target.iloc[0]
    if own.empty:
        return f"{target}: no objective has a value that can be ranked."
    best = own.iloc[0]
    seeds = int(best.completed + best.diverged)
    began = f"{target}: {best.label} is first by {best.rank_by} ({best.value:.3g}, floor {best.floor:.3g})"
    mine = pairs[(pairs.label == best.label) | (pairs.other == best.label)]
    if mine.empty:
        return f"{began}; it was compared with no other objective."
    if seeds < FEWEST_FOR_INFERENCE:
        return f"{began}, which {seeds} seed{'' if seeds == 1 else 's'} cannot show; {FEWEST_FOR_INFERENCE} are needed."
    wins = [_from(row, best.label) for row in mine.itertuples()]
    beaten = [label for label, word, _ in wins if word in ("better", "much better")]
    if len(beaten) == (~ranked.baseline).sum() - 1:
        return f"{began}, and better than every other objective ({seeds} seeds)."
    told = [f"{began}."]
    open_ones = [(label, needed) for label, word, needed in wins if word not in (*DECIDED, "equivalent")]
    if open_ones:
        finite = [needed for _, needed in open_ones if math.isfinite(needed)]
        more = f"; about {max(finite):.0f} seeds of each would" if finite and max(finite) > seeds else ""
        told.append(f"{seeds} seeds do not tell it from {_listed([label for label, _ in open_ones])}{more}.")
    alike = [label for label, word, _ in wins if word == "equivalent"]
    # means and ranks can disagree: one bad seed moves the one far and the other by one place
    lost = [label for label, word, _ in wins if word in ("worse", "much worse")]
    for what, labels in (
        ("It is equivalent to", alike),
        ("It is better than", beaten),
        ("By the probability of improvement it is worse than", lost),
    ):
        if labels:
            told.append(f"{what} {_listed(labels)}.")
    return " ".join(told)


def _from(row: Any, label: str) -> tuple[str, str, float]:
    """The other objective of a pair, the word for `label` against it, and the seeds that would decide."""
    turned = {"better": "worse", "much better": "much worse", "worse": "better", "much worse": "much better"}
    if row.label == label:
        return row.other, row.word, row.seeds_to_decide
    return row.label, turned.get(row.word, row.word), row.seeds_to_decide


def _listed(labels: list[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
