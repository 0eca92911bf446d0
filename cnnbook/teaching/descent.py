"""How weights move, on functions small enough to draw: the computations of the
chapter on learning.

Every step is taken by torch's own optimisers and schedules, so that what is drawn
is what trains the networks of this book.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from cnnbook.training.recipe import Recipe, make_optimizer, make_schedule

STEEP = 20.0  # curvature of the valley across; along it is 1


def momentum_steps(
    momentum: float, steps: int = 40, nesterov: bool = False
) -> list[float]:
    """How far SGD moves a weight in each step, if the gradient is always 1 and so
    is the rate."""
    weight = nn.Parameter(torch.zeros(()))
    optimizer = SGD([weight], lr=1.0, momentum=momentum, nesterov=nesterov)
    found = []
    for _ in range(steps):
        before = weight.item()
        weight.grad = torch.ones(())
        optimizer.step()
        found.append(before - weight.item())
    return found


def valley(position: Tensor) -> Tensor:
    """A long valley: (w₁² + 20 w₂²) / 2 of positions … × 2."""
    return 0.5 * (position[..., 0] ** 2 + STEEP * position[..., 1] ** 2)


def valley_path(
    optimizer: Callable[[list[nn.Parameter]], Optimizer],
    steps: int = 30,
    start: Sequence[float] = (-10.0, 1.0),
) -> Tensor:
    """The way of an optimiser down the valley: (`steps` + 1) × 2, from `start`."""
    position = nn.Parameter(torch.tensor(start))
    rule = optimizer([position])
    found = [position.detach().clone()]
    for _ in range(steps):
        rule.zero_grad()
        valley(position).backward()
        rule.step()
        found.append(position.detach().clone())
    return torch.stack(found)


def left_by_decay(
    optimizer: type[Adam] | type[AdamW],
    scales: Iterable[float],
    steps: int = 500,
    lr: float = 0.01,
    weight_decay: float = 0.05,
) -> dict[float, float]:
    """The share that weight decay leaves of weights whose gradients only push to
    and fro.

    A weight begins at 1. Its gradient is in turn + and − its `scale`, so that only
    the decay moves it in the long run. The share is the mean over two weights that
    are pushed in opposite turns.
    """
    scales = torch.tensor(list(scales))
    weights = nn.Parameter(torch.ones(2, len(scales)))
    rule = optimizer([weights], lr=lr, weight_decay=weight_decay)
    signs = torch.tensor([[1.0], [-1.0]])
    for step in range(steps):
        weights.grad = signs * scales * (-1) ** step
        rule.step()
    left = weights.detach().mean(0)
    return dict(zip(scales.tolist(), left.tolist(), strict=True))


def rates(epochs: int = 10, steps_per_epoch: int = 100, **settings) -> list[float]:
    """The learning rate of every step of a recipe with these `settings` and a
    highest rate of 1."""
    recipe = Recipe(epochs=epochs, lr=1.0, **settings)
    weight = nn.Parameter(torch.zeros(1, 1))
    optimizer = make_optimizer(nn.ParameterList([weight]), recipe)
    schedule = make_schedule(optimizer, recipe, steps_per_epoch)
    found = []
    for _ in range(epochs * steps_per_epoch):
        found.append(float(schedule.get_last_lr()[0]))
        optimizer.step()
        schedule.step()
    return found


def small_network(dropout: float = 0.0, side: int = 14) -> nn.Sequential:
    """Two convolutions and two linear layers for grey images of `side` pixels and
    10 classes."""
    positions = ((side + 1) // 2 + 1) // 2
    return nn.Sequential(  #                               N × 1 × 14 × 14
        nn.Conv2d(1, 16, kernel_size=5, stride=2, padding=2),  # N × 16 × 7 × 7
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1),  # N × 32 × 4 × 4
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(32 * positions**2, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
