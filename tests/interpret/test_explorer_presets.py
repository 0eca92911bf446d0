"""Which networks the explorer can hold: those that its layers make up, and no others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnbook import models
from cnnbook.interpret import explorer


@pytest.fixture(scope="module")
def presets():
    return explorer.presets()


def has(network: nn.Module, *kinds: type[nn.Module]) -> bool:
    return any(isinstance(module, kinds) for module in network.modules())


def test_every_network_without_gate_and_layer_norm_is_a_preset(presets):
    for name in models.names():
        with torch.device("meta"):
            outside = has(models.create(name), nn.Sigmoid, nn.LayerNorm)
        assert (name in presets) is not outside, name


def test_dense_and_depthwise_layers_are_written(presets):
    # A layer of DenseNet is a concatenation of its input and what it makes of it.
    assert "j(~b.r.c128n.b.r.c32k3p1n)" in presets["densenet121"]["net"]
    # A block of MobileNetV2 is as wide as its groups are many, and has a sum if its shape stays.
    assert "s(~c144n.b.q.c144k3p1g144n.b.q.c24n.b)" in presets["mobilenet_v2"]["net"]


class Product(nn.Module):
    def forward(self, x):
        return x * x.mean((2, 3), keepdim=True)


def test_a_product_is_no_sum():
    with pytest.raises(ValueError, match="no layer for .*mul"):
        explorer.layers(nn.Sequential(nn.Conv2d(3, 8, 3), Product()), (3, 9, 9))
