"""Whether the hub can be reached, found out before its own library would wait for it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import socket
import sys
import time
import types
from pathlib import Path

import pytest

from ganbench.targets.online import load_named, unreachable
from ganbench.targets.pictures import ImageFileError


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The `datasets` library is installed, and nothing says that the machine is offline."""
    fake = types.ModuleType("datasets")
    fake.__spec__ = importlib.machinery.ModuleSpec("datasets", None)
    monkeypatch.setitem(sys.modules, "datasets", fake)
    offline = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_ENDPOINT")
    for variable in [*offline, *(name for name in os.environ if name.lower().endswith("_proxy"))]:
        monkeypatch.delenv(variable, raising=False)


def test_the_hub_is_out_of_reach_without_the_library(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert unreachable() == 'the library "datasets" is not installed'


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"])
@pytest.mark.usefixtures("library")
def test_the_hub_is_out_of_reach_where_the_environment_says_so(variable: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, "1")
    assert unreachable() == f"{variable} is set"


@pytest.mark.usefixtures("library")
def test_the_hub_is_reached_where_its_port_answers_and_not_where_it_does_not(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", f"http://{address}")
        assert unreachable() == ""
    assert unreachable().startswith(f"{address} cannot be reached (")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:99999", "hub", "http://a..b"])
@pytest.mark.usefixtures("library")
def test_an_endpoint_that_is_no_address_cannot_be_reached(endpoint: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert f"{endpoint.removeprefix('http://')} cannot be reached (" in unreachable()


@pytest.mark.usefixtures("library")
def test_behind_a_proxy_the_proxy_must_answer(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
        assert unreachable() == ""


@pytest.mark.usefixtures("library")
def test_a_proxy_s_password_is_not_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("https_proxy", "http://me:secret@127.0.0.1:1")
    assert unreachable().startswith("127.0.0.1:1 cannot be reached (")


@pytest.mark.usefixtures("library")
def test_a_name_server_that_never_answers_costs_less_than_two_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("GANBENCH_DATA", raising=False)

    def silent(*_: object, **__: object) -> None:
        time.sleep(10)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    began = time.perf_counter()
    with pytest.raises(ImageFileError, match=r"huggingface\.co cannot be reached \(no answer in 1\.2 s\)"):
        load_named("mnist", "", 0)
    assert time.perf_counter() - began < 2
