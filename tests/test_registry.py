"""Registries: names without imports, classes on demand."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

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


def test_a_docstring_is_that_of_the_class_whatever_stands_before_and_after_it() -> None:
    from ganbench.registry import _docstring

    source = """
class Long(Base):
    x = 1
    def f(self):
        '''no docstring of the class'''
class Longer(
    Base,
):
    r\"\"\"Of \\d.

    More.
    \"\"\"
class Quoted:
    'In other quotes.'
    text = \"\"\"no docstring\"\"\"
"""
    names = ("Long", "Longer", "Quoted", "Absent")
    assert [_docstring(source, name) for name in names] == ["", "Of \\d.\n\nMore.", "In other quotes.", ""]


@pytest.mark.parametrize(("registry", "name"), ENTRIES, ids=[f"{r.kind} {n}" for r, n in ENTRIES])
def test_a_docstring_read_without_importing_is_that_of_the_whole_file(registry: Registry, name: str) -> None:
    module, _, attribute = registry.places[name].partition(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    tree = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8"))
    (cls,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == attribute)
    assert registry.docstring(name) == ast.get_docstring(cls)
