"""What limits a network on a device: its arithmetic, or the way to memory? The
roofline model.

A device does so many operations a second and moves so many bytes a second. A
network that does few operations for each byte waits for memory, one that does many
waits for arithmetic; the corner between the two is the *ridge* (Williams, Waterman
and Patterson, *Roofline: an Insightful Visual Performance Model for Multicore
Architectures*, Communications of the ACM 52, 2009).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from cnnbook.measuring.latency import DTYPES, wait
from cnnbook.profiling import Profile
from cnnbook.training.device import device_name

# By the name that CUDA gives: dense operations a second by dtype (a multiply and
# its add are two; float32 without tensor cores), bytes a second, and where NVIDIA
# says so. Data sheets that count structured sparsity say twice as much.
PUBLISHED = {
    "NVIDIA H200": (
        {"float32": 67e12, "bfloat16": 989e12, "float16": 989e12},
        4.8e12,
        "H200 data sheet, SXM",
    ),
    "NVIDIA H100 80GB HBM3": (
        {"float32": 67e12, "bfloat16": 989e12, "float16": 989e12},
        3.35e12,
        "H100 data sheet, SXM",
    ),
    "NVIDIA H100 PCIe": (
        {"float32": 51e12, "bfloat16": 756e12, "float16": 756e12},
        2.0e12,
        "H100 data sheet, PCIe",
    ),
    "NVIDIA A100-SXM4-80GB": (
        {"float32": 19.5e12, "bfloat16": 312e12, "float16": 312e12},
        2.039e12,
        "A100 data sheet",
    ),
    "NVIDIA A100-SXM4-40GB": (
        {"float32": 19.5e12, "bfloat16": 312e12, "float16": 312e12},
        1.555e12,
        "A100 data sheet",
    ),
    "Tesla T4": ({"float32": 8.1e12, "float16": 65e12}, 300e9, "T4 data sheet"),
}
SECONDS = 1.0  # for how long each peak is measured


class Peak(NamedTuple):
    """The most that a device can do a second, and who says so.

    Attributes:
        rate: operations or bytes a second.
        source: the data sheet, or how it was measured.
    """

    rate: float
    source: str


def traffic(
    p: Profile, batch_size: int = 1, itemsize: int = 4, training: bool = False
) -> int:
    """Bytes that a call moves to and from memory if no activation stays on the
    chip.

    Each image is read, the output of each convolution, linear and pooling layer is
    written and read again, and each weight is read once a call, whatever the batch.
    Normalisation, activations and sums are taken to be done on the way. In training
    the gradients of inputs and of weights each read two of a layer's input, weights
    and output and write the third, as the forward pass does: three times as much.

    Args:
        p: the network's profile, made with ``training=True`` for training.
        batch_size: images in a call.
        itemsize: bytes of a number: 4 in float32, 2 in bfloat16.
        training: count the gradients too.
    """
    channels, height, width = p.input_size
    # 1 KB is 256 numbers of 4 bytes.
    activations = sum(round(layer.memory_kb * 256) for layer in p.layers)
    numbers = batch_size * (channels * height * width + 2 * activations)
    numbers += p.params_used
    return (3 if training else 1) * itemsize * numbers


@functools.cache
def peak_operations(device: torch.device, dtype: str = "float32") -> Peak:
    """Operations a second: the data sheet's for a known GPU, or else what is
    measured.

    That is the faster of a large matrix product and a large convolution. It depends
    on the library which of them comes nearer to what the arithmetic units can do.
    """
    rates, _, sheet = PUBLISHED.get(device_name(device), ({}, 0.0, ""))
    if dtype in rates:
        return Peak(rates[dtype], f"NVIDIA's {sheet}: {dtype}, dense")
    side, images = (8192, 256) if device.type == "cuda" else (1024, 4)
    a, b = torch.randn(2, side, side, device=device).to(DTYPES[dtype])
    out = torch.empty_like(a)
    product = 2 * side**3 / _shortest(lambda: torch.mm(a, b, out=out), device)
    conv = nn.Conv2d(256, 256, 3, padding=1, device=device, dtype=DTYPES[dtype])
    conv.to(memory_format=torch.channels_last)
    x = torch.randn(images, 256, 56, 56, device=device).to(
        DTYPES[dtype], memory_format=torch.channels_last
    )
    with torch.no_grad():
        seconds = _shortest(lambda: conv(x), device)
    convolution = 2 * images * 56 * 56 * 256 * 256 * 9 / seconds
    return max(
        Peak(product, f"measured: a {side}×{side} matrix product in {dtype}"),
        Peak(
            convolution,
            f"measured: a 3×3 convolution of 256 channels, 56×56, in {dtype}",
        ),
    )


@functools.cache
def peak_bandwidth(device: torch.device) -> Peak:
    """Bytes a second: the data sheet's for a known GPU, or else of copying a large
    array."""
    _, rate, sheet = PUBLISHED.get(device_name(device), ({}, 0.0, ""))
    if rate:
        return Peak(rate, f"NVIDIA's {sheet}")
    source = torch.zeros(2**28, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    seconds = _shortest(lambda: target.copy_(source), device)
    return Peak(
        2 * len(source) / seconds, "measured: a copy of 256 MiB, read and written"
    )


def _shortest(call: Callable[[], object], device: torch.device) -> float:
    """The seconds of the quickest of many calls."""
    best, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < SECONDS or best == float("inf"):
        began = time.perf_counter()
        call()
        wait(device)
        best = min(best, time.perf_counter() - began)
    return best
