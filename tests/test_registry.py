"""Registries: names without imports, classes on demand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ganbench import catalogue
from ganbench.registry import Registry, UnknownName, did_you_mean

REGISTRIES = [value for value in vars(catalogue).values() if isinstance(value, Registry)]
COUNTERS = Registry("counter", {"counter": "collections:Counter", "ordered": "collections:OrderedDict"})
ENTRIES = [(registry, name) for registry in REGISTRIES for name in registry.names()]


def test_a_name_loads_its_class() -> None:
    import collections

    assert COUNTERS.load("counter") is collections.Counter


def test_an_unknown_name_is_told_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match=r'unknown counter "countr"; did you mean "counter"\?'):
        COUNTERS.load("countr")


def test_a_name_far_from_all_is_told_them_all() -> None:
    assert did_you_mean("zzz", ["counter", "ordered"]) == "known: counter, ordered"


def test_a_name_among_none_is_told_so() -> None:
    assert did_you_mean("zzz", []) == "there is none"


def test_objectives_and_baselines_share_no_name() -> None:
    assert not set(catalogue.OBJECTIVES.names()) & set(catalogue.BASELINES.names())


@pytest.mark.parametrize(("registry", "name"), ENTRIES, ids=[f"{r.kind} {n}" for r, n in ENTRIES])
def test_every_registered_class_says_in_one_line_what_it_is(registry: Registry, name: str) -> None:
    summary = registry.summary(name)
    assert (summary[-1:] in (".", ";", ":"), len(summary) > 10) == (True, True), summary


def test_listing_names_and_reading_a_suite_import_no_torch() -> None:
    program = (
        "import sys; from ganbench import catalogue, suite; suite.load_suite('toy2d'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
