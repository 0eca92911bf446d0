"""What a first layer's kernels can tell at its stride: which are dead, and which
alias.

A convolution of stride s looks at every s-th pixel only. Frequencies of its kernel
above 1/(2s) cycles a pixel come out as other, lower ones: they alias (Nyquist).
Zeiler and Fergus (ECCV 2014, section 4.1) saw that in AlexNet's 11×11 kernels of
stride 4, and dead kernels beside them, and took 7×7 of stride 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd

DEAD = 0.1  # of the median kernel's norm
GRID = 64  # frequencies along a side


def kernel_table(weight: Tensor, stride: int) -> pd.DataFrame:
    """A row per kernel: its norm, whether it is dead, and the share of it that
    aliases.

    Args:
        weight: C' × C × K × K of a trained convolution.
        stride: its stride.

    Returns:
        ``norm``, that of the weights; ``dead``, whether it is below a tenth of the
        median; ``aliased``, the share of the kernel's energy at frequencies, along
        either axis, above 1/(2·stride) cycles a pixel: 0 … 1, and 0 for a kernel of
        zeros.

    Raises:
        ValueError: if `weight` is no convolution's, or `stride` is below 1.
    """
    import pandas as pd

    if weight.dim() != 4:
        raise ValueError(f"weight must be C'×C×K×K, got {weight.dim()} dimensions")
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    kernels = weight.detach().cpu().double()
    energy = torch.fft.fft2(kernels, s=(GRID, GRID)).abs().square().sum(1)
    frequencies = torch.fft.fftfreq(GRID).abs()
    high = torch.maximum(frequencies[:, None], frequencies[None]) > 1 / (2 * stride)
    whole = energy.sum((1, 2))
    aliased = (energy * high).sum((1, 2)) / whole.clamp(min=1e-300)
    norm = kernels.flatten(1).norm(dim=1)
    return pd.DataFrame(
        {
            "norm": norm.numpy(),
            "dead": (norm < DEAD * norm.median()).numpy(),
            "aliased": aliased.numpy(),
        }
    )
