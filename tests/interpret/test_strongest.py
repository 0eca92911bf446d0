"""Top images, kernels, and what counts as trained."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cnnbook import Recipe, data, fit, models
from cnnbook.interpret import kernel_table, strongest
from cnnbook.interpret._checks import check_trained


def test_the_strongest_images_of_every_channel(random_weights):
    model = random_weights(models.vgg11(width=4, hidden_features=8, num_classes=10))
    images = torch.randn(30, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    found = strongest(model, images, "features.3", k=4, batch_size=7)
    maps = model.features[:4](images.clone())
    assert found.values.shape == found.images.shape == (8, 4)
    for channel in range(8):
        expected = maps[:, channel].amax((1, 2)).sort(descending=True)
        assert found.images[channel].tolist() == expected.indices[:4].tolist()
        for value, image, (row, column) in zip(
            found.values[channel],
            found.images[channel],
            found.positions[channel].tolist(),
            strict=True,
        ):
            torch.testing.assert_close(maps[image, channel, row, column], value)


def test_strongest_says_what_it_needs(random_weights):
    images = torch.randn(5, 3, 32, 32)
    model = models.vgg11(width=4, hidden_features=8, num_classes=10)
    with pytest.raises(ValueError, match="VGG is untrained"):
        strongest(model, images, "features.3")
    random_weights(model)
    with pytest.raises(ValueError, match="k must be in 1 … 5"):
        strongest(model, images, "features.3")
    with pytest.raises(ValueError, match="no layer 'feature.3'; did you mean features.3"):
        strongest(model, images, "feature.3", 2)
    with pytest.raises(ValueError, match="classifier.0 gives no maps"):
        strongest(model, images, "classifier.0", 2)
    with pytest.raises(ValueError, match="normalised"):
        strongest(model, images.byte(), "features.3", 2)


def wave(period: float, side: int = 12) -> torch.Tensor:
    """A kernel whose brightness goes up and down every `period` pixels, under a bell."""
    at = torch.arange(side) - (side - 1) / 2
    bell = torch.exp(-(at**2) / (2 * (side / 5) ** 2))
    return (torch.cos(2 * math.pi * at / period) * bell)[None] * bell[:, None]


def test_a_kernel_aliases_where_it_is_finer_than_two_strides():
    fine, coarse = wave(3), wave(12)
    weight = torch.stack([fine, coarse, 0.01 * coarse])[:, None]
    table = kernel_table(weight, stride=4)  # Nyquist: a period of 8 pixels
    assert table["aliased"][0] > 0.9 and table["aliased"][1] < 0.2
    assert table["aliased"][1] == pytest.approx(table["aliased"][2])
    assert table["dead"].tolist() == [False, False, True]
    torch.testing.assert_close(torch.tensor(table["norm"].iloc[0]), weight[0].double().norm())
    assert kernel_table(weight, stride=2)["aliased"][0] > 0.8  # a period of 4
    assert (kernel_table(weight, stride=1)["aliased"] == 0).all()  # every pixel is looked at
    with pytest.raises(ValueError, match="stride"):
        kernel_table(weight, 0)
    with pytest.raises(ValueError, match="4|C'×C×K×K"):
        kernel_table(weight[0], 1)


@pytest.mark.parametrize(
    "name, options",
    [
        ("alexnet", {"hidden_features": 16}),
        ("alexnet", {"variant": "paper"}),
        ("zfnet", {"hidden_features": 16}),
        ("vgg11", {"width": 8, "hidden_features": 16}),
        ("vgg11_bn", {"width": 8, "hidden_features": 16}),
        ("googlenet", {"width": 1 / 4}),
        ("googlenet", {"variant": "paper", "width": 1 / 4}),
        ("resnet20", {}),
        ("plain20", {}),
        ("preact_resnet20", {}),
        ("resnext29", {"cardinality": 4, "width": 4}),
        ("stem_network", {}),
    ],
)
def test_a_network_as_built_is_untrained(name, options):
    model = models.create(name, num_classes=10, **options)
    with pytest.raises(ValueError, match=f"{type(model).__name__} is untrained"):
        check_trained(model)
    # One step of training is enough.
    side = {"alexnet": 65, "zfnet": 65, "googlenet": 79}.get(name, 32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    outputs = model(torch.randn(4, 3, side, side))
    logits = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    optimizer.step()
    check_trained(model)


def test_a_network_that_fit_trained_is_trained():
    train, _ = data.load("fashion-mnist-mini")
    some = train.subset(range(60))
    model = models.create("stem_network", in_channels=1)
    run = fit(model, some, None, Recipe(epochs=1, batch_size=20), progress=False)
    check_trained(run.model)
