"""Stochastic depth: a block that sits out for some images of a training batch.

Huang, Sun, Liu, Sedra, Weinberger, *Deep Networks with Stochastic Depth*, ECCV 2016
(arXiv:1603.09382).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """F(x), or zeros for a random share `drop` of the images.

    What is kept is divided by its share, so that the mean stays. It stands before
    the sum of a block. In evaluation it changes nothing.
    """

    def __init__(self, drop: float):
        super().__init__()
        self.drop = drop

    def forward(self, residual: Tensor) -> Tensor:
        if not self.training or self.drop == 0:
            return residual
        draws = torch.rand(len(residual), 1, 1, 1, device=residual.device)
        kept = draws >= self.drop
        return residual * kept / (1 - self.drop)

    def extra_repr(self) -> str:
        return f"drop={self.drop:g}"
