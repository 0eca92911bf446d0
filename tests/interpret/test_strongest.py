"""Of which images a channel is strongest."""

from __future__ import annotations

import pytest
import torch

from cnnbook import models
from cnnbook.interpret import strongest


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
