"""What makes two cells one: equal data and weights, wherever they lie; an extractor only where features are used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_targets import digits
from resolved import TEXT, error_of

from ganbench.execution.costs import cost_key
from ganbench.planning import plan_replicas
from ganbench.suite import Cell, apply_overrides, load_suite, parse_suite, resolve

ON_IMAGES = TEXT.replace('"ring8"', '"ring8", "digits"').replace('"w1"]', '"w1", "kid"]')
SAMPLES = {"evaluation.samples": 20, "evaluation.final_samples": 20}


def cells(text: str = ON_IMAGES, **changes: Any) -> list[Cell]:
    settings = {**SAMPLES, **changes.pop("settings", {})}
    return resolve(apply_overrides(parse_suite(text, "my.toml"), settings=settings, **changes))


def cell_id(cell: Cell) -> str:
    suite = parse_suite(TEXT)
    return plan_replicas(suite, [cell], {"width": 8})[0].definition["cell_id"]


def with_weights(path: Path) -> Cell:
    settings = {"evaluation.extractor": "inception-v3-compat", "evaluation.weights": str(path)}
    return cells(settings=settings)[1]


def images(path: Path, changed: bool = False) -> Cell:
    """A cell on a few digits in a file of one's own."""
    found = digits(1)[:40]
    found[0, 0, 0, 0] = 255 * changed
    np.savez(path, images=found[:, 0])
    return cells(TEXT, targets=[f'images[path="{path}"]'], settings={"evaluation.metrics": "[w1]"})[0]


def test_an_extractor_belongs_to_the_cells_whose_metrics_use_features() -> None:
    assert [cell.evaluation.extractor for cell in cells()] == [None, "classifier"]
    assert cells()[1].evaluation.metric("kid").extractor == "classifier"


def test_another_extractor_makes_another_cell(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"weights")
    assert cell_id(cells()[1]) != cell_id(with_weights(tmp_path / "weights.pth"))


def test_a_metric_on_features_measured_where_none_was_asked_for_takes_the_classifier() -> None:
    without = cells(settings={"evaluation.metrics": "[w1]"})[1].evaluation
    assert without.extractor is None
    assert without.metric("kid").extractor == "classifier"


def test_the_cells_of_a_suite_without_features_do_not_depend_on_the_extractor(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"weights")
    settings = {
        "evaluation.extractor": "inception-v3-compat",
        "evaluation.weights": str(tmp_path / "weights.pth"),
    }
    suite = load_suite("toy2d")
    assert [c.definition() for c in resolve(apply_overrides(suite, settings=settings))] == [
        c.definition() for c in resolve(suite)
    ]


@pytest.mark.parametrize(("device", "lift"), [("cpu", "loop"), ("cuda", "vmap")])
def test_a_replica_s_execution_names_the_lift_of_its_device_alone(device: str, lift: str) -> None:
    found = parse_suite(f'{TEXT}[execution]\nlift_cpu = "loop"\nlift_cuda = "vmap"').execution.on(device)
    assert found["lift"] == lift
    assert not {"lift_cpu", "lift_cuda"} & set(found)


def test_another_extractor_is_another_cell_where_features_are_used() -> None:
    usual, other = cells(), cells(settings={"evaluation.extractor": "inception-v3-compat"})
    assert [cell_id(a) == cell_id(b) for a, b in zip(usual, other, strict=True)] == [True, False]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (f"{'deep/' * 20}no-such.pth", f"{'deep/' * 20}no-such.pth: cannot be read (No such file or directory)"),
        (".", ".: cannot be read (Is a directory)"),
        ("a\x00b", r"a\x00b: cannot be read (embedded null byte)"),
        ("\x1b[31m", r"\x1b[31m: cannot be read (No such file or directory)"),
    ],
)
def test_weights_that_cannot_be_read_are_refused_with_their_path(path: str, told: str) -> None:
    message = error_of("em", more=f'weights = {json.dumps(path)}\nextractor = "inception-v3-compat"')
    assert message == f"my.toml:13:1: evaluation.weights: {told}; give the path of the extractor's weights"


def test_a_file_of_weights_is_read_once_for_all_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(*arguments: Any) -> Any:
        read.append(arguments)
        return digest(*arguments)

    read: list[Any] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", counted)
    (tmp_path / "weights.pth").write_bytes(b"weights")
    cells(
        objectives=["em", "minimax", "vae"],
        settings={"evaluation.weights": str(tmp_path / "weights.pth"), "evaluation.extractor": "inception-v3-compat"},
    )
    assert len(read) == 1


def test_equal_weights_at_two_paths_are_one_cell_and_changed_ones_another(tmp_path: Path) -> None:
    for name, content in (("a", b"weights"), ("b", b"weights"), ("c", b"weighty")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (with_weights(tmp_path / name) for name in "abc")
    assert cell_id(a) == cell_id(b) != cell_id(c)


def test_a_definition_says_from_everywhere_where_the_weights_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.pth").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    again = Cell.from_definition(with_weights(Path("weights.pth")).definition())
    assert again.evaluation.metric("kid").weights == str(tmp_path / "weights.pth")


def test_equal_images_at_two_paths_are_one_cell_and_changed_ones_another(tmp_path: Path) -> None:
    a, b = images(tmp_path / "a.npz"), images(tmp_path / "b.npz")
    assert cell_id(a) == cell_id(b) != cell_id(images(tmp_path / "c.npz", changed=True))


def test_an_iteration_on_equal_images_at_two_paths_is_measured_once(tmp_path: Path) -> None:
    a, b = images(tmp_path / "a.npz"), images(tmp_path / "b.npz")
    assert cost_key(a, {"width": 8}) == cost_key(b, {"width": 8}) != cost_key(a, {"width": 4})


def test_a_definition_says_where_the_images_lie(tmp_path: Path) -> None:
    found = images(tmp_path / "a.npz")
    assert found.definition()["target"]["fields"]["path"] == str(tmp_path / "a.npz")
    assert Cell.from_definition(found.definition()) == found


def test_a_suite_with_the_same_images_at_two_paths_is_refused(tmp_path: Path) -> None:
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for path in paths:
        images(path)
    targets = [f'images[path="{path}"]' for path in paths]
    message = error_of("em", targets=targets, settings={**SAMPLES, "evaluation.metrics": "[w1]"})
    assert f'targets[1]: the same target as "images[path={paths[0]}' in message.replace('path="', "path=")


def test_weights_for_the_classifier_are_refused(tmp_path: Path) -> None:
    message = error_of("em", more='weights = "my.pth"')
    assert "evaluation.weights: the classifier keeps weights of its own; remove this key, or take extractor" in message
