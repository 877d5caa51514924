"""The classifier: its accuracy, its bits, its file."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest
import torch

from ganbench import streams
from ganbench.metrics import classifier_file
from ganbench.metrics.classifier import FEATURES, Network, _accuracy, split, trained_network
from ganbench.metrics.classifier_file import ClassifierFileError, classifier
from ganbench.targets.images import Digits
from ganbench.targets.imageset import image_set
from ganbench.targets.stacked import StackedDigits


def few(n: int = 60, shape: tuple[int, int, int] = (1, 8, 8)) -> tuple[np.ndarray, np.ndarray]:
    """Dark and bright images with noise: two classes that any network tells apart."""
    rng = streams.generator(0, "test.few")
    labels = np.arange(n) % 2
    return np.clip(rng.integers(0, 60, (n, *shape)) + 190 * labels[:, None, None, None], 0, 255).astype(
        np.uint8
    ), labels


@pytest.fixture
def small_recipe(monkeypatch, tmp_path):
    """Training of a second, and a cache folder of its own."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr("ganbench.metrics.classifier.FEWEST_SEEN", 640)
    monkeypatch.setattr("ganbench.metrics.classifier.EPOCHS", 0)


def stored(folder: Path) -> Path:
    classifier(Digits())
    (path,) = (folder / "classifiers").iterdir()
    return path


def test_the_digits_classifier_names_97_percent_of_a_held_out_fifth():
    assert classifier(Digits()).accuracy >= 0.97


def test_the_instrument_names_data_accuracy_and_weights():
    found = classifier(Digits())
    assert found.instrument == f"classifier digits {100 * found.accuracy:.1f}% {found.sha256[:8]}"


def test_stacked_digits_share_the_classifier_of_the_digits():
    assert classifier(StackedDigits()) is classifier(Digits())


def test_the_split_holds_out_a_fifth_and_loses_no_image():
    images, _ = few(50)
    training, held_out = split(images)
    assert len(held_out) == 10
    assert sorted([*training, *held_out]) == list(range(50))


def test_the_split_depends_on_the_images_and_not_on_their_order():
    images, _ = few(50)
    held_out = {image.tobytes() for image in images[split(images)[1]]}
    assert {image.tobytes() for image in images[::-1][split(images[::-1])[1]]} == held_out


def test_the_split_gives_both_halves_of_the_data_an_equal_share_of_the_held_out_fifth():
    # 360 of 1,800 images, 180 expected from the players' half; sd 8.5 (hypergeometric), so 4.5 sd: false alarm 7e-6
    images = image_set(few(1800)[0], None).images
    held_out = split(images)[1]
    assert abs((held_out < 900).sum() - 180) < 38


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 5, 9), (1, 1, 1)])
def test_a_network_of_any_size_gives_64_features_and_its_classes(shape: tuple[int, int, int]):
    features, logits = Network(shape, 7)(torch.zeros((2, *shape), dtype=torch.uint8))
    assert features.shape == (2, FEATURES)
    assert logits.shape == (2, 7)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28)])
def test_classes_that_differ_are_learned_and_the_bits_do_not_depend_on_threads_or_torchs_generator(
    small_recipe, shape: tuple[int, int, int]
):
    first, accuracy = trained_network(*few(shape=shape), 2)
    assert accuracy == 1
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    try:
        again, _ = trained_network(*few(shape=shape), 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_labels_at_random_are_memorised_in_training_and_guessed_in_the_held_out_fifth(small_recipe, monkeypatch):
    # 100 held-out images of two equally frequent random labels: accuracy .5, sd .05; five sd, false alarm 6e-7
    monkeypatch.setattr("ganbench.metrics.classifier.FEWEST_SEEN", 20_000)
    images, _ = few(500)
    labels = streams.generator(1, "test.labels").integers(0, 2, 500)
    network, accuracy = trained_network(images, labels, 2)
    training, _ = split(images)
    assert _accuracy(network, images[training], labels[training]) > 0.9
    assert abs(accuracy - 0.5) < 0.25


def test_a_stored_classifier_is_read_and_not_trained_anew(small_recipe, tmp_path, monkeypatch):
    path = stored(tmp_path)
    classifier_file._read.cache_clear()
    monkeypatch.setattr(classifier_file, "trained_network", None)
    assert classifier(Digits()).path == path


def test_another_recipe_trains_anew(small_recipe, tmp_path, monkeypatch):
    content = stored(tmp_path).read_bytes()
    monkeypatch.setattr(classifier_file, "RECIPE", 0)
    classifier_file._read.cache_clear()
    assert stored(tmp_path).read_bytes() != content


@pytest.mark.parametrize("kept", [0, 7, 500, -1], ids=["nothing", "bytes", "header", "all but the last byte"])
def test_a_truncated_file_is_an_error_with_its_name_and_the_remedy(small_recipe, tmp_path, kept: int):
    path = stored(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ClassifierFileError, match=r"truncated.*remove the file; the next run trains") as error:
        classifier(Digits())
    assert str(path) in str(error.value)


@pytest.mark.parametrize("where", ["weights", "accuracy"])
def test_an_altered_file_is_an_error_with_its_name_and_the_remedy(small_recipe, tmp_path, where: str):
    path = stored(tmp_path)
    content = bytearray(path.read_bytes())
    at = len(content) - 1000 if where == "weights" else content.index(b"accuracy") + len(b'accuracy\\": 0.')
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(ClassifierFileError, match=r"altered.*remove the file; the next run trains") as error:
        classifier(Digits())
    assert str(path) in str(error.value)


def test_a_classifier_of_other_data_under_this_name_is_an_error(small_recipe, tmp_path, monkeypatch):
    stored(tmp_path)
    other = Digits()
    object.__setattr__(other, "content", replace(other.content, sha256=other.sha256[:12] + "0" * 52))
    with pytest.raises(ClassifierFileError, match="trained on the data"):
        classifier(other)


def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_variable(small_recipe, tmp_path):
    (tmp_path / "classifiers").write_text("a file where the folder should be")
    with pytest.raises(ClassifierFileError, match="GANBENCH_CACHE"):
        classifier(Digits())


def _train_in(folder: str, ready: Barrier) -> None:
    os.environ["GANBENCH_CACHE"] = folder
    ready.wait()
    classifier(Digits())


def test_two_processes_that_train_at_once_write_equal_bytes(small_recipe, tmp_path):
    # forked, so that both share the shortened recipe; torch has run on one thread only, so a fork is safe
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(2)
    folders = [tmp_path / "a", tmp_path / "b"]
    processes = [context.Process(target=_train_in, args=(str(f), ready)) for f in folders]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert stored(folders[0]).read_bytes() == stored(folders[1]).read_bytes()
