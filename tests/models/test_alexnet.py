from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from cnnbook import models, profile


@pytest.mark.parametrize("options", [{}, {"num_classes": 10}, {"dropout": 0.0}])
def test_torchvision_variant_has_the_keys_and_logits_of_torchvision(options):
    reference = torchvision.models.alexnet(**options).eval()
    ours = models.alexnet(**options).eval()
    assert list(ours.state_dict()) == list(reference.state_dict())
    ours.load_state_dict(reference.state_dict())
    for size in (63, 224, 227):
        images = torch.randn(2, 3, size, size)
        with torch.no_grad():
            assert torch.equal(ours(images), reference(images))


def test_paper_variant_has_the_paper_s_layers():
    with torch.device("meta"):
        table = profile(models.alexnet(variant="paper")).table
    # Krizhevsky et al. 2012, section 3.5: the numbers of neurons, but for the first layer, for
    # which the paper's 253,440 is no multiple of its own 55·55.
    outputs = [torch.Size(table.output[name]).numel() for name in models.alexnet_split.LAYERS]
    assert outputs == [55 * 55 * 96, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    # Section 3.5: kernels of 11×11×3, 5×5×48, 3×3×256, 3×3×192, 3×3×192.
    network = models.alexnet(variant="paper")
    kernels = [tuple(m.weight.shape) for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert kernels == [
        (96, 3, 11, 11), (256, 48, 5, 5), (384, 256, 3, 3), (384, 192, 3, 3), (256, 192, 3, 3),
    ]  # fmt: skip


def test_response_normalisation_is_the_paper_s_formula_within_each_half():
    x = torch.randn(2, 12, 3, 3)
    expected = torch.empty_like(x)
    for half in (range(0, 6), range(6, 12)):
        for i in half:
            near = [j for j in half if abs(i - j) <= 2]
            expected[:, i] = x[:, i] / (2 + 1e-4 * (x[:, near] ** 2).sum(1)) ** 0.75
    norm = models.alexnet(variant="paper").norm1
    torch.testing.assert_close(norm(x), expected)


def test_paper_initialisation():
    network = models.alexnet(variant="paper")
    assert network.fc6.weight.std().item() == pytest.approx(0.01, rel=0.01)
    ones = {name for name, p in network.named_parameters() if p.dim() == 1 and bool((p == 1).all())}
    assert ones == {f"{name}.bias" for name in ("conv2", "conv4", "conv5", "fc6", "fc7")}
    zeros = {n for n, p in network.named_parameters() if p.dim() == 1 and not bool(p.any())}
    assert zeros == {f"{name}.bias" for name in ("conv1", "conv3", "fc8")}


@pytest.mark.parametrize("variant", ["torchvision", "paper"])
def test_gradient_reaches_every_parameter(variant):
    network = models.alexnet(variant=variant, num_classes=10, in_channels=1)
    network(torch.randn(2, 1, 63, 63)).logsumexp(1).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


@pytest.mark.parametrize("variant", ["torchvision", "paper"])
def test_export(variant):
    network = models.alexnet(variant=variant, num_classes=10).eval()
    images = torch.randn(1, 3, 64, 80)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))


@pytest.mark.parametrize("variant", ["torchvision", "paper"])
def test_the_smallest_image_is_named(variant):
    network = models.alexnet(variant=variant).eval()
    assert network(torch.zeros(1, 3, 63, 90)).shape == (1, 1000)
    with pytest.raises(ValueError, match="at least 63×63, got 62×90"):
        network(torch.zeros(1, 3, 62, 90))
    with pytest.raises(ValueError, match="3-channel images, got 1 channels.*in_channels=1"):
        network(torch.zeros(1, 1, 90, 90))
    with pytest.raises(ValueError, match="batch N×C×H×W, got 3 dimensions"):
        network(torch.zeros(3, 90, 90))


def test_unknown_names_are_one_line_with_near_names():
    with pytest.raises(ValueError, match="unknown architecture 'alexnt'; did you mean alexnet"):
        models.create("alexnt")
    with pytest.raises(ValueError, match="unknown variant 'papr'; did you mean paper"):
        models.alexnet(variant="papr")
    with pytest.raises(ValueError, match="unknown variant 'zzz'; there is torchvision, paper"):
        models.alexnet(variant="zzz")


def test_create_passes_options_on():
    network = models.create("alexnet", num_classes=7, in_channels=1, hidden_features=16)
    assert network(torch.zeros(1, 1, 63, 63)).shape == (1, 7)
    assert "alexnet" in models.names()
