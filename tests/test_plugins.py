"""Objectives from outside: a person's file and other distributions' entry points, in a suite from end to end.

Over 300 lines: one feature from the file to the stored replica.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_runs import TEXT

from ganbench import store
from ganbench.catalogue import OBJECTIVES
from ganbench.execution import probe
from ganbench.execution.worker import Job, run_job
from ganbench.pipeline import Run, plan, run
from ganbench.planning import PACKAGE, code_version
from ganbench.plugins import ObjectiveError, line_of, of_shape, told
from ganbench.registry import UnknownName
from ganbench.suite import Cell, Suite, SuiteError, parse_suite, resolve
from ganbench.tuning import tune

MINE = """\
from dataclasses import dataclass
from ganbench.fields import Swept, ranged
from ganbench.objectives.contract import mean
from ganbench.objectives.minimax import Minimax

@dataclass(frozen=True)
class Mine(Minimax):
    scale: Swept = ranged(1.0, above=0)

    def g_loss(self, G, D, b, /):
        return self.scale * mean(b.r, -D(G(b.z)))

class Raising(Mine):
    def g_loss(self, G, D, b, /):
        raise KeyError("nothing")

class Vector(Mine):
    def d_loss(self, G, D, b, /):
        return D(b.x)

class NoNumber(Mine):
    def d_loss(self, G, D, b, /):
        self.g_loss(G, D, b)

class Diverging(Mine):
    def g_loss(self, G, D, b, /):
        return super().g_loss(G, D, b) * float("nan")

class Flat(Mine):
    def sample(self, G, z, noise, /):
        return G(z).flatten()

class Held(Mine):
    hold = True
    def e_step(self, G, D, b, /):
        return b.r.sum()

class Undecided(Mine):
    def __post_init__(self):
        if self.scale == 3:
            raise RuntimeError("not 3")

answer = 42

class Leaving(Mine):
    def g_loss(self, G, D, b, /):
        raise SystemExit(3)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the objectives above in my.py."""
    (tmp_path / "my.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def suite(*objectives: str, baselines: str = "[]") -> Suite:
    text = TEXT.replace('["non-saturating", "wasserstein-clip"]', str(list(objectives)).replace("'", '"'))
    text = text.replace('["trivial", "vae"]', baselines).replace('["ring8", "moons"]', '["ring8"]')
    return parse_suite(text.replace("seeds = 3", "seeds = 2").replace("width = 4", "width = 2"))


def errors(done: Run) -> dict[str, set[str]]:
    """Label -> the errors of its replicas."""
    found = done.results().drop_duplicates("replica_id")
    return {str(label): set(rows.error) for label, rows in found[found.status == "failed"].groupby("label")}


PLAYED = ("minimax", "./my.py:Mine[scale=2]", "my.py:Raising", "my.py:Vector", "zest-gan[scale=2]")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A finished run of built-in objectives, those of a file and one of another distribution, in its folder."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "my.py").write_text(MINE)
    site = str(installed(folder, "zest", {"zest-gan": "zest_objectives:Mine"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(site)
        patch.setenv("PYTHONPATH", site)
        yield run(suite(*PLAYED), results=folder / "results", device="cpu", workers=1)


def test_objectives_from_outside_play_beside_the_built_in_ones(done: Run):
    found = done.results()
    played = set(found[found.status == "completed"].label)
    assert played == {"minimax", "my.py:Mine[scale=2]", "zest-gan[scale=2]"}
    assert done.counts() == {"completed": 6, "failed": 4}


def test_an_objective_that_raises_fails_alone_with_its_file_and_line(done: Run):
    assert errors(done) == {
        "my.py:Raising": {"my.py:15: KeyError: 'nothing'"},
        "my.py:Vector": {"my.py:18: d_loss gave shape (32,), expected one number; take the mean"},
    }


def test_what_failed_alone_is_trained_again(done: Run):
    again = plan(suite(*PLAYED), results=done.folder.parent, device="cpu")
    assert {e.replicas[0].cell.label for e in again.ensembles} == {"my.py:Raising", "my.py:Vector"}


def test_an_edited_file_trains_its_own_replicas_again_and_no_others(done: Run):
    file = Path("my.py")
    file.write_text(MINE + "# edited\n")
    again = plan(suite("minimax", "my.py:Mine[scale=2]", "zest-gan[scale=2]"), results=done.folder.parent, device="cpu")
    file.write_text(MINE)
    assert {e.replicas[0].cell.label for e in again.ensembles} == {"my.py:Mine[scale=2]"}


def test_results_are_read_without_the_file(done: Run):
    file = Path("my.py")
    file.unlink()
    found = set(store.load_results(done.folder).label)
    file.write_text(MINE)
    assert "my.py:Mine[scale=2]" in found


def test_a_probe_tells_where_an_objective_raises(folder: Path):
    definition = cells("my.py:Raising")[0].definition()
    execution = plan(suite("my.py:Raising"), results="nowhere", device="cpu").ensembles[0].execution
    nothing: dict[str, Any] = {"evaluations": {}, "fits": {}, "device": "cpu", "stretches": [1]}
    said = probe.answer({**nothing, "execution": execution, "iterations": {"key": definition}})
    assert said == {"error": "my.py:Raising on ring8: cannot be timed: my.py:15: KeyError: 'nothing'"}


def cells(*objectives: str) -> list[Cell]:
    return resolve(suite(*objectives))


def outcome(cell: str) -> Any:
    """What becomes of the first replica of a cell, in this process."""
    ensemble = plan(suite(cell), results="nowhere", device="cpu").ensembles[0]
    return run_job(Job(tuple(r.definition for r in ensemble.replicas), "cpu", "none"), lambda _: None)[0]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("NoNumber", "my.py:22: d_loss gave NoneType, expected a tensor; return one"),
        ("Flat", "my.py:30: sample gave shape (1024,), expected shape (512, 2)"),
        ("Held", "my.py:35: e_step gave shape (), expected shape (32,)"),
    ],
)
def test_a_wrong_shape_is_told_with_its_file_and_line(name: str, error: str, folder: Path):
    assert outcome(f"my.py:{name}").info["error"] == error


def test_an_objective_that_ends_the_program_fails_with_its_file_and_line(folder: Path):
    failed = outcome("my.py:Leaving")
    assert (failed.status, failed.info["error"]) == ("failed", "my.py:47: SystemExit: 3")


def test_a_loss_that_is_not_a_number_diverges(folder: Path):
    assert outcome("my.py:Diverging").status == "diverged"


def test_a_file_edited_since_the_plan_is_not_trained_under_the_old_code(folder: Path):
    ensemble = plan(suite("my.py:Mine"), results="nowhere", device="cpu").ensembles[0]
    (folder / "my.py").write_text(MINE + "# edited\n")
    found = run_job(Job(tuple(r.definition for r in ensemble.replicas), "cpu", "none"), lambda _: None)
    assert "has changed since the run began; start the run again" in found[0].info["error"]


def test_an_edited_file_gives_its_new_class_in_the_same_process(folder: Path):
    assert cells("my.py:Mine")[0].objective.fields["scale"] == 1
    (folder / "my.py").write_text(MINE.replace("ranged(1.0", "ranged(5.0"))
    assert cells("my.py:Mine")[0].objective.fields["scale"] == 5


def test_an_edit_is_another_code_of_the_same_cell(folder: Path):
    (before,) = cells("my.py:Mine")
    code = code_version(before)
    (folder / "my.py").write_text(MINE.replace("-D(G", "-2 * D(G"))
    (after,) = cells("my.py:Mine")
    assert before.identity() == after.identity()
    assert code_version(after) != code


def test_a_moved_file_keeps_its_code_and_its_cell(folder: Path):
    (before,) = cells("my.py:Mine")
    (folder / "sub").mkdir()
    (folder / "sub" / "my.py").write_text(MINE)
    (after,) = cells("sub/my.py:Mine")
    assert (after.identity(), code_version(after)) == (before.identity(), code_version(before))
    assert after.label == "my.py:Mine"


@pytest.mark.parametrize(("module", "used"), [("minimax", True), ("cramer", False)])
def test_what_a_file_imports_of_ganbench_is_part_of_its_code(module: str, used: bool, folder: Path):
    (cell,) = cells("my.py:Mine")
    package = Path(shutil.copytree(PACKAGE, folder / "ganbench", ignore=shutil.ignore_patterns("__pycache__")))
    with (package / "objectives" / f"{module}.py").open("a") as file:
        file.write("# edited")
    assert (code_version(cell, package) != code_version(cell)) == used


def test_a_cell_finds_its_file_from_another_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    (cell,) = cells("my.py:Mine[scale=2]")
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.chdir(tmp_path_factory.mktemp("elsewhere"))
        again = Cell.from_definition(cell.definition())
    assert again.objective == cell.objective
    assert again.objective.instance == cell.objective.instance


def test_two_files_of_one_name_in_a_suite_are_refused(folder: Path):
    (folder / "sub").mkdir()
    (folder / "sub" / "my.py").write_text(MINE + "# another\n")
    with pytest.raises(SuiteError, match=r"expected files of different names; rename one"):
        cells("my.py:Mine", "sub/my.py:Mine[scale=2]")


def test_a_path_with_spaces_and_marks_takes_quotation_marks(folder: Path):
    (folder / "my c++").mkdir()
    (folder / "my c++" / "my.py").write_text(MINE)
    text = TEXT.replace('["non-saturating", "wasserstein-clip"]', """['"my c++/my.py:Mine"[scale=2] + r1']""")
    written = parse_suite(text)
    assert [str(spec) for spec in written.objectives] == ['"my c++/my.py:Mine"[scale=2] + r1']
    assert resolve(written)[0].label == "my.py:Mine[scale=2] + r1"


def test_one_file_is_one_name_however_its_path_is_written(folder: Path):
    assert {OBJECTIVES.require(f"{path}:Mine") for path in ("my.py", "./my.py", "sub/../my.py", folder / "my.py")} == {
        "my.py:Mine"
    }


def test_defaults_and_baselines_can_name_a_file(folder: Path):
    text = suite("minimax", baselines='["./my.py:Mine"]').document.content
    assert text["baselines"] == ["./my.py:Mine"]
    written = parse_suite(
        TEXT.replace('["trivial", "vae"]', '["my.py:Mine"]') + '[defaults."./my.py:Mine"]\nscale = 4\n'
    )
    (found,) = {cell.objective for cell in resolve(written) if cell.baseline}
    assert found.fields["scale"] == 4


def test_a_search_over_a_field_of_a_file_writes_a_suite_that_reads_back(folder: Path):
    objectives = suite("my.py:Mine[scale=loguniform(.5,2)]")
    tuned = tune(objectives, trials=2, seeds="7:8", results=folder / "results", device="cpu", workers=1)
    assert tuned.run.counts() == {"completed": 2}
    (spec,) = parse_suite(tuned.winners()).objectives
    assert spec.name == "my.py:Mine"


def refusals() -> list[tuple[str, str, str]]:
    """Text of a file, the name asked for, and what is said of it."""
    plain = "from ganbench.objectives.contract import Objective\nfrom ganbench.fields import Swept, ranged\n"
    body = "\n    def d_loss(self, G, D, b, /): ...\n    def g_loss(self, G, D, b, /): ...\n"
    return [
        (MINE, "none.py:Mine", "none.py:Mine: found no such file; expected an objective as FILE.py:CLASS"),
        (MINE, "my.py", "my.py: found no class; write my.py:CLASS"),
        (MINE, "my.py:Mien", 'my.py: found no class "Mien"; did you mean "Mine"?'),
        (MINE, "my.py:answer", "my.py:answer: found int; name a class: from ganbench.objectives.contract"),
        ("class Mine: pass", "my.py:Mine", "my.py:Mine: found no Objective; inherit it: from ganbench.objectives"),
        ("\n\nimport nonsense_", "my.py:Mine", "my.py:3: ModuleNotFoundError: No module named 'nonsense_'"),
        ("\nclass Mine(:", "my.py:Mine", "my.py:2: SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)", "my.py:Mine", "my.py:2: SystemExit: 3"),
        ("def f():\n    1 / 0\n\nf()", "my.py:Mine", "my.py:2: ZeroDivisionError: division by zero"),
        (f"{plain}class Mine(Objective): pass", "my.py:Mine", "my.py:3: Mine has no d_loss; write def d_loss(self, G"),
        (
            f"{plain}class Mine(Objective):\n    a: Swept = ranged(1.0){body}",
            "my.py:Mine",
            "my.py:3: Mine.a is no field",
        ),
        (f"{plain}class Mine(Objective):{body}    def schedule(self): return 1 / 0", "my.py:Mine", "my.py:6: ZeroDiv"),
        *(
            (f"{plain}class Mine(Objective):{body}    {line}", "my.py:Mine", f"my.py:3: Mine.{flaw}")
            for line, flaw in FLAWS
        ),
    ]


FLAWS = (
    ("players = 3", 'players: found 3; expected ("D", "G"), or ("G",) without a critic'),
    ('players = ("A", "G")', """players: found ('A', 'G'); expected"""),
    ('draws = ("dice",)', "draws: found ('dice',); expected a tuple of names among z2, u, noise, noise_z, noise_z2"),
    ("draws = 'u'", "draws: found 'u'; expected a tuple"),
    ("def schedule(self): return ('X',)", "schedule: found ('X',); expected steps among D, G, DG"),
    ("def schedule(self): return ()", "schedule: found (); expected steps"),
    ("def regularisers(self): return (3,)", "regularisers: found (3,); expected instances of Regulariser"),
)
CASES = refusals()


@pytest.mark.parametrize(("text", "name", "message"), CASES, ids=[message[:30] for *_, message in CASES])
def test_what_cannot_play_is_refused_in_one_line(text: str, name: str, message: str, folder: Path):
    (folder / "my.py").write_text(text)
    with pytest.raises(SuiteError) as refused:
        cells("minimax", name)
    assert f"objectives[1]: {message}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_error_at_a_value_is_told_with_its_file_and_line(folder: Path):
    with pytest.raises(SuiteError, match=r"objectives\[0\]: my.py:41: RuntimeError: not 3"):
        cells("my.py:Undecided[scale=3]")


def test_a_name_is_required_without_running_its_file(folder: Path):
    (folder / "my.py").write_text("raise SystemExit")
    assert OBJECTIVES.require("my.py:Mine") == "my.py:Mine"


def test_what_has_the_expected_shape_passes_through():
    assert of_shape((), lambda v: v, Shaped(())).shape == ()


class Shaped:
    """Anything with a shape."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape


def test_an_error_outside_a_file_is_told_without_a_line():
    assert told(KeyError("x"), ["my.py"]) == "KeyError: 'x'"


def test_the_line_of_a_class_is_that_of_its_definition():
    file, _, line = line_of(Shaped).partition(":")
    assert Path(__file__).read_text().splitlines()[int(line) - 1] == "class Shaped:"
    assert file == "test_plugins.py"


# Entry points: a folder on the path stands for an installed distribution


def installed(folder: Path, distribution: str, entries: dict[str, str], text: str = MINE) -> Path:
    """The folder of a distribution with entry points and the module `{distribution}_objectives`."""
    site = folder / f"site-{distribution}"
    about = site / f"{distribution}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {place}\n" for name, place in entries.items())
    (about / "entry_points.txt").write_text(f"[ganbench.objectives]\n{lines}")
    (site / f"{distribution}_objectives.py").write_text(text)
    return site


@pytest.fixture
def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Installs a distribution into this process and those that it starts."""
    sites: list[str] = []

    def install(*arguments: Any) -> Path:
        site = installed(folder, *arguments)
        monkeypatch.syspath_prepend(str(site))
        sites.append(str(site))
        monkeypatch.setenv("PYTHONPATH", ":".join(sites))
        return site

    return install


def test_an_entry_point_that_raises_is_told_with_its_file_and_line(folder: Path, install: Callable[..., Path]):
    install("brew", {"brew-gan": "brew_objectives:Raising"})
    assert outcome("brew-gan").info["error"] == "brew_objectives.py:15: KeyError: 'nothing'"


def test_an_edited_entry_point_is_another_code(folder: Path, install: Callable[..., Path]):
    site = install("cask", {"cask-gan": "cask_objectives:Mine"})
    (cell,) = cells("cask-gan")
    code = code_version(cell)
    (site / "cask_objectives.py").write_text(MINE + "# edited\n")
    assert code_version(cell) != code


def test_two_distributions_of_one_name_are_refused_when_it_is_named(install: Callable[..., Path]):
    install("acme", {"twin": "acme_objectives:Mine"})
    install("brew", {"twin": "brew_objectives:Mine", "single": "brew_objectives:Mine"})
    with pytest.raises(
        ObjectiveError, match=r'"twin" is the name of several: of (acme|brew) 1.0 and of (acme|brew) 1.0'
    ):
        OBJECTIVES.require("twin")
    assert OBJECTIVES.require("single") == "single"


@pytest.mark.parametrize("name", ["minimax", "oracle"])
def test_a_distribution_cannot_take_a_name_of_ganbench(name: str, install: Callable[..., Path]):
    install("acme", {name: "acme_objectives:Mine"})
    with pytest.raises(ValueError, match=rf'"{name}" is the name of several: of ganbench and of acme 1.0'):
        OBJECTIVES.load(name)


def test_a_misspelt_entry_point_is_told_the_nearest_name(install: Callable[..., Path]):
    install("acme", {"acme-gan": "acme_objectives:Mine"})
    with pytest.raises(UnknownName, match='did you mean "acme-gan"'):
        OBJECTIVES.require("acme-gam")


def test_a_listing_names_entry_points_with_their_distribution_and_imports_none(folder: Path):
    site = installed(folder, "acme", {"acme-gan": "acme_objectives:Mine"}, "raise SystemExit('imported')")
    command = [sys.executable, "-m", "ganbench", "list", "objectives"]
    environment = {"PYTHONPATH": f"{site}:{Path(__file__).parents[1]}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["acme-gan", "of", "acme", "1.0"] in lines, done.stderr


def test_a_listing_goes_on_where_a_distribution_claims_a_name_of_ganbench(folder: Path):
    site = installed(folder, "acme", {"minimax": "acme_objectives:Mine"})
    command = [sys.executable, "-m", "ganbench", "list", "objectives"]
    environment = {"PYTHONPATH": f"{site}:{Path(__file__).parents[1]}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["minimax", "of", "ganbench", "and", "of", "acme", "1.0"] in lines, done.stderr
