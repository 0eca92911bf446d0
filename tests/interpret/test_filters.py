"""What a kernel holds: its norm, and what its stride cannot tell apart."""

from __future__ import annotations

import math

import pytest
import torch

from cnnbook.interpret import kernel_table


def wave(period: float, side: int = 12) -> torch.Tensor:
    """A kernel whose brightness goes up and down every `period` pixels, under a bell."""
    at = torch.arange(side) - (side - 1) / 2
    bell = torch.exp(-(at**2) / (2 * (side / 5) ** 2))
    return (torch.cos(2 * math.pi * at / period) * bell)[None] * bell[:, None]


def test_a_kernel_aliases_where_it_is_finer_than_two_strides():
    fine, coarse = wave(3), wave(12)
    weight = torch.stack([fine, coarse, 0.01 * coarse])[:, None]
    table = kernel_table(weight, stride=4)  # Nyquist: a period of 8 pixels
    assert table["aliased"][0] > 0.9 and table["aliased"][1] < 0.2
    assert table["aliased"][1] == pytest.approx(table["aliased"][2])
    assert table["dead"].tolist() == [False, False, True]
    torch.testing.assert_close(torch.tensor(table["norm"].iloc[0]), weight[0].double().norm())
    assert kernel_table(weight, stride=2)["aliased"][0] > 0.8  # a period of 4
    assert (kernel_table(weight, stride=1)["aliased"] == 0).all()  # every pixel is looked at
    with pytest.raises(ValueError, match="stride"):
        kernel_table(weight, 0)
    with pytest.raises(ValueError, match="4|C'×C×K×K"):
        kernel_table(weight[0], 1)
