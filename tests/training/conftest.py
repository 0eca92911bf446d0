"""Real images in small numbers, and networks small enough for a test."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from cnnbook import data


class SmallNet(nn.Module):
    """Two convolutions with batch normalisation and dropout, for images of 28 pixels."""

    def __init__(self, in_channels=1, num_classes=10):
        super().__init__()
        self.stack = nn.Sequential(
            nn.Conv2d(in_channels, 16, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(128, num_classes),
        )

    def forward(self, images):
        return self.stack(images)


@pytest.fixture
def network():
    """Make the same small network again and again."""

    def make(**options):
        with torch.random.fork_rng():
            torch.manual_seed(7)
            return SmallNet(**options)

    return make


@pytest.fixture(scope="session")
def sets():
    """1,000 training, 200 validation and 300 test images of Fashion-MNIST."""
    train, test = data.load("fashion-mnist-mini")
    validation = train.validation.subset(range(200))
    return replace(train.subset(range(1000)), validation=validation), test.subset(range(300))
