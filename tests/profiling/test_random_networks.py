"""Random networks with branches: the profile against torch's counter and real gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnbook import profile
from cnnbook.interpret import measured_receptive_field

CHANNELS = 4


@st.composite
def convolutions(draw, keeps_size=False):
    # A residual sum needs the size kept, which an even kernel cannot do with equal padding.
    kernel = draw(st.sampled_from((1, 3, 5) if keeps_size else (1, 2, 3, 4, 5)))
    dilation = draw(st.integers(1, 2))
    groups = draw(st.sampled_from((1, 2, CHANNELS)))
    padding = (kernel - 1) * dilation // 2
    stride = 1 if keeps_size else draw(st.integers(1, 2))
    bias = draw(st.booleans())
    return nn.Conv2d(
        CHANNELS, CHANNELS, kernel, stride, padding, dilation, groups, bias
    )  # fmt: skip


class Residual(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return F.relu(x + self.body(x))


class Inception(nn.Module):
    def __init__(self, left, right, merge):
        super().__init__()
        self.left, self.right, self.merge = left, right, merge

    def forward(self, x):
        return self.merge(torch.cat([self.left(x), self.right(x)], 1))


@st.composite
def blocks(draw):
    kind = draw(st.sampled_from(("conv", "pool", "residual", "inception", "norm")))
    if kind == "conv":
        return draw(convolutions())
    if kind == "pool":
        pool = draw(st.sampled_from((nn.MaxPool2d, nn.AvgPool2d)))
        return pool(draw(st.integers(2, 3)), 2, ceil_mode=draw(st.booleans()))
    if kind == "residual":
        return Residual(draw(convolutions(keeps_size=True)))
    if kind == "norm":
        return nn.Sequential(nn.BatchNorm2d(CHANNELS), nn.ReLU(inplace=True))
    left, right = (draw(convolutions(keeps_size=True)) for _ in range(2))
    return Inception(left, right, nn.Conv2d(2 * CHANNELS, CHANNELS, 1))


@st.composite
def networks(draw):
    middle = draw(st.lists(blocks(), min_size=1, max_size=5))
    return nn.Sequential(nn.Conv2d(3, CHANNELS, 3), *middle, nn.Conv2d(CHANNELS, 2, 1))


@settings(max_examples=60, deadline=None)
@given(network=networks(), height=st.integers(90, 120), width=st.integers(90, 120))
def test_counts(network, height, width):
    size = (3, height, width)
    p = profile(network, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = network.eval()(torch.zeros(1, *size))
    assert p.layers[-1].output == tuple(output.shape[1:])
    assert p.total.flops * 2 == counter.get_total_flops()
    assert p.total.params == sum(q.numel() for q in network.parameters())


@settings(max_examples=40, deadline=None)
@given(network=networks())
def test_receptive_fields(network):
    side = 2 * int(profile(network, (3, 256, 256)).layers[-1].receptive_field) + 80
    p = profile(network, (3, side, side))
    derived = p.layers[-1].receptive_field
    last = str(len(network) - 1)
    assert measured_receptive_field(network, last, (3, side, side)) == (derived, derived)
