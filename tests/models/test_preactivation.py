from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnnbook import models, profile
from cnnbook.models.preactivation import Basic, Bottleneck

IMAGENET = [f"preact_resnet{depth}" for depth in (18, 34, 50, 101, 152)]
CIFAR = [f"preact_resnet{depth}" for depth in (20, 56, 110, 164)]


on_meta = partial(models.on_meta, models.create)


def kernels(network):
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("name", [*IMAGENET, *CIFAR])
def test_the_convolutions_are_those_of_the_post_activation_network(name):
    network, post = on_meta(name), on_meta(name.removeprefix("preact_"))
    assert kernels(network) == kernels(post)
    size = (3, 224, 224) if name in IMAGENET else (3, 32, 32)
    assert profile(network, size).total.flops == profile(post, size).total.flops


def test_cifar_networks_have_the_known_parameters():
    # Zagoruyko, Komodakis, Wide Residual Networks, 2016, table 5: 1.7 M for depths 110 and 164.
    for depth in (110, 164):
        count = sum(p.numel() for p in on_meta(f"preact_resnet{depth}").parameters())
        assert round(count / 1e6, 1) == 1.7


@pytest.mark.parametrize("residual", [Basic(8, 8), Bottleneck(8, 2)])
def test_the_block_is_the_paper_s_formula(residual):
    block = models.PreActivationBlock(8, residual)
    x = torch.randn(3, 8, 6, 6)
    y = x
    for layer in [block.activation, *residual]:  # each convolution reads a fresh activation
        if isinstance(layer, nn.Sequential):
            y = F.relu(F.batch_norm(y, None, None, training=True))
        else:
            y = F.conv2d(y, layer.weight, None, layer.stride, layer.padding)
    torch.testing.assert_close(block(x), x + y)


def test_what_enters_a_stage_s_first_block_is_activated_before_the_paths_part():
    block = models.preact_resnet20().stages[1][0]
    x = torch.randn(3, 16, 6, 6)
    active = F.relu(F.batch_norm(x, None, None, training=True))
    expected = block.downsample(active) + block.residual(active)
    torch.testing.assert_close(block(x), expected)
    for network in (models.preact_resnet20(), models.preact_resnet164()):
        for blocks in network.stages:
            assert [type(b) for b in blocks] == [models.FirstBlock] + [
                models.PreActivationBlock
            ] * (len(blocks) - 1)


def test_nothing_stands_on_the_shortcut_of_all_other_blocks():
    network = models.preact_resnet56(num_classes=3)
    for block in network.modules():
        if isinstance(block, models.PreActivationBlock):
            nn.init.zeros_(block.residual[-1].weight)
    stage = network.stages[0]
    x = torch.randn(2, 16, 8, 8)
    assert torch.equal(stage(x), stage[0](x))
