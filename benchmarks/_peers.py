"""The tools that count a network's operations, each called as its documentation says.

A peer takes a network in evaluation mode and an image of shape 1 × C × H × W on the network's
device, and returns its total.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def torchinfo(model: nn.Module, image: Tensor) -> int:
    import torchinfo

    device = image.device  # torchinfo moves the model to the device it is told
    return torchinfo.summary(model, tuple(image.shape), device=device, verbose=0).total_mult_adds


def fvcore(model: nn.Module, image: Tensor) -> int:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(model, image)
    return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def ptflops(model: nn.Module, image: Tensor) -> int:
    from ptflops import get_model_complexity_info

    return get_model_complexity_info(
        model, tuple(image.shape[1:]), as_strings=False, print_per_layer_stat=False,
        backend="pytorch", verbose=False,
    )[0]  # fmt: skip


def calflops(model: nn.Module, image: Tensor) -> int:
    calculate_flops = _calflops().calculate_flops
    return calculate_flops(model, tuple(image.shape), print_results=False, output_as_string=False)[
        1
    ]  # its multiply-adds


def thop(model: nn.Module, image: Tensor) -> int:
    from thop import profile

    return int(profile(model, (image,), verbose=False)[0])


def flop_counter_mode(model: nn.Module, image: Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return counter.get_total_flops() // 2  # it counts a multiply and its add as two


def _calflops() -> types.ModuleType:
    """calflops' counter alone: the rest of the package asks for Hugging Face's transformers."""
    if "calflops" not in sys.modules:
        spec = importlib.util.find_spec("calflops")
        package = sys.modules["calflops"] = types.ModuleType("calflops")
        package.__path__, package.__spec__ = spec.submodule_search_locations, spec
    return importlib.import_module("calflops.flops_counter")


PEERS: dict[str, Callable[[nn.Module, Tensor], int]] = {
    "torchinfo": torchinfo,
    "fvcore": fvcore,
    "ptflops": ptflops,
    "calflops": calflops,
    "thop": thop,
    "FlopCounterMode": flop_counter_mode,
}


def here() -> dict[str, Callable[[nn.Module, Tensor], int]]:
    """The peers that are installed; FlopCounterMode always is, being torch's own."""
    return {
        name: peer
        for name, peer in PEERS.items()
        if peer is flop_counter_mode or importlib.util.find_spec(name)
    }
