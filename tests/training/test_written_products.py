"""Products written for a compiler give the values of the library's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from ganbench.training.compilation import compiled
from ganbench.training.products import NARROW, SMALL, VECTOR, product, small_product

# rows, terms, columns
WRITTEN = [(8, 1, 5), (8, 2, 64), (64, NARROW, 3), (64, 16, 2), (32, 8, 1)]


def factors(rows: int, terms: int, columns: int, transposed: bool) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    left = torch.randn(3, rows, terms, generator=draws, dtype=torch.float64)
    if transposed:
        return left, torch.randn(3, columns, terms, generator=draws, dtype=torch.float64).mT
    return left, torch.randn(3, terms, columns, generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", WRITTEN)
def test_a_narrow_product_is_the_product(shape: tuple[int, int, int], transposed: bool):
    left, right = factors(*shape, transposed)
    torch.testing.assert_close(product(left, right), torch.bmm(left, right), rtol=1e-12, atol=1e-12)


# rows, terms, columns: whole tiles and rests of them, one row, pieces of terms and rests of them
SMALL_SHAPES = [(64, 16, 16), (37, 19, 48), (1, 50, 32), (19, 200, 32), (12, 8, 16), (150, 64, 80)]


def laid_out(values: Tensor, transposed: bool) -> Tensor:
    """The same values, stored by columns where asked."""
    return values.mT.contiguous().mT if transposed else values


@pytest.mark.parametrize("right_transposed", [False, True])
@pytest.mark.parametrize("left_transposed", [False, True])
def test_small_products_of_compiled_code_are_the_products(left_transposed: bool, right_transposed: bool):
    draws = torch.Generator().manual_seed(0)
    factors = [
        (
            laid_out(torch.randn(3, rows, terms, generator=draws), left_transposed),
            laid_out(torch.randn(3, terms, columns, generator=draws), right_transposed),
        )
        for rows, terms, columns in SMALL_SHAPES
    ]
    assert all(product(*each) is not NotImplemented for each in factors)
    multiply = compiled(lambda pairs: [torch.bmm(left, right) for left, right in pairs], (factors,))
    for (left, right), found in zip(factors, multiply(factors), strict=True):
        exact = torch.bmm(left.double(), right.double())
        torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=2e-5)


def test_a_replica_in_a_small_product_has_the_same_bits_in_every_lane_and_leaves_others_alone():
    draws = torch.Generator().manual_seed(0)
    left, right = torch.randn(1, 50, 24, generator=draws), torch.randn(1, 24, 32, generator=draws)
    lefts, rights = left.repeat(4, 1, 1), right.repeat(4, 1, 1)
    lefts[1, 7, 3] = torch.nan
    (found,) = compiled(lambda a, b: [torch.bmm(a, b)], (lefts, rights))(lefts, rights)
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[0], found[3])
    assert found[1, 7].isnan().all()
    assert found[1].isnan().sum() == 32


def test_code_with_small_products_is_kept_on_disk_and_found_there():
    def squared(pair: list[Tensor]) -> list[Tensor]:
        return [torch.bmm(*pair) + 3]

    example = (list(torch.ones(2, 2, 16, 16)),)
    compiled(squared, example)
    counters.clear()
    (found,) = compiled(squared, example)(*example)
    assert dict(counters["inductor"]).get("fxgraph_cache_hit") == 1
    assert torch.equal(found, torch.full((2, 16, 16), 19.0))


def test_outside_compiled_code_a_small_product_is_the_library_s():
    left, right = factors(8, 8, VECTOR, transposed=False)
    assert torch.equal(small_product(left, right), torch.bmm(left, right))


@pytest.mark.parametrize("shape", [(64, 16, VECTOR + 1), (SMALL // 16, SMALL // 16, 32)])
def test_a_wide_product_is_left_to_the_library(shape: tuple[int, int, int]):
    left, right = factors(*shape, transposed=False)
    assert product(left.float(), right.float()) is NotImplemented


def test_a_small_product_is_left_to_the_library_where_a_process_has_threads(monkeypatch: pytest.MonkeyPatch):
    left, right = (factor.float() for factor in factors(64, 16, VECTOR, transposed=False))
    assert product(left, right) is not NotImplemented
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert product(left, right) is NotImplemented


def test_a_product_in_double_precision_is_left_to_the_library():
    assert product(*factors(64, 16, VECTOR, transposed=False)) is NotImplemented
