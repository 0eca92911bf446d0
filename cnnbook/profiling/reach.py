"""Receptive fields: which pixels of the image a tensor's positions see."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple


class Axis(NamedTuple):
    """What a tensor's positions see of one axis (height or width) of the image.

    The first position sees pixels `first` to `last`; each next one, `jump` pixels further on; all
    of them together up to pixel `end`. `dim` is the tensor's dimension, counted from the right,
    along which the positions lie; None where the tensor has a single position.
    """

    dim: int | None
    size: int
    first: int
    last: int
    end: int
    jump: int | Fraction

    def window(self, kernel: int, stride: int, padding: int, dilation: int, size: int) -> Axis:
        """After a convolution or a pooling with `size` outputs along this axis."""
        first = self.first - padding * self.jump
        last = self.last + ((kernel - 1) * dilation - padding) * self.jump
        jump = self.jump * stride
        return Axis(self.dim, size, first, last, last + (size - 1) * jump, jump)

    def adaptive(self, size: int) -> Axis:
        """After an adaptive pooling: output i sees inputs ⌊i·n/size⌋ to ⌈(i+1)·n/size⌉ - 1."""
        n = self.size
        widest = max(-(-(i + 1) * n // size) - i * n // size for i in range(size))
        last = self.last + (widest - 1) * self.jump
        # A whole number stays an int, whose arithmetic is ten times as fast.
        jump = self.jump * (n // size if n % size == 0 else Fraction(n, size))
        return Axis(self.dim, size, self.first, last, self.end, jump)

    def whole(self, keep: bool) -> Axis:
        """After each output mixed all positions; `keep` where there still is one output each."""
        if keep:
            return self._replace(last=self.end, jump=0)
        return self._replace(dim=None, size=1, last=self.end, jump=0)

    @property
    def extent(self) -> int:
        return math.ceil(self.last - self.first + 1)


# `tensor.reach` is (height Axis, width Axis); UNKNOWN where it cannot be told from shapes; and not
# there at all for a tensor that does not depend on the image.
UNKNOWN = "unknown"


def merge(reaches: Iterable) -> Any:
    """What a sum, product or concatenation of tensors sees: all that any of them sees."""
    merged = None
    for reach in reaches:
        if reach is None or reach is merged:
            continue
        if reach is UNKNOWN:
            return UNKNOWN
        merged = reach if merged is None else tuple(map(union, merged, reach))
        if None in merged:
            return UNKNOWN
    return merged


def union(a: Axis, b: Axis) -> Axis | None:
    if None not in (a.dim, b.dim) and a.dim != b.dim:
        return None  # the positions lie along different dimensions: this is no pointwise operation
    if a.jump == b.jump and a.dim == b.dim and a.size == b.size:  # often one sees it all
        if a.first <= b.first and a.last >= b.last and a.end >= b.end:
            return a
        if b.first <= a.first and b.last >= a.last and b.end >= a.end:
            return b
    wide = a if a.size >= b.size and a.dim is not None else b
    first, last, end = min(a.first, b.first), max(a.last, b.last), max(a.end, b.end)
    union = Axis(wide.dim, wide.size, first, last, end, wide.jump)
    # One value spread over all positions (squeeze and excitation): each position sees all of it.
    return union if a.jump == b.jump else union.whole(keep=True)


def extent(reach) -> int | tuple[int, int] | None:
    if reach is None or reach is UNKNOWN:
        return None
    height, width = reach[0].extent, reach[1].extent
    return height if height == width else (height, width)


def each_axis(reach, change: Callable[[Axis], Axis | None]):
    if reach is None or reach is UNKNOWN:
        return reach
    changed = tuple(map(change, reach))
    return UNKNOWN if None in changed else changed


def mix(reach, dims: Iterable[int] | None, keep: bool):
    """`reach` after an operation mixed the positions along `dims` (from the right; None: all)."""
    return each_axis(
        reach, lambda axis: axis.whole(keep) if dims is None or axis.dim in dims else axis
    )
