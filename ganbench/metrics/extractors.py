"""The classifier as a feature extractor of torch-fidelity: importing this module registers it under its name.

    torch_fidelity.calculate_metrics(input1=generated, input2=real, feature_extractor="classifier",
        feature_extractor_weights_path=str(classifier(target).path), fid=True, cuda=False)

Imported inside functions only, since torch-fidelity takes seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ganbench.metrics.classifier_file import read_classifier
from ganbench.metrics.torchvision_guard import import_torch_fidelity

import_torch_fidelity()

from torch_fidelity import FeatureExtractorBase, register_feature_extractor  # noqa: E402  the guard must come first

NAME = "classifier"


class ClassifierExtractor(FeatureExtractorBase):
    """The classifier in a file of ganbench on images uint8 (n, c, h, w): "features" and "logits", float64."""

    def __init__(self, name: str, features_list: list[str], feature_extractor_weights_path: str = "", **kwargs: Any):
        super().__init__(name, features_list)
        found = read_classifier(Path(feature_extractor_weights_path))
        if found is None:
            raise ValueError(
                f"{feature_extractor_weights_path}: made by another version of ganbench; remove it and train it anew"
            )
        self.network = found.network
        self.channels = found.image_shape[0]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features, logits = self.network(images.reshape(-1, self.channels, *images.shape[2:]))
        found = {"features": features.double().reshape(len(images), -1), "logits": logits.double()}
        return tuple(found[name] for name in self.features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return "features", "logits"

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "logits" if metric == "isc" else "features"

    @staticmethod
    def can_be_compiled() -> bool:
        return False


register_feature_extractor(NAME, ClassifierExtractor)
