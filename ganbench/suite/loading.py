"""Reading suites: TOML -> Suite, changes from the command line, and every message that a person can trigger.

Names, types, ranges and what must fit together are checked here, without importing torch. The fields of objectives,
targets, networks and optimisers are checked by `resolver.resolve`, which loads their classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ganbench import catalogue
from ganbench.catalogue import shipped_suites
from ganbench.fields import printable
from ganbench.registry import did_you_mean
from ganbench.suite.document import Document, Keys, Problem, SuiteError, parse, read
from ganbench.suite.schema import Suite
from ganbench.suite.spec import SpecError, parse_value

__all__ = ["Suite", "SuiteError", "apply_overrides", "load_suite", "parse_suite", "shipped_suites"]

LANES = 32
"""Width times batch is a multiple of it: elsewhere a replica's last bits depend on its neighbours (vector tails)."""

EXPECTED = {
    "int_type": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": 'a text in quotation marks, "..."',
    "tuple_type": 'a list such as ["..."]',
}
LIMITS = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than_equal": "a number of at most {le:g}",
    "too_long": "at most {max_length} of them",
}

TEXTS = ("name", "summary", "network", "optimiser")
"""Settings that are texts: what stands after the = is not parsed."""


def load_suite(name_or_path: str | Path) -> Suite:
    """A shipped suite by its name, or a suite file by its path (one with a separator, or ending in .toml).

    Raises SuiteError.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or "\\" in text or text.endswith(".toml"):
        return _suite(read(Path(text)))
    shipped = shipped_suites()
    if text not in shipped:
        near = did_you_mean(text, list(shipped))
        raise SuiteError(
            f'unknown suite "{printable(text)}"; {near} (a file of your own is given by its path: ./my.toml)'
        )
    return _suite(read(shipped[text]))


def parse_suite(text: str, source: str = "suite.toml") -> Suite:
    """A suite from its TOML text; `source` names it in messages. Raises SuiteError."""
    return _suite(parse(text, source))


def apply_overrides(
    suite: Suite | str | Path,
    *,
    objectives: Sequence[str] = (),
    targets: Sequence[str] = (),
    network: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: str | int | None = None,
    iterations: int | None = None,
) -> Suite:
    """A suite, or that of a name or path, with what a command line or a call changes; empty means unchanged.

    `objectives`, `targets` and `network` are specs, such as "em[temperature=[1,2]]". `settings` maps section.key to a
    value or its text; `seeds` is a number of seeds or a range such as "0:8"; `iterations` makes the budget that many
    iterations for each objective, whatever they cost. Raises SuiteError.
    """
    suite = suite if isinstance(suite, Suite) else load_suite(suite)
    if not suite.plays and (objectives or targets or network is not None):
        raise SuiteError(
            f"{suite.name}: found findings alone, which have no objective, target or network to change; choose among"
            " them by --set 'findings=[\"em-bank\"]'"
        )
    document = suite.document
    for key, value in (settings or {}).items():
        document = _set(document, key, value)
    for name, option, specs in (("objectives", "-o", objectives), ("targets", "-t", targets)):
        if isinstance(specs, str):
            raise SuiteError(f'{name}: found the text "{printable(specs)}"; expected a list of specs; write [...]')
        if specs:
            document = document.replaced((name,), [], option)
            for index, spec in enumerate(specs):
                document = document.with_element(name, index, spec, f"{option} {printable(spec)}")
    if network is not None:
        document = document.replaced(("network",), network, f"-n {printable(network)}")
    if seeds is not None:
        document = document.replaced(("seeds",), _value("--seeds", str(seeds)), f"--seeds {printable(seeds)}")
    if iterations is not None:
        budget = {"currency": "iterations", "amount": iterations}
        document = document.replaced(("budget",), budget, f"--iterations {printable(iterations)}")
    # a suite whose fields a search has replaced is not what its document says
    return suite if document is suite.document else _suite(document)


def _set(document: Document, key: str, value: Any) -> Document:
    keys: Keys = tuple(key.split("."))
    option = f"--set {printable(f'{key}={value}')}"
    parsed = isinstance(value, str) and keys[-1] not in TEXTS
    return document.replaced(keys, _value(option, value) if parsed else value, option)


def _value(option: str, text: str) -> Any:
    try:
        return parse_value(text)
    except SpecError as error:
        raise SuiteError(f"{option}: {error}") from None


def _suite(document: Document) -> Suite:
    try:
        suite = Suite.model_validate(document.content)
    except ValidationError as error:
        problems = [_problem(e) for e in error.errors(include_url=False)]
        # a missing key has no place in the file; it may be the misspelt one that is reported
        raise document.first([p for p in problems if not p.missing] or problems) from None
    except RecursionError:
        raise SuiteError(f"{document.source}:1:1: found tables nested too deeply; remove some") from None
    suite._document = document
    problems = list(_contradictions(suite))
    if problems:
        raise document.first(problems)
    return suite


def _contradictions(suite: Suite) -> Iterator[Problem]:
    """What cannot stand together although each value is well formed."""
    evaluation, lanes = suite.evaluation, suite.execution.width * suite.training.batch
    absent = [key for key in ("targets", "budget", "evaluation") if key not in suite.model_fields_set]
    if suite.plays and absent:
        yield from (Problem((key,), "found nothing; expected this key; add it", missing=True) for key in absent)
        return
    if not suite.plays:
        return
    if evaluation.rank_by not in evaluation.metrics:
        near = did_you_mean(evaluation.rank_by, evaluation.metrics)
        yield Problem(("evaluation", "rank_by"), f'"{evaluation.rank_by}" is not among the suite\'s metrics; {near}')
    if evaluation.reached and evaluation.reached_by not in evaluation.metrics:
        message = f'quality targets are levels of "{evaluation.reached_by}"; add it to the metrics or remove this table'
        yield Problem(("evaluation", "reached"), message)
    if evaluation.weights and evaluation.extractor == "classifier":
        message = 'the classifier keeps weights of its own; remove this key, or take extractor = "inception-v3-compat"'
        yield Problem(("evaluation", "weights"), message)
    if lanes % LANES:
        message = f"found {suite.execution.width} x a batch of {suite.training.batch} = {lanes};"
        yield Problem(("execution", "width"), f"{message} expected a multiple of {LANES}; change width or batch")
    if not suite.objectives and not suite.baselines:
        yield Problem(("objectives",), "found no objective and no baseline; expected at least one; name one")
    for keys, values in ((("targets",), suite.targets), (("evaluation", "metrics"), evaluation.metrics)):
        if not values:
            yield Problem(keys, "found an empty list; expected at least one; name one")
    for key, names in (("evaluation", "metrics"), evaluation.metrics), (("targets",), map(str, suite.targets)):
        yield from _twice(key, names)
    for name, table in suite.defaults.items():
        chosen = table.get("optimiser", suite.optimiser.name)
        if chosen not in catalogue.OPTIMISERS.places:
            near = did_you_mean(printable(chosen), catalogue.OPTIMISERS.names())
            yield Problem(("defaults", name, "optimiser"), f'unknown optimiser "{printable(chosen)}"; {near}')
    if shared := set(suite.tuning.seeds) & set(suite.seeds):
        message = f"found the seed {min(shared)} among the suite's seeds too; expected seeds apart from those reported"
        yield Problem(("tuning", "seeds"), f'{message}; take a range such as "1000:1004"')


def _twice(keys: Keys, names: Sequence[str] | Iterator[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Problem((*keys, index), f'found "{printable(name)}" twice; remove one')
        seen.add(name)


def _problem(error: Any) -> Problem:
    """A pydantic error in our words."""
    keys: Keys = tuple(k for k in error["loc"] if k != "[key]")
    kind, found = error["type"], printable(error["input"])
    if kind == "extra_forbidden":
        known = list(_section(keys[:-1]).model_fields)
        return Problem(keys, f"unknown key; {did_you_mean(str(keys[-1]), known)}")
    if kind == "missing":
        return Problem(keys, "found nothing; expected this key; add it", missing=True)
    if kind == "value_error":
        cause = error["ctx"]["error"]
        return Problem(keys, str(cause), cause.column if isinstance(cause, SpecError) else 0)
    if kind in ("dict_type", "model_type"):
        return Problem(keys, f"found {found}; expected a table; write [{keys[0]}] above its keys")
    return Problem(keys, f"found {found}; expected {EXPECTED.get(kind) or LIMITS[kind].format(**error['ctx'])}")


def _section(keys: Keys) -> type[BaseModel]:
    """The model behind a table's keys."""
    model: type[BaseModel] = Suite
    for key in keys:
        annotation: Any = model.model_fields[str(key)].annotation
        candidates = (annotation, *getattr(annotation, "__args__", ()))
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return model
