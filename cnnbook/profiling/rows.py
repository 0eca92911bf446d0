"""What a profile is made of: a row of a layer, the sums of all rows, and the errors
instead."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

BYTES_PER_ELEMENT = 4


class ProfileError(ValueError):
    """The network cannot be profiled as asked; the message says at which layer and
    why."""


class TooSmall(ProfileError):
    """The image is so small that a layer's output would be empty."""


class Layer(NamedTuple):
    """A row of the table: one use of one layer.

    Attributes:
        name: the layer's name in the network's code.
        kind: what it is, such as "conv", "linear" or "pool".
        output: its shape without the batch, of one image: a batch of 1 is left out
            where it comes first, and else (sequences first, windows folded into the
            batch) the shape is whole.
        params: the weights and biases that it learns; 0 where it is used again.
        flops: its multiply-adds for one image.
        receptive_field: in pixels, a side, or (height, width) where they differ;
            None where shapes cannot tell it.
        sees: what `receptive_field` is: "exact", a size in pixels; "whole image",
            where some operation mixed all positions; "nothing", where the layer's
            input does not depend on the image; or "unknown" and the operation that
            lost it.
        kept_kb: in training, what the backward pass needs of the layer's output and
            of all that is made of it before the next row.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    flops: int
    receptive_field: int | tuple[int, int] | None
    sees: str = "exact"
    kept_kb: float | None = None

    @property
    def memory_kb(self) -> float:
        return math.prod(self.output) * BYTES_PER_ELEMENT / 1024


class Total(NamedTuple):
    """The three measures of a whole network.

    Attributes:
        memory_kb: of the outputs of all rows, for one image.
        params: every parameter that the network has.
        flops: multiply-adds for one image.
    """

    memory_kb: float
    params: int
    flops: int

    @property
    def macs(self) -> int:
        """The multiply-adds, under the name that nothing else has."""
        return self.flops


def times(shape: int | Iterable[int] | None, sign: str) -> str:
    """(64, 55, 55) → "64×55×55"; a missing value → "—"."""
    if shape is None:
        return "—"
    return str(shape) if isinstance(shape, int) else sign.join(map(str, shape))
