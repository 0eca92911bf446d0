"""A worked window adds up to PyTorch's own value, for each kind of convolution."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnbook import models
from cnnbook.interpret import activations, worked

NETWORKS = {
    "resnet20": (lambda: models.resnet20(in_channels=1), (1, 28, 28)),
    "alexnet": (lambda: models.alexnet(variant="paper", num_classes=10), (3, 63, 63)),
    "resnext29": (lambda: models.resnext29(cardinality=4, width=4), (3, 16, 16)),
    "odd": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 6, (3, 2), stride=(2, 1), padding=(2, 0), dilation=(2, 3), groups=2),
            nn.ReLU(),
        ),
        (2, 11, 9),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_numbers_add_up(name, random_weights):
    build, size = NETWORKS[name]
    model = random_weights(build())
    image = torch.randn(size, generator=torch.Generator().manual_seed(0))
    values = activations(model, image)
    chance = torch.Generator().manual_seed(1)
    convs = [path for path, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    for layer in convs[:: max(1, len(convs) // 6)]:
        channels, rows, columns = values[layer].shape
        for place in ((0, 0), (rows - 1, columns - 1), (rows // 2, columns // 3)):
            channel = int(torch.randint(channels, (), generator=chance))
            found = worked(model, image, layer, channel, place)
            expected = float(values[layer][channel][place])
            assert found.output == pytest.approx(expected, rel=1e-3, abs=1e-4)
            total = float(found.products.sum()) + found.bias
            assert total == pytest.approx(found.output, rel=1e-3, abs=1e-4)
            assert not found.inputs[:, found.missing].any()
            torch.testing.assert_close(found.sums, found.products.sum((1, 2)))


def test_what_follows_is_the_network_s_own(random_weights):
    model = random_weights(models.resnet20(in_channels=1))
    image = torch.randn(1, 28, 28, generator=torch.Generator().manual_seed(0))
    values = activations(model, image)
    found = worked(model, image, "layer2.0.conv1", 5)
    row, column = found.position
    assert found.output == pytest.approx(float(values["layer2.0.conv1"][5].max()), rel=1e-4)
    assert [name for name, _ in found.steps] == ["batch norm", "ReLU"]
    assert found.steps[0][1] == float(values["layer2.0.bn1"][5, row, column])
    assert found.steps[1][1] == max(0.0, found.steps[0][1])
    last = worked(model, image, "layer2.0.conv2", 5)  # the sum behind is no step of its own
    assert [name for name, _ in last.steps] == ["batch norm"]


def test_padding_is_marked(random_weights):
    model = random_weights(models.resnet20(in_channels=1))
    found = worked(model, torch.randn(1, 28, 28), "conv1", 0, (0, 27))
    assert found.missing.tolist() == [[True] * 3, [False, False, True], [False, False, True]]


def test_what_it_needs_is_said(random_weights):
    model, image = models.resnet20(in_channels=1), torch.randn(1, 28, 28)
    with pytest.raises(ValueError, match="untrained"):
        worked(model, image, "conv1")
    random_weights(model)
    with pytest.raises(ValueError, match="no convolution 'fc'"):
        worked(model, image, "fc")
    with pytest.raises(ValueError, match="channels 0 … 15, not 16"):
        worked(model, image, "conv1", 16)
    with pytest.raises(ValueError, match="channel must be at least 0, got -1"):
        worked(model, image, "conv1", -1)
    with pytest.raises(ValueError, match="28×28 positions"):
        worked(model, image, "conv1", 0, (28, 28))
