"""`ganbench new objective`: what it writes runs as it is, and the README's lines for it work one after the other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ganbench.catalogue import OBJECTIVES
from ganbench.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("### An objective of your own") :]
LINES = SECTION[SECTION.index("```") + 3 : SECTION.index("```", SECTION.index("```") + 3)].strip().splitlines()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(name: str) -> Result:
    return CliRunner().invoke(main, ["new", "objective", name], catch_exceptions=False)


def test_the_readme_promises_four_lines():
    assert [line.split()[1] for line in LINES] == ["new", "check", "run", "report"]


def test_the_lines_of_the_readme_work_one_after_the_other():
    said = ""
    for line in LINES:
        command, *words = shlex.split(line, comments=True)
        assert command == ".venv/bin/ganbench"
        done = CliRunner().invoke(main, words, catch_exceptions=False)
        assert done.exit_code == 0, f"{line}\n{done.output}"
        said = done.stdout
    assert "my_idea.py:MyIdea" in said


def test_the_file_is_an_objective_under_the_name_in_capitals(folder: Path):
    assert "least_squares.py:LeastSquares" in written("least-squares").output
    assert OBJECTIVES.load("least_squares.py:LeastSquares").__name__ == "LeastSquares"


def test_the_file_is_short_and_holds_the_longest_name_within_the_usual_line(folder: Path):
    longest = "a" * 40
    written(longest)
    lines = (folder / f"{longest}.py").read_text().splitlines()
    assert (len(lines) <= 30, max(map(len, lines)) <= 120) == (True, True)


def test_a_file_that_is_there_is_not_overwritten(folder: Path):
    (folder / "my_idea.py").write_text("mine")
    found = written("my-idea")
    assert (found.exit_code, (folder / "my_idea.py").read_text()) == (2, "mine")
    assert "my_idea.py: is there already" in found.stderr


@pytest.mark.parametrize("name", ["../up", "class", "My-Idea", "1st", "f", "objective", "a b", "a" * 41, ""])
def test_what_is_no_name_is_refused(name: str, folder: Path):
    assert re.search(r'NAME: found ".*"; expected words of a-z and 0-9', written(name).stderr)
    assert list(folder.iterdir()) == []


def test_a_name_that_would_hide_a_module_is_refused(folder: Path):
    assert "random.py: would hide the module random" in written("random").stderr
    assert list(folder.iterdir()) == []


def test_info_shows_what_the_file_says_of_itself():
    written("my-idea")
    found = CliRunner().invoke(main, ["info", "my_idea.py:MyIdea"], catch_exceptions=False).stdout
    assert found.startswith("objective my_idea.py:MyIdea\n")
    assert re.search(r"fake=1 +number, swept +above 0", found)
