from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from cnnbook import models, profile
from cnnbook.models import ConcatenatedPaths, ResNeXtBlock, SummedPaths

NAMES = ["resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"]
SMALL = {"channels": 16, "blocks": 1, "cardinality": 4, "width": 6}


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_shapes_are_torchvision_s(name):
    reference = models.on_meta(torchvision.models.get_model, name).state_dict()
    ours = models.on_meta(models.create, name).state_dict()
    assert list(ours) == list(reference)
    assert all(ours[key].shape == reference[key].shape for key in reference)


@pytest.mark.parametrize("name, size", list(zip(NAMES, [224, 64, 33], strict=True)))
def test_logits_are_torchvision_s(name, size):
    ours = models.create(name, num_classes=10).eval()
    reference = models.on_meta(torchvision.models.get_model, name, num_classes=10).eval()
    reference.load_state_dict(ours.state_dict(), assign=True)
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        assert torch.equal(ours(images), reference(images))


@pytest.mark.parametrize(
    "cardinality, width, group_conv",
    [(1, 64, 64), (2, 40, 80), (4, 24, 96), (8, 14, 112), (32, 4, 128)],
)
def test_table_2_of_the_paper(cardinality, width, group_conv):
    block = models.on_meta(ResNeXtBlock, 256, 64, cardinality=cardinality, width=width)
    assert block.conv2.out_channels == group_conv and block.conv2.groups == cardinality
    table = profile(block, (256, 56, 56)).table
    assert table.params.sum() == pytest.approx(70e3, rel=0.025)
    # Equation 4.
    d = width
    assert table.params.sum() == cardinality * (256 * d + 3 * 3 * d * d + d * 256)
    assert table.flops.sum() == pytest.approx(0.22e9, rel=0.025)


@pytest.mark.parametrize("stage, width", [(1, 128), (2, 256), (3, 512), (4, 1024)])
def test_table_1_of_the_paper(stage, width):
    network = models.on_meta(models.resnext50_32x4d)
    for block in network.get_submodule(f"layer{stage}"):
        assert block.conv2.out_channels == width and block.conv2.groups == 32
        assert block.conv3.out_channels == 2 * width
    p = profile(network)
    assert round(p.total.params / 1e6, 1) == 25.0
    assert round(p.total.flops / 1e9, 1) == 4.2


@pytest.mark.parametrize("cardinality, millions", [(8, 34.4), (16, 68.1)])
def test_parameters_of_the_paper_s_networks_for_cifar(cardinality, millions):
    network = models.on_meta(models.resnext29, cardinality=cardinality)
    params = profile(network, (3, 32, 32)).total.params
    assert params / 1e6 == pytest.approx(millions, abs=0.1)  # table 7
    layers = [name for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len([name for name in layers if "downsample" not in name]) == 29


def test_one_path_of_64_channels_is_resnet():
    reference = models.resnet50(num_classes=10).eval()
    ours = models.resnext((3, 4, 6, 3), cardinality=1, width=64, num_classes=10).eval()
    ours.load_state_dict(reference.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), reference(images))


# The three forms.


def trained_block(in_channels: int, channels: int, stride: int, **options) -> ResNeXtBlock:
    """A block whose normalisations are no longer the identity."""
    block = ResNeXtBlock(in_channels, channels, stride, **options)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return block


SHAPES = [
    (64, 64, 1, {}),
    (64, 16, 1, {"cardinality": 4, "width": 8}),
    (64, 32, 2, {"cardinality": 3, "width": 20}),
    (16, 16, 1, {"cardinality": 1, "width": 64}),
]


@pytest.mark.parametrize("form", [SummedPaths, ConcatenatedPaths])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("in_channels, channels, stride, options", SHAPES)
def test_forms_give_the_same_outputs_and_gradients(
    form, training, in_channels, channels, stride, options
):
    block = trained_block(in_channels, channels, stride, **options).double().train(training)
    other = form.of(block)
    assert other.training is training
    images = torch.randn(4, in_channels, 6, 7, dtype=torch.double)
    inputs = [images.clone().requires_grad_() for _ in range(2)]
    outputs = [module(x) for module, x in zip((block, other), inputs, strict=True)]
    torch.testing.assert_close(*outputs)
    weights = torch.randn_like(outputs[0])
    for output in outputs:
        (output * weights).sum().backward()
    torch.testing.assert_close(*(x.grad for x in inputs))
    paths = [path.conv2.weight.grad for path in other.paths]
    torch.testing.assert_close(torch.cat(paths), block.conv2.weight.grad)


@pytest.mark.parametrize("form", [SummedPaths, ConcatenatedPaths])
def test_forms_have_the_same_weights_in_memory(form):
    block = trained_block(64, 64, 1).eval()
    other = form.of(block)
    assert sum(p.numel() for p in other.parameters()) == sum(p.numel() for p in block.parameters())
    images = torch.randn(1, 64, 5, 5)
    before = other(images)
    with torch.no_grad():
        for value in block.state_dict().values():
            if value.is_floating_point():
                value.mul_(1.5)
    assert not torch.allclose(other(images), before)
    torch.testing.assert_close(other(images), block(images))


@pytest.mark.parametrize("form", [SummedPaths, ConcatenatedPaths])
def test_forms_cost_the_same(form):
    block = ResNeXtBlock(256, 128, 2)
    ours, other = profile(block, (256, 28, 28)).total, profile(form.of(block), (256, 28, 28)).total
    assert (other.params, other.flops) == (ours.params, ours.flops)
    # (a) writes every path's wide output before it sums.
    assert (other.memory_kb > ours.memory_kb) is (form is SummedPaths)


# As every builder.


@pytest.mark.parametrize("name", ["resnext50_32x4d", "resnext29"])
def test_gradient_reaches_every_parameter(name):
    options = SMALL if name == "resnext29" else {}
    network = models.create(name, num_classes=10, in_channels=1, **options)
    network(torch.randn(2, 1, 64, 64)).logsumexp(1).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


@pytest.mark.parametrize("name", [*NAMES, "resnext29"])
@pytest.mark.parametrize("size", [(32, 32), (28, 44)])
def test_shapes(name, size):
    network = models.on_meta(models.create, name, num_classes=7, in_channels=1)
    table = profile(network, (1, *size)).table
    assert table.output.iloc[-1] == (7,)


def test_export():  # those of the default settings are in test_every_builder
    network = models.resnext29(num_classes=3, **SMALL).eval()
    images = torch.randn(1, 3, 32, 40)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cardinality": 0}, "cardinality must be at least 1, got 0"),
        ({"cardinality": 2.0}, "cardinality must be a whole number, got 2.0"),
        ({"width": -4}, "width must be at least 1, got -4"),
        ({"width": True}, "width must be a whole number, got True"),
    ],
)
def test_wrong_options_are_one_line(options, message):
    for build in (models.resnext29, lambda **o: models.resnext((1, 1, 1, 1), **o)):
        with pytest.raises((ValueError, TypeError), match=f"^{message}$"):
            build(**options)


def test_a_width_that_does_not_scale_is_one_line():
    with pytest.raises(ValueError, match="a width of 3 at 64 channels is no whole number at 32"):
        ResNeXtBlock(64, 32, width=3)


def test_wrong_images_are_one_line():
    with pytest.raises(ValueError, match="3-channel images, got 1 channels.*in_channels=1"):
        models.on_meta(models.resnext50_32x4d)(torch.zeros(1, 1, 64, 64, device="meta"))
