"""The race of activations, and what a stride leaves out."""

from __future__ import annotations

import torch
from torch import nn

from cnnbook.teaching import activations, aliasing


def test_losses_are_those_of_a_run_that_learns_and_can_be_repeated():
    labels = torch.arange(100) % 10
    images = torch.randn(10, 1, 14, 14, generator=torch.Generator().manual_seed(0))[labels]
    losses = activations.training_losses(nn.ReLU, images, labels, lr=0.05, steps=40, batch=20)
    assert len(losses) == 31 and losses[-1] < 0.5 * losses[0]
    again = activations.training_losses(nn.ReLU, images, labels, lr=0.05, steps=40, batch=20)
    assert again == losses
    other = activations.training_losses(nn.Tanh, images, labels, lr=0.05, steps=40, batch=20)
    assert other != losses


def test_steps_until_a_goal():
    assert activations.steps_until([3.0, 2.0, 1.0], 2.0) == 2
    assert activations.steps_until([3.0, 2.0], 1.0) is None


def test_a_stride_of_four_shows_rings_where_there_are_none():
    rings = aliasing.rings(224)
    seen = aliasing.every(rings, 4)
    assert rings.shape == (224, 224) and seen.shape == (56, 56)
    assert torch.equal(seen[0, 0], rings[2, 2])
    # Where a ring is as wide as the stride, neighbours are nearly equal: a false centre.
    radius = 3.0 * 111.5 / 4
    at = int((111.5 + radius - 2) / 4)
    middle = 28
    jumps = (seen[middle, 1:] - seen[middle, :-1]).abs()
    between = jumps[middle + 7 : middle + 13].max()
    assert jumps[at - 1 : at + 1].max() < 0.25 * between
