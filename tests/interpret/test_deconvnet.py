"""The deconvnet against a gradient whose ReLUs rectify what comes down, and against arithmetic."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnnbook import models
from cnnbook.interpret import deconvnet
from cnnbook.interpret.graph import graph


class Rectify(torch.autograd.Function):
    """A ReLU on the way up and on the way down."""

    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.clamp(min=0)


class Rectifier(nn.Module):
    def forward(self, x):
        return Rectify.apply(x)


class Straight(torch.autograd.Function):
    """A response norm on the way up, nothing on the way down."""

    @staticmethod
    def forward(ctx, x, norm):
        return norm(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class PassedBy(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return Straight.apply(x, self.norm)


def by_autograd(features: nn.Sequential, image, index: int, channel: int, position):
    """The same projection by differentiating a network with changed backward rules."""
    layers = []
    for layer in copy.deepcopy(features)[: index + 1]:
        if isinstance(layer, nn.ReLU):
            layer = Rectifier()
        elif isinstance(layer, nn.LocalResponseNorm):
            layer = PassedBy(layer)
        layers.append(layer)
    pixels = image[None].clone().requires_grad_()
    value = nn.Sequential(*layers).eval()(pixels)[0, channel][position]
    (gradient,) = torch.autograd.grad(value, pixels)
    return gradient[0] * value.detach()


NETWORKS = {
    "alexnet": (
        lambda: models.alexnet(num_classes=10, hidden_features=8),
        (3, 67, 75),
        [0, 5, 10, 12],
    ),
    "zfnet": (lambda: models.zfnet(in_channels=1, hidden_features=8), (1, 57, 57), [4, 7, 12]),
    "vgg11_bn": (lambda: models.vgg11_bn(width=8, hidden_features=8), (3, 40, 40), [0, 4, 13, 20]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_a_gradient_with_other_relus(name, random_weights):
    build, size, layers = NETWORKS[name]
    model = random_weights(build())
    image = torch.randn(size, generator=torch.Generator().manual_seed(1))
    some = 0
    for index in layers:
        for channel in (0, 3, 7):
            found = deconvnet(model, image, f"features.{index}", channel)
            maps = model.features[: index + 1](image[None].clone())[0, channel].detach()
            assert found.activation == pytest.approx(float(maps.max().clamp(min=0)), rel=1e-4)
            if found.activation == 0:
                assert not found.pixels.any()
                continue
            some += 1
            assert float(maps[found.position]) == pytest.approx(float(maps.max()), rel=1e-4)
            expected = by_autograd(model.features, image, index, channel, found.position)
            scale = float(expected.abs().max())
            torch.testing.assert_close(found.pixels, expected, atol=1e-4 * scale, rtol=1e-3)
    assert some >= 2 * len(layers)


def test_the_paper_s_alexnet_with_its_groups_and_norms(random_weights):
    model = random_weights(models.alexnet(variant="paper", num_classes=10))
    image = torch.randn(3, 67, 67, generator=torch.Generator().manual_seed(2))
    found = deconvnet(model, image, "conv2", 200)
    # conv2 in two groups: its second half reads the second half of the maps below.
    x1 = model.relu(model.conv1(image[None]))
    y1, switches = F.max_pool2d(model.norm1(x1), 3, 2, return_indices=True)
    value = model.conv2(y1)[0, 200].max()
    signal = torch.zeros(1, 256, *model.conv2(y1).shape[2:])
    row, column = found.position
    signal[0, 200, row, column] = value
    signal = F.conv_transpose2d(signal, model.conv2.weight, padding=2, groups=2)
    assert not signal[0, :48].any() and signal[0, 48:].any()
    below = torch.zeros_like(x1).flatten(2).scatter_add_(2, switches.flatten(2), signal.flatten(2))
    below = below.view_as(x1).clamp(min=0)
    expected = F.conv_transpose2d(below, model.conv1.weight, stride=4, padding=2)
    rows, columns = expected.shape[2:]
    assert rows == 67 or not found.pixels[:, rows:].any()
    torch.testing.assert_close(
        found.pixels[:, :rows, :columns], expected[0, :, :67, :67].detach(), rtol=1e-3, atol=1e-4
    )


def test_one_window_by_hand():
    model = nn.Sequential(nn.Conv2d(1, 1, 2, bias=True), nn.ReLU(), nn.MaxPool2d(2, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[[[1.0, -2.0], [3.0, 4.0]]]]))
        model[0].bias.fill_(0.5)
    image = torch.zeros(1, 3, 3)
    image[0, 1, 1] = 1.0
    # conv: [[4.5, 3.5], [-1.5, 1.5]]; the pool takes 4.5 from the upper left.
    found = deconvnet(model, image, "2", 0)
    assert found.activation == 4.5 and found.position == (0, 0)
    assert found.window == (0, 0, 3, 3)
    expected = torch.tensor([[4.5, -9.0, 0.0], [13.5, 18.0, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(found.pixels[0], expected)
    assert deconvnet(model, image, "0", 0, (1, 0)).activation == 0  # -1.5, rectified


@pytest.mark.parametrize("position", [(0, 0), (2, 3), (5, 5)])
def test_the_window_is_what_the_gradient_reaches(position, random_weights):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 5, stride=2, padding=1), nn.AvgPool2d(1), nn.Conv2d(2, 2, 3, dilation=2),
        nn.MaxPool2d(3, 1, padding=1), nn.Conv2d(2, 1, 3, padding=1),
    )  # fmt: skip
    model[1] = nn.Identity()
    random_weights(model)
    image = torch.randn(1, 24, 24)
    found = deconvnet(model, image, "4", 0, position)
    model[3] = nn.AvgPool2d(3, 1, padding=1)  # passes the gradient to its whole window
    pixels = image[None].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(pixels)[0, 0][position], pixels)
    rows, columns = (gradient[0, 0].abs().sum(axis).nonzero() for axis in (1, 0))
    expected = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
    assert found.window == expected
    assert found.crop(image).shape == (1, expected[2] - expected[0], expected[3] - expected[1])


def test_the_network_is_only_read(random_weights):
    model = random_weights(models.vgg11_bn(width=8, hidden_features=8)).train()
    before = copy.deepcopy(model.state_dict())
    deconvnet(model, torch.randn(3, 32, 32), "features.4", 0)
    assert model.training and not model.features[0]._forward_hooks
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_where_paths_meet_it_says_so(random_weights):
    image = torch.randn(3, 32, 32)
    resnet = random_weights(models.resnet20())
    assert deconvnet(resnet, image, "layer1.0.conv2", 0).pixels.any()  # a single row until there
    with pytest.raises(ValueError, match=r"cannot pass layer1.2.add of CifarResNet .*paths meet"):
        deconvnet(resnet, image, "layer2.0.conv1", 0)
    alexnet = random_weights(models.alexnet(num_classes=10))
    with pytest.raises(ValueError, match=r"cannot pass .* \(linear, 4096 cannot be undone\)"):
        deconvnet(alexnet, torch.randn(3, 64, 64), "classifier.1", 0)


def test_what_it_needs_is_said():
    trained = models.vgg11(width=8, hidden_features=8, num_classes=10)
    image = torch.randn(3, 32, 32)
    with pytest.raises(ValueError, match="VGG is untrained; a trained network is needed"):
        deconvnet(trained, image, "features.0", 0)
    trained.features[0].bias.data.normal_()
    with pytest.raises(ValueError, match="no layer 'features.O'; did you mean features.8 or"):
        deconvnet(trained, image, "features.O", 0)
    with pytest.raises(ValueError, match="has channels 0 … 7, not 8"):
        deconvnet(trained, image, "features.0", 8)
    with pytest.raises(ValueError, match=r"has 32×32 positions, not \(32, 0\)"):
        deconvnet(trained, image, "features.0", 0, (32, 0))
    with pytest.raises(ValueError, match="one image C×H×W is needed, got 1×3×32×32"):
        deconvnet(trained, image[None], "features.0", 0)
    with pytest.raises(ValueError, match="must be normalised .* torch.uint8"):
        deconvnet(trained, image.byte(), "features.0", 0)
    with pytest.raises(TypeError, match="model must be a Module"):
        deconvnet("vgg11", image, "features.0", 0)
    assert graph(trained, (3, 32, 32))["features.0"].kind == "conv"
