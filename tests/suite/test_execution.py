"""The execution of a suite on each kind of device, as it stands in the identity of its replicas."""

from __future__ import annotations

import pytest
from resolved import TEXT

from ganbench.suite import SuiteError, apply_overrides, parse_suite


def test_each_device_has_its_own_lift_and_convolution() -> None:
    chosen = {"lift_cpu": "loop", "lift_cuda": "vmap", "convolution_cpu": "torch", "convolution_cuda": "products"}
    suite = apply_overrides(parse_suite(TEXT), settings={f"execution.{k}": v for k, v in chosen.items()})
    shared = {"compiled": True, "width": 8, "threads": 1, "precision": "fp32"}
    assert suite.execution.on("cpu") == {**shared, "lift": "loop", "convolution": "torch", "draws": "numpy"}
    assert suite.execution.on("cuda") == {**shared, "lift": "vmap", "convolution": "products", "draws": "counter"}


def test_convolutions_are_products_on_a_cpu_and_torch_s_on_a_gpu_unless_a_suite_says_otherwise() -> None:
    execution = parse_suite(TEXT).execution
    assert [execution.on(device)["convolution"] for device in ("cpu", "cuda")] == ["products", "torch"]


@pytest.mark.parametrize("key", ["convolution_cpu", "convolution_cuda"])
def test_an_unknown_convolution_is_refused_with_the_nearest_known(key: str) -> None:
    with pytest.raises(SuiteError, match=f'execution.{key}: unknown convolution "torsh"; did you mean "torch"'):
        apply_overrides(parse_suite(TEXT), settings={f"execution.{key}": "torsh"})
