"""The steps from ResNet-50 to ConvNeXt-T: each changes what its name says, and nothing else."""

from __future__ import annotations

import inspect
from collections import Counter

import pytest
import torch
from torch import nn

from cnnbook import models, profile
from cnnbook.models.convnext import LayerNorm2d
from cnnbook.models.convnext_ladder import LADDER


def on_meta(step, **options):
    with torch.device("meta"):
        return LADDER[step](**options)


def kinds(step):
    return Counter(type(module).__name__ for module in on_meta(step).modules())


@pytest.mark.parametrize("step", LADDER)
def test_every_step_classifies_grey_images_and_names_what_is_too_small(step):
    network = on_meta(step, num_classes=7, in_channels=1).eval()
    assert network(torch.empty(2, 1, 64, 48, device="meta")).shape == (2, 7)
    with pytest.raises(ValueError, match="built for 1-channel images, got 3"):
        network(torch.empty(2, 3, 64, 64, device="meta"))


@pytest.mark.parametrize("step", ["inverted", "7×7", "fewer norms", "layer norm"])
def test_gradient_reaches_every_parameter(step):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = LADDER[step](num_classes=4)
        network(torch.randn(2, 3, 32, 32)).logsumexp(1).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


def test_the_ladder_leads_from_one_published_network_to_the_other():
    steps = {name: inspect.unwrap(build) for name, build in LADDER.items()}
    assert steps["ResNet-50"] is inspect.unwrap(models.resnet50)
    assert steps["ConvNeXt-T"] is inspect.unwrap(models.convnext_tiny)


def test_activations_and_norms_of_a_block_become_fewer():
    blocks = 3 + 3 + 9 + 3
    assert kinds("7×7")["ReLU"] == 3 * blocks and kinds("7×7")["GELU"] == 0
    assert kinds("GELU")["GELU"] == 3 * blocks and kinds("GELU")["ReLU"] == 0
    assert kinds("fewer activations")["GELU"] == blocks
    stem, shortcuts = 1, 3
    assert kinds("fewer activations")["BatchNorm2d"] == 3 * blocks + stem + shortcuts
    assert kinds("fewer norms")["BatchNorm2d"] == blocks + stem + shortcuts
    assert kinds("layer norm")["LayerNorm2d"] == blocks
    assert kinds("ConvNeXt-T")["BatchNorm2d"] == 0


def test_only_the_kernel_grows_where_only_the_kernel_grows():
    before, after = (profile(on_meta(step)).table for step in ("moved up", "7×7"))
    changed = before.index[(before.params != after.params)]
    assert list(before.output) == list(after.output)
    assert len(changed) == 18 and (after.params[changed] * 9 == before.params[changed] * 49).all()


def test_a_layer_norm_is_over_the_channels_of_a_position():
    norm, x = LayerNorm2d(5), torch.randn(2, 5, 3, 4)
    y = norm(x)
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 3, 4), atol=1e-5, rtol=0)
    expected = nn.functional.layer_norm(x[0, :, 1, 2], (5,), eps=1e-6)
    torch.testing.assert_close(y[0, :, 1, 2], expected)
