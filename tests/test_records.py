"""A run leaves a record of what it was asked, and what it planned and nobody stored is known by name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from small_runs import nothing, suite
from stored import made, planned, replica_id, result

from ganbench import pipeline, store
from ganbench.execution.environment import environment, git_state
from ganbench.report.ranking import rank
from ganbench.store import StoreError
from ganbench.store.records import Planned, known, read_record, record_files
from ganbench.suite import parse_suite, resolve


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path):
    written = made()
    assert read_record(store.write_record(tmp_path, written)) == written


def test_records_are_read_oldest_first_from_a_folder_and_from_its_parent(tmp_path: Path):
    for seeds in (3, 1, 2):
        store.write_record(tmp_path / "tiny", made(seeds))
    for folder in (tmp_path, tmp_path / "tiny"):
        assert [len(r.replicas) for r in store.read_records(folder)[0]] == [3, 1, 2]


def rewritten(path: Path, **changes: object) -> Path:
    """A record whose name fits its content, with other values in it."""
    content = json.dumps({**json.loads(path.read_bytes()), **changes}).encode()
    there = path.with_name(f"{path.stem[:-8]}{hashlib.sha256(content).hexdigest()[:8]}.json")
    there.write_bytes(content)
    return there


BAD_VALUES = {
    "a suite that is no text": ({"suite": 3}, "suite: Input should be a valid string"),
    "an unknown key": ({"comand": "x"}, "comand: Unexpected"),
    "replicas that are no list": ({"replicas": "all"}, "no record of a run"),
    "a seed that is no integer": ({"replicas": [{**vars(planned(0)), "seed": "0"}]}, "no record of a run"),
    "a time that is none": ({"began": "yesterday"}, "no record of a run"),
    "another suite's text": ({"toml": "name = 'other'"}, "SHA-256"),
    "a newer schema": ({"schema": 99}, "upgrade ganbench"),
}


@pytest.mark.parametrize(("changes", "told"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_record_with_a_value_that_cannot_be_is_refused_and_named(tmp_path: Path, changes: dict, told: str):
    path = rewritten(store.write_record(tmp_path, made()), **changes)
    with pytest.raises(StoreError, match=rf"{path.name}: .*{told}"):
        read_record(path)


def test_a_record_nested_too_deeply_is_refused(tmp_path: Path):
    content = b"[" * 100_000
    path = tmp_path / f"20260101T000000.000000Z-{hashlib.sha256(content).hexdigest()[:8]}.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="no record of a run"):
        read_record(path)


def test_a_record_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = store.write_record(tmp_path, made())
    monkeypatch.setattr("ganbench.store.records.LARGEST_BYTES", path.stat().st_size - 1)
    with pytest.raises(StoreError, match="over"):
        read_record(path)


def test_a_flipped_bit_of_a_record_is_found_wherever_it_is(tmp_path: Path):
    path = store.write_record(tmp_path, made())
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        with pytest.raises(StoreError, match="corrupt"):
            read_record(path)


def test_a_corrupt_record_is_named_and_hides_neither_the_others_nor_the_results(tmp_path: Path):
    store.write(tmp_path, result(0))
    store.write_record(tmp_path, made(seeds=2))
    bad = store.write_record(tmp_path, made(seeds=3))
    bad.write_bytes(bad.read_bytes()[:-9])
    found, wrong = store.read_records(tmp_path)
    assert ([len(r.replicas) for r in found], [bad.name in str(problem) for problem in wrong]) == ([2], [True])
    assert set(store.load_results(tmp_path).seed) == {0, 1}


def test_what_the_newest_run_planned_and_nobody_stored_is_missing_by_name(tmp_path: Path):
    store.write(tmp_path, result(0))
    store.write_record(tmp_path, made(seeds=9))
    store.write_record(tmp_path, made(seeds=3))
    assert store.missing(tmp_path, store.load_results(tmp_path)) == {"tiny": [planned(1), planned(2)]}


def test_a_folder_without_a_record_misses_nothing_that_is_known(tmp_path: Path):
    store.write(tmp_path, result(0))
    assert store.missing(tmp_path, store.load_results(tmp_path)) == {}


def test_a_missing_replica_has_one_row_that_says_so(tmp_path: Path):
    store.write(tmp_path, result(0))
    store.write_record(tmp_path, made(seeds=2))
    row = store.load_results(tmp_path).query("seed == 1")
    assert row[["status", "label", "target", "replica_id"]].to_numpy().tolist() == [
        ["missing", "em", "ring8", replica_id(1)]
    ]


def test_an_objective_of_which_nothing_is_stored_still_has_its_row_in_the_table(tmp_path: Path):
    store.write(tmp_path, result(0))
    absent = Planned(replica_id(7), "decade", "ring8", "minimax", "minimax", False, 0)
    store.write_record(tmp_path, dataclasses.replace(made(), replicas=(planned(0), absent)))
    ranked = rank(store.load_results(tmp_path)).set_index("label")
    assert ranked.missing.to_dict() == {"em": 0, "minimax": 1}


def test_a_seed_that_no_run_on_record_planned_is_not_missing(tmp_path: Path):
    definition = result(1).definition
    store.write(tmp_path, result(0))
    store.write(tmp_path, result(1, definition={**definition, "cell_id": "decade", "label": "minimax"}))
    assert rank(store.load_results(tmp_path)).missing.sum() == 2  # without a record each lacks the other's seed
    replicas = (planned(0), planned(1, cell_id="decade", label="minimax"))
    store.write_record(tmp_path, dataclasses.replace(made(), replicas=replicas))
    assert rank(store.load_results(tmp_path)).missing.sum() == 0


def test_a_replica_of_older_code_stands_in_for_one_that_is_missing(tmp_path: Path):
    store.write(tmp_path, result(0))
    store.write_record(tmp_path, dataclasses.replace(made(), replicas=(planned(0, replica_id=replica_id(9)),)))
    row = rank(store.load_results(tmp_path)).iloc[0]
    assert (row.completed, row.missing, row.superseded) == (1, 0, 0)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run that was stopped before anything finished."""
    monkeypatch.setattr("ganbench.execution.local.run_local", nothing)
    return pipeline.run(suite(), targets=["ring8"], results=tmp_path, device="cpu", command="asked").folder


def test_a_run_is_on_record_with_its_command_and_every_replica_before_anything_is_trained(asked: Path):
    (found,) = store.read_records(asked)[0]
    replicas = pipeline.plan(suite(), targets=["ring8"], results=asked.parent, device="cpu").replicas
    assert found.command == "asked"
    assert [p.replica_id for p in found.replicas] == [r.replica_id for r in replicas]


def test_the_suite_on_record_is_the_one_that_ran_with_what_was_changed_in_it(asked: Path):
    (found,) = store.read_records(asked)[0]
    cells = resolve(parse_suite(found.toml))
    assert {cell.target_label for cell in cells} == {"ring8"}
    assert [cell.identity() for cell in cells] == [c.identity() for c in resolve(suite()) if c.target_label == "ring8"]


def test_a_call_from_python_has_no_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganbench.execution.local.run_local", nothing)
    folder = pipeline.run(suite(), results=tmp_path, device="cpu").folder
    assert store.read_records(folder)[0][0].command is None


def test_a_run_with_nothing_to_do_leaves_one_record_however_often_it_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ganbench.execution.local.run_local", nothing)
    monkeypatch.setattr(pipeline, "plan_ensembles", lambda todo: ())
    for _ in range(3):
        folder = pipeline.run(suite(), results=tmp_path, device="cpu").folder
    assert len(record_files(folder)) == 1
    pipeline.run(suite(), seeds=2, results=tmp_path, device="cpu")
    assert len(record_files(folder)) == 2


def test_a_record_is_known_by_its_suite_and_its_replicas(tmp_path: Path):
    store.write_record(tmp_path, made())
    assert known(tmp_path, made())
    assert not known(tmp_path, made(seeds=2))
    assert not known(tmp_path, made(toml="# another\n"))


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of one file in a repository with one commit."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    return folder


def test_the_state_of_the_sources_is_their_commit_and_whether_they_changed_since(package: Path):
    commit = git(package, "rev-parse", "HEAD").strip()
    assert git_state(package) == {"commit": commit, "dirty": False}
    (package / "new.py").write_text("")
    assert git_state(package) == {"commit": commit, "dirty": True}


def test_a_repository_that_does_not_track_the_package_says_nothing_of_it(package: Path):
    installed = package / "site-packages"
    installed.mkdir()
    (installed / "__init__.py").write_text("")
    assert git_state(installed) is None


def test_without_git_there_is_no_state_and_no_error(package: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(package))
    assert git_state(package) is None


def test_an_environment_names_machine_versions_and_what_the_replicas_share():
    found = environment({"torch": "2.13.0", "numpy": "2.4", "instructions": "AVX2", "width": 8, "code": "abc"})
    assert found["execution"] == {"instructions": "AVX2"}
    assert found["versions"]["torch"] == "2.13.0"
    assert {"ganbench", "pandas", "numpy", "POT"} <= set(found["versions"])
    assert {"machine", "python", "system"} <= set(found)
