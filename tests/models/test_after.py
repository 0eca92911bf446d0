"""The networks after 2017 against torchvision's and timm's, and against their papers' tables."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnbook import models, profile
from cnnbook.models.densenet import DenseLayer
from cnnbook.models.efficientnet import SCALES
from cnnbook.models.stochastic_depth import StochasticDepth

NAMES = ("densenet121", "se_resnet50", "mobilenet_v2", "efficientnet_b0", "convnext_tiny")
SMALLEST = {"densenet121": 29, "convnext_tiny": 32}


def reference(name: str, **options) -> nn.Module:
    if name == "se_resnet50":
        return timm.create_model("seresnet50", **options)
    return torchvision.models.get_model(name, **options)


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_logits_are_the_reference_s(name):
    theirs = reference(name, num_classes=7).eval()
    ours = models.create(name, num_classes=7).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    # Values that differ, so that no two normalisations or scales can change places unseen.
    for key, value in theirs.state_dict().items():
        if (value.dim() == 1 and "num" not in key) or key.endswith("layer_scale"):
            value.uniform_(0.5, 1.0)
    ours.load_state_dict(theirs.state_dict())
    for size in ((64, 64), (75, 50)):
        images = torch.randn(2, 3, *size)
        with torch.no_grad():
            assert torch.equal(ours(images), theirs(images))


@pytest.mark.parametrize("name", NAMES)
def test_the_profile_is_exact(name):
    ours, theirs = (
        models.on_meta(models.create, name).eval(),
        models.on_meta(reference, name).eval(),
    )
    total = profile(ours).total
    with FlopCounterMode(display=False) as counter:
        theirs(torch.empty(1, 3, 224, 224, device="meta"))
    assert total.flops * 2 == counter.get_total_flops()
    assert total.params == sum(parameter.numel() for parameter in theirs.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_first_step_starts_where_the_reference_s_does(name):
    """Weights are drawn alike: the same deviation in every layer."""
    ours, theirs = models.create(name).state_dict(), reference(name).state_dict()
    for key, value in theirs.items():
        if value.dim() > 1 and value.numel() > 20_000:
            assert ours[key].std().item() == pytest.approx(value.std().item(), rel=0.05), key


@pytest.mark.parametrize("name", NAMES)
def test_gradient_reaches_every_parameter(name):
    network = models.create(name, num_classes=10, in_channels=1)
    network(torch.randn(3, 1, 64, 64)).logsumexp(1).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_images_may_be_as_small_as_the_error_says(name):
    network, least = models.create(name, num_classes=4).eval(), SMALLEST.get(name, 1)
    assert network(torch.zeros(1, 3, least, least + 3)).shape == (1, 4)
    small = torch.zeros(1, 3, least + 3, least - 1)
    with pytest.raises(ValueError, match=f"at least {least}×{least}, got") as error:
        network(small)
    assert "\n" not in str(error.value)


def test_densenet_stages_are_the_paper_s():
    table = profile(models.on_meta(models.densenet121)).table
    ends = [f"features.transition{n}.conv" for n in (1, 2, 3)]
    # Table 1: half of 256, 512 and 1024 channels.
    assert [table.output[end] for end in ends] == [(128, 56, 56), (256, 28, 28), (512, 14, 14)]
    layers = table[table.kind.isin(("conv", "linear"))]
    assert len(layers) == 121


def test_a_dense_layer_keeps_what_it_reads():
    layer, x = DenseLayer(5, growth=3).eval(), torch.randn(2, 5, 4, 4)
    y = layer(x)
    assert y.shape == (2, 8, 4, 4) and torch.equal(y[:, :5], x)
    assert torch.equal(y[:, 5:], nn.Sequential.forward(layer, x))


def test_a_squeezed_channel_is_weighed_by_its_image():
    module, x = models.SqueezeExcitation(6, 4), torch.randn(2, 6, 3, 5)
    x[1] += 1
    weights = module(x) / x
    spread = weights.flatten(2).amax(2) - weights.flatten(2).amin(2)
    assert spread.abs().max() < 1e-5  # one weight for all positions of a channel
    assert weights.min() > 0 and weights.max() < 1
    assert not torch.allclose(weights[0], weights[1])  # another for another image


def test_se_resnet_is_resnet_but_for_its_gates():
    ours, plain = models.on_meta(models.se_resnet50), models.on_meta(models.resnet50)
    kept = [key for key in ours.state_dict() if ".se." not in key]
    assert sorted(kept) == sorted(plain.state_dict())


def test_mobilenet_s_block_is_wide_in_its_middle():
    block = models.InvertedResidual(4, 4, stride=1, expansion=6)
    widen, depthwise, narrow = (m for m in block.modules() if isinstance(m, nn.Conv2d))
    assert (widen.out_channels, depthwise.groups, narrow.out_channels) == (24, 24, 4)
    x = torch.randn(2, 4, 7, 7)
    torch.testing.assert_close(block.eval()(x), x + block.conv(x))
    assert block.conv[-1].__class__ is nn.BatchNorm2d  # linear: no ReLU at the narrow end


@pytest.mark.parametrize("number", range(8))
def test_efficientnets_are_torchvision_s(number):
    width, depth, _ = SCALES[number]
    ours = models.on_meta(models.EfficientNet, width, depth).state_dict()
    theirs = models.on_meta(torchvision.models.get_model, f"efficientnet_b{number}").state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_stochastic_depth_keeps_the_mean_and_rests_in_evaluation():
    layer, ones = StochasticDepth(0.25), torch.ones(4000, 2, 1, 1)
    dropped = layer(ones)
    assert set(dropped.unique().tolist()) == {0.0, ones.new_tensor(4 / 3).item()}
    assert torch.equal(dropped[:, 0], dropped[:, 1])  # image by image, not channel by channel
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(layer.eval()(ones), ones)


@pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_tiny"])
def test_deeper_blocks_are_dropped_more_often(name):
    shares = [m.drop for m in models.on_meta(models.create, name).modules() if hasattr(m, "drop")]
    theirs = [
        module.p
        for module in models.on_meta(reference, name).modules()
        if isinstance(module, torchvision.ops.StochasticDepth)
    ]
    assert shares == pytest.approx(theirs) and shares == sorted(shares) and shares[0] == 0


def test_convnext_begins_as_an_identity_and_looks_seven_pixels_wide():
    block, x = models.ConvNeXtBlock(6).eval(), torch.randn(2, 6, 9, 9)
    assert (block(x) - x).abs().max() < 1e-5
    table = profile(block, (6, 9, 9)).table
    assert table.receptive_field.iloc[-1] == 7
