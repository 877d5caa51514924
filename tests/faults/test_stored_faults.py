"""Nothing that was stored is lost, and nothing half-stored counts, whatever kills a writer or refuses it a call.

The writers start without torch and write into memory where they can: neither a kill nor a refusal knows a disk, and
a disk takes a hundred times as long.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stored import replica_id, result

from faults.disk import noted
from faults.zygote import Zygote, zygote
from ganbench import store

SEEDS = [0, 1, 2]
MEMORY = Path("/dev/shm")
CODES = (errno.ENOSPC, errno.EIO, errno.EINTR)
NEEDED = ("open to write", "write", "fsync", "close", "replace", "open")
"""Calls without which no file can be known to be kept."""
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def writers() -> Iterator[Zygote]:
    with zygote("faults.writer") as made:
        yield made


@pytest.fixture(scope="module")
def shelf() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None, prefix="ganbench-faults-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def clean(writers: Zygote, shelf: Path) -> Files:
    """What a writer leaves that nobody disturbs."""
    assert writers.call("write", str(shelf / "clean"), SEEDS) == 0
    return files(shelf / "clean")


@pytest.fixture(scope="module")
def calls(writers: Zygote, shelf: Path) -> list[tuple[str, str]]:
    """Names and paths of a writer's calls."""
    assert writers.call("count", str(shelf / "counted"), SEEDS, str(shelf / "calls")) == 0
    return noted(shelf / "calls")


def files(folder: Path) -> Files:
    """Name -> bytes of all that has a name of its own in a suite's folder."""
    found = folder.glob("*") if folder.is_dir() else ()
    return {path.name: path.read_bytes() for path in found if path.is_file() and not path.name.startswith(".")}


def temporary(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


def check_intact(folder: Path, clean: Files, told: Path | None = None) -> None:
    """Every file is whole, and those of each replica that the writer told of are there."""
    there = files(folder)
    assert there.items() <= clean.items()
    assert store.read_records(folder)[1] == []
    seeds = told.read_text().split() if told and told.exists() else []
    assert {f"{replica_id(int(seed))}.parquet" for seed in seeds} <= there.keys()


def check_goes_on(writers: Zygote, folder: Path, clean: Files) -> None:
    """The next writer ends with the bytes of one that nobody disturbed, and no temporary file stays for ever."""
    assert writers.call("write", str(folder), SEEDS) == 0
    assert files(folder) == clean
    for path in temporary(folder):
        os.utime(path, (0, 0))
    store.remove_leftovers(folder)
    assert temporary(folder) == []


def killed(writers: Zygote, folder: Path, told: Path, calls: int, rng: random.Random) -> bool:
    """Whether a writer was killed, at a call or at a moment, before it was done."""
    if rng.random() < 0.75:
        at = rng.randrange(calls), rng.choice(["before", "inside", "after"])
        code = writers.call("write_and_be_killed", str(folder), SEEDS, str(told), *at)
    else:
        child = writers.start("write", str(folder), SEEDS, str(told))
        time.sleep(rng.expovariate(1 / 0.01))
        os.kill(child, signal.SIGKILL)
        code = writers.wait(child)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def check_kills(writers: Zygote, shelf: Path, clean: Files, calls: int, kills: int) -> None:
    """Writers of one study after another are killed, each going on from what the last one left."""
    rng, done, study = random.Random(kills), 0, 0
    while done < kills:
        study += 1
        folder, told = shelf / f"{kills}-{study}", shelf / f"{kills}-{study}.told"
        while done < kills and killed(writers, folder, told, calls, rng):
            check_intact(folder, clean, told)
            done += 1
        check_goes_on(writers, folder, clean)
        shutil.rmtree(folder)


def test_a_hundred_kills_lose_nothing_that_was_stored(writers: Zygote, shelf: Path, clean: Files, calls: list):
    check_kills(writers, shelf, clean, len(calls), 100)


@pytest.mark.torture
def test_two_thousand_kills_lose_nothing_that_was_stored(writers: Zygote, shelf: Path, clean: Files, calls: list):
    check_kills(writers, shelf, clean, len(calls), 2000)


def test_a_power_cut_at_any_call_finds_each_name_with_its_bytes_on_the_disk(calls: list[tuple[str, str]]):
    unsynced, unnamed, renamed = set[str](), set[str](), 0
    for name, path in calls:
        if name == "write":
            unsynced.add(path)
        elif name == "fsync":
            unsynced.discard(path)
            unnamed.discard(path)
        elif name == "replace":
            assert path not in unsynced, "a name for bytes that may be lost"
            assert not unnamed, "the name before may be lost"
            unnamed.add(str(Path(path).parent))
            renamed += 1
    assert renamed == 2 * len(SEEDS) + 3  # two files of each replica, costs, widths and a record
    assert not unnamed


def check_refused(writers: Zygote, shelf: Path, clean: Files, number: int, code: int) -> None:
    """The call of a number is refused: one line says so, nothing is lost, and the next writer goes on."""
    folder, into, said = (shelf / f"{number}-{code}{end}" for end in ("", ".json", ".said"))
    exit_code = writers.call("write_and_be_refused", str(folder), SEEDS, str(into), number, code, said=said)
    (name, path), *later = noted(into)
    if exit_code == 0:  # such as to make a folder that is there already, or to look for leftovers
        assert name not in NEEDED or (name, code) == ("write", errno.EINTR)  # which Python tries again
        assert files(folder) == clean
    else:
        assert exit_code == 1
        (line,) = said.read_text().splitlines()
        assert line.startswith(f"Error: {folder}")
        assert os.strerror(code) in line
        # not tried again under its temporary name, nor given its own
        assert [again for after, again in later if after in ("fsync", "replace") and again == path] == []
    check_intact(folder, clean)
    if name != "unlink":
        assert temporary(folder) == []
    check_goes_on(writers, folder, clean)
    shutil.rmtree(folder)


@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
def test_a_call_that_the_disk_refuses_is_told_in_a_line_and_loses_nothing(
    writers: Zygote, shelf: Path, clean: Files, calls: list, code: int
):
    for number in range(CODES.index(code), len(calls), 8):
        check_refused(writers, shelf, clean, number, code)


@pytest.mark.torture
@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
def test_each_call_that_the_disk_refuses_is_told_in_a_line_and_loses_nothing(
    writers: Zygote, shelf: Path, clean: Files, calls: list, code: int
):
    for number in range(len(calls)):
        check_refused(writers, shelf, clean, number, code)


def check_together(writers: Zygote, folder: Path, processes: int, replicas: int) -> None:
    """Processes that store the same replicas at once leave each of them once, whole."""
    children = [writers.start("write_among_others", str(folder), replicas, each) for each in range(processes)]
    assert [writers.wait(child) for child in children] == [0] * processes
    assert temporary(folder) == []
    expected = {f"{replica_id(seed)}{end}" for seed in range(replicas) for end in (".parquet", ".safetensors")}
    assert files(folder).keys() == expected
    assert store.sound(folder) == ({replica_id(seed): "completed" for seed in range(replicas)}, [])
    whole = result()
    for seed in range(replicas):
        found = store.read(store.result_path(folder, replica_id(seed)))
        assert (found.definition["seed"], repr(found.rows)) == (seed, repr(whole.rows))
        assert {k: v.tobytes() for k, v in found.arrays.items()} == {k: v.tobytes() for k, v in whole.arrays.items()}
    shutil.rmtree(folder)


def test_three_processes_on_one_suite_store_each_replica_once(writers: Zygote, shelf: Path):
    check_together(writers, shelf / "together", processes=3, replicas=40)


@pytest.mark.torture
def test_eight_processes_store_each_of_five_hundred_replicas_once_twenty_times(writers: Zygote, shelf: Path):
    for turn in range(20):
        check_together(writers, shelf / f"together-{turn}", processes=8, replicas=500)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[tuple[Path, Callable[[str], None]]]:
    """A small file system of its own, and what gives it another size."""

    def mount(options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tmp_path)], capture_output=True)

    if not shutil.which("mount") or mount("size=128k").returncode:
        pytest.skip("no file system can be mounted here: that takes Linux and root")
    try:
        yield tmp_path, lambda size: mount(f"remount,size={size}").check_returncode()
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_disk_that_is_full_keeps_what_it_has_and_with_more_room_the_next_writer_goes_on(
    writers: Zygote, shelf: Path, mounted: tuple[Path, Callable[[str], None]]
):
    folder, said, many = mounted[0] / "tiny", shelf / "full.said", list(range(30))
    assert writers.call("write", str(shelf / "roomy"), many) == 0
    whole = files(shelf / "roomy")
    none = 10**9  # no call is refused by us
    assert writers.call("write_and_be_refused", str(folder), many, str(shelf / "full"), none, 0, said=said) == 1
    (line,) = said.read_text().splitlines()
    assert line.startswith(f"Error: {folder}")
    assert os.strerror(errno.ENOSPC) in line
    there = files(folder)
    assert there.items() <= whole.items()
    assert 5 < len(there) < len(whole)
    assert temporary(folder) == []
    mounted[1]("4m")
    assert writers.call("write", str(folder), many) == 0
    assert files(folder) == whole
