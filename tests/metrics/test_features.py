"""Extractors: one pass for a set, whatever the order and the batches, and the same numbers under torch-fidelity."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from ganbench import streams
from ganbench.catalogue import METRICS
from ganbench.metrics import features
from ganbench.metrics.classifier_file import classifier
from ganbench.metrics.features import Extractor, extractor, hash_order
from ganbench.targets.images import Digits, Images, pixels
from ganbench.targets.mixtures import Ring8
from ganbench.targets.stacked import StackedDigits

BY_CLASSES = ("modes_covered", "modes_touched", "kl_modes", "kl_uniform")
ON_FEATURES = [name for name in METRICS.names() if METRICS.load(name).uses_features]


def noisy(target: Images, n: int, seed: int = 0) -> np.ndarray:
    """Images that no data set holds."""
    rng = streams.generator(seed, "test.noisy")
    x = target.oracle(rng, n)
    return pixels(x + 0.2 * rng.standard_normal(x.shape))


class Counting:
    """The network of a classifier that counts the images it has seen; a batch is filled up with black ones."""

    def __init__(self, target: Images):
        self.network = classifier(target).network
        self.seen = 0

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.seen += int(images.flatten(1).any(dim=1).sum())
        return self.network(images)

    def extractor(self, batch: int = 256) -> Extractor:
        return Extractor("counting", 1, batch, self)


def test_features_do_not_depend_on_the_order_of_the_images():
    x = noisy(Digits(), 300)
    first, second = (Counting(Digits()).extractor() for _ in range(2))
    assert np.array_equal(first(x).values, second(x[::-1]).values)


@pytest.mark.parametrize("batch", [1, 7, 64, 300])
@pytest.mark.parametrize("name", ON_FEATURES)
def test_no_metric_depends_on_the_batches(name: str, batch: int):
    sets = noisy(Digits(), 300), pixels(Digits().held_out[:300])
    values = [
        METRICS.load(name)().of_features(*map(Counting(Digits()).extractor(size), sets)).value for size in (256, batch)
    ]
    assert values[1] == pytest.approx(values[0], rel=1e-6, abs=1e-6)


def test_a_set_is_passed_once_however_often_it_is_asked_for():
    count = Counting(Digits())
    made, x = count.extractor(), noisy(Digits(), 300)
    for _ in range(3):
        made(x.copy())
    assert count.seen == 300


def test_equal_images_of_a_set_are_passed_once():
    count = Counting(Digits())
    x = noisy(Digits(), 1)
    found = count.extractor()(np.repeat(x, 300, axis=0))
    assert count.seen == 1
    assert found.values.shape == (300, 64)


def test_images_of_the_data_are_passed_once_in_whatever_sets_they_come():
    digits, count = Digits(), Counting(Digits())
    labelled = digits.labelled()
    assert labelled is not None
    made = count.extractor()
    made.remember(labelled[0])
    for seed in range(8):
        made(pixels(digits.reference(streams.generator(seed, "test.sets"), 600)))
    # the held-out half has 898 images, two of which may be equal or black: never counted more than once
    assert 880 < count.seen <= 898


def test_other_images_are_forgotten_with_their_set():
    count = Counting(Digits())
    made, x = count.extractor(), noisy(Digits(), 50)
    made(x)
    for seed in range(1, features.SETS_KEPT + 1):
        made(noisy(Digits(), 50, seed))
    seen = count.seen
    made(x)
    assert count.seen == seen + 50


def test_a_stack_has_the_features_of_its_three_digits_one_after_the_other():
    stacks = noisy(StackedDigits(), 20)
    stacks = stacks[hash_order(stacks)]
    found = extractor(StackedDigits())(stacks)
    with torch.no_grad():
        expected, logits = classifier(Digits()).network(torch.from_numpy(stacks.reshape(60, 1, 8, 8)))
    assert found.values == pytest.approx(expected.numpy().reshape(20, 192), abs=1e-5)
    assert np.array_equal(found.classes, logits.argmax(dim=1).numpy())


def test_the_mean_square_of_the_features_is_one_on_the_data():
    labelled = Digits().labelled()
    assert labelled is not None
    # 1 on the four fifths that it was trained on; the last fifth moves it by some hundredths
    assert np.square(extractor(Digits())(labelled[0]).values).mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("target", [Digits(), StackedDigits()], ids=lambda t: type(t).__name__)
def test_fid_kid_precision_recall_and_inception_score_are_those_of_torch_fidelity(target: Images):
    import ganbench.metrics.extractors  # registers the classifier
    from ganbench.metrics.torchvision_guard import import_torch_fidelity

    generated, true = noisy(target, 200), pixels(target.reference(streams.generator(0, "test.true"), 200))
    sets = [torch.from_numpy(images[hash_order(images)]) for images in (generated, true)]
    path = classifier(target).path
    expected = import_torch_fidelity().calculate_metrics(
        input1=Tensors(sets[0]),
        input2=Tensors(sets[1]),
        feature_extractor="classifier",
        feature_extractor_weights_path=str(path),
        kid_subset_size=100,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        **dict.fromkeys(("fid", "kid", "prc", "isc"), True),
    )
    assert ganbench.metrics.extractors.NAME == "classifier"
    samples = [images / 127.5 - 1 for images in (generated, true)]
    for name, key in (
        ("fid", "frechet_inception_distance"),
        ("kid", "kernel_inception_distance_mean"),
        ("precision", "precision"),
        ("recall", "recall"),
        ("inception_score", "inception_score_mean"),
    ):
        metric = METRICS.load(name)()
        if metric.inapplicable(target) is None:
            assert metric.measure(*samples, target) == pytest.approx(expected[key], rel=1e-6), name
    kid = METRICS.load("kid")().estimate(*samples, target)
    assert kid.spread == pytest.approx(expected["kernel_inception_distance_std"], rel=1e-6)


class Tensors(torch.utils.data.Dataset):
    """Images as torch-fidelity takes them."""

    def __init__(self, images: torch.Tensor):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.images[index]


def relabelled(labels: np.ndarray | None, classes: int = 10, n: int = 1797) -> Digits:
    """Digits with other labels."""
    digits = Digits()
    content = dataclasses.replace(digits.content, labels=labels, classes=classes, images=digits.content.images[:n])
    object.__setattr__(digits, "content", content)
    return digits


@pytest.mark.parametrize(
    ("target", "name", "reason"),
    [
        (Ring8(), "classifier", "no images"),
        (
            relabelled(None),
            "classifier",
            'no labels to train a classifier on; take the extractor "inception-v3-compat"',
        ),
        (relabelled(np.zeros(1797, dtype=int), 1), "classifier", "one label"),
        (relabelled(np.arange(9) % 2, 2, 9), "classifier", "found 9 labelled images, expected at least 10"),
    ],
)
def test_why_a_target_has_no_features(target, name: str, reason: str):
    assert reason in str(features.inapplicable(target, name))


def test_images_without_labels_have_features_of_inception():
    assert features.inapplicable(relabelled(None), "inception-v3-compat") is None


@pytest.mark.parametrize("name", ON_FEATURES)
def test_a_metric_on_features_names_the_extractor_of_its_evaluation(name: str):
    class Evaluation:
        extractor = "classifier"
        weights = ""

    assert METRICS.load(name).configured(Evaluation()).instrument(Digits()) == classifier(Digits()).instrument


def test_metrics_of_different_extractors_or_devices_are_different_keys():
    fid = METRICS.load("fid")
    assert len({fid(), fid("inception-v3-compat"), fid("inception-v3-compat", "a.pth"), fid(device="cuda")}) == 4
    assert len({METRICS.load(name)(device) for name in BY_CLASSES for device in ("cpu", "cuda")}) == 2 * len(BY_CLASSES)


def test_a_gpu_rounds_no_product_while_features_are_extracted_and_those_of_a_training_as_before():
    def settings() -> tuple[str, bool, bool]:
        cudnn = torch.backends.cudnn
        return torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.deterministic

    before = settings()
    try:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        with features._unrounded("cuda"):
            assert settings() == ("highest", False, True)
        assert settings() == ("high", True, before[2])
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def test_an_extractor_on_another_device_leaves_the_stored_network_where_it_is():
    found = classifier(Digits())
    features._of_classifier(found, "meta")
    assert {weights.device.type for weights in found.network.parameters()} == {"cpu"}
