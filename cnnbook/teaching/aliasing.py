"""What a stride leaves out: fine stripes that come back as coarse ones."""

from __future__ import annotations

import torch
from torch import Tensor


def rings(side: int = 112) -> Tensor:
    """Rings that become finer outwards, to 3 pixels at the edge: `side` × `side`,
    0 … 1.

    Known as a zone plate. Away from the centre, the distance from one ring to the
    next falls in proportion to the radius.
    """
    middle = (side - 1) / 2
    place = torch.arange(side) - middle
    squared = place[:, None] ** 2 + place[None, :] ** 2
    finest = 3.0
    return 0.5 + 0.5 * torch.cos(torch.pi * squared / (finest * middle))


def every(image: Tensor, stride: int) -> Tensor:
    """The image as that stride looks at it: every `stride`-th pixel of each row and
    column."""
    return image[stride // 2 :: stride, stride // 2 :: stride]
