"""The check of subjects against every law of this folder, by one process or several."""

from __future__ import annotations

import copyreg
import inspect
import multiprocessing
import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import ModuleType

import torch

from ganbench.plugins import ERRORS, told
from ganbench.theory import (
    critics,
    dirac,
    discriminator,
    em_bank,
    extremes,
    generic,
    gradients,
    nash,
    penalties,
    sample_gradients,
    stated,
    stepping,
    vanishing,
)
from ganbench.theory.law import Law, Subject, Verdict
from ganbench.theory.subjects import subject

THEMES: tuple[ModuleType, ...] = (
    generic,
    stepping,
    extremes,
    stated,
    penalties,
    discriminator,
    gradients,
    vanishing,
    critics,
    dirac,
    nash,
    sample_gradients,
    em_bank,
)

ALL_LAWS: tuple[Law, ...] = tuple(law for theme in THEMES for law in theme.LAWS)


@dataclass(frozen=True)
class Checked:
    """A subject's verdicts, and the laws that do not apply to it with the reason of each."""

    name: str
    verdicts: tuple[Verdict, ...]
    inapplicable: tuple[tuple[Law, str], ...]


def laws_for(subject: Subject) -> list[tuple[Law, str | None]]:
    """Every law with the reason why it does not apply to a subject, None where it does."""
    return [(law, _reason(law, subject)) for law in ALL_LAWS]


def _reason(law: Law, subject: Subject) -> str | None:
    try:
        return law.applies(subject)
    except ERRORS:
        return None  # what raised is the subject's; measuring raises it again, and the verdict names its line


def check(subject: Subject, laws: Iterable[Law]) -> list[Verdict]:
    """The verdict of each law on a subject; one whose measuring raises has the error, with the objective's line."""
    return [_verdict(subject, law) for law in laws]


def _verdict(subject: Subject, law: Law) -> Verdict:
    began = time.perf_counter()
    try:
        comparisons, error = tuple(law.measure(subject)), ""
    except ERRORS as raised:
        comparisons, error = (), described(raised, subject)
    return Verdict(law, comparisons, time.perf_counter() - began, error)


def described(error: BaseException, subject: Subject) -> str:
    """An error in one line, after the file and line of the objective or regulariser that raised it, if one did."""
    owners = (subject.objective, *subject.regularisers)
    return " ".join(told(error, [inspect.getsourcefile(type(owner)) or "" for owner in owners]).split())


def checked(subject: Subject) -> Checked:
    """A subject against all laws that apply to it."""
    laws = laws_for(subject)
    verdicts = check(subject, [law for law, reason in laws if reason is None])
    return Checked(subject.name, tuple(verdicts), tuple((law, reason) for law, reason in laws if reason is not None))


class ProcessDied(RuntimeError):
    """The system or an objective's code ended a process that was checking."""


def check_all(specs: list[str], workers: int) -> Iterator[Checked]:
    """Every subject of some specs against the laws that apply to it.

    Those of one discriminator's loss follow each other in one process, which so trains their critics once. Closing
    the iterator ends the processes. Raises ValueError where a spec is no subject, before anything is checked, and
    ProcessDied.
    """
    groups = grouped(specs)
    if min(workers, len(groups)) <= 1:
        torch.set_num_threads(1)
        yield from (checked(subject(spec)) for group in groups for spec in group)
        return
    # spawned: a process that is forked after torch has made threads can hang
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(groups)), context, initializer=_worker)
    try:
        found = [(group, pool.submit(_answer, group)) for group in groups]
        for group, answers in found:
            try:
                yield from answers.result()
            except BrokenProcessPool:
                raise ProcessDied(f"a process died while these or others were checked: {', '.join(group)}") from None
    finally:
        for process in multiprocessing.active_children():
            process.kill()
        pool.shutdown(cancel_futures=True)


def grouped(specs: list[str]) -> list[list[str]]:
    """The specs in groups of one discriminator's loss. Raises ValueError where a spec is no subject."""
    groups: dict[object, list[str]] = {}
    for spec in dict.fromkeys(specs):
        groups.setdefault(type(subject(spec).objective).d_loss, []).append(spec)
    return list(groups.values())


def _worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that was interrupted ends this one
    torch.set_num_threads(1)


def law_named(name: str) -> Law:
    """The law of a name."""
    return next(law for law in ALL_LAWS if law.name == name)


# between processes a law goes by its name, as its functions may be lambdas
copyreg.pickle(Law, lambda law: (law_named, (law.name,)))


def _answer(specs: list[str]) -> list[Checked]:
    return [checked(subject(spec)) for spec in specs]
