"""The size of a signal through many layers, by the start of the weights."""

from __future__ import annotations

import pytest
import torch

from cnnbook.teaching import signal

IMAGES = torch.randn(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("start, factor", [("0.01", 256 * 1e-4 / 2), ("Glorot", 0.5), ("He", 1.0)])
def test_a_layer_multiplies_by_what_the_derivation_says(start, factor):
    sizes = signal.sizes_through(IMAGES, start)
    assert len(sizes) == 20
    assert (sizes[-1] / sizes[0]) ** (1 / 19) == pytest.approx(factor, rel=0.12)


def test_a_linear_stack_keeps_the_size_with_glorots_start():
    sizes = signal.sizes_through(IMAGES, "Glorot", activation=lambda x: x, layers=10)
    assert 0.5 < sizes[-1] / sizes[0] < 2


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    signal.sizes_through(IMAGES, "He", layers=2)
    assert torch.equal(torch.rand(3), expected)


def test_an_unknown_start_is_named():
    with pytest.raises(ValueError, match="unknown start 'he'; there is 0.01, Glorot, He"):
        signal.sizes_through(IMAGES, "he")
