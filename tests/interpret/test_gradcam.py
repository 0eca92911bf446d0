"""Grad-CAM and saliency against their formulas, and on networks of which they are known."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from cnnbook import models
from cnnbook.interpret import grad_cam, saliency


def written_out(model, image, label, until, rest):
    """Equations 1 and 2 of Selvaraju et al., with the network cut in two by hand."""
    maps = until(image[None].clone()).detach().requires_grad_()
    logit = rest(maps)[0, label]
    (gradient,) = torch.autograd.grad(logit, maps)
    positions = gradient.shape[2] * gradient.shape[3]
    alpha = gradient.sum((0, 2, 3)) / positions
    total = sum(a * map for a, map in zip(alpha, maps[0], strict=True))
    return torch.relu(total).detach()


@pytest.mark.parametrize("label", [0, 7])
def test_it_is_the_formula_on_alexnet(label, random_weights):
    model = random_weights(models.alexnet(num_classes=10, hidden_features=32))
    image = torch.randn(3, 127, 127, generator=torch.Generator().manual_seed(0))
    expected = written_out(
        model, image, label, model.features[:12],
        nn.Sequential(model.features[12], model.avgpool, nn.Flatten(), model.classifier),
    )  # fmt: skip
    found = grad_cam(model, image, label)  # the last convolution, rectified, before the pool
    assert found.shape == (7, 7) and expected.any()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_it_is_the_formula_on_a_resnet(random_weights):
    model = random_weights(models.resnet20(num_classes=10))
    image = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0))
    stem = nn.Sequential(model.conv1, model.bn1, model.relu)
    until = nn.Sequential(stem, model.layer1, model.layer2)
    rest = nn.Sequential(model.layer3, model.avgpool, nn.Flatten(), model.fc)
    expected = written_out(model, image, 3, until, rest)
    torch.testing.assert_close(grad_cam(model, image, 3, "layer2"), expected)
    whole = written_out(
        model, image, 3, nn.Sequential(until, model.layer3), nn.Sequential(*list(rest)[1:])
    )
    torch.testing.assert_close(grad_cam(model, image, 3), whole)  # behind the last sum


def test_googlenet_s_default_is_behind_its_last_concatenation(random_weights):
    model = random_weights(models.googlenet(num_classes=10, width=1 / 4, aux_logits=False))
    image = torch.randn(3, 96, 96, generator=torch.Generator().manual_seed(0))
    found = grad_cam(model, image, 1)
    torch.testing.assert_close(found, grad_cam(model, image, 1, "inception5b"))
    assert found.shape == (3, 3)


class Spots(nn.Module):
    """The logit of class c is the brightness of channel c of a smoothed image."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.conv.weight.data.copy_(torch.eye(2).view(2, 2, 1, 1))
        self.conv.bias.data.copy_(torch.tensor([0.0, 0.01]))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images):
        return self.relu(self.conv(images)).mean((2, 3))


def test_it_lights_where_the_class_is():
    image = torch.zeros(2, 8, 8)
    image[0, 1, 2], image[1, 6, 5] = 1.0, 1.0
    model = Spots()
    for label, place in ((0, (1, 2)), (1, (6, 5))):
        for layer in (None, "conv"):  # the in-place ReLU behind does not change what is kept
            seen = grad_cam(model, image, label, layer)
            assert divmod(int(seen.argmax()), 8) == place
    torch.testing.assert_close(grad_cam(model, image, 0), image[0] / 64)


def test_saliency_is_the_largest_difference_a_pixel_makes(random_weights):
    model = random_weights(models.resnet20(num_classes=10)).double()
    image = torch.randn(3, 12, 12, generator=torch.Generator().manual_seed(3)).double()
    found = saliency(model, image, 4)
    assert found.shape == (12, 12)
    for row, column in ((0, 0), (5, 7), (11, 3)):
        slopes = []
        for channel in range(3):
            moved = torch.stack([image, image])
            moved[0, channel, row, column] += 1e-6
            moved[1, channel, row, column] -= 1e-6
            up, down = model(moved)[:, 4].tolist()
            slopes.append(abs(up - down) / 2e-6)
        assert float(found[row, column]) == pytest.approx(max(slopes), rel=1e-4)


@pytest.mark.parametrize("look", [grad_cam, saliency])
def test_the_network_is_only_read_even_where_gradients_are_off(look, random_weights):
    model = random_weights(models.resnet20()).train()
    before = copy.deepcopy(model.state_dict())
    image = torch.randn(3, 16, 16)
    with torch.no_grad():
        first = look(model, image, 2)
    torch.testing.assert_close(look(model, image, 2), first)
    assert model.training and image.grad is None and not image.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_what_it_needs_is_said(random_weights):
    image = torch.randn(3, 16, 16)
    untrained = models.resnet20()
    with pytest.raises(ValueError, match="CifarResNet is untrained"):
        grad_cam(untrained, image, 0)
    with torch.device("meta"), pytest.raises(ValueError, match="shapes alone"):
        saliency(models.resnet20(), image, 0)
    model = random_weights(untrained)
    for look in (grad_cam, saliency):
        with pytest.raises(ValueError, match="class 10 is outside 0 … 9"):
            look(model, image, 10)
        with pytest.raises(ValueError, match="classifier is needed"):
            look(nn.Sequential(model.conv1), image, 0)
    with pytest.raises(ValueError, match="no layer with maps 'layer4'; did you mean layer"):
        grad_cam(model, image, 0, "layer4")
    linear = nn.Sequential(nn.Flatten(), nn.Linear(768, 3))
    linear[1].weight.data.mul_(3)
    with pytest.raises(ValueError, match="needs a convolution"):
        grad_cam(linear, image, 0)
