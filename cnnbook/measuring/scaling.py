"""How well would a network train on many GPUs? An estimate from `profile` and the
machine's rates.

In data-parallel training every GPU computes the gradients of its own images, then
all GPUs average them by a ring all-reduce, in which each sends 2 (N − 1) / N times
the gradients' bytes (Patarasuk and Yuan, *Bandwidth Optimal All-reduce Algorithms
for Clusters of Workstations*, Journal of Parallel and Distributed Computing 69,
2009).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING

from cnnbook._arguments import check_flags, short
from cnnbook.profiling import Profile

if TYPE_CHECKING:
    import pandas as pd


def scaling_efficiency(
    profiles: Mapping[str, Profile],
    gpus: Sequence[int] = (1, 8, 64, 1000),
    *,
    batch_size: int = 32,
    gradient_bytes: int = 4,
    peak_flops: float = 989e12,
    achieved: float = 0.17,
    gpus_per_node: int = 8,
    node_bandwidth: float = 450e9,
    network_bandwidth: float = 50e9,
    overlap: bool = True,
) -> pd.DataFrame:
    """The share of a training step in which the GPUs compute, by network and number
    of GPUs.

    Left out: latency, waiting for images or for the slowest GPU, batch
    normalisation's traffic, the optimiser, and whether so large a batch still
    learns. One achieved share stands for all networks, and one ring crosses the
    nodes, over one adapter each; several rings, one an adapter, can be faster by up
    to their number: raise `network_bandwidth` for them.

    Args:
        profiles: of each network as it trains: ``profile(model, training=True)``.
        gpus: the numbers of GPUs, each at least 1.
        batch_size: images a step on each GPU, whatever their number; 32 as in Goyal
            et al., *Accurate, Large Minibatch SGD*, 2017, section 5.1.
        gradient_bytes: of one parameter's gradient: 4 in fp32, 2 in bf16.
        peak_flops: floating-point operations a second, a multiply and its add being
            two. NVIDIA's H100 data sheet (SXM): 989 TFLOP/s in bf16 without
            sparsity.
        achieved: the share of that peak reached, in (0, 1]. An assumption: 7,000
            images/s of ResNet-50 on one H100, about what MLPerf Training 3.0 saw,
            is 17 % by this count.
        gpus_per_node: up to so many, all traffic stays within a node; 8 in a DGX
            H100.
        node_bandwidth: bytes/s that a GPU sends within a node. The H100 data
            sheet's 900 GB/s of NVLink counts both directions.
        network_bandwidth: bytes/s that a GPU sends to another node: 400 Gb/s, the
            adapter of each GPU in NVIDIA's DGX H100 user guide.
        overlap: gradients travel while the backward pass, two thirds of the
            computation, goes on, as in `DistributedDataParallel` (Li et al.,
            *PyTorch Distributed*, VLDB 2020).

    Returns:
        A row per network and number of GPUs. The columns are ``network``, ``gpus``,
        ``params``, ``flops`` (the forward multiply-adds of an image),
        ``compute_seconds`` and ``communication_seconds`` of a step, and
        ``efficiency``, 1 where no GPU waits for gradients.

    Raises:
        ValueError: if a number is not positive, a whole number is not whole, or
            `achieved` is above 1.
    """
    import pandas as pd

    if not isinstance(profiles, Mapping) or not profiles:
        raise ValueError(
            f"profiles must be by the network's name, got {short(profiles)}"
        )
    for name, found in profiles.items():
        if not isinstance(found, Profile):
            raise ValueError(
                f"the profile of {name} must be a Profile, got {short(found)}"
            )
    check_flags(overlap=overlap)
    if isinstance(gpus, str) or not isinstance(gpus, Sequence):
        raise ValueError(f"gpus must be a tuple of numbers, got {short(gpus)}")
    counts = {"batch_size": batch_size, "gpus_per_node": gpus_per_node}
    counts |= {"gradient_bytes": gradient_bytes}
    for name, value in [*counts.items(), *(("gpus", number) for number in gpus)]:
        if (
            not isinstance(value, int)
            or isinstance(value, bool)
            or not 1 <= value < 2**63
        ):
            raise ValueError(
                f"{name} must be at least 1 and whole, got {short(value)}"
            )
    rates = {
        "peak_flops": peak_flops,
        "achieved": achieved,
        "node_bandwidth": node_bandwidth,
        "network_bandwidth": network_bandwidth,
    }
    for name, rate in rates.items():
        if not isinstance(rate, Real) or not 0 < rate <= sys.float_info.max:
            raise ValueError(
                f"{name} must be positive and finite, got {short(rate)}"
            )
    if achieved > 1:
        raise ValueError(
            f"achieved must be a share of the peak, at most 1, got {achieved!r}"
        )

    rows = []
    for name, found in profiles.items():
        total = found.total
        # Two operations a multiply-add; the backward pass costs about twice the
        # forward pass.
        compute = 3 * 2 * total.flops * batch_size / (achieved * peak_flops)
        for number in gpus:
            sent = 2 * (number - 1) / number * gradient_bytes * total.params
            bandwidth = (
                node_bandwidth if number <= gpus_per_node else network_bandwidth
            )
            communication = sent / bandwidth
            hidden = compute * 2 / 3 if overlap else 0
            step = compute + max(0, communication - hidden)
            rows.append(
                {
                    "network": name,
                    "gpus": number,
                    "params": total.params,
                    "flops": total.flops,
                    "compute_seconds": compute,
                    "communication_seconds": communication,
                    "efficiency": compute / step,
                }
            )
    return pd.DataFrame(rows)
