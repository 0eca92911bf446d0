"""How large a signal is on its way through a deep stack of layers, by its first
weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

# How to fill a weight of n_out × n_in, by name.
STARTS: dict[str, Callable[[Tensor], Tensor]] = {
    "0.01": lambda weight: nn.init.normal_(weight, std=0.01),
    "Glorot": nn.init.xavier_normal_,
    "He": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
}


@torch.no_grad()
def sizes_through(
    images: Tensor,
    start: str,
    activation: Callable[[Tensor], Tensor] = torch.relu,
    layers: int = 20,
    width: int = 256,
    seed: int = 0,
) -> list[float]:
    """The mean square of each layer's sums, before the activation, in a stack of
    linear layers.

    Args:
        images: N × …, flattened to N × n.
        start: a name of `STARTS`: how the weights are drawn. Biases are zero.
        activation: what follows each layer.
        layers, width: of the stack.
        seed: of the weights.

    Raises:
        ValueError: for an unknown `start`.
    """
    if start not in STARTS:
        raise ValueError(f"unknown start {start!r}; there is {', '.join(STARTS)}")
    x, found = images.flatten(1), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(layers):
            x = x @ STARTS[start](torch.empty(width, x.shape[1])).T
            found.append(x.square().mean().item())
            x = activation(x)
    return found
