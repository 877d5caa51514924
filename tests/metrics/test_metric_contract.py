"""Every registered metric keeps the contract on every kind of target."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from example_targets import DISTINCT

from ganbench.catalogue import METRICS
from ganbench.metrics.contract import Metric, NonFiniteSamples
from ganbench.metrics.floors import floor, true_pair
from ganbench.targets.contract import Target

EVERY = [(METRICS.load(name)(), target) for name, target in itertools.product(METRICS.names(), DISTINCT)]
APPLICABLE = [(metric, target) for metric, target in EVERY if metric.inapplicable(target) is None]
INAPPLICABLE = [(metric, target) for metric, target in EVERY if metric.inapplicable(target) is not None]


def name(value: object) -> str:
    return type(value).__name__


each_metric = pytest.mark.parametrize("metric", [METRICS.load(m)() for m in METRICS.names()], ids=name)
applicable = pytest.mark.parametrize(("metric", "target"), APPLICABLE, ids=name)


@each_metric
def test_a_metric_states_its_unit_direction_source_and_summary(metric: Metric):
    assert metric.unit
    assert metric.direction in ("lower", "higher")
    assert metric.source
    assert type(metric).__doc__


@each_metric
def test_a_metric_applies_to_some_registered_target(metric: Metric):
    assert any(type(metric) is type(other) for other, _ in APPLICABLE)


@each_metric
def test_two_instances_of_a_metric_are_one_key(metric: Metric):
    assert {metric: "floor"}[type(metric)()] == "floor"


@pytest.mark.parametrize(("metric", "target"), INAPPLICABLE, ids=name)
def test_measuring_where_it_is_inapplicable_raises_with_the_reason(metric: Metric, target: Target):
    reason = metric.inapplicable(target)
    assert reason is not None
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the reason is compared below, as text
        metric.measure(*true_pair(target, 10, 0), target)
    assert reason in str(error.value)


@applicable
def test_true_samples_have_a_finite_value(metric: Metric, target: Target):
    assert np.isfinite(metric.measure(*true_pair(target, 60, 0), target))


@applicable
def test_the_order_of_the_samples_does_not_matter(metric: Metric, target: Target):
    generated, true = true_pair(target, 60, 0)
    in_order = metric.measure(generated, true, target)
    assert metric.measure(generated[::-1], true[::-1], target) == pytest.approx(in_order, abs=1e-9)


@applicable
def test_measuring_leaves_the_samples_as_they_were(metric: Metric, target: Target):
    generated, true = true_pair(target, 60, 0)
    copies = generated.copy(), true.copy()
    metric.measure(generated, true, target)
    assert np.array_equal(generated, copies[0])
    assert np.array_equal(true, copies[1])


@applicable
def test_image_shaped_samples_have_the_value_of_flat_ones(metric: Metric, target: Target):
    generated, true = true_pair(target, 60, 0)
    shaped = generated.reshape(60, 1, 1, -1), true.reshape(60, 1, 1, -1)
    assert metric.measure(*shaped, target) == metric.measure(generated, true, target)


@applicable
def test_different_counts_are_an_error_that_names_both_shapes(metric: Metric, target: Target):
    generated, true = true_pair(target, 60, 0)
    with pytest.raises(ValueError, match=r"found \(59, .*\(60, .*expected equal shapes"):
        metric.measure(generated[:59], true, target)


@applicable
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_generated_value_that_is_not_finite_is_told_apart_as_divergence(metric: Metric, target: Target, bad: float):
    generated, true = true_pair(target, 60, 0)
    generated = generated.copy()
    generated[7, 0] = bad
    with pytest.raises(NonFiniteSamples):
        metric.measure(generated, true, target)


@applicable
def test_a_floor_is_finite_and_the_same_when_measured_anew(metric: Metric, target: Target):
    first = floor(metric, target, 60, pairs=2)
    floor.cache_clear()
    assert np.isfinite(first)
    assert floor(metric, target, 60, pairs=2) == first
