"""torch-fidelity can be imported beside a CPU torch, and only the one known error is mended."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from ganbench.metrics.torchvision_guard import guarded_import


def test_torch_fidelity_and_torchvision_are_imported_in_a_fresh_process():
    code = (
        "from ganbench.metrics.torchvision_guard import import_torch_fidelity\n"
        "import_torch_fidelity()\n"
        "import torchvision\n"
        "print(torchvision.transforms.Resize(4).size)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "4\n", done.stderr


def test_another_error_of_the_import_passes_through(tmp_path, monkeypatch):
    (tmp_path / "broken_vision.py").write_text("raise RuntimeError('no disk')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="no disk"):
        guarded_import("broken_vision")


def test_the_second_import_starts_from_no_half_imported_module(tmp_path, monkeypatch):
    # a package that fails once, after its submodule was imported, with the words of torchvision
    package = tmp_path / "halved_vision"
    package.mkdir()
    (package / "part.py").write_text("")
    (package / "__init__.py").write_text(
        "import sys\n"
        "if 'halved_vision.part' in sys.modules: raise RuntimeError('part is left over')\n"
        "import halved_vision.part\n"
        "import pathlib\n"
        "marker = pathlib.Path(__file__).with_name('failed')\n"
        "if not marker.exists():\n"
        "    marker.touch()\n"
        "    raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("ganbench.metrics.torchvision_guard.operators", lambda: Declared())
    assert guarded_import("halved_vision").marker.exists()
    assert importlib.util.find_spec("halved_vision.part") is not None


class Declared:
    """Stands for the library of operators, which torchvision itself may have declared already."""

    def define(self, signature: str) -> None:
        assert signature.startswith(("nms(", "qnms("))
