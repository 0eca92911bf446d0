from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnbook import models, profile

VARIANTS = ["paper", "wide"]


def small(variant: str) -> models.ZFNet:
    return models.zfnet(variant=variant, num_classes=10, in_channels=1, hidden_features=16)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize(
    "variant, filters", [("paper", (384, 384, 256)), ("wide", (512, 1024, 512))]
)
def test_layers_are_those_of_figure_3(variant, filters):
    with torch.device("meta"):
        table = profile(models.zfnet(variant=variant)).table.drop("avgpool")
    # Zeiler and Fergus 2014, figure 3: the sides of all outputs; table 3: the wider layers 3, 4, 5.
    assert [o[1] for o in table.output if len(o) == 3] == [110, 55, 26, 13, 13, 13, 13, 6]
    conv = table[table.kind == "conv"]
    assert [output[0] for output in conv.output] == [96, 256, *filters]
    assert [o for o in table.output if len(o) == 1] == [(4096,), (4096,), (1000,)]
    layers = [m for m in small(variant).modules() if isinstance(m, nn.Conv2d)]
    windows = [(layer.kernel_size[0], layer.stride[0], layer.groups) for layer in layers]
    assert windows == [(7, 2, 1), (5, 2, 1), (3, 1, 1), (3, 1, 1), (3, 1, 1)]


def test_parameters_follow_from_figure_3():
    """By hand, from the kernels of figure 3."""
    with torch.device("meta"):
        found = profile(models.zfnet()).total.params
    convolutions = 96 * (3 * 49 + 1) + 256 * (96 * 25 + 1)
    convolutions += 384 * (256 * 9 + 1) + 384 * (384 * 9 + 1) + 256 * (384 * 9 + 1)
    linear = 4096 * (256 * 36 + 1) + 4096 * 4097 + 1000 * 4097
    assert found == convolutions + linear


def test_response_normalisation_is_that_of_the_formula():
    x = torch.randn(2, 9, 3, 3)
    expected = torch.empty_like(x)
    for i in range(9):
        near = [j for j in range(9) if abs(i - j) <= 2]
        expected[:, i] = x[:, i] / (2 + 1e-4 * (x[:, near] ** 2).sum(1)) ** 0.75
    norms = [m for m in small("paper").features if isinstance(m, nn.LocalResponseNorm)]
    assert len(norms) == 2
    torch.testing.assert_close(norms[0](x), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradient_reaches_every_parameter(variant):
    network = small(variant)
    network(torch.randn(4, 1, 53, 53)).logsumexp(1).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_export(variant):
    network = small(variant).eval()
    images = torch.randn(1, 1, 54, 70)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_smallest_image_is_named(variant):
    network = small(variant).eval()
    assert network(torch.zeros(2, 1, 53, 80)).shape == (2, 10)
    with pytest.raises(ValueError, match="ZFNet needs images of at least 53×53, got 52×80"):
        network(torch.zeros(1, 1, 52, 80))
    with pytest.raises(ValueError, match="1-channel images, got 3 channels"):
        network(torch.zeros(1, 3, 80, 80))
    # One pixel less and there would be nothing left, so the limit is no higher than it must be.
    with pytest.raises(RuntimeError, match="too small"):
        network.features(torch.zeros(1, 1, 52, 52))


def test_unknown_variants_are_one_line_with_near_names():
    with pytest.raises(ValueError, match="unknown variant 'wider'; did you mean wide"):
        models.create("zfnet", variant="wider")
