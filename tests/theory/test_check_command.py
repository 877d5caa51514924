"""`ganbench check`: its table, its exit codes, and objectives from outside that break laws or raise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import Result
from tiny import ganbench

from ganbench.theory import checking
from ganbench.theory.checking import ALL_LAWS, ProcessDied, check, check_all, grouped, laws_for
from ganbench.theory.law import Comparison, Law, Subject
from ganbench.theory.subjects import subject

MINE = """\
import torch
import torch.nn.functional as F

from ganbench.objectives.contract import Objective, mean


class Mine(Objective):
    def d_loss(self, G, D, b, /):
        return mean(b.w, F.softplus(-D(b.x))) + mean(b.r, F.softplus(D(G(b.z))))

    def g_loss(self, G, D, b, /):
        return mean(b.r, F.softplus(-D(G(b.z))))


class Backwards(Mine):
    def g_loss(self, G, D, b, /):
        return -super().g_loss(G, D, b)


class Raising(Mine):
    def g_loss(self, G, D, b, /):
        raise KeyError("nothing \\x1b[31m here")


class Leaving(Mine):
    def g_loss(self, G, D, b, /):
        raise SystemExit(7)


class Numberless(Mine):
    def d_loss(self, G, D, b, /):
        return super().d_loss(G, D, b) * float("nan")


class Undecided(Mine):
    def __post_init__(self):
        if self.d_steps == 3:
            raise RuntimeError("not 3")


class Deadly(Mine):
    def g_loss(self, G, D, b, /):
        import os
        os._exit(3)
"""

FEW = ("shapes", "gradients", "opposition", "numbers", "penalties")
"""Laws of which each takes some hundredths of a second."""


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with objectives from outside, in the working directory."""
    (tmp_path / "my.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check with few laws."""
    monkeypatch.setattr(checking, "ALL_LAWS", tuple(law for law in ALL_LAWS if law.name in FEW))


def checked(folder: Path, *arguments: str) -> Result:
    return ganbench(folder, "check", "--workers", "1", *arguments)


@pytest.mark.usefixtures("few")
def test_a_sound_objective_exits_with_0_and_says_how_many_laws_hold(tmp_path: Path):
    found = checked(tmp_path, "my.py:Mine")
    assert found.exit_code == 0
    assert "\n3 laws hold, 0 fail; " in found.stdout


@pytest.mark.usefixtures("few")
def test_a_broken_law_exits_with_1_and_is_marked_in_words_and_sign(tmp_path: Path):
    found = checked(tmp_path, "my.py:Backwards")
    assert found.exit_code == 1
    (line,) = (line for line in found.stdout.splitlines() if line.startswith("opposition "))
    assert "✗ fails" in line
    assert "\n2 laws hold, 1 fails; " in found.stdout


@pytest.mark.usefixtures("few")
def test_a_row_shows_what_is_expected_measured_and_tolerated(tmp_path: Path):
    line = next(line for line in checked(tmp_path, "minimax").stdout.splitlines() if line.startswith("opposition "))
    assert line.split()[:4] == ["opposition", "≥", "0.1", "0.999752"]


@pytest.mark.usefixtures("few")
def test_the_sources_of_the_laws_stand_below(tmp_path: Path):
    below = " ".join(checked(tmp_path, "minimax", "vae").stdout.rpartition("verdict")[2].split())
    law = next(law for law in ALL_LAWS if law.name == "opposition")
    assert below.count(f"opposition: {law.statement} ({law.source}).") == 1


@pytest.mark.usefixtures("few")
def test_laws_that_do_not_apply_are_told_with_their_reason_where_asked(tmp_path: Path):
    said = "numbers does not apply: it has no swept number"
    assert said in checked(tmp_path, "minimax", "--verbose").stdout
    assert said not in checked(tmp_path, "minimax").stdout


@pytest.mark.usefixtures("few")
def test_an_objective_that_ends_the_program_is_named_with_its_file_and_line(tmp_path: Path):
    found = checked(tmp_path, "my.py:Leaving")
    assert found.exit_code == 1
    assert "my.py:27: SystemExit: 7" in found.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("minimax + r1 + r1", "Error: minimax + r1 + r1: column 16: r1 is added twice; remove one"),
        ("minimax[\x1b[31m]", r"Error: minimax[\x1b[31m]: column 9: found \x1b; expected a field's name"),
        ("minimax + r1[weight='\x1b']", 'Error: r1[weight="\\x1b"]: weight: found'),
        ("mmd + r1", "Error: mmd + r1: mmd has no critic"),
        ("minimax[packing=[1,2]]", "Error: minimax[packing=[1,2]]: found a list for packing; expected one value"),
        ("my.py:Undecided[d_steps=3]", "Error: my.py:38: RuntimeError: not 3"),
    ],
)
def test_what_is_no_subject_is_refused_in_one_line(text: str, message: str, tmp_path: Path):
    found = checked(tmp_path, text)
    assert found.exit_code == 2
    assert found.stderr.splitlines()[-1].startswith(message)
    assert "\x1b" not in found.stderr


@pytest.mark.usefixtures("few")
def test_a_loss_that_is_no_number_is_named_with_its_file_and_line(tmp_path: Path):
    found = checked(tmp_path, "my.py:Numberless")
    assert found.exit_code == 1
    assert "D's loss is finite (my.py:31)" in " ".join(found.stdout.split())


@pytest.mark.usefixtures("few")
def test_an_objective_that_raises_is_named_with_its_file_and_line_and_no_code_for_the_terminal(tmp_path: Path):
    found = checked(tmp_path, "my.py:Raising")
    assert found.exit_code == 1
    assert "✗ error" in found.stdout
    assert "my.py:22: KeyError:" in found.stdout
    assert "\x1b[31m" not in found.stdout


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("columns", ["20", "50", "80", "200"])
def test_a_table_is_no_wider_than_its_terminal(tmp_path: Path, columns: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", columns)
    table, _, _ = checked(tmp_path, "minimax").stdout.rpartition("\n\n")
    assert max(map(len, table.splitlines())) <= int(columns)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected one objective at least"),
        (("minimax", "--all"), "not both"),
        (("minimaks",), 'did you mean "minimax"?'),
        (("minimax + r9",), "r9"),
        (("em[temperature=[1,2]]",), "expected one value"),
        (("my.py:Nothing",), 'found no class "Nothing"'),
    ],
)
def test_bad_input_exits_with_2_and_says_what_is_wrong(tmp_path: Path, arguments: tuple[str, ...], message: str):
    found = checked(tmp_path, *arguments)
    assert found.exit_code == 2
    assert message in found.stderr


def test_an_error_in_whether_a_law_applies_is_its_verdict():
    def raising(subject: Subject) -> str | None:
        raise ValueError("no answer")

    law = Law("raising", "", "", lambda subject: [Comparison(0, len(raising(subject) or ""))], raising)
    (verdict,) = check(subject("minimax"), [law])
    assert verdict.error == "ValueError: no answer"


def test_help_imports_no_torch():
    code = "import sys; from ganbench.cli import main; main(['check', '--help'], standalone_mode=False)"
    command = [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith("False\n")


def test_laws_have_names_of_their_own():
    names = [law.name for law in ALL_LAWS]
    assert len(set(names)) == len(names)


def test_objectives_of_one_discriminator_s_loss_are_checked_in_one_process():
    groups = grouped(["minimax", "hinge", "non-saturating", "minimax + r1", "hinge"])
    assert groups == [["minimax", "non-saturating", "minimax + r1"], ["hinge"]]


def test_a_subject_has_every_law_with_a_reason_or_none():
    assert [law for law, _ in laws_for(subject("minimax"))] == list(ALL_LAWS)


def test_two_processes_find_what_one_finds():
    specs = ["vae", "energy"]  # without a discriminator's critics to train, the quickest
    one, two = list(check_all(specs, 1)), list(check_all(specs, 2))
    assert [c.name for c in one] == [c.name for c in two] == specs
    for alone, beside in zip(one, two, strict=True):
        assert alone.inapplicable == beside.inapplicable
        assert [(v.law, v.comparisons, v.error) for v in alone.verdicts] == [
            (v.law, v.comparisons, v.error) for v in beside.verdicts
        ]


def test_a_process_that_dies_is_told_with_what_was_being_checked():
    with pytest.raises(ProcessDied, match=r"a process died while these or others were checked: my\.py:Deadly"):
        list(check_all(["my.py:Deadly", "energy"], 2))


def test_an_interrupt_ends_every_process(tmp_path: Path):
    command = [sys.executable, "-m", "ganbench", "check", "--all", "--workers", "2"]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (workers := children(child.pid)):
        assert child.poll() is None
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130
    until = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.1)


def children(parent: int) -> list[int]:
    """Processes that a process has started."""
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(number) for number in listed.read_text().split()] if os.path.exists(listed) else []
