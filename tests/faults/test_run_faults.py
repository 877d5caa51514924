"""`ganbench run` that is killed, interrupted, refused a call or run twice at once ends, when run again, in equal bits.

Its processes are forks of one that has imported everything and trained once, so that a kill costs no start.

Over 300 lines: that process is made once for a file, in 5 s.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny

from faults.disk import noted
from faults.zygote import Zygote, zygote
from ganbench import store

MEMORY = Path("/dev/shm")
CODES = (errno.ENOSPC, errno.EIO, errno.EINTR)
PARTS = ("driver", "worker")
REPLICAS = 4
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}
NEEDED = ("open to write", "write", "fsync", "replace")
"""Calls without which nothing can be known to be kept."""


@pytest.fixture(scope="module")
def runs() -> Iterator[Zygote]:
    with zygote("faults.runner") as made:
        yield made


@pytest.fixture(scope="module")
def shelf() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None, prefix="ganbench-faults-") as folder:
        yield Path(folder)


@pytest.fixture
def study(shelf: Path) -> Iterator[Path]:
    """A folder for one study, and beside it what its processes say."""
    with tempfile.TemporaryDirectory(dir=shelf) as folder:
        (Path(folder) / "study").mkdir()
        yield Path(folder) / "study"


@pytest.fixture(scope="module")
def counted(runs: Zygote, shelf: Path) -> Path:
    """A run that nothing disturbs, which has noted its calls beside its folder."""
    (shelf / "counted").mkdir()
    assert runs.call("count", str(shelf / "counted"), str(shelf / "calls")) == 0
    assert len(tiny.numbers(shelf / "counted")) == REPLICAS
    return shelf / "counted"


@pytest.fixture(scope="module")
def whole(counted: Path) -> dict[str, Any]:
    """The numbers of a run that nothing disturbs."""
    return tiny.numbers(counted)


@pytest.fixture(scope="module")
def calls(counted: Path) -> dict[str, list[str]]:
    """The names of the driver's calls, and of its worker's."""
    found = {part: [name for name, _ in noted(counted.with_name(f"calls.{part}"))] for part in PARTS}
    assert min(map(len, found.values())) > 20
    return found


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


def check_kept(study: Path, before: dict[str, bytes], whole: dict[str, Any]) -> dict[str, bytes]:
    """What is stored: all that was before, to the byte, and nothing but what an undisturbed run stores."""
    there = tiny.files(study)
    assert before.items() <= there.items()
    assert tiny.numbers(study).items() <= whole.items()
    return there


def check_goes_on(runs: Zygote, study: Path, whole: dict[str, Any]) -> None:
    """The same command ends with the numbers of an undisturbed run, and nothing temporary stays for ever."""
    before = {name: content for name, content in tiny.files(study).items() if _finished(study, name)}
    for path in hidden(study):
        os.utime(path, (0, 0))
    said = study.with_name("again.said")
    assert runs.call("run", str(study), False, said=said) == 0, said.read_text()
    check_kept(study, before, whole)
    assert tiny.numbers(study) == whole
    assert hidden(study) == []
    assert list(study.glob("results/tiny/checkpoints/*")) == []


def _finished(study: Path, name: str) -> bool:
    return store.read(study / "results" / "tiny" / name).status != "failed"


def a_call(names: list[str], rng: random.Random) -> int:
    """The number of a call, half the time of one that writes: most calls look at files that are there."""
    writes = [number for number, name in enumerate(names) if name in NEEDED]
    return rng.choice(writes) if rng.random() < 0.5 else rng.randrange(len(names))


def killed(runs: Zygote, study: Path, calls: dict[str, list[str]], rng: random.Random) -> bool:
    """Whether a run was killed: its driver or its worker at a call, or one or both of them at a moment."""
    kind = rng.choice(["driver", "driver", "worker", "moment", "moment"])
    if kind != "moment":
        at = a_call(calls[kind], rng), rng.choice(["before", "inside", "after"])
        code = runs.call("run_and_be_killed", str(study), kind, *at)
        # a worker's death costs the run nothing but the time to train again
        assert code in (0, -signal.SIGKILL if kind == "driver" else 0)
        return code != 0
    child = runs.start("run", str(study), False)
    time.sleep(rng.random() * 0.4)
    rng.choice([os.kill, os.killpg])(child, signal.SIGKILL)
    return runs.wait(child) == -signal.SIGKILL


def check_kills(runs: Zygote, study: Path, whole: dict[str, Any], calls: dict[str, list[str]], kills: int) -> None:
    rng, done = random.Random(kills), 0
    while done < kills:
        there = dict[str, bytes]()
        while done < kills and len(there) < REPLICAS:
            done += killed(runs, study, calls, rng)
            there = check_kept(study, there, whole)
        check_goes_on(runs, study, whole)
        shutil.rmtree(study)
        study.mkdir()


def test_a_run_that_is_killed_ten_times_ends_with_the_bits_of_one_that_is_not(
    runs: Zygote, study: Path, whole: dict[str, Any], calls: dict[str, list[str]]
):
    check_kills(runs, study, whole, calls, 10)


@pytest.mark.torture
def test_runs_that_are_killed_two_hundred_times_end_with_the_bits_of_one_that_is_not(
    runs: Zygote, study: Path, whole: dict[str, Any], calls: dict[str, list[str]]
):
    check_kills(runs, study, whole, calls, 200)


def check_refused(runs: Zygote, study: Path, whole: dict[str, Any], part: str, number: int, code: int) -> bool:
    """A call of a run is refused: one line tells of the path, nothing is lost, and the same command goes on.

    False where the run has ended without a call of that number.
    """
    into, said = study.with_name("calls"), study.with_name("said")
    exit_code = runs.call("run_and_be_refused", str(study), str(into), part, number, code, said=said)
    if not (found := noted(into)):  # a run trains in stretches of the clock: not each has as many checkpoints
        assert exit_code == 0
        shutil.rmtree(study)
        study.mkdir()
        return False
    (name, path), *later = found
    text = said.read_text()
    assert "Traceback" not in text
    if exit_code == 0:  # such as to look for leftovers, or to make a folder that is there already
        assert name not in NEEDED or (name, code) == ("write", errno.EINTR)  # which Python tries again
        assert tiny.numbers(study) == whole
    else:
        assert exit_code == 1, text
        lines = [line for line in text.splitlines() if line.startswith(("Error: ", "failed: "))]
        # a disk that is full then refuses each checkpoint
        assert len(lines) == 1 or (len(lines) > 1 and (part, code) == ("worker", errno.ENOSPC))
        assert all(os.strerror(code) in line and str(study) in line for line in lines)
        if name != "stat":  # who looks for a checkpoint in vain writes it later, for the first time
            assert [again for after, again in later if after in ("fsync", "replace") and again == path] == []
    check_kept(study, {}, {**whole, **_failed(study)})
    check_goes_on(runs, study, whole)
    for trace in (study, into, said):
        shutil.rmtree(trace) if trace.is_dir() else trace.unlink()
    study.mkdir()
    return True


def _failed(study: Path) -> dict[str, Any]:
    return {name: number for name, number in tiny.numbers(study).items() if number[0] == "failed"}


def test_a_run_whose_disk_refuses_a_call_says_so_in_a_line_and_goes_on_when_asked_again(
    runs: Zygote, study: Path, whole: dict[str, Any], calls: dict[str, list[str]]
):
    rng = random.Random(0)
    for part, code in (("driver", errno.ENOSPC), ("worker", errno.EIO), *((part, errno.EINTR) for part in PARTS)):
        assert any(check_refused(runs, study, whole, part, a_call(calls[part], rng), code) for _ in range(5))


@pytest.mark.torture
@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
@pytest.mark.parametrize("part", PARTS)
def test_a_run_whose_disk_refuses_any_call_says_so_in_a_line_and_goes_on_when_asked_again(
    runs: Zygote, study: Path, whole: dict[str, Any], calls: dict[str, list[str]], part: str, code: int
):
    for number in range(len(calls[part])):
        check_refused(runs, study, whole, part, number, code)


def check_together(runs: Zygote, study: Path, whole: dict[str, Any], count: int) -> None:
    said = [study.with_name(f"{number}.said") for number in range(count)]
    children = [runs.start("run", str(study), False, said=path) for path in said]
    assert [runs.wait(child) for child in children] == [0] * count, [path.read_text() for path in said]
    assert tiny.numbers(study) == whole
    assert store.sound(study / "results" / "tiny")[1] == []
    assert hidden(study) == []


def test_two_runs_of_one_suite_at_once_store_each_replica_once(runs: Zygote, study: Path, whole: dict[str, Any]):
    check_together(runs, study, whole, 2)


@pytest.mark.torture
def test_eight_runs_of_one_suite_at_once_store_each_replica_once_ten_times(
    runs: Zygote, study: Path, whole: dict[str, Any]
):
    for _ in range(10):
        check_together(runs, study, whole, 8)
        shutil.rmtree(study)
        study.mkdir()


def handles(process: int, number: signal.Signals) -> bool:
    """Whether a process has begun to handle a signal."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (caught,) = [int(line.split()[1], 16) for line in lines if line.startswith("SigCgt")]
    return bool(caught >> (number - 1) & 1)


def begun(runs: Zygote, study: Path) -> int:
    """A run that handles signals from now on."""
    child = runs.start("run", str(study), said=study.with_name("said"))
    while not handles(child, signal.SIGTERM):
        time.sleep(0.001)
    return child


def duration_s(runs: Zygote, study: Path) -> float:
    """Seconds in which a run can be interrupted here, on this machine as busy as it is."""
    child, began = begun(runs, study), time.perf_counter()
    assert runs.wait(child) == 0
    lasted_s = time.perf_counter() - began
    study.with_name("said").unlink()
    shutil.rmtree(study)
    study.mkdir()
    return lasted_s


def interrupted(runs: Zygote, study: Path, number: signal.Signals, after_s: float) -> int:
    """The exit code of a run that got a signal so many seconds after it could."""
    child = begun(runs, study)
    time.sleep(after_s)
    os.kill(child, number)
    began = time.perf_counter()
    code = runs.wait(child)
    assert time.perf_counter() - began < 5
    return code


def interrupted_at_a_call(
    runs: Zygote, study: Path, number: signal.Signals, names: list[str], rng: random.Random
) -> int:
    at = a_call(names, rng), rng.choice(["before", "after"])
    return runs.call("run_and_be_interrupted", str(study), *at, number, said=study.with_name("said"))


def check_interrupted(study: Path, whole: dict[str, Any], code: int) -> None:
    """One line says what is kept and how to go on, where anything was begun."""
    text, kept = study.with_name("said").read_text(), len(check_kept(study, {}, whole))
    assert kept % 2 == 0, "two replicas finish together, and are kept together"
    if code == 0:  # it was faster
        return
    (line,) = [line for line in text.splitlines() if line.startswith("interrupted")]
    where = f"{study}/results/tiny; the same command goes on from there"
    early = line in ("interrupted: nothing was trained yet", "interrupted") and "replicas" not in text
    assert early or line == f"interrupted: {kept} of {REPLICAS} replicas are kept in {where}"
    assert "Traceback" not in text


def check_interrupts(
    runs: Zygote, study: Path, whole: dict[str, Any], number: signal.Signals, turns: int, names: list[str] | None
) -> None:
    rng, stopped, lasts_s = random.Random(number), 0, duration_s(runs, study)
    for turn in range(turns):
        if names is None:
            code = interrupted(runs, study, number, (turn + rng.random()) / turns * lasts_s)  # all of it in turn
        else:
            code = interrupted_at_a_call(runs, study, number, names, rng)
        assert code in (0, SIGNALS[number]), study.with_name("said").read_text()
        stopped += code != 0
        check_interrupted(study, whole, code)
        study.with_name("said").unlink()
        if code == 0 or turn % 5 == 4:
            check_goes_on(runs, study, whole)
            shutil.rmtree(study)
            study.mkdir()
    assert stopped > turns / 2


STATUS = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="waits for the handler through /proc, as on Linux"
)


@STATUS
@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_at_any_of_three_moments_ends_a_run_within_five_seconds_and_loses_nothing(
    runs: Zygote, study: Path, whole: dict[str, Any], number: signal.Signals
):
    check_interrupts(runs, study, whole, number, 3, None)


@pytest.mark.torture
@STATUS
@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_at_any_of_fifty_moments_ends_a_run_within_five_seconds_and_loses_nothing(
    runs: Zygote, study: Path, whole: dict[str, Any], number: signal.Signals
):
    check_interrupts(runs, study, whole, number, 50, None)


@pytest.mark.torture
@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_at_any_of_fifty_calls_of_a_run_loses_nothing(
    runs: Zygote, study: Path, whole: dict[str, Any], calls: dict[str, list[str]], number: signal.Signals
):
    check_interrupts(runs, study, whole, number, 50, calls["driver"])


@pytest.mark.torture
@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_at_any_of_twenty_moments_ends_a_run_at_once(
    runs: Zygote, study: Path, whole: dict[str, Any], number: signal.Signals
):
    rng = random.Random(number)
    for _ in range(20):
        child = runs.start("run", str(study), False)
        while not handles(child, signal.SIGTERM):
            time.sleep(0.001)
        time.sleep(rng.random() * 0.3)
        os.kill(child, number)
        os.kill(child, number)
        began = time.perf_counter()
        assert runs.wait(child) in (SIGNALS[number], 0)
        assert time.perf_counter() - began < 2
        check_kept(study, {}, whole)
    check_goes_on(runs, study, whole)


def narrowed(runs: Zygote, study: Path) -> None:
    """Runs a cell for which memory is too small at its width."""
    said = study.with_name("said")
    assert runs.call("run_in_memory", str(study), 400 * 2**20, said=said) == 0, said.read_text()
    assert "out of memory at width 8, so trained at width 4" in said.read_text()


STATM = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits memory from what Linux says is taken")


@STATM
def test_a_cell_for_which_memory_is_too_small_is_trained_at_half_its_width_and_says_so(runs: Zygote, study: Path):
    narrowed(runs, study)
    (width,) = store.read_widths(study / "results" / "tiny").values()
    found = store.load_results(study / "results").query("label == 'minimax'")
    assert (width, set(found.width), set(found.status)) == (4, {4}, {"completed"})
    assert all("out of memory at width 8" in note for note in found.notes)


@pytest.mark.torture
@STATM
def test_a_cell_for_which_memory_is_too_small_has_the_bits_that_it_would_have_with_enough(runs: Zygote, study: Path):
    narrowed(runs, study)
    enough = study.with_name("enough")
    # the width is part of their identity: from the beginning at that width, nothing else can have their names
    (enough / "results" / "tiny").mkdir(parents=True)
    shutil.copy(study / "results" / "tiny" / "widths.json", enough / "results" / "tiny")
    assert runs.call("run_in_memory", str(enough), 0) == 0
    assert tiny.numbers(study) == tiny.numbers(enough)
