"""Prepared images are what training gave the network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from cnnbook import data
from cnnbook.interpret.prepare import prepare
from cnnbook.models import Weights


def weights(size: int = 28, mean=(0.25,), std=(0.5,)) -> Weights:
    names = ("a", "b")
    return Weights("resnet20", {}, "d", size, mean, std, names, 0.9, "e", "arm", 0, Path("f"))


def test_an_image_is_normalised_and_resized_as_in_training():
    image = torch.randint(256, (1, 28, 28), dtype=torch.uint8)
    torch.testing.assert_close(prepare(image, weights()), (image / 255 - 0.25) / 0.5)
    found = prepare(image, weights(32))
    expected = F.interpolate(
        ((image / 255 - 0.25) / 0.5)[None], (32, 32), mode="bilinear", antialias=True
    )[0]
    torch.testing.assert_close(found, expected)
    batch = torch.stack([image, image.flip(1)])
    torch.testing.assert_close(prepare(batch, weights(32))[0], found)
    assert prepare(image, weights(), size=56).shape == (1, 56, 56)


def test_a_photograph_becomes_grey_and_square():
    photograph = data.photograph("coffee")  # 400 × 600
    found = prepare(photograph, weights(400, mean=(0.0,), std=(1.0,)))
    assert found.shape == (1, 400, 400)
    red, green, blue = photograph[:, 200, 300] / 255
    assert float(found[0, 200, 200]) == pytest.approx(
        float(0.299 * red + 0.587 * green + 0.114 * blue), abs=1e-3
    )
    colour = prepare(photograph, weights(64, (0.5,) * 3, (0.5,) * 3))
    assert colour.shape == (3, 64, 64)


@pytest.mark.parametrize(
    "image, said",
    [
        (torch.zeros(1, 28, 28), "uint8 .* got 1×28×28 of torch.float32"),
        (torch.zeros(28, 28, dtype=torch.uint8), "got 28×28"),
        (torch.zeros(2, 28, 28, dtype=torch.uint8), "1 or 3 channels, got 2"),
        ("boot", "got str"),
    ],
)
def test_what_is_no_image_is_told(image, said):
    with pytest.raises(ValueError, match=said):
        prepare(image, weights())
    with pytest.raises(ValueError, match="must have 3 channels, got 1"):
        prepare(torch.zeros(1, 8, 8, dtype=torch.uint8), weights(8, (0.5,) * 3, (0.5,) * 3))
