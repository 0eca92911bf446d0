"""What holds of every architecture, those yet to be written included.

Shapes only, on the meta device, but for the export: its logits are compared where weights are few.
"""

from __future__ import annotations

import pytest
import torch

from cnnbook import models

SIZES = [(96, 96), (112, 80)]
MOST_WEIGHTS = 100_000_000
EXPORTED = (1, 1, 64, 72)


def on(device, name):
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        return models.create(name, num_classes=7, in_channels=1)


@pytest.fixture(params=models.names())
def network(request):
    return on("meta", request.param)


@pytest.mark.parametrize("size", SIZES)
def test_grey_images_of_several_sizes(network, size):
    assert network.eval()(torch.empty(2, 1, *size, device="meta")).shape == (2, 7)


@pytest.mark.parametrize("name", models.names())
def test_export(name):
    network = on("meta", name)
    # A VGG's weights take longer to draw than it takes to export; its own file has a narrow one.
    large = sum(parameter.numel() for parameter in network.parameters()) > MOST_WEIGHTS
    device = "meta" if large else "cpu"
    network, images = on(device, name).eval(), torch.randn(EXPORTED, device=device)
    exported = torch.export.export(network, (images,))
    module = exported.module()
    if large:
        assert module(images).shape == (1, 7)
    else:
        torch.testing.assert_close(module(images), network(images))
    assert {spec.target for spec in exported.graph_signature.input_specs if spec.target} >= {
        name for name, _ in network.named_parameters() if not name.startswith("aux")
    }


def test_wrong_images_are_one_line(network):
    with pytest.raises(ValueError, match="built for 1-channel images, got 3") as error:
        network(torch.empty(2, 3, 96, 96, device="meta"))
    assert "\n" not in str(error.value)


def test_names_are_in_the_notes_order():
    names = models.names()
    assert len(names) == len(set(names)) >= 25
    main = ["alexnet", "zfnet", "vgg16", "googlenet", "resnet50", "resnext50_32x4d"]
    assert sorted(main, key=names.index) == main


def test_each_has_a_name_in_print():
    titles = [models.title(name) for name in models.names()]
    assert len(set(titles)) == len(titles) and not any("_" in title for title in titles)
    assert models.title("vgg16_bn") == "VGG-16 with BN"
    assert models.title("resnext101_32x8d") == "ResNeXt-101 32×8d"
    assert models.title("vgg15") == "vgg15"
