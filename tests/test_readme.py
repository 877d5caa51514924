"""What the README tells a newcomer to type or to write works as written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from ganbench import catalogue
from ganbench.cli import main
from ganbench.networks.mlp import MLP
from ganbench.objectives.contract import Objective
from ganbench.targets.mixtures import Ring8
from ganbench.training.ensemble import Game
from ganbench.training.loop import Lane, Training
from ganbench.training.optimisers import Adam

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for _, block in BLOCKS for line in block.splitlines() if line.startswith(".venv/bin/ganbench ")]


def written_objective() -> type[Objective]:
    """The class of the section on adding an objective."""
    (code,) = [block for language, block in BLOCKS if language == "python" and "(Objective)" in block]
    assert len(code.strip().splitlines()) == 4, "the README promises four lines"
    names: dict[str, type[Objective]] = {"__name__": "ganbench.objectives.least_squares"}  # type: ignore[dict-item]
    exec(code, names)
    return names["LeastSquares"]


def test_the_four_lines_of_the_readme_train():
    objective = written_objective()()
    game = Game(objective, Adam(), MLP(width=8), None, 2, (2,), 32, 2, False, "cpu")
    training = Training(game, [Lane(objective, Adam(), seed) for seed in (0, 1)], Ring8())
    before = training.samples("test", 0, 32)
    training.advance(3)
    assert training.alive().all()
    assert (training.samples("test", 0, 32) != before).any()


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_is_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in ("results/toy2d", "results/reference/toy2d", "results/asv", "elsewhere/toy2d"):
        (tmp_path / folder).mkdir(parents=True)  # earlier commands and other machines make them
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line, comments=True)[1:]
    command = main.commands[words[0]]
    with click.Context(main) as parent:
        context = command.make_context(words[0], words[1:], parent=parent)
    suite = context.params.get("suite")
    assert suite is None or suite in catalogue.shipped_suites()


def test_the_table_of_objectives_names_them_all():
    table = README[README.index("## Objectives") : README.index("### Add one")]
    assert [name for name in catalogue.OBJECTIVES.names() if f"`{name}`" not in table] == []
