from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnbook import models
from cnnbook.models.preactivation import Basic, Bottleneck


def as_if_trained(network):
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize(
    "shallow, deeper",
    [("plain20", "plain32"), ("resnet20", "resnet110"), ("plain18", "plain34"),
     ("resnet18", "resnet34")],
)  # fmt: skip
def test_the_deeper_network_has_the_logits_of_the_shallow_one(shallow, deeper):
    source = as_if_trained(models.create(shallow))
    target = as_if_trained(models.create(deeper))
    before = {key: value.clone() for key, value in source.state_dict().items()}
    images = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        assert not torch.equal(target(images), source(images))
        assert models.deepen(source, target) is target
        assert torch.equal(target(images), source(images))
    assert all(torch.equal(before[key], value) for key, value in source.state_dict().items())


@pytest.mark.parametrize(
    "block",
    [models.PreActivationBlock(8, Basic(8, 8)), models.PreActivationBlock(8, Bottleneck(8, 2))],
)
def test_a_pre_activation_block_passes_any_input(block):
    models.set_identity(block)
    x = torch.randn(3, 8, 5, 5)
    for mode in (True, False):
        assert torch.equal(block.train(mode)(x), x)


@pytest.mark.parametrize("kind", [models.BasicBlock, models.PlainBlock])
def test_basic_and_plain_blocks_pass_what_is_nowhere_negative(kind):
    block = as_if_trained(kind(8, 8))
    models.set_identity(block)
    x = torch.randn(3, 8, 5, 5)
    with torch.no_grad():
        assert torch.equal(block(x.relu()), x.relu())
        assert not torch.equal(block(x), x)


def test_what_cannot_be_done_is_said():
    with pytest.raises(TypeError, match="make a Bottleneck the identity"):
        models.set_identity(models.Bottleneck(16, 4))
    with pytest.raises(ValueError, match="layer1 has 3 blocks, the shallow network 5"):
        models.deepen(models.plain32(), models.plain20())
