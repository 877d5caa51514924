"""What must fit together before cells are made: targets with each other, with the network and the evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ganbench import catalogue
from ganbench.plugins import ObjectiveError
from ganbench.registry import Registry
from ganbench.suite.cells import Evaluation, Part
from ganbench.suite.document import Keys, Problem
from ganbench.suite.schema import Suite
from ganbench.suite.spec import Spec


@dataclass(frozen=True)
class Column:
    """A target with its values, where it was written, and its quality target, if it has one."""

    target: Part
    label: str
    reached: float | None
    keys: Keys


def unloadable(suite: Suite) -> Iterator[Problem]:
    """Objectives whose classes cannot be imported: told before anything else asks for them."""
    named: list[tuple[str, Keys]] = []
    for key in ("objectives", "baselines"):
        named += [(spec.name, (key, index)) for index, spec in enumerate(getattr(suite, key))]
    named += [(name, ("defaults", name)) for name in suite.defaults]
    named += [(name, ("search", name)) for name in suite.search if name != "*"]
    for name, keys in named:
        try:
            if name not in catalogue.BASELINES.places:
                catalogue.OBJECTIVES.load(name)
        except ObjectiveError as error:
            yield Problem(keys, str(error))


def namesakes(parts: Iterable[tuple[Part, Keys]]) -> Iterator[Problem]:
    """Two files of one name: results could not be told apart, as no folder is part of an identity."""
    places: dict[str, str] = {}
    for part, keys in parts:
        other = places.setdefault(part.name, part.place)
        if other != part.place:
            message = f"found {part.place} and {other}; expected files of different names; rename one"
            yield Problem(keys, message)


def twins(columns: Sequence[Column]) -> Iterator[Problem]:
    """Two targets of equal values are one, and so are equal data at two places."""
    seen: dict[str, str] = {}
    for column in columns:
        identity = json.dumps(column.target.identity(), sort_keys=True)
        if identity in seen:
            yield Problem(column.keys, f'the same target as "{seen[identity]}"; remove one')
        seen.setdefault(identity, column.label)


def misfits(network: Part, columns: Sequence[Column]) -> Iterator[Problem]:
    """A network may be made for some shapes of samples only."""
    for column in columns:
        reason = network.instance.inapplicable(column.target.instance.shape)
        if reason is not None:
            yield Problem(("network",), f"{network.name} on {column.label}: {reason}")


def shortages(settings: Evaluation, columns: Sequence[Column]) -> Iterator[Problem]:
    """A finite target cannot give more samples than it holds."""
    for column in columns:
        limit = column.target.instance.reference_limit
        for key in ("samples", "final_samples"):
            if limit is not None and getattr(settings, key) > limit:
                message = f"found {getattr(settings, key)}; expected at most {limit}, all that {column.label} holds"
                yield Problem(("evaluation", key), message)


def unmeasured(settings: Evaluation, reached_by: str, columns: Sequence[Column]) -> Iterator[Problem]:
    """A quality target needs a metric that measures its target: no training could ever reach it."""
    for column in columns:
        reason = settings.metric(reached_by).inapplicable(column.target.instance)
        if column.reached is not None and reason is not None:
            message = f'"{reached_by}" has no value on {column.label} ({reason}); remove the level or name another'
            yield Problem(("evaluation", "reached"), f"{message} metric in reached_by")


def missing(targets: Sequence[Spec]) -> Iterator[Problem]:
    """Images from outside that are not here: told at once, before torch is loaded, which takes seconds."""
    for index, spec in enumerate(targets):
        if spec.name not in catalogue.NAMED_SETS:
            continue
        name = catalogue.NAMED_SETS[spec.name]
        for point in spec.grid():
            split, resolution = point.fields.get("split", ""), point.fields.get("resolution", 0)
            if split not in ("", "train", "test", "all") or type(resolution) is not int:
                continue  # a mistake that building the target tells
            try:
                Registry("set of images", {name: catalogue.REQUIRE}).load(name)(name, split, resolution)
            except ValueError as error:
                yield Problem(("targets", index), f"data: {error}")
