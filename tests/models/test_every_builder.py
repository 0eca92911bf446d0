"""What holds of every architecture, those yet to be written included. Shapes only: no weights."""

from __future__ import annotations

import pytest
import torch

from cnnbook import models

SIZES = [(96, 96), (112, 80)]


@pytest.fixture(params=models.names())
def network(request):
    with torch.device("meta"):
        return models.create(request.param, num_classes=7, in_channels=1)


@pytest.mark.parametrize("size", SIZES)
def test_grey_images_of_several_sizes(network, size):
    assert network.eval()(torch.empty(2, 1, *size, device="meta")).shape == (2, 7)


def test_export(network):
    images = torch.empty(2, 1, *SIZES[1], device="meta")
    exported = torch.export.export(network.eval(), (images,))
    assert exported.module()(images).shape == (2, 7)
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
