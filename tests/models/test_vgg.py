from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from cnnbook import models, profile
from cnnbook.models import vgg

NAMES = [f"vgg{depth}{end}" for depth in (11, 13, 16, 19) for end in ("", "_bn")]
SMALL = {"num_classes": 10, "in_channels": 1, "width": 4, "hidden_features": 8}


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_logits_are_torchvision_s(name):
    with torch.device("meta"):  # neither needs the weights it would start from
        reference = getattr(torchvision.models, name)(num_classes=10, dropout=0.1)
        ours = models.create(name, num_classes=10, dropout=0.1)
    assert list(ours.state_dict()) == list(reference.state_dict())
    reference = reference.to_empty(device="cpu").eval()
    for value in [*reference.parameters(), *reference.buffers()]:
        if value.is_floating_point():
            nn.init.uniform_(value, 0.01, 0.02) if value.dim() == 1 else nn.init.normal_(
                value, 0, 0.05
            )
    ours.load_state_dict(reference.state_dict(), assign=True)
    ours.eval()
    for size in ((32, 32), (70, 50)):
        images = torch.randn(2, 3, *size)
        with torch.no_grad():
            logits = reference(images)
            assert logits.std() > 0
            assert torch.equal(ours(images), logits)


@pytest.mark.parametrize(
    "name, params", [("vgg11", 133), ("vgg13", 133), ("vgg16", 138), ("vgg19", 144)]
)
def test_parameters_are_the_paper_s(name, params):
    """Simonyan and Zisserman 2015, table 2, in millions."""
    with torch.device("meta"):
        assert round(profile(models.create(name)).total.params / 1e6) == params


@pytest.mark.parametrize("name, weighted", [(n, int(n[3:5])) for n in NAMES])
def test_the_name_counts_the_layers_with_weights(name, weighted):
    layers = models.create(name, **SMALL).modules()
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in layers) == weighted


@pytest.mark.parametrize("name", NAMES)
def test_gradient_reaches_every_parameter(name):
    network = models.create(name, **SMALL | {"dropout": 0.0})
    for layer in network.classifier:
        if isinstance(layer, nn.Linear):  # N(0, 0.01²) is for layers 4096 wide, not 8
            nn.init.kaiming_normal_(layer.weight)
    network(torch.randn(8, 1, 64, 64)).logsumexp(1).sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("name", ["vgg11", "vgg19_bn"])
def test_export(name):
    network = models.create(name, **SMALL).eval()
    images = torch.randn(1, 1, 33, 40)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))


def test_width_divides_every_channel():
    channels = [
        layer.out_channels
        for layer in models.vgg16(**SMALL).features
        if isinstance(layer, nn.Conv2d)
    ]
    assert channels == [4, 4, 8, 8, 16, 16, 16, 32, 32, 32, 32, 32, 32]


def test_initialisation_is_torchvision_s():
    ours = models.vgg11_bn(num_classes=10, hidden_features=64)
    fan_out = 512 * 9
    assert ours.features[25].weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
    assert ours.classifier[0].weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not any(bool(m.bias.any()) for m in ours.modules() if isinstance(m, nn.Conv2d))


def test_the_smallest_image_is_named():
    network = models.vgg11(**SMALL).eval()
    assert network(torch.zeros(1, 1, 32, 45)).shape == (1, 10)
    with pytest.raises(ValueError, match="VGG needs images of at least 32×32, got 31×45"):
        network(torch.zeros(1, 1, 31, 45))
    with pytest.raises(ValueError, match="1-channel images, got 3 channels"):
        network(torch.zeros(1, 3, 32, 32))
    with pytest.raises(RuntimeError, match="too small"):
        network.features(torch.zeros(1, 1, 31, 31))


def test_any_depths_make_a_network():
    network = models.VGG((1, 0, 2), vgg.conv_bn, num_classes=3, width=2, hidden_features=4)
    kinds = [type(layer).__name__[:4] for layer in network.features]
    assert kinds == ["Conv", "Batc", "ReLU", "MaxP", "MaxP", *["Conv", "Batc", "ReLU"] * 2, "MaxP"]
    assert network.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
