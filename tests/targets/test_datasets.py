"""Image sets from outside: what a target records of them, and how a suite is told of bad ones."""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from example_targets import example
from tiny import ganbench

from ganbench.catalogue import TARGETS
from ganbench.fields import FieldError, build
from ganbench.suite.cells import Part
from ganbench.targets.datasets import MNIST, CelebA, ImageFiles, StackedMNIST

GREY = (np.arange(10 * 4 * 4) % 251).astype(np.uint8).reshape(10, 4, 4)
LABELS = np.arange(10) % 3


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.savez(tmp_path / "My images (2).npz", images=GREY, labels=LABELS)
    return tmp_path / "My images (2).npz"


def named(kind: str) -> Part:
    text = example(kind)
    path = text.partition('path="')[2].partition('"')[0]
    fields = {"path": path} if path else {"split": "train", "resolution": 8}
    return Part(kind, build(TARGETS.load(kind), fields))


def test_images_of_a_file_are_half_the_players_and_half_held_out(file: Path):
    target = ImageFiles(str(file))
    whole = np.concatenate([target.training_set, target.held_out])
    assert target.shape == (1, 4, 4)
    assert target.reference_limit == 5
    assert sorted(image.tobytes() for image in np.rint((whole + 1) * 127.5).astype(np.uint8)) == sorted(
        image.tobytes() for image in GREY
    )


def test_a_target_records_the_digest_the_side_and_the_split_of_what_it_found(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("GANBENCH_DATA", raising=False)
    target = ImageFiles(str(file))
    assert target.sha256 == target.content.sha256
    assert len(target.sha256) == 64
    assert target.resolution == 4
    assert (MNIST().split, MNIST().resolution) == ("train", 28)


@pytest.mark.parametrize("kind", ["images", "mnist", "stacked-mnist", "celeba"])
def test_a_target_built_from_its_definition_is_the_same_one(kind: str):
    part = named(kind)
    definition = json.loads(json.dumps(part.definition()))
    again = Part.from_definition(TARGETS, definition)
    assert again == part
    assert again.instance == part.instance
    assert again.instance.content is part.instance.content  # kept in memory, not read again


def test_the_same_images_elsewhere_are_the_same_science(file: Path):
    elsewhere = file.parent / "elsewhere.npz"
    np.savez(elsewhere, images=GREY[::-1, ..., None], labels=LABELS[::-1])
    first, second = (Part("images", ImageFiles(str(path))) for path in (file, elsewhere))
    assert first.identity() == second.identity()
    assert first.definition() != second.definition()


def test_other_labels_are_other_science(file: Path):
    other = file.parent / "other.npz"
    np.savez(other, images=GREY, labels=LABELS[::-1])
    first, second = (Part("images", ImageFiles(str(path))) for path in (file, other))
    assert first.identity() != second.identity()


def test_a_digest_that_is_given_must_be_found(file: Path):
    found = ImageFiles(str(file)).sha256
    assert ImageFiles(str(file), sha256=found).sha256 == found
    with pytest.raises(FieldError) as refused:
        ImageFiles(str(file), sha256="0" * 64)
    assert refused.value.field == "sha256"
    for part in (str(file), found, "0" * 57, "remove sha256"):
        assert part in refused.value.message


def test_a_named_set_of_another_digest_than_recorded_is_refused():
    with pytest.raises(FieldError, match=r"mnist: found images of digest .*, expected 1234;"):
        dataclasses.replace(named("mnist").instance, sha256="1234")


COLOURS, DIGITS = GREY[..., None].repeat(3, 3), np.arange(10)


@pytest.mark.parametrize(
    ("kind", "file", "arrays", "found", "expected"),
    [
        ("mnist", "mnist10k.npz", {"images": COLOURS, "labels": DIGITS}, "3 channels", "1 channel and labels of 10"),
        ("stacked-mnist", "mnist10k.npz", {"images": COLOURS, "labels": DIGITS}, "3 channels", "1 channel and labels"),
        ("stacked-mnist", "mnist10k.npz", {"images": GREY}, "1 channel and no labels", "1 channel and labels of 10"),
        (
            "mnist",
            "mnist10k.npz",
            {"images": GREY, "labels": LABELS},
            "1 channel and labels of 3 classes",
            "10 classes",
        ),
        ("fashion-mnist", "fashion-mnist-train-28.npz", {"images": GREY}, "no labels", "labels of 10 classes"),
        (
            "cifar10",
            "cifar10-train-32.npz",
            {"images": GREY, "labels": DIGITS},
            "1 channel and",
            "3 channels and labels",
        ),
        ("celeba", "celeba-train-64.npz", {"images": GREY}, "1 channel and no labels", "3 channels and no labels"),
    ],
)
def test_a_file_that_is_not_the_set_of_its_name_is_refused(
    kind: str, file: str, arrays: dict, found: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path))
    np.savez(tmp_path / file, **arrays)
    with pytest.raises(FieldError) as refused:
        build(TARGETS.load(kind), {})
    message = refused.value.message
    has, _, published = message.partition(f", expected {kind.removeprefix('stacked-')}, which has ")
    assert has.startswith(f"{tmp_path / file}: found ")
    assert found in has
    assert expected in published
    assert "; remove or replace the file" in published


def test_a_relative_path_is_kept_as_one_that_holds_from_any_folder(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(file.parent)
    assert ImageFiles(file.name).path == str(file)


def test_images_need_a_path():
    with pytest.raises(FieldError, match=r"path: found none, expected a \.npz or a folder"):
        ImageFiles()


def test_equal_images_have_one_name_wherever_they_lie_and_others_another(file: Path):
    elsewhere, other = file.parent / "elsewhere.npz", file.parent / "other.npz"
    np.savez(elsewhere, images=GREY, labels=LABELS)
    np.savez(other, images=GREY, labels=LABELS[::-1])
    first, second, third = (ImageFiles(str(path)) for path in (file, elsewhere, other))
    assert first.data_name == second.data_name == f"images-{first.sha256[:8]}"
    assert first.data_name != third.data_name


def test_named_sets_call_their_data_by_their_name():
    assert CelebA(split="train", resolution=8).data_name == "celeba"
    assert StackedMNIST(split="train").data_name == "mnist"


def test_unlabelled_images_have_no_modes():
    faces = named("celeba").instance
    assert faces.labelled() is None
    assert faces.modes is None
    assert faces.mode_probabilities is None


def test_stacks_of_mnist_are_classified_as_its_digits():
    stacked, single = named("stacked-mnist").instance, named("mnist").instance
    assert stacked.shape == (3, 8, 8)
    assert stacked.modes == 1000
    assert stacked.sha256 == single.sha256
    assert np.array_equal(stacked.labelled()[0], single.labelled()[0])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("images", "path: found none, expected a .npz or a folder"),
        ("images[path=nowhere.npz]", "path: nowhere.npz: no such file or folder; give a .npz"),
        ("images[path=broken.npz]", "path: broken.npz: found a broken file"),
        ("images[path=unnamed.npz]", "path: unnamed.npz: images: found images in the archive, expected one images.npy"),
        ("images[path=~nosuchuser/x]", "path: ~nosuchuser/x: found no such place ("),
        ("images[path=empty]", "path: empty: found no image"),
        ("images[path=good.npz,sha256=abc]", "sha256: good.npz: found images of digest "),
        ("images[path=good.npz,resolution=-1]", "resolution: found -1, expected a number at least 0"),
        ("mnist[split=valid]", 'split: found "valid"; did you mean "'),
        ("mnist", "data: mnist: found no mnist10k.npz or mnist-train-28.npz in "),
    ],
)
def test_bad_images_end_a_run_before_training_with_exit_code_2(
    target: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("GANBENCH_DATA", raising=False)
    np.savez("good.npz", images=GREY)
    Path("broken.npz").write_text("broken")
    with zipfile.ZipFile("unnamed.npz", "w") as archive:
        archive.writestr("images", b"")
    Path("empty").mkdir()
    tried = ganbench(tmp_path, "run", "--suite", "tiny.toml", "-t", target, "--results", "results")
    assert tried.exit_code == 2
    assert f"-t {target}: column " in tried.stderr
    assert message in tried.stderr
    assert not Path("results").exists()


@pytest.mark.skipif(
    not Path(os.environ.get("GANBENCH_DATA") or "-", "mnist10k.npz").is_file(),
    reason="needs mnist10k.npz in the folder that GANBENCH_DATA names",
)
def test_the_bundled_mnist_holds_the_10_000_digits_of_the_test_split():
    target = MNIST()
    found = target.labelled()
    assert target.split == "test"
    assert target.shape == (1, 28, 28)
    assert found is not None
    # the published counts of the test split's digits
    assert np.bincount(found[1]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert target.reference_limit == 5000
