"""The Inception extractor with weights drawn at random: what it is fed, and what is said of files that are no good."""

from __future__ import annotations

import hashlib
import pickle
import re
import socket
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ganbench import streams
from ganbench.metrics import inception
from ganbench.metrics.features import extractor, hash_order
from ganbench.metrics.fidelity import FID, KID, InceptionScore, Precision, Recall
from ganbench.metrics.inception import FILE, WeightsError, checked, inception_network, inception_weights
from ganbench.metrics.torchvision_guard import import_torch_fidelity
from ganbench.targets.images import Digits, pixels

NAME = "inception-v3-compat"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A file as the published one, with small random weights instead of the trained ones."""
    network = import_torch_fidelity().FeatureExtractorInceptionV3

    class Untrained(network):  # type: ignore[misc,valid-type]
        def load_state_dict(self, state, *arguments, **options):
            return None

    folder = tmp_path_factory.mktemp("weights")
    torch.save({}, folder / "none.pth")
    made = Untrained(NAME, ["2048"], feature_extractor_weights_path=str(folder / "none.pth"))
    rng = streams.generator(0, "test.weights")
    for layer in made.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in = layer.weight[0].numel()
            draws = rng.standard_normal(layer.weight.shape, dtype=np.float32) * np.float32((2 / fan_in) ** 0.5)
            layer.weight.data.copy_(torch.from_numpy(draws))
    path = folder / "weights.pth"
    torch.save(made.state_dict(), path)
    return path


def images(n: int, seed: int) -> np.ndarray:
    """Noisy digits in [-1, 1]."""
    rng = streams.generator(seed, "test.images")
    return Digits().reference(rng, n) + 0.3 * rng.standard_normal((n, 1, 8, 8))


def test_grey_images_have_torch_fidelity_s_features_and_metrics_of_three_equal_channels(weights: Path):
    # no FID: a root of 2048 x 2048 takes seconds, and its way from features to number is that of the classifier
    samples = images(4, 0), images(4, 1)
    module = import_torch_fidelity()
    network = module.FeatureExtractorInceptionV3(NAME, ["2048"], feature_extractor_weights_path=str(weights))
    ours = [extractor(Digits(), NAME, str(weights))(pixels(x)).values for x in samples]
    sets = []
    for x, found in zip(samples, ours, strict=True):
        grey = pixels(x)
        sets.append(network(torch.from_numpy(grey[hash_order(grey)]).repeat(1, 3, 1, 1))[0].double())
        assert found == pytest.approx(sets[-1].numpy(), rel=1e-5, abs=1e-6)
    # from features in float64: in float32, as it would take them, KID is rounded to 1e-4 of itself
    kid = module.metric_kid.kid_features_to_metric(*sets, kid_subset_size=2, verbose=False)
    prc = module.metric_prc.prc_features_to_metric(*sets, verbose=False)
    measured = {m: m(NAME, str(weights)).measure(*samples, Digits()) for m in (KID, Precision, Recall, InceptionScore)}
    assert measured[KID] == pytest.approx(kid["kernel_inception_distance_mean"], rel=1e-5)
    assert measured[Precision] == pytest.approx(prc["precision"], rel=1e-6)
    assert measured[Recall] == pytest.approx(prc["recall"], rel=1e-6)
    assert 1 <= measured[InceptionScore] <= 4


def test_the_instrument_names_the_extractor_and_the_file_s_digest(weights: Path):
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert FID(NAME, str(weights)).instrument(Digits()) == f"{NAME} {digest[:8]}"


def test_the_network_is_loaded_once(weights: Path):
    assert extractor(Digits(), NAME, str(weights)) is extractor(Digits(), NAME, str(weights))


def test_a_file_that_is_not_there_is_named_with_the_setting(tmp_path):
    path = tmp_path / "absent.pth"
    with pytest.raises(WeightsError, match=f"{re.escape(str(path))}: no such file; evaluation.weights expects"):
        FID(NAME, str(path)).prepare(Digits())


@pytest.mark.parametrize("silent", [False, True], ids=["refused", "no answer"])
def test_missing_weights_without_network_are_told_within_seconds(tmp_path, monkeypatch, silent: bool):
    def connect(*arguments, **options):
        if silent:
            time.sleep(20)
        raise OSError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "create_connection", connect)
    began = time.perf_counter()
    with pytest.raises(WeightsError, match=r"cannot be reached; name a copy of the file in evaluation.weights"):
        FID(NAME).prepare(Digits())
    assert time.perf_counter() - began < 5


def test_a_failed_download_leaves_nothing_behind(tmp_path, monkeypatch):
    def download(url, path, hash_prefix, progress):
        assert hash_prefix == "6726825d"
        raise RuntimeError('invalid hash value (expected "6726825d", got "00")')

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(inception, "_connects", lambda url: True)
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(WeightsError, match=r"download failed \(invalid hash value.*evaluation.weights"):
        inception_weights()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_weights_in_torch_s_own_folder_are_used(tmp_path, monkeypatch):
    path = tmp_path / "hub" / "checkpoints" / FILE
    path.parent.mkdir(parents=True)
    path.touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert inception_weights() == path


def test_a_truncated_file_is_an_error_with_its_name(weights: Path, tmp_path):
    path = tmp_path / "cut.pth"
    path.write_bytes(weights.read_bytes()[:1_000_000])
    with pytest.raises(WeightsError, match=f"{re.escape(str(path))}: truncated, or no file of weights"):
        checked(path)


def test_an_altered_file_is_an_error_with_its_name(weights: Path, tmp_path):
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / "altered.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"{re.escape(str(path))}: damaged, the checksum of its part .* is wrong"):
        checked(path)


def named_by_digest(path: Path, zipped: bool) -> Path:
    """A file of weights, its name that of the published one with its own first digits."""
    torch.save({"layer.weight": torch.arange(3.0)}, path, _use_new_zipfile_serialization=zipped)
    return path.rename(path.with_name(f"weights-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_is_what_the_digits_in_its_name_say(tmp_path, zipped: bool):
    path = named_by_digest(tmp_path / "any.pth", zipped)
    content = bytearray(path.read_bytes())
    assert checked(path) == hashlib.sha256(content).hexdigest()
    content[content.index(torch.arange(3.0).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    found = hashlib.sha256(content).hexdigest()[:8]
    said = f"{re.escape(str(path))}: found content of SHA-256 {found}, expected {path.stem[-8:]} .*; remove .*rename"
    with pytest.raises(WeightsError, match=said):
        checked(path)


def test_other_weights_under_the_published_name_are_refused(weights: Path, tmp_path, monkeypatch):
    path = tmp_path / "hub" / "checkpoints" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(weights.read_bytes())
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for metric in (FID(NAME), FID(NAME, str(path))):
        with pytest.raises(WeightsError, match=f"{re.escape(str(path))}: found content .* expected 6726825d"):
            metric.prepare(Digits())


def test_a_file_without_any_checksum_is_refused(tmp_path):
    path = named_by_digest(tmp_path / "any.pth", zipped=False).rename(tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match=r"mine.pth: found the format of torch before 1.6.*rename.*torch.save"):
        checked(path)


class Trap:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_file_that_holds_code_is_refused_and_the_code_never_runs(tmp_path):
    path, sprung = tmp_path / "trap.pth", tmp_path / "sprung"
    torch.save({"fc.weight": Trap(str(sprung))}, path)
    with pytest.raises(WeightsError, match="no file of weights"):
        inception_network(path)
    path.write_bytes(pickle.dumps({"fc.weight": Trap(str(sprung))}, protocol=2))
    with pytest.raises(WeightsError, match="no file of weights"):
        inception_network(path)
    assert not sprung.exists()


def test_weights_of_another_network_are_an_error_with_the_file_s_name(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"layer.weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match=f"{re.escape(str(path))}: holds other weights than {re.escape(FILE)}"):
        inception_network(path)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, torch.zeros(3)], ids=["list", "number", "tensor"])
def test_a_file_without_a_dictionary_of_tensors_is_an_error(tmp_path, content: object):
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(WeightsError, match="found no dictionary of tensors"):
        checked(path)


def test_a_zip_file_of_something_else_is_an_error(tmp_path):
    path = tmp_path / "archive.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "no weights")
    with pytest.raises(WeightsError, match="no file of weights"):
        checked(path)
