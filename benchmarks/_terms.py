"""What the peers count beside multiply-adds: each tool's difference to `profile`, term by term.

The terms are computed here from what a network calls, by each tool's own rules (named at each), so
that a difference is explained when the sum of its terms equals it, to the unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

RECTIFIERS = ("relu", "relu6", "silu", "gelu")
# What ptflops has a hook for, and what it patches as a function: a module's call may count in both.
HOOKED = (nn.ReLU, nn.ReLU6, nn.GELU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
POOLS = ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d")
PATCHED = RECTIFIERS + POOLS


@dataclass(frozen=True)
class Call:
    """A function that a network called: within which layer (None: none), on how many elements."""

    name: str
    layer: type[nn.Module] | None
    inputs: int
    outputs: int
    channels: int
    bias: bool


class Calls(TorchFunctionMode):
    """Writes down every function, as the network's own code calls it on the meta device."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.calls: list[Call] = []
        self.layer: type[nn.Module] | None = None
        self.hooks = [h for m in model.modules() if not [*m.children()] for h in self.follow(m)]

    def follow(self, leaf: nn.Module) -> tuple:
        def enter(module, args):
            self.layer = type(module)

        def leave(module, args, output):
            self.layer = None

        return leaf.register_forward_pre_hook(enter), leaf.register_forward_hook(leave)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and args and isinstance(args[0], Tensor):
            name = getattr(func, "__name__", "").lstrip("_")
            bias = name in ("conv2d", "linear") and len(args) > 2 and args[2] is not None
            channels = out.shape[1] if out.dim() > 1 else 0
            call = Call(name, self.layer, args[0].numel(), out.numel(), channels, bias)
            self.calls.append(call)
        return out


def calls_of(model: nn.Module, size: tuple[int, int, int]) -> list[Call]:
    """What `model`, which is on the meta device and in evaluation mode, calls for one image."""
    mode = Calls(model)
    try:
        with torch.no_grad(), mode:
            model(torch.empty((1, *size), device="meta"))
    finally:
        for hook in mode.hooks:
            hook.remove()
    return mode.calls


def terms(tool: str, calls: list[Call]) -> dict[str, int]:
    """What `tool` counts beyond the multiply-adds of convolutions and linear layers."""
    found = {"torchinfo": _torchinfo, "fvcore": _fvcore, "ptflops": _ptflops, "thop": _thop}
    given = found[tool](calls) if tool in found else {}
    return {name: count for name, count in given.items() if count}


def _bias(calls: list[Call]) -> int:
    return sum(call.outputs for call in calls if call.bias)


def _normalised(calls: list[Call]) -> int:
    return sum(call.outputs for call in calls if call.name == "batch_norm")


def _torchinfo(calls: list[Call]) -> dict[str, int]:
    """layer_info.py, calculate_macs: every parameter times the positions of a convolution."""
    channels = sum(call.channels for call in calls if call.name == "batch_norm")
    return {"bias, 1 an output": _bias(calls), "batch norm, 2 a channel": 2 * channels}


def _fvcore(calls: list[Call]) -> dict[str, int]:
    """flop_count.py, the table of its handles."""
    pooled = sum(call.inputs for call in calls if call.name == "adaptive_avg_pool2d")
    return {
        "batch norm, 2 an element": 2 * _normalised(calls),
        "adaptive pooling, 1 an input": pooled,
    }


def _ptflops(calls: list[Call]) -> dict[str, int]:
    """pytorch_ops.py: hooks of modules and patches of functions; a module that calls a patched
    function is counted by both."""

    def times(call: Call) -> int:
        return (call.name in PATCHED) + (call.layer in HOOKED)

    rectified = sum(times(c) * c.outputs for c in calls if c.name in (*RECTIFIERS, "hardtanh"))
    pooled = sum(times(c) * c.inputs for c in calls if c.name in POOLS)
    return {
        "bias, 1 an output": _bias(calls),
        "batch norm, 2 an element": 2 * _normalised(calls),
        "activations, 1 an element (2 where a module calls them)": rectified,
        "pooling, 1 an input (2 where a module calls it)": pooled,
    }


def _thop(calls: list[Call]) -> dict[str, int]:
    """calc_func.py; layers only, functions are not seen."""
    average = sum(call.outputs for call in calls if call.layer is nn.AvgPool2d)
    adaptive = sum(
        call.inputs + call.outputs for call in calls if call.layer is nn.AdaptiveAvgPool2d
    )
    return {
        "batch norm, 4 an element": 4 * _normalised(calls),
        "average pooling, 1 an output": average,
        "adaptive pooling, its window and 1 an output": adaptive,
    }
