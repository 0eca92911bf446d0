"""AlexNet's tint against numpy's covariance, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnbook import data, figures
from cnnbook.teaching.colours import Colours


@pytest.fixture(scope="module")
def images():
    return [data.photograph(name) for name in data.photograph_names()]


def test_the_directions_are_those_of_the_covariance(images):
    colours = Colours.of(images)
    pixels = np.concatenate([image.flatten(1).numpy() for image in images], 1) / 255
    covariance = np.cov(pixels)
    directions = colours.directions.numpy()
    assert np.allclose(directions.T @ directions, np.eye(3))
    assert np.allclose(directions @ np.diag(colours.variances) @ directions.T, covariance)
    assert (colours.variances.diff() < 0).all()
    assert len(set(np.sign(directions[:, 0]))) == 1  # the longest is brightness


def test_a_tint_is_one_colour_added_everywhere(images):
    colours = Colours.of(images)
    image = torch.full((3, 2, 2), 100, dtype=torch.uint8)
    assert torch.equal(colours.tinted(image, torch.zeros(3)), image)
    by_hand = 0.5 * colours.variances[0] * colours.directions[:, 0] * 255 + 100
    found = colours.tinted(image, torch.tensor([0.5, 0.0, 0.0]))
    assert found[:, 1, 1].tolist() == by_hand.round().tolist() and found.dtype == torch.uint8
    assert colours.tinted(image, torch.tensor([100.0, 0, 0])).unique().tolist() in ([0], [255])


def test_pictures_stand_in_rows():
    pictures = torch.randint(0, 256, (5, 3, 4, 6), dtype=torch.uint8)
    figure = figures.variants({"as it was": pictures[:2], "changed": pictures[2:]})
    shown = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    assert [np.array_equal(a, b.permute(1, 2, 0)) for a, b in zip(shown, pictures, strict=True)]
    assert [part.get_suptitle() for part in figure.subfigs] == ["as it was", "changed"]
    with pytest.raises(ValueError, match="rows must not be empty"):
        figures.variants({})
