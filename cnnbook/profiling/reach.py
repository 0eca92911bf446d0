"""Receptive fields: which pixels of the image a tensor's positions see.

`tensor.reach` says it of a tensor, for the image's rows and for its columns: a pair
whose members are each an `Axis`, where the positions are evenly spaced along one
dimension, as in most of a convolutional network; or `Spots`, a table of what each
position sees, for any other arrangement (tokens, windows of attention, pooling
windows of unequal size). The reach is `Unknown` where nothing tells it from shapes,
and the attribute is missing where a tensor does not depend on the image.

Dimensions are counted from the right: -1 is the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

FAR = 1 << 40  # beyond any pixel: what sees nothing sees from FAR to -FAR


class Unknown(str):
    """No receptive field; the text names the operation that lost it."""


class Axis(NamedTuple):
    """What a tensor's positions see of one axis (rows or columns) of the image,
    evenly spaced.

    The first position sees pixels `first` to `last`; each next one, `jump` pixels
    further on; all of them together up to pixel `end`. They lie along the tensor's
    dimension `dim`; None where there is a single position. `all` tells that each
    sees the whole image because some operation mixed all positions, not because
    windows grew so wide.
    """

    dim: int | None
    size: int
    first: int
    last: int
    end: int
    jump: int
    all: bool = False

    def window(
        self, kernel: int, stride: int, padding: int, dilation: int, size: int
    ) -> Axis:
        """After a convolution or a pooling with `size` outputs along this axis."""
        reaches = (kernel - 1) * dilation
        first = self.first - padding * self.jump
        last = self.last + (reaches - padding) * self.jump
        jump = self.jump * stride
        all = self.all or (size == 1 and 1 < self.size <= reaches + 1)
        return Axis(
            self.dim, size, first, last, last + (size - 1) * jump, jump, all
        )

    def adaptive(self, size: int) -> Axis | Spots:
        """After an adaptive pooling: output i sees inputs ⌊i·n/size⌋ to
        ⌈(i+1)·n/size⌉ - 1."""
        n = self.size
        if self.dim is None:
            return self
        if n % size == 0:
            return self.window(n // size, n // size, 0, 1, size)
        return self.spots().adaptive(self.dim, n, size)

    def mixed(self) -> Axis:
        """After each output mixed all positions: whatever outputs there are see the
        same."""
        return Axis(None, 1, self.first, self.end, self.end, 0, True)

    def spots(self) -> Spots:
        low = np.array(self.first)
        if self.dim is not None:
            low = self.first + self.jump * np.arange(self.size)
            low = low.reshape((-1,) + (1,) * (-self.dim - 1))
        return Spots(low, low + (self.last - self.first), self.all)

    @property
    def extent(self) -> int:
        return self.last - self.first + 1

    @property
    def whole(self) -> tuple[int, int]:
        """The first and the last pixel that any position sees."""
        return self.first, self.end


class Spots(NamedTuple):
    """The first and the last pixel that each position sees of one axis of the
    image.

    Both tables are aligned with the tensor's dimensions from the right, and 1 long
    in those along which nothing changes.
    """

    low: np.ndarray
    high: np.ndarray
    all: bool = False

    def spots(self) -> Spots:
        return self

    def along(self, dim: int) -> int:
        return self.low.shape[dim] if -dim <= self.low.ndim else 1

    def each(self, change: Callable[[np.ndarray], np.ndarray]) -> Spots:
        return Spots(change(self.low), change(self.high), self.all)

    def framed(self, around: dict[int, tuple[int, int]]) -> Spots:
        """With so many positions that see nothing before and after, by
        dimension."""
        widths = [around.get(d, (0, 0)) for d in range(-self.low.ndim, 0)]
        return Spots(
            np.pad(self.low, widths, constant_values=FAR),
            np.pad(self.high, widths, constant_values=-FAR),
            self.all,
        )

    def slide(self, dim: int, starts: np.ndarray, ends: np.ndarray) -> Spots:
        """Output i sees what positions ``starts[i]`` to ``ends[i]`` along `dim`
        see."""
        if self.along(dim) == 1:
            return self
        if (self.low > self.high).any() or not self.ascends(dim):
            # Some see nothing, or lie otherwise than what they see.
            return self._slid_over_each(dim, starts, ends)
        return Spots(
            _at(self.low, dim, starts), _at(self.high, dim, ends), self.all
        )

    def ascends(self, dim: int) -> bool:
        """Whether each next position along `dim` sees as far or further on."""
        return all((np.diff(table, axis=dim) >= 0).all() for table in self[:2])

    def _slid_over_each(self, dim: int, starts, ends) -> Spots:
        """As `slide`, position by position: nothing lies beyond the ends."""
        n = self.low.shape[dim]
        shape = [1] * self.low.ndim
        shape[dim] = len(starts)
        low, high = np.array(FAR), np.array(-FAR)
        for offset in range(int((ends - starts).max()) + 1):
            at = starts + offset
            there = ((at >= 0) & (at < n) & (at <= ends)).reshape(shape)
            at = np.clip(at, 0, n - 1)
            low = np.minimum(low, np.where(there, self.low.take(at, dim), FAR))
            high = np.maximum(high, np.where(there, self.high.take(at, dim), -FAR))
        return Spots(low, high, self.all)

    def window(self, dim, kernel, stride, padding, dilation, size) -> Spots:
        starts = np.arange(size) * stride - padding
        return self.slide(dim, starts, starts + (kernel - 1) * dilation)

    def adaptive(self, dim: int, n: int, size: int) -> Spots:
        i = np.arange(size)
        return self.slide(dim, i * n // size, -(-(i + 1) * n // size) - 1)

    def mix(self, dims: Iterable[int]) -> Axis | Spots:
        dims = tuple(d for d in dims if self.along(d) > 1)
        if not dims:
            return self
        low, high = (
            self.low.min(dims, keepdims=True),
            self.high.max(dims, keepdims=True),
        )
        if low.size > 1:
            return Spots(low, high, self.all)
        first, last = int(low.flat[0]), int(high.flat[0])
        return Axis(None, 1, first, last, last, 0, True)

    def mixed(self) -> Axis:
        if not self.low.size:
            return Axis(None, 1, 0, 0, 0, 0, self.all)  # of nothing
        first, last = self.whole
        return Axis(None, 1, first, last, last, 0, self.all or self.low.size > 1)

    def indexed(self, index: Sequence[int | slice | None]) -> Axis | Spots:
        """After ``tensor[index]``, which has a part for each dimension."""
        parts: list[int | slice | None] = []
        d = -sum(part is not None for part in index)
        for part in index:
            if part is not None and -d <= self.low.ndim:
                whole = self.low.shape[d] == 1 and isinstance(part, slice)
                parts.append(
                    slice(None) if whole else 0 if self.low.shape[d] == 1 else part
                )
            elif part is None and (parts or -d == self.low.ndim):
                parts.append(None)
            d += part is not None
        return tidy(self.each(lambda table: table[tuple(parts)]))

    @property
    def whole(self) -> tuple[int, int]:
        return int(self.low.min()), int(self.high.max())

    @property
    def extent(self) -> int:
        middle = tuple(n // 2 for n in self.low.shape)
        extent = int(self.high[middle] - self.low[middle]) + 1
        return extent if extent > 0 else int((self.high - self.low).max()) + 1


def _at(table: np.ndarray, dim: int, index: np.ndarray) -> np.ndarray:
    """`table` at `index` along `dim`; beyond its ends it goes on at its mean
    step."""
    n = table.shape[dim]
    inside = np.clip(index, 0, n - 1)
    ends = np.take(table, [0, n - 1], dim)
    step = (np.take(ends, [1], dim) - np.take(ends, [0], dim)) // max(n - 1, 1)
    shape = [1] * table.ndim
    shape[dim] = len(index)
    return np.take(table, inside, dim) + step * (index - inside).reshape(shape)


# What becomes of a tensor's reach


def each_axis(reach: Any, change: Callable[[Axis | Spots], Axis | Spots]) -> Any:
    if type(reach) is not tuple:
        return reach
    return change(reach[0]), change(reach[1])


def merge(reaches: Iterable) -> Any:
    """What a sum or product of tensors sees at each position: all that any of them
    sees."""
    merged = None
    for reach in reaches:
        if reach is None or reach is merged:
            continue
        if type(reach) is Unknown:
            return reach
        merged = reach if merged is None else tuple(map(_union, merged, reach))
    return merged


def _union(a: Axis | Spots, b: Axis | Spots) -> Any:
    if type(a) is Axis and type(b) is Axis:
        # Often one sees it all.
        if a.jump == b.jump and a.dim == b.dim and a.size == b.size:
            if (
                a.first <= b.first
                and a.last >= b.last
                and a.end >= b.end
                and a.all >= b.all
            ):
                return a
            if (
                b.first <= a.first
                and b.last >= a.last
                and b.end >= a.end
                and b.all >= a.all
            ):
                return b
        if a.dim == b.dim and a.jump == b.jump:
            first, last, end = (
                min(a.first, b.first),
                max(a.last, b.last),
                max(a.end, b.end),
            )
            size = max(a.size, b.size)
            return Axis(a.dim, size, first, last, end, a.jump, a.all or b.all)
    for alone, other in ((a, b), (b, a)):
        # One value, spread over positions of which none sees more (squeeze and
        # excitation): each sees all of it.
        if type(alone) is Axis and alone.dim is None:
            first, last = other.whole
            if alone.first <= first and alone.last >= last:
                return alone._replace(all=a.all or b.all)
    a, b = a.spots(), b.spots()
    if np.broadcast(a.low, b.low).size > max(a.low.size, b.low.size):
        return United(a, b)
    return _united(a, b)


def _united(a: Spots, b: Spots) -> Spots:
    low, high = np.minimum(a.low, b.low), np.maximum(a.high, b.high)
    return Spots(low, high, a.all or b.all)


def mix(reach: Any, dims: Iterable[int] | None) -> Any:
    """`reach` after an operation mixed the positions along `dims` (None: along
    all)."""

    def mixed(axis):
        if type(axis) is Axis:
            return axis.mixed() if dims is None or axis.dim in dims else axis
        return axis.mixed() if dims is None else axis.mix(dims)

    return each_axis(reach, mixed)


def windowed(
    reach: Any,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    sizes: Sequence[int],
    channels: bool = False,
) -> Any:
    """After a window slid over the last dimensions; `channels`: and mixed the one
    before them."""
    if type(reach) is not tuple:
        return reach
    n = len(sizes)
    above, beside = reach
    plain = n == 2 and type(above) is Axis and type(beside) is Axis
    # A feature map, as nearly always.
    if plain and above.dim == -2 and beside.dim == -1:
        return (
            above.window(kernel[0], stride[0], padding[0], dilation[0], sizes[0]),
            beside.window(kernel[1], stride[1], padding[1], dilation[1], sizes[1]),
        )

    def slid(axis):
        if type(axis) is Axis:
            dim = axis.dim
            if dim is None or dim < -n - channels:
                return axis
            if dim < -n:
                return axis.mixed()
            i = dim + n
            return axis.window(
                kernel[i], stride[i], padding[i], dilation[i], sizes[i]
            )
        for i in range(n):
            axis = axis.window(
                i - n, kernel[i], stride[i], padding[i], dilation[i], sizes[i]
            )
        return axis.mix((-n - 1,)) if channels else axis

    return each_axis(reach, slid)


def adaptive(reach: Any, old: Sequence[int], sizes: Sequence[int]) -> Any:
    """After an adaptive pooling of the last dimensions, `old` long before and
    `sizes` after."""
    n = len(sizes)

    def pooled(axis):
        if type(axis) is Axis:
            inside = axis.dim is not None and axis.dim >= -n
            return axis.adaptive(sizes[axis.dim]) if inside else axis
        for dim in range(-n, 0):
            axis = axis.adaptive(dim, old[dim], sizes[dim])
        return axis._replace(all=axis.all or axis.low.size == 1)

    return each_axis(reach, pooled)


def reduced(reach: Any, dims: set[int], keepdim: bool) -> Any:
    """After a mean, a sum or a maximum over `dims`."""

    def over(axis):
        if type(axis) is Axis:
            if axis.dim in dims:
                return axis.mixed()
            gone = (
                0
                if keepdim or axis.dim is None
                else sum(d > axis.dim for d in dims)
            )
            return axis if not gone else axis._replace(dim=axis.dim + gone)
        axis = axis.mix(dims)
        if type(axis) is Axis:  # of one position
            return axis
        gone = () if keepdim else tuple(d for d in dims if -d <= axis.low.ndim)
        return axis.each(lambda table: table.squeeze(gone)) if gone else axis

    return each_axis(reach, over)


def permuted(reach: Any, order: Sequence[int | None], old: int) -> Any:
    """After the dimensions were put in `order`: of the `old` ones, or None for one
    of length 1."""
    new = len(order)

    def moved(axis):
        if type(axis) is Axis:
            if axis.dim is None:
                return axis
            dim = axis.dim + old
            dim = order.index(dim) - new if dim in order else None
            return axis if dim == axis.dim else axis._replace(dim=dim)

        def transposed(table):
            table = of_rank(table, old)
            kept = [d for d in order if d is not None]
            # Those 1 long: they were squeezed.
            left = [d for d in range(old) if d not in kept]
            table = table.transpose(left + kept)[(0,) * len(left)]
            return table.reshape(
                [1 if d is None else table.shape[kept.index(d)] for d in order]
            )

        return axis.each(transposed)

    return each_axis(reach, moved)


def reshaped(reach: Any, old: Sequence[int], new: Sequence[int]) -> Any:
    """After a reshape, which splits and joins dimensions that lie side by side."""
    if 0 in old:
        return mix(reach, None)  # of nothing

    def laid_out(axis):
        if isinstance(axis, United):
            return axis.each(lambda table: _regrouped(table, old, new))
        if type(axis) is not Axis:
            # Twice is as once, unless a sum with a larger tensor came between.
            if type(axis) is Folded and tuple(axis.new) == tuple(old):
                folded = Folded(axis.axis, axis.old, new)
            else:
                folded = Folded(axis.spots(), old, new)
            return folded if folded.repeats() else folded.spots()
        dim = axis.dim
        # Often only what is left of it changes.
        if dim is None or old[dim:] == new[dim:]:
            return axis
        before, after = _group_of(dim, old, new)
        if [new[d] for d in after if new[d] > 1] == [
            old[d] for d in before if old[d] > 1
        ]:
            if axis.size == 1:
                return axis._replace(dim=None)
            if all(old[d] == 1 for d in before if d != dim):
                return axis._replace(dim=next(d for d in after if new[d] > 1))
        return Folded(axis, old, new)

    return each_axis(reach, laid_out)


class Later:
    """`Spots` when it comes to them. Most are mixed in the next layer, and never
    do."""

    _spots: Spots

    def spots(self) -> Spots:
        return self._spots

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spots, name)


class Folded(Later):
    """What lies along dimensions that were split, or joined with others."""

    def __init__(self, axis: Any, old: Sequence[int], new: Sequence[int]):
        self.axis, self.old, self.new = axis, old, new

    @cached_property
    def _spots(self) -> Spots:  # type: ignore[override]
        return self.axis.spots().each(self._regrouped)

    def _regrouped(self, table: np.ndarray) -> np.ndarray:
        return _regrouped(table, self.old, self.new)

    def repeats(self) -> bool:
        """Whether its table is larger than that of what it is made of."""
        for before, _ in _groups(self.old, self.new):
            varies = [along(self.axis, d) for d in before if self.old[d] > 1]
            if any(varies) and not all(varies):
                return True
        return False

    def mix(self, dims: Iterable[int]) -> Any:
        dims = set(dims)
        whole: list[int] = []
        for before, after in _groups(self.old, self.new):
            mixed = [d in dims for d in after if self.new[d] > 1]
            if not any(mixed) or not any(along(self.axis, d) for d in before):
                continue
            if not all(mixed):
                return self._spots.mix(dims)
            whole += before
        if not whole:
            return self
        if type(self.axis) is Axis:
            return self.axis.mixed()
        rest = self.axis.mix(whole)
        return rest if type(rest) is Axis else rest.each(self._regrouped)

    def mixed(self) -> Axis | Spots:
        return self.axis.mixed()


class United(Later):
    """What sees all that either sees, along different dimensions: the queries and
    the keys of attention, of which a table would be as large as their product."""

    def __init__(self, a: Spots, b: Spots):
        dims = max(a.low.ndim, b.low.ndim)
        self.a, self.b = (one.each(lambda t: of_rank(t, dims)) for one in (a, b))
        self.all = a.all or b.all

    @cached_property
    def _spots(self) -> Spots:  # type: ignore[override]
        return _united(self.a, self.b)

    def along(self, dim: int) -> int:
        return max(self.a.along(dim), self.b.along(dim))

    def each(self, change: Callable[[np.ndarray], np.ndarray]) -> United:
        return United(self.a.each(change), self.b.each(change))

    def mix(self, dims: Iterable[int]) -> Any:
        dims = tuple(dims)
        return _union(self.a.mix(dims), self.b.mix(dims))

    def mixed(self) -> Any:
        return _union(self.a.mixed(), self.b.mixed())

    @property
    def extent(self) -> int:
        shape = np.broadcast(self.a.low, self.b.low).shape
        middle = [slice(n // 2, n // 2 + 1) for n in shape]

        def at_middle(one: Spots) -> Spots:
            here = [
                m if n > 1 else slice(1)
                for m, n in zip(middle, one.low.shape, strict=True)
            ]
            return one.each(lambda table: table[tuple(here)])

        extent = _united(at_middle(self.a), at_middle(self.b)).extent
        return extent if extent > 0 else self._spots.extent


def of_rank(table: np.ndarray, rank: int) -> np.ndarray:
    """`table` with leading dimensions of length 1, so that it has `rank` at
    least."""
    return table.reshape((1,) * (rank - table.ndim) + table.shape)


def _regrouped(
    table: np.ndarray, old: Sequence[int], new: Sequence[int]
) -> np.ndarray:
    table = of_rank(table, len(old))
    before, after = [], []
    for from_old, to_new in _groups(old, new):
        varies = any(table.shape[d] > 1 for d in from_old)
        before += [old[d] if varies else 1 for d in from_old]
        after += [new[d] if varies else 1 for d in to_new]
    return np.broadcast_to(table, before).reshape(after)


def _group_of(
    dim: int, old: Sequence[int], new: Sequence[int]
) -> tuple[list[int], list[int]]:
    for from_old, to_new in _groups(old, new):
        if dim in from_old:
            return from_old, to_new
    raise AssertionError(f"{dim} is no dimension of {old}")


def _groups(
    old: Sequence[int], new: Sequence[int]
) -> Iterator[tuple[list[int], list[int]]]:
    """The smallest runs of dimensions of equal product: of [2, 6, 5] and [12, 5],
    2·6 and 5."""
    i, j = -len(old), -len(new)
    while i < 0 or j < 0:
        from_old, to_new = [i] if i < 0 else [], [j] if j < 0 else []
        m, n = old[i] if i < 0 else 1, new[j] if j < 0 else 1
        i, j = i + 1, j + 1
        while m != n:
            if m < n:
                from_old.append(i)
                m, i = m * old[i], i + 1
            else:
                to_new.append(j)
                n, j = n * new[j], j + 1
        yield from_old, to_new


def along(axis: Any, dim: int) -> bool:
    """Whether positions lie along `dim`."""
    return axis.dim == dim if type(axis) is Axis else axis.along(dim) > 1


def joined(reaches: Sequence[Any], sizes: Sequence[int], dim: int) -> Any:
    """After tensors, `sizes` long along `dim`, were put one after another along
    it."""
    known = [reach for reach in reaches if reach is not None]
    for reach in known:
        if type(reach) is Unknown:
            return reach
    if not any([along(axis, dim) for reach in known for axis in reach]):
        merged = merge(known)
        # A token that sees nothing yet, before tokens that see all.
        told_apart = 0 < len(known) < len(reaches) and all(
            type(axis) is Axis and axis.dim is None for axis in merged
        )
        if not told_apart:
            return merged
    nothing = Spots(np.array(FAR), np.array(-FAR))
    parts = []
    for k in (0, 1):
        spots = [
            nothing if reach is None else reach[k].spots() for reach in reaches
        ]
        tables = []
        for which in ("low", "high"):
            each = [getattr(spot, which) for spot in spots]
            dims = max(-dim, *(table.ndim for table in each))
            each = [of_rank(table, dims) for table in each]
            shape = list(np.broadcast_shapes(*(t.shape[:dim] for t in each)))
            rest = list(
                np.broadcast_shapes(*(t.shape[dim + 1 or dims :] for t in each))
            )
            tables.append(
                np.concatenate(
                    [
                        np.broadcast_to(table, [*shape, size, *rest])
                        for table, size in zip(each, sizes, strict=True)
                    ],
                    dim,
                )
            )
        low, high = tables
        parts.append(Spots(low, high, any(spot.all for spot in spots)))
    return tuple(parts)


def tidy(spots: Spots) -> Axis | Spots:
    """`spots` without the dimensions along which nothing changes; an `Axis` where
    it is one."""
    low, high = spots.low, spots.high
    if not low.size:
        return Axis(None, 1, 0, 0, 0, 0, spots.all)  # a tensor without elements
    for dim in range(low.ndim):
        a, b = low.take([0], dim), high.take([0], dim)
        if (low == a).all() and (high == b).all():
            low, high = a, b
    varies = [dim - low.ndim for dim, n in enumerate(low.shape) if n > 1]
    first, last = int(low.flat[0]), int(high.flat[0])
    if not varies:  # one position, or all see the same
        return Axis(None, 1, first, last, last, 0, spots.all or spots.low.size > 1)
    if len(varies) == 1:
        steps, size = np.diff(low.ravel()), low.size
        jump = int(steps[0])
        if (
            jump > 0
            and (steps == jump).all()
            and (high - low == last - first).all()
        ):
            return Axis(
                varies[0],
                size,
                first,
                last,
                last + (size - 1) * jump,
                jump,
                spots.all,
            )
    return Spots(low, high, spots.all)


# What a row says


def field_of(reach: Any) -> tuple[int | tuple[int, int] | None, str]:
    """The extent in pixels, one number if it is square, and what it is: "exact",
    "whole image", "nothing", or "unknown: " and the operation that lost it."""
    if type(reach) is not tuple:
        lost = type(reach) is Unknown
        return None, f"unknown: {reach}" if lost else "nothing"
    above, beside = reach
    height, width = above.extent, beside.extent
    if height < 1 or width < 1:
        return None, "nothing"
    what = "whole image" if above.all and beside.all else "exact"
    return height if height == width else (height, width), what
