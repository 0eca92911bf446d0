"""An experiment small enough to run in a test, on real images."""

import pytest
import torch
from torch import nn

from cnnbook import Recipe
from cnnbook.experiments import Trial, _mechanism, experiment
from cnnbook.models import _common


def small(num_classes: int = 10, in_channels: int = 1, channels: tuple[int, ...] = (8,)):
    """A network of one convolution."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels[0], 5, stride=3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * channels[0], num_classes),
    )


@pytest.fixture
def two_widths(monkeypatch):
    """Register the experiment "two-widths": 8 channels against 16, at the quick scale."""
    monkeypatch.setitem(_common.BUILDERS, "small", small)
    monkeypatch.setattr(_mechanism, "_EXPERIMENTS", {})
    recipe = Recipe(epochs=2, batch_size=100, lr=0.02)

    @experiment("two-widths", title="does a wider network learn more from little?")
    def trials(scale: str) -> list[Trial]:
        return [
            Trial("narrow", "small", recipe, {"channels": (8,)}, train_images=400),
            Trial("wide", "small", recipe, {"channels": (16,)}, train_images=400),
        ]

    return recipe


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
