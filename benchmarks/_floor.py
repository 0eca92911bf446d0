"""The cheapest pass that still visits every layer of a network.

The network's own `forward` and torch's own `Module.__call__` run for every layer. A convolution, a
linear layer or a pooling is answered with a tensor of its output's size, anything that keeps its
shape with its input. Nothing is written down: no rows, no parameters, no receptive fields.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

KEEPS = {
    F.batch_norm, F.relu, F.relu6, F.silu, F.hardtanh, F.dropout, F.sigmoid, torch.relu,
    torch.sigmoid, Tensor.__iadd__, Tensor.__add__,
}  # fmt: skip


def _window(sizes, kernel, stride, padding, dilation, ceil=False) -> list[int]:
    kernel, stride, padding, dilation = (
        value if isinstance(value, tuple) else (value, value)
        for value in (kernel, stride, padding, dilation)
    )
    return [
        ((n + 2 * p - d * (k - 1) - 1) + (s - 1 if ceil else 0)) // s + 1
        for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True)
    ]


class ShapesOnly(TorchFunctionMode):
    """Answers what the networks of the book and of these benchmarks call."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.conv2d:
            x, weight, _, stride, padding, dilation, _ = args
            sizes = _window(x.shape[2:], tuple(weight.shape[2:]), stride, padding, dilation)
            return torch.empty((1, weight.shape[0], *sizes), device="meta")
        if func in KEEPS:
            return args[0]
        if func is F.linear:
            return torch.empty((1, args[1].shape[0]), device="meta")
        name = getattr(func, "__name__", "")
        if name in ("max_pool2d", "boolean_dispatch"):
            x, kernel, *_ = args
            options = kwargs or {}
            sizes = _window(
                x.shape[2:], kernel, options.get("stride") or kernel, options.get("padding", 0),
                options.get("dilation", 1), options.get("ceil_mode", False),
            )  # fmt: skip
            return torch.empty((*x.shape[:2], *sizes), device="meta")
        return func(*args, **(kwargs or {}))


def shapes_only(model: nn.Module, size: tuple[int, int, int]) -> Tensor:
    """What `model` gives for one image, as a shape."""
    image = torch.empty((1, *size), device="meta")
    with torch.no_grad(), ShapesOnly():
        return model(image)
