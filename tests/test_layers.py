"""Imports go one way through the house, and what renders a report never loads torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ganbench

PACKAGE = Path(ganbench.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("registry", "plugins", "catalogue", "fields", "folders", "streams"),
    ("suite",),
    ("planning",),
    ("targets", "objectives", "networks"),
    ("training",),
    ("metrics",),
    ("theory",),
    ("execution",),
    ("store",),
    ("statistics",),
    ("report",),
    ("study",),
    ("pipeline", "limiting", "measuring", "tables"),
    ("tuning", "verifying"),
    ("cli",),
    ("__main__",),
)
"""The parts of the package, earliest first; a part imports itself, its layer and what stands before."""

APART = ("targets", "objectives", "networks")
"""Parts of one layer that know nothing of each other."""

TORCHLESS = "registry plugins catalogue fields folders suite planning store statistics report study pipeline"
WITHOUT_TORCH = (*TORCHLESS.split(" "), "limiting", "measuring", "tables", "verifying", "cli")


def layer(part: str) -> int:
    (found,) = (i for i, parts in enumerate(LAYERS) if part in parts)
    return found


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def modules() -> Iterator[tuple[str, str, Path]]:
    """Part, dotted name and file of every module but the package's own."""
    for file in sorted(PACKAGE.rglob("*.py")):
        names = [name for name in file.relative_to(PACKAGE).with_suffix("").parts if name != "__init__"]
        if names:
            yield part_of(file), ".".join(["ganbench", *names]), file


def imported_parts(text: str) -> set[str]:
    """Parts of ganbench that a module's text imports, at the top or inside functions.

    Raises ValueError at a relative import, whose layer cannot be read off the line.
    """
    parts: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"line {node.lineno}: a relative import; write it from ganbench on")
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        parts |= {name.split(".")[1] for name in names if name.startswith("ganbench.")}
    return parts


def arrows_back(part: str, text: str) -> set[str]:
    """Parts that a module of a part imports against the layers."""
    apart = set(APART) - {part} if part in APART else set()
    known = {p for p in imported_parts(text) if any(p in parts for parts in LAYERS)}
    return {p for p in known if layer(p) > layer(part)} | (known & apart)


MODULES = list(modules())
NAMES = [name for _, name, _ in MODULES]


@pytest.mark.parametrize(("part", "name", "file"), MODULES, ids=NAMES)
def test_a_module_imports_only_what_stands_before_it(part: str, name: str, file: Path):
    assert arrows_back(part, file.read_text(encoding="utf-8")) == set()


def test_every_part_has_its_layer():
    assert {part for part, _, _ in MODULES} <= {part for parts in LAYERS for part in parts}


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("store", "from ganbench.cli import main"),
        ("store", "import ganbench.cli"),
        ("objectives", "def f():\n    from ganbench import training"),
        ("metrics", "if TYPE_CHECKING:\n    from ganbench.report.tables import table"),
        ("objectives", "from ganbench.targets.contract import Target"),
    ],
)
def test_an_arrow_that_points_back_is_found(part: str, text: str):
    assert arrows_back(part, text)


def test_a_relative_import_is_refused():
    with pytest.raises(ValueError, match="relative import"):
        imported_parts("from . import streams")


def loaded_by(names: list[str]) -> list[str]:
    """Those of some modules whose import, one after the other in a fresh process, is the first to bring torch."""
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    before = 'torch' in sys.modules\n"
        "    importlib.import_module(name)\n"
        "    if not before and 'torch' in sys.modules: print(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_what_renders_a_report_never_loads_torch():
    assert loaded_by([name for part, name, _ in MODULES if part in WITHOUT_TORCH]) == []


def test_a_module_that_loads_torch_is_found():
    assert loaded_by(["ganbench.fields", "ganbench.objectives.contract"]) == ["ganbench.objectives.contract"]
