"""Where a network's time goes, operator by operator."""

from __future__ import annotations

import os

# Read once, at a process's first profile. Else the profiler's library tells the
# terminal of each start and stop.
os.environ.setdefault("KINETO_LOG_LEVEL", "6")

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

GROUPS = {
    "convolution": ("conv", "mkldnn"),
    "max pooling": ("max_pool",),
    "batch norm": ("batch_norm",),
    "linear": ("addmm", "linear"),
}


@torch.no_grad()
def time_shares(
    network: nn.Module, images: Tensor, runs: int = 5
) -> dict[str, float]:
    """The share (0 … 1) of the CPU's time that each kind of operator takes in
    inference.

    Measured with torch's profiler, after a pass that is not counted: of `runs`
    passes, the fastest, as whatever else the machine does only takes time. What
    belongs to none of the kinds, such as ReLU and concatenation, is "the rest".
    """
    network.eval()(images)
    passes = [_seconds_by_kind(network, images) for _ in range(runs)]
    seconds = min(passes, key=lambda each: sum(each.values()))
    total = sum(seconds.values())
    return {kind: part / total for kind, part in seconds.items()}


def _seconds_by_kind(network: nn.Module, images: Tensor) -> dict[str, float]:
    with profile(activities=[ProfilerActivity.CPU]) as found:
        network(images)
    seconds = dict.fromkeys([*GROUPS, "the rest"], 0.0)
    for event in found.key_averages():
        kinds = (
            kind
            for kind, words in GROUPS.items()
            if any(w in event.key for w in words)
        )
        seconds[next(kinds, "the rest")] += event.self_cpu_time_total
    return seconds
