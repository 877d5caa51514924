"""Products written for a compiler give the values of the library's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganbench.training.products import NARROW, product

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


def test_small_transposed_weights_are_multiplied_from_a_copy():
    left, right = factors(64, 16, 16, transposed=True)
    torch.testing.assert_close(product(left, right), torch.bmm(left, right), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("shape", "transposed"), [((64, 16, 16), False), ((16, 16, 16), True)])
def test_a_wide_product_is_left_to_the_library(shape: tuple[int, int, int], transposed: bool):
    assert product(*factors(*shape, transposed)) is NotImplemented
