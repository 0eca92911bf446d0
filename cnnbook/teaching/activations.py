"""A race of activation functions, after figure 1 of the AlexNet paper."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def network(activation: type[nn.Module], width: int = 16) -> nn.Sequential:
    """Three convolutions and a linear layer for images N × 1 × 14 × 14 and 10
    classes."""
    convolutions: list[nn.Module] = []
    for number in range(3):
        conv = nn.Conv2d(width if number else 1, width, 3, padding=1)
        # Fair to both: He's start is made for ReLU.
        nn.init.xavier_uniform_(conv.weight)
        nn.init.zeros_(conv.get_parameter("bias"))
        convolutions += [conv, activation()]
        if number < 2:
            convolutions.append(nn.MaxPool2d(2))
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(width * 9, 10))


def training_losses(
    activation: type[nn.Module],
    images: Tensor,
    labels: Tensor,
    lr: float,
    steps: int = 200,
    batch: int = 64,
    seed: int = 0,
) -> list[float]:
    """The loss of each step of SGD with momentum 0.9 at one rate, smoothed over ten
    steps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = network(activation).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
        losses = []
        for _ in range(steps):
            chosen = torch.randint(len(images), (batch,))
            loss = F.cross_entropy(net(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    smooth = torch.tensor(losses).unfold(0, 10, 1).mean(1)
    return smooth.tolist()


def steps_until(losses: Sequence[float], goal: float) -> int | None:
    """The first step at which a loss is at most `goal`, counted from 1; None if it
    never is."""
    return next(
        (step for step, loss in enumerate(losses, start=1) if loss <= goal), None
    )
