from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from cnnbook import models, profile
from cnnbook.models.residual import SHORTCUTS

DEPTHS = (18, 34, 50, 101, 152)
IMAGENET = [f"resnet{depth}" for depth in DEPTHS] + ["plain18", "plain34"]
CIFAR = [f"{kind}{depth}" for kind in ("resnet", "plain") for depth in (20, 32, 44, 56, 110)]
NAMES = [*IMAGENET, *CIFAR, "resnet164"]


on_meta = partial(models.on_meta, models.create)


def convolutions(network):
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("depth", DEPTHS)
def test_torchvision_variant_has_the_keys_and_logits_of_torchvision(depth):
    reference = torchvision.models.get_model(f"resnet{depth}", num_classes=7).eval()
    ours = models.create(f"resnet{depth}", num_classes=7).eval()
    assert list(ours.state_dict()) == list(reference.state_dict())
    # Statistics and scales that differ, so that no two normalisations can change places unseen.
    for name, value in reference.state_dict().items():
        if value.dim() == 1 and "num" not in name:
            value.uniform_(0.5, 1.0)
    ours.load_state_dict(reference.state_dict())
    for size in (32, 75):
        images = torch.randn(2, 3, size, size)
        with torch.no_grad():
            assert torch.equal(ours(images), reference(images))


@pytest.mark.parametrize("name", NAMES)
def test_depth_is_the_number_of_layers_with_weights(name):
    network = on_meta(name)
    shortcuts = sum(len(convolutions(m.downsample)) for m in network.modules()
                    if hasattr(m, "downsample"))  # fmt: skip
    linear = sum(isinstance(module, nn.Linear) for module in network.modules())
    depth = int(name.removeprefix("resnet").removeprefix("plain"))
    assert len(convolutions(network)) - shortcuts + linear == depth


PAPER_MILLIONS = [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)]


@pytest.mark.parametrize("depth, millions", PAPER_MILLIONS)
def test_cifar_networks_have_the_paper_s_parameters(depth, millions):
    # He et al. 2016, table 6; with option A a plain network has the same (section 4.1).
    residual, plain = on_meta(f"resnet{depth}"), on_meta(f"plain{depth}")
    digits = 1 if depth == 110 else 2
    assert round(parameters(residual) / 1e6, digits) == millions
    assert parameters(plain) == parameters(residual)


def test_cifar_stages_are_the_paper_s():
    # Section 4.2: 1 + 2n, 2n and 2n layers of 16, 32 and 64 filters at 32×32, 16×16 and 8×8.
    table = profile(on_meta("plain20"), (3, 32, 32)).table
    outputs = table[table.kind == "conv"].output.value_counts().to_dict()
    assert outputs == {(16, 32, 32): 7, (32, 16, 16): 6, (64, 8, 8): 6}


def test_plain_and_paper_variant_differ_in_nothing_that_is_learned():
    for depth in (18, 34):
        plain, paper = on_meta(f"plain{depth}"), on_meta(f"resnet{depth}", variant="paper")
        assert list(plain.state_dict()) == list(paper.state_dict())


def test_a_plain_block_is_a_residual_block_less_its_shortcut():
    basic, plain = models.BasicBlock(4, 4).eval(), models.PlainBlock(4, 4).eval()
    plain.load_state_dict(basic.state_dict())
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(plain(x), F.relu(basic.residual(x)))
    torch.testing.assert_close(basic(x), F.relu(basic.residual(x) + x))
    assert not torch.allclose(basic(x), plain(x))


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_variants_differ_in_the_place_of_the_stride_only(depth):
    ours, paper = on_meta(f"resnet{depth}"), on_meta(f"resnet{depth}", variant="paper")
    assert list(ours.state_dict()) == list(paper.state_dict())
    for name, block in paper.named_modules():
        if isinstance(block, models.Bottleneck):
            stride = block.conv1.stride
            assert block.conv2.stride == (1, 1)
            twin = ours.get_submodule(name)
            assert (twin.conv1.stride, twin.conv2.stride) == ((1, 1), stride)
    assert profile(paper).total.flops < profile(ours).total.flops


@pytest.mark.parametrize("option, extra", [("A", 0), ("B", 2), ("C", 9)])
def test_shortcut_options(option, extra):
    # Section 4.1: A has no parameters, B projects where the shape changes, C everywhere.
    network = models.resnet20(shortcut=option, num_classes=5)
    plain = models.plain20(num_classes=5)
    assert len(convolutions(network)) - len(convolutions(plain)) == extra
    if option == "A":
        assert parameters(network) == parameters(plain)
    assert network(torch.randn(2, 3, 30, 21)).shape == (2, 5)


def test_option_a_takes_every_second_pixel_and_pads_channels_with_zeros():
    x = torch.randn(2, 3, 5, 8)
    y = SHORTCUTS["A"](3, 7, 2)(x)
    assert y.shape == (2, 7, 3, 4)
    torch.testing.assert_close(y[:, :3], x[:, :, ::2, ::2])
    assert not y[:, 3:].any()


def test_initialisation_is_he_s():
    network = models.resnet18()
    weight = network.layer4[1].conv1.weight
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    scales = [m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(bool((scale == 1).all()) for scale in scales)


@pytest.mark.parametrize(
    "name, options",
    # Those of `create(name)` are in test_every_builder.
    [(name, {"variant": "paper"}) for name in IMAGENET[:5]]
    + [("resnet20", {"shortcut": "B"}), ("resnet20", {"shortcut": "C", "width": 4})],
)
def test_export(name, options):
    network = models.create(name, num_classes=10, in_channels=1, **options).eval()
    images = torch.randn(2, 1, 33, 40)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))


@pytest.mark.parametrize(
    "name",
    ["resnet18", "resnet50", "plain34", "resnet20", "plain20", "preact_resnet18", "preact_resnet50",
     "preact_resnet20"],
)  # fmt: skip
def test_gradient_reaches_every_parameter(name):
    network = models.create(name, num_classes=10, in_channels=1)
    network(torch.randn(4, 1, 64, 64)).logsumexp(1).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


@pytest.mark.parametrize(
    "name",
    ["resnet50", "plain18", "resnet56", "plain20", "preact_resnet50", "preact_resnet20"],
)
def test_images(name):
    network = models.create(name, num_classes=4).eval()
    for size in ((1, 1), (2, 9), (33, 65)):
        assert network(torch.zeros(1, 3, *size)).shape == (1, 4)
    with pytest.raises(ValueError, match="at least 1×1, got 0×9"):
        network(torch.zeros(1, 3, 0, 9))
    with pytest.raises(ValueError, match="3-channel images, got 1 channels.*in_channels=1"):
        network(torch.zeros(1, 1, 9, 9))
    with pytest.raises(ValueError, match="batch N×C×H×W, got 3 dimensions"):
        network(torch.zeros(3, 9, 9))


def test_unknown_variants_and_shortcuts():
    for build in (models.resnet18, models.resnet50):
        with pytest.raises(ValueError, match="unknown variant 'papr'; did you mean paper"):
            build(variant="papr")
    with pytest.raises(ValueError, match="unknown variant 'D'; there is A, B, C"):
        models.resnet20(shortcut="D")
