"""What the page says, in its order: which objective, how sure, what fails, how fast, samples, how to reproduce it.

Over 250 lines: one page, section by section.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.report import curves, figures, wording
from ganbench.report.across import critical_differences, normalised_scores, profile, ranks_sentence
from ganbench.report.board import Board, board
from ganbench.report.clouds import clouds, failures
from ganbench.report.costs_board import costs
from ganbench.report.figures import Figure, Look
from ganbench.report.finals import is_finding
from ganbench.report.needed import endings
from ganbench.report.ranking import latest, selectable
from ganbench.report.tables import Told, sentences, to_text, told
from ganbench.report.verdicts import AGAINST, verdict_sentence, verdicts
from ganbench.report.wording import inert
from ganbench.statistics import FEWEST_FOR_INFERENCE, MANY, clopper_pearson

MOST_FAILURES = 30
"""Replicas whose error is shown in full."""


@dataclass(frozen=True)
class Shown:
    """A table with what the template asks of it."""

    headings: list[Any]
    rows: list[Any]
    floors: bool
    named: int = 1  # the column that says "floor"


@dataclass(frozen=True)
class Part:
    """A piece of a section."""

    title: str = ""
    words: Sequence[str] = ()
    board: Shown | None = None
    figures: Sequence[Figure] = ()
    clouds: dict[str, Any] | None = None
    clouds_id: str = ""
    pictures: Sequence[dict[str, str]] = ()
    blocks: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True)
class Section:
    """A heading with its words and its parts."""

    id: str
    title: str
    words: Sequence[str] = ()
    parts: Sequence[Part] = field(default_factory=tuple)


@dataclass(frozen=True)
class Study:
    """One suite's target: its newest results, its ranked rows and both families of its verdicts."""

    results: pd.DataFrame
    course: pd.DataFrame  # the results with their values during training
    ranked: pd.DataFrame
    pairs: pd.DataFrame
    against: pd.DataFrame
    where: str  # names it in ids
    title: str


def content(
    results: pd.DataFrame,
    files: Mapping[str, Path],
    *,
    title: str,
    source: str,
    version: str,
    rank_by: str | None = None,
    against: str = AGAINST,
    pictures: Sequence[Path] = (),
    reproduce: Sequence[Part] = (),
    alarms: Sequence[str] = (),
    findings: Sequence[Section] = (),
    tables: Told | None = None,
) -> dict[str, Any]:
    """All that the template needs, from the table of `load_results` and replica_id -> file.

    `reproduce` are the parts of the last section, `findings` sections of a theory suite, `pictures` grids of images.
    `tables` spares ranking again: it is `told(results, rank_by)`.
    """
    sections: list[Section] = []
    results = results[~is_finding(results)]
    if len(results):
        course, results = results, endings(results)
        tables = tables or told(results, rank_by)
        studies = _studies(results, course, tables.ranked, against, rank_by)
        by = figures.looks(dict.fromkeys(label for s in studies for label in s.ranked[~s.ranked.baseline].label))
        table = pd.concat([s.ranked for s in studies], ignore_index=True)
        alarms = [*alarms, *filter(None, [wording.incomplete_sentence(table)])]
        sections = [
            Section("verdict", "Which objective", [*_verdicts(studies), ranks_sentence(table)], _boards(studies)),
            Section("sure", "How sure", _sure_words(studies, against), _sure(studies, by, results, table)),
            Section("fails", "What fails", [], _fails(studies, by, files)),
            Section("speed", "How fast", [wording.speed_sentence(latest(results))], _speed(studies, by)),
            Section("samples", "Samples", [], _samples(studies, files, pictures)),
            Section("meaning", "What the numbers mean", _meaning(tables, results, table), _twin(results, tables)),
        ]
    sections += findings
    sections.append(Section("reproduce", "Reproduce", [], reproduce))
    kept = [s for s in sections if s.parts or any(s.words)]
    shown = [Section(s.id, s.title, [w for w in s.words if w], s.parts) for s in kept]
    return {
        **{"title": inert(title), "subtitle": _subtitle(results), "alarms": [inert(a) for a in alarms]},
        **{"sections": shown, "version": version, "source": inert(source)},
    }


def _studies(
    results: pd.DataFrame, course: pd.DataFrame, ranked: pd.DataFrame, against: str, rank_by: str | None
) -> list[Study]:
    newest, trained = selectable(latest(results)), selectable(latest(course))
    said = verdicts(newest, rank_by, against, ranked)
    found = []
    several = ranked.suite.nunique() > 1
    for i, ((suite, target), rows) in enumerate(ranked.groupby(["suite", "target"], sort=True)):
        own = said[(said.suite == suite) & (said.target == target)]
        title = inert(f"{suite} · {target}" if several else str(target))
        found.append(
            Study(
                # the label of the ranked rows tells cells of one label apart; figures go by it
                _labelled(newest[(newest.suite == suite) & (newest.target == target)], rows),
                _labelled(trained[(trained.suite == suite) & (trained.target == target)], rows),
                rows,
                own[own.family == "pairs"],
                own[own.family == "baseline"],
                f"t{i}",
                title,
            )
        )
    return found


def _labelled(results: pd.DataFrame, ranked: pd.DataFrame) -> pd.DataFrame:
    return results.assign(label=results.cell_id.map(dict(zip(ranked.cell_id, ranked.label, strict=True))))


def _subtitle(results: pd.DataFrame) -> str:
    if results.empty:
        return ""
    replicas = results.drop_duplicates("replica_id")
    counts = replicas.status.value_counts()
    told = ", ".join(f"{counts[s]} {s}" for s in ("completed", "diverged", "failed") if s in counts)
    named = f"{results.target.nunique()} targets, {results.label.nunique()} objectives and baselines"
    return f"{named}, {results.seed.nunique()} seeds: {told}."


def _verdicts(studies: list[Study]) -> list[str]:
    return [inert(verdict_sentence(s.ranked, s.pairs, s.title)) for s in studies]


def _boards(studies: list[Study]) -> list[Part]:
    return [Part(s.title, board=_shown(board(s.results, s.ranked, s.pairs, s.against))) for s in studies]


def _shown(made: Board) -> Shown:
    return Shown(made.headings, made.rows, any(h.floor for h in made.headings))


def _sure_words(studies: list[Study], against: str) -> list[str]:
    words = [
        'Words have one meaning each. "better": the adjusted p-value is below .05 and the 95% interval of the'
        ' probability of improvement lies above .5; "much better": that probability is .75 or more as well;'
        ' "equivalent": its 90% interval lies inside .4 to .6; else "undecided".',
        "p-values are those of the studentised permutation test of Brunner and Munzel, ties kept, where each objective"
        f" has {MANY} seeds or more in its limit, Student's t; adjusted by Holm"
        " within a family: one metric on one target, against one objective or over all pairs.",
    ]
    if all(s.against.empty for s in studies):
        words.append(f"No objective goes by the name {inert(against)}, so that only pairs are compared.")
    return words


def _sure(studies: list[Study], by: Mapping[str, Look], results: pd.DataFrame, ranked: pd.DataFrame) -> list[Part]:
    parts = []
    for s in studies:
        drawn = [figures.distribution(s.results, s.ranked, by, s.where), figures.matrix(s.ranked, s.pairs, s.where)]
        few = (s.ranked.completed + s.ranked.diverged).max() < FEWEST_FOR_INFERENCE
        words = [f"Fewer than {FEWEST_FOR_INFERENCE} seeds: nothing is inferred."] if few else []
        parts.append(Part(s.title, [*words, *_paired(s)], figures=[f for f in drawn if f]))
    drawn = [profile(normalised_scores(results, ranked), by), critical_differences(ranked, by)]
    return [*parts, Part("All targets", figures=[f for f in drawn if f])] if any(drawn) else parts


def _paired(s: Study) -> list[str]:
    """What sharing seeds shows beside the unpaired test."""
    told: list[str] = []
    rows: Any = s.against.itertuples()
    for row in rows:
        if row.pairs and row.paired == row.paired:
            p = "" if row.paired_adjusted != row.paired_adjusted else f", adjusted p {row.paired_adjusted:.3f}"
            told.append(f"{inert(row.label)} {row.paired:+.3g} ({row.pairs} pair{'' if row.pairs == 1 else 's'}{p})")
    if not told:
        return []
    words = [f"Median difference to {inert(s.against.other.iloc[0])} over shared seeds: {'; '.join(told)}."]
    otherwise = s.against[s.against.pairing_differs]
    if len(otherwise):
        names = ", ".join(map(inert, otherwise.label))
        words.append(f"The paired test would have decided otherwise on {names}.")
    return words


def _fails(studies: list[Study], by: Mapping[str, Look], files: Mapping[str, Path]) -> list[Part]:
    parts = []
    for s in studies:
        replicas = s.results.drop_duplicates("replica_id")
        diverged, failed = (replicas[replicas.status == status] for status in ("diverged", "failed"))
        timeline = figures.divergences(s.results, by, s.where)
        blocks = [
            {
                "title": inert(f"{row.label}, seed {row.seed}: {str(row.error).partition(chr(10))[0]}"),
                "text": str(row.error),
                "open": False,
            }
            for row in failed.sort_values(["label", "seed"]).head(MOST_FAILURES).itertuples()
        ]
        trained = s.ranked[~s.ranked.baseline]
        ran = int((trained.completed + trained.diverged).sum())
        low, high = clopper_pearson(int(trained.diverged.sum()), ran)
        words = [
            f"{int(trained.diverged.sum())} of {ran} trained replicas diverged"
            + (f" (95% interval of the rate {low:.1%} to {high:.1%})" if ran else "")
            + f"; {len(failed)} failed with an error."
        ]
        if len(failed) > MOST_FAILURES:
            words.append(f"The first {MOST_FAILURES} errors follow.")
        gallery = failures(s.results, s.ranked, files)
        if gallery:
            words.append("The gallery has the replicas that diverged or ended worse than `trivial`, the worst first.")
        if len(diverged) or len(failed) or ran:
            drawn = [timeline] if timeline else []
            parts.append(Part(s.title, words, None, drawn, gallery, f"failures-{s.where}", blocks=blocks))
    return parts


def _speed(studies: list[Study], by: Mapping[str, Look]) -> list[Part]:
    parts = []
    for s in studies:
        metric = str(s.ranked.rank_by.iloc[0])
        drawn = [
            curves.curves(s.course, metric, by, "iteration", s.where),
            curves.curves(s.course, metric, by, "seconds", s.where),
            curves.incidence(s.course, by, "iteration", s.where),
            curves.incidence(s.course, by, "seconds", s.where),
        ]
        timed = costs(s.results, s.ranked)
        if timed or any(drawn):
            parts.append(Part(s.title, board=_shown(timed) if timed else None, figures=[f for f in drawn if f]))
    return parts


def _samples(studies: list[Study], files: Mapping[str, Path], pictures: Sequence[Path]) -> list[Part]:
    parts = []
    for s in studies:
        found = clouds(s.results, s.ranked, files)
        if found:
            parts.append(Part(s.title, clouds=found, clouds_id=f"clouds-{s.where}"))
    grids = [
        {"title": inert(path.stem), "source": f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"}
        for path in pictures
    ]
    return [*parts, Part("Samples as images", pictures=grids)] if grids else parts


def _meaning(tables: Told, results: pd.DataFrame, ranked: pd.DataFrame) -> list[str]:
    # of one suite they stand below its tables
    return tables.suites[0].sentences if len(tables.suites) == 1 else sentences(latest(results), ranked)


def _twin(results: pd.DataFrame, tables: Told) -> list[Part]:
    text = to_text(results, tables=tables)
    return [Part(blocks=[{"title": "The tables as plain text", "text": text, "open": False}])]
