"""What torch does inside a function that no rule answers: its primitive operations,
one by one.

Any function of torch, and any code of others that hides from Python (a scripted
function, a custom autograd function), comes down to a few hundred primitives that
torch runs here on the meta device. They say all that is needed: their matrix
products are counted by torch's own formulas, and the reach passes through each by
what kind it is. Only few need a line of their own (`REACHES`):

- torch itself tags those that work element by element;
- what has a `dim` mixes the positions along it;
- and what only re-arranges is known by its doing: it is run once more on real
  tensors that hold labels in place of values. If every output is one of the labels,
  and other labels come out in the same arrangement, then the output sees what the
  labelled positions see (`rearranged`).

What none of these explains is `Unknown`, by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map
from torch.utils.flop_counter import flop_registry

from cnnbook.profiling.reach import (
    FAR,
    Axis,
    Spots,
    Unknown,
    adaptive,
    along,
    each_axis,
    merge,
    mix,
    of_rank,
    permuted,
    reduced,
    reshaped,
    tidy,
    windowed,
)

META = torch.device("meta")
LARGEST_RUN = 1 << 24  # elements of the tensors on which a re-arrangement is run

# Each output sees all of both.
PRODUCTS = {"dot", "vdot", "ger", "addr"}

# What each primitive sees, by its name.
REACHES: dict[str, Callable[[Tensor, dict[str, Any]], Any]] = {}


def reaches(*names: str) -> Callable:
    """Enter a function of (output, arguments by name) that tells the reach of a
    primitive."""

    def enter(rule: Callable) -> Callable:
        REACHES.update(dict.fromkeys(names, rule))
        return rule

    return enter


def reach_of(value: Any) -> Any:
    return getattr(value, "reach", None)


def tensors_in(args: Sequence[Any], kwargs: dict[str, Any]) -> list[Tensor]:
    """The tensors among arguments, in the order of torch's trees, past them where
    all is flat."""
    found = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            found.append(value)
        elif type(value) not in FLAT:
            found += [t for t in tree_iter(value) if isinstance(t, Tensor)]
    return found


FLAT = {int, float, bool, str, type(None), slice, type(Ellipsis), torch.dtype,
        torch.device, torch.layout, torch.memory_format, torch.Size}  # fmt: skip


# Python's own operators that write to what stands on their left.
ASSIGNING = {
    f"__i{name}__"
    for name in ("add", "sub", "mul", "div", "truediv", "floordiv", "mod", "pow",
                 "matmul", "and", "or", "xor", "lshift", "rshift")
} | {"__setitem__"}  # fmt: skip


def overwrites(name: str) -> bool:
    """Whether a function of torch's writes to its first argument, as its name
    says."""
    plain = name.endswith("_") and not name.endswith("__")
    return plain or name in ASSIGNING


class Primitives(TorchDispatchMode):
    """Sees the primitives of one function: counts their multiply-adds, passes the
    reach on."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled here; to make sure would take most of the time.
        return False

    def __init__(self):
        super().__init__()
        self.flops = 0
        self.wrote: set[int] = set()  # the storages that were written to

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None and torch.is_inference_mode_enabled():
            with self:  # there torch leaves a matmul or a linear whole
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        inputs = tensors_in(args, kwargs)
        before = [reach_of(t) for t in inputs]
        out = func(*args, **kwargs)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=out) // 2
        if func._schema.is_mutable:
            self.wrote.update(_written(func, args, kwargs))
        if func.is_view:
            for each in tree_iter(out):
                if each is not inputs[0]:
                    each.base = inputs[0]
        if any(reach is not None for reach in before):
            stamp(func, args, kwargs, inputs, before, out)
        return out


def _written(func, args, kwargs) -> Iterator[int]:
    """The storages of the arguments that a primitive overwrites, by its schema."""
    named = _named(func, args, kwargs)
    for argument in func._schema.arguments:
        if argument.alias_info is not None and argument.alias_info.is_write:
            for tensor in tensors_in((named.get(argument.name),), {}):
                yield tensor.untyped_storage()._cdata


def _named(func, args, kwargs) -> dict[str, Any]:
    """The arguments of a primitive, by their names in its schema."""
    names = (argument.name for argument in func._schema.arguments)
    return dict(zip(names, args, strict=False)) | kwargs


def stamp(func, args, kwargs, inputs, before, out) -> None:
    """Write down what the outputs of a primitive see, and what it overwrote."""
    reach = merge_unknown(before)
    if reach is None:
        named = _named(func, args, kwargs)
        reach = primitive_reach(func, named, args, kwargs, inputs, before, out)
    outs: list[Any] = [out] if isinstance(out, Tensor) else [*tree_iter(out)]
    reaches = reach if type(reach) is list else [reach] * len(outs)
    for each, seen in zip(outs, reaches, strict=True):
        if seen is not None and isinstance(each, Tensor):
            noted: Any = each
            noted.reach = seen
    if func._schema.is_mutable:
        overwrite(inputs[0])


def overwrite(tensor: Tensor) -> None:
    """`tensor` was written to: what it is a view of now sees as much."""
    seen = reach_of(tensor)
    base = getattr(tensor, "base", None)
    while base is not None and seen is not None:
        seen = placed(seen, tensor, base)
        whole = merge((reach_of(base), seen))
        base.reach = each_axis(
            whole, lambda axis: axis if type(axis) is Axis else tidy(axis.spots())
        )
        tensor, base = base, getattr(base, "base", None)


def placed(seen: Any, part: Tensor, whole: Tensor) -> Any:
    """What `part` sees, as positions of `whole`, of which it is a view."""
    n = whole.dim()
    long = [d for d in range(n) if whole.shape[d] > 1]
    alike = part.dim() == n and all(part.stride(d) == whole.stride(d) for d in long)
    if not alike:
        return scattered(seen, part, whole)
    if part.shape == whole.shape:
        return seen
    offset = int(part.storage_offset()) - int(whole.storage_offset())
    around: dict[int, tuple[int, int]] = {}
    for d in sorted(long, key=whole.stride, reverse=True):
        start, offset = divmod(offset, max(whole.stride(d), 1))
        left = whole.shape[d] - start - part.shape[d]
        if start or left:
            around[d - n] = start, left

    def framed(axis):
        own = {d: ends for d, ends in around.items() if along(axis, d)}
        return axis.spots().framed(own) if own else axis

    return each_axis(seen, framed)


def scattered(seen: Any, part: Tensor, whole: Tensor) -> Any:
    """`placed`, where it is no block: by the places in memory."""
    if type(seen) is not tuple:
        return seen
    offset = int(part.storage_offset()) - int(whole.storage_offset())
    found = []
    for axis in seen:
        spots = axis.spots()
        inner = list(zip(part.shape, part.stride(), strict=True))
        outer = list(zip(whole.shape, whole.stride(), strict=True))
        for d, side in enumerate(outer):  # channels, mostly: all of them are alike
            for k, own in enumerate(inner):
                if own == side and not along(axis, k - len(inner)):
                    inner[k] = outer[d] = (1, 0)
                    break
        if math.prod(size for size, _ in outer) > LARGEST_RUN:
            return Unknown("written in place")
        places, written = _places(outer), _places(inner) + offset
        cells = 1 + int(places.max(initial=0))
        if written.size and not 0 <= written.min() <= written.max() < cells:
            return Unknown("written in place")
        low, high = np.full(cells, FAR), np.full(cells, -FAR)
        low[written] = np.broadcast_to(spots.low, written.shape)
        high[written] = np.broadcast_to(spots.high, written.shape)
        found.append(Spots(low[places], high[places], spots.all))
    return tuple(found)


def _places(dims: Sequence[tuple[int, int]]) -> np.ndarray:
    """Where in memory each position lies, by the sizes and strides of a tensor."""
    place = np.zeros((), int)
    for size, stride in dims:
        place = place[..., None] + stride * np.arange(size)
    return place


def merge_unknown(reaches: Sequence[Any]) -> Unknown | None:
    return next((reach for reach in reaches if type(reach) is Unknown), None)


@cache
def is_pointwise(func) -> bool:
    """By torch's own tag, which many forms that write in place lack, and some that
    take a number as a tensor: then by that of the plain form, or with a number."""
    if func.namespace != "aten":
        return torch.Tag.pointwise in func.tags
    name = func._overloadpacket.__name__.removesuffix("_")
    plain = getattr(torch.ops.aten, name, func._overloadpacket)
    alike = {func._overloadname, "Tensor", "Scalar"}
    forms = [getattr(plain, each) for each in alike & set(plain.overloads())]
    return any(torch.Tag.pointwise in form.tags for form in (func, *forms))


def primitive_reach(func, named, args, kwargs, inputs, before, out) -> Any:
    """A reach, or a list of one for each output."""
    name = func._overloadpacket.__name__
    rule = REACHES.get(name)
    found = NotImplemented if rule is None else rule(out, named)
    if found is not NotImplemented:
        return found
    if func._overloadpacket in flop_registry or name in PRODUCTS:
        return mix(merge(before), None)
    if is_pointwise(func):
        return merge(before)
    dependent = [
        t for t, seen in zip(inputs, before, strict=True) if seen is not None
    ]
    source = dependent[0] if len(dependent) == 1 else None
    # Of several outputs, such as a maximum and its place, each sees what the first
    # does.
    first = next((t for t in tree_iter(out) if isinstance(t, Tensor)), None)
    defaults = {a.name: a.default_value for a in func._schema.arguments}
    dim = named.get("dim", defaults.get("dim"))
    if first is not None and source is not None and "keepdim" in defaults:
        n = source.dim()
        if n == 0:
            return reach_of(source)
        dims = range(n) if dim is None or dim == [] else dim
        dims = {d % n - n for d in ([dims] if isinstance(dims, int) else dims)}
        return reduced(reach_of(source), dims, first.dim() == n)
    found = rearranged(func, args, kwargs, inputs, out)
    if found is not None:
        return found
    if source is not None and first is not None and first.is_floating_point():
        n = source.dim()
        if isinstance(dim, int) and first.dim() == n > 0:
            # A softmax, a running sum; sorted, or the largest few.
            rest = [d for d in range(n) if d != dim % n]
            if all(source.shape[d] == first.shape[d] for d in rest):
                return mix(reach_of(source), (dim % n - n,))
    if isinstance(out, Tensor) and out.numel() == 1:
        return mix(merge(before), None)
    found = chosen(name, named)
    return Unknown(name) if found is None else found


# Where the image decides which position is taken, it may be any of them


def chosen(name: str, given: dict[str, Any]) -> Any:
    """What is seen after places along some dimensions were chosen by numbers that
    depend on the image: what the numbers see, and all that lies along these
    dimensions. None for other functions and other numbers."""
    indices: list[Tensor | None]
    if name == "gather":
        source, number, n = given["self"], given["index"], given["self"].dim()
        if reach_of(number) is None:
            return None
        dim = given["dim"] % n
        sizes, others = (
            [*t.shape[:dim], *t.shape[dim + 1 :]] for t in (source, number)
        )
        alike = (dim - n,) if sizes == others else None
        return merge((mix(reach_of(source), alike), reach_of(number)))
    if name == "index":
        source, indices = given["self"], list(given["indices"])
    elif name == "index_select":
        source, dim = given["self"], given["dim"] % given["self"].dim()
        indices = [None] * dim + [given["index"]]
    elif name == "embedding":
        source, indices = given["weight"], [given["indices"]]
    else:
        return None
    numbers = [t for t in indices if t is not None]
    if not any(reach_of(t) is not None for t in numbers):
        return None
    n, k = source.dim(), max(t.dim() for t in numbers)
    by = [d for d, t in enumerate(indices) if t is not None]
    kept = [d for d in range(n) if d not in by]
    # Where the dimensions lie side by side, what takes their place does, too; else
    # it comes first.
    before = by[0] if by == list(range(by[0], by[-1] + 1)) else 0
    order = [*kept[:before], *[None] * k, *kept[before:]]
    whole = mix(reach_of(source), [d - n for d in by])
    seen = [permuted(whole, order, n)]
    for t in numbers:
        m = t.dim()
        ahead, behind = before + k - m, len(kept) - before
        seen.append(
            permuted(reach_of(t), [*[None] * ahead, *range(m), *[None] * behind], m)
        )
    return merge(seen)


# Re-arrangements


def rearranged(func, args, kwargs, inputs, out) -> Any:
    """The reach of each output if `func` only moves elements about, else None."""
    outs = [out] if isinstance(out, Tensor) else list(tree_iter(out))
    if not all(isinstance(t, Tensor) for t in outs):
        return None
    if sum(t.numel() for t in (*inputs, *outs)) > LARGEST_RUN:
        return None
    labels, tables, count = {}, [], 1  # label 0 is an element that sees nothing
    for t in inputs:
        if id(t) in labels:
            continue
        reach = reach_of(t)
        if reach is None:
            value = getattr(t, "value", None)
            if value is None and not t.is_floating_point():
                return None  # an index that nobody knows
            labels[id(t)] = (
                torch.zeros(()).double().expand(t.shape) if value is None else value
            )
            continue
        parts = [table for axis in reach for table in axis.spots()[:2]]
        shape = np.broadcast_shapes(*(part.shape for part in parts))
        tables.append([np.broadcast_to(part, shape).ravel() for part in parts])
        size = tables[-1][0].size
        numbers = torch.arange(count, count + size, dtype=torch.double).reshape(
            shape
        )
        labels[id(t)] = numbers.expand(t.shape)
        count += size
    shorter = _shortened(inputs, labels, outs)
    found = _run(func, args, kwargs, *shorter) if shorter else None
    if shorter and found is not None:
        labels, outs = shorter
    else:
        found = _run(func, args, kwargs, labels, outs)
    if found is None:
        return None
    if not func.is_view:
        order = (
            torch.randperm(
                count - 1, generator=torch.Generator().manual_seed(count)
            )
            + 1
        )
        order = torch.cat((torch.zeros(1, dtype=torch.long), order)).double()
        other = {
            key: order[label.long()] if label.dtype == torch.double else label
            for key, label in labels.items()
        }
        again = _run(func, args, kwargs, other, outs)
        if again is None:
            return None
        for label, moved in zip(found, again, strict=True):
            if not bool(
                ((label >= 0) & (label < count) & (label == label.floor())).all()
            ):
                return None
            if not torch.equal(order[label.long()], moved):
                return None
    nothing = (FAR, -FAR) * 2
    columns = [
        np.concatenate([[nothing[k]], *(table[k] for table in tables)])
        for k in range(4)
    ]
    all_of = [
        any(reach_of(t)[k].all for t in inputs if reach_of(t)) for k in (0, 1)
    ]
    results = []
    for label in found:
        for dim in range(label.dim()):
            if label.shape[dim] > 1 and (
                label.stride(dim) == 0
                or bool((label == label.narrow(dim, 0, 1)).all())
            ):
                label = label.narrow(dim, 0, 1)
        index = label.long().numpy()
        results.append(
            tuple(
                tidy(
                    Spots(
                        columns[2 * k][index], columns[2 * k + 1][index], all_of[k]
                    )
                )
                for k in (0, 1)
            )
        )
    return (
        results if len(results) > 1 or not isinstance(out, Tensor) else results[0]
    )


def _shortened(
    inputs, labels, outs
) -> tuple[dict[int, Tensor], list[Tensor]] | None:
    """The same with one element in place of many in each dimension along which no
    label changes.

    If the outputs come out just as much shorter, the function left those dimensions
    alone.
    """
    (first,), (out,) = inputs[:1], outs[:1]
    if len(outs) > 1 or len(labels) > 1 or out.dim() != first.dim():
        return None
    ((key, label),) = labels.items()
    lengths = [1 if label.stride(d) == 0 else n for d, n in enumerate(label.shape)]
    if lengths == list(label.shape):
        return None
    shape = [
        1 if short < n == m else m
        for short, n, m in zip(lengths, label.shape, out.shape, strict=True)
    ]
    narrow = label[tuple(slice(n) for n in lengths)]
    return {key: narrow}, [torch.empty(shape, device="meta")]


def _run(func, args, kwargs, labels, outs) -> list[Tensor] | None:
    def real(value):
        if isinstance(value, Tensor):
            return labels.get(id(value), value)
        if isinstance(value, torch.device):
            return torch.device("cpu")
        return value if value is not torch.float32 else torch.double

    try:
        args, kwargs = tree_map(real, (args, kwargs))
        if func._schema.is_mutable:
            args = (args[0].clone(), *args[1:])
        found = func(*args, **kwargs)
    except (RuntimeError, TypeError, NotImplementedError, IndexError, ValueError):
        return None
    found = [found] if isinstance(found, Tensor) else list(tree_iter(found))
    same = [
        isinstance(f, Tensor) and f.shape == o.shape
        for f, o in zip(found, outs, strict=True)
    ]
    if not all(same) or any(f.is_complex() for f in found):
        return None
    return [f.double() for f in found]


# Primitives with a rule of their own


@reaches("mm", "bmm", "addmm", "baddbmm", "_int_mm")
def _matmul(out, given):
    left = given.get("mat1", given.get("batch1", given.get("self")))
    right = given.get("mat2", given.get("batch2"))
    added = reach_of(given["self"]) if left is not given["self"] else None
    return merge((added, mix(reach_of(left), (-1,)), mix(reach_of(right), (-2,))))


@reaches("mv", "addmv")
def _times_vector(out, given):
    matrix = given["mat"] if "mat" in given else given["self"]
    added = given["self"] if "mat" in given else None
    of_rows = reduced(reach_of(matrix), {-1}, False)
    return merge((reach_of(added), of_rows, mix(reach_of(given["vec"]), None)))


@reaches("convolution", "_convolution")
def _convolution(out, given):
    input, weight = given["input"], given["weight"]
    n = weight.dim() - 2
    sizes = tuple(out.shape[-n:])
    if reach_of(weight) is not None:
        return mix(merge((reach_of(input), reach_of(weight))), None)
    window = (
        weight.shape[2:],
        given["stride"],
        given["padding"],
        given["dilation"],
    )
    if given["transposed"]:
        return transposed(reach_of(input), *window, sizes)
    return windowed(reach_of(input), *window, sizes, channels=True)


def transposed(reach, kernel, stride, padding, dilation, sizes) -> Any:
    """After a transposed convolution: output o sees the inputs i with o = i·s - p +
    k·d."""
    n = len(sizes)

    def slid(axis):
        axis = axis.spots().mix((-n - 1,)).spots()
        for i in range(n):
            o = np.arange(sizes[i]) + padding[i]
            starts = -(-(o - (kernel[i] - 1) * dilation[i]) // stride[i])
            # A kernel shorter than the stride leaves outputs that see nothing; they
            # count as seeing the nearest input.
            axis = axis.slide(
                i - n, np.minimum(starts, o // stride[i]), o // stride[i]
            )
        return tidy(axis)

    return each_axis(reach, slid)


@reaches("view", "_unsafe_view", "unsqueeze", "squeeze", "_reshape_alias")
def _reshaped(out, given):
    return reshaped(
        reach_of(given["self"]), tuple(given["self"].shape), tuple(out.shape)
    )


@reaches("permute", "transpose", "t")
def _permuted(out, given):
    n = given["self"].dim()
    order = list(range(n))
    if "dims" in given:
        order = [d % n for d in given["dims"]]
    elif n > 1:
        a, b = given.get("dim0", 0), given.get("dim1", 1)
        order[a], order[b] = order[b], order[a]
    return permuted(reach_of(given["self"]), order, n)


@reaches("expand")
def _expanded(out, given):
    """One position, repeated, is one wherever it stands."""
    return each_axis(
        reach_of(given["self"]),
        lambda axis: (
            axis._replace(dim=None)
            if type(axis) is Axis and axis.size == 1
            else axis
        ),
    )


@reaches("native_layer_norm", "_fused_rms_norm", "rms_norm")
def _layer_norm(out, given):
    return mix(reach_of(given["input"]), range(-len(given["normalized_shape"]), 0))


@reaches("native_group_norm")
def _group_norm(out, given):
    return mix(reach_of(given["input"]), None)


@reaches("native_batch_norm", "_native_batch_norm_legit",
         "_native_batch_norm_legit_no_training", "cudnn_batch_norm",
         "native_dropout", "_fused_dropout", "clone", "_to_copy",
         "_local_scalar_dense", "constant_pad_nd_same", "batch_norm_with_update",
         "_batch_norm_with_update", "rrelu_with_noise",
         "_prelu_kernel")  # fmt: skip
def _same(out, given):
    """By stored statistics, or element by element."""
    return reach_of(
        next(value for value in given.values() if reach_of(value) is not None)
    )


@reaches("empty_like", "zeros_like", "ones_like", "full_like", "rand_like",
         "randn_like", "randint_like", "new_empty", "new_zeros", "new_ones",
         "new_full", "new_empty_strided", "bernoulli", "zero_", "fill_", "normal_",
         "uniform_", "bernoulli_")  # fmt: skip
def _no_values(out, given):
    """What takes a tensor's shape only."""
    return None


@reaches("complex", "polar", "view_as_real", "view_as_complex", "real", "imag")
def _element_by_element(out, given):
    return merge(map(reach_of, given.values()))


@reaches("copy_")
def _copied(out, given):
    return merge((reach_of(given["src"]),))


@reaches("max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool2d",
         "avg_pool3d", "avg_pool1d", "max_pool1d", "max_pool2d",
         "max_pool3d")  # fmt: skip
def _pooled(out, given):
    first = out if isinstance(out, Tensor) else out[0]
    kernel = list(given["kernel_size"])
    n = len(kernel) if len(kernel) > 1 else first.dim() - 2

    def full(value, otherwise):
        value = list(value) if value else otherwise
        return value * n if len(value) == 1 else value

    kernel = full(kernel, None)
    return windowed(
        reach_of(given["self"]),
        kernel,
        full(given.get("stride"), kernel),
        full(given.get("padding"), [0] * n),
        full(given.get("dilation"), [1] * n),
        first.shape[-n:],
    )


def _patches(given: dict[str, Any], sizes: Sequence[int]) -> tuple[list, list]:
    """Of patches of an image of `sizes`: how many there are along rows and columns,
    and for each place in the kernel the slices of the padded image that it
    meets."""
    kernel, dilation, padding, stride = (
        given[name] for name in ("kernel_size", "dilation", "padding", "stride")
    )
    number = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, k, d, s in zip(
            sizes, padding, kernel, dilation, stride, strict=True
        )
    ]
    slices = [
        (
            place,
            tuple(
                slice(first * d, first * d + s * (n - 1) + 1, s)
                for first, d, s, n in zip(
                    place, dilation, stride, number, strict=True
                )
            ),
        )
        for place in np.ndindex(*kernel)
    ]
    return number, slices


@reaches("unfold")
def _windows(out, given):
    """Windows along one dimension, whose places become the last one."""
    input, size, step = given["self"], given["size"], given["step"]
    dim = given["dimension"] % input.dim() - input.dim()

    def slid(axis):
        def cut(table):
            table = of_rank(table, input.dim())
            if table.shape[dim] == 1:
                return table[..., None]
            every = (slice(None),) * (table.ndim + dim) + (slice(None, None, step),)
            return np.lib.stride_tricks.sliding_window_view(table, size, dim)[every]

        return tidy(axis.spots().each(cut))

    return each_axis(reach_of(input), slid)


@reaches("pixel_shuffle")
def _shuffled(out, given):
    """Channels laid out as pixels: each pixel sees what the place sees that it was
    made of."""
    reach, factor = reach_of(given["self"]), given["upscale_factor"]
    if type(reach) is not tuple or any(along(axis, -3) for axis in reach):
        return NotImplemented

    def spread(axis):
        axis = axis.spots()
        for dim in (-2, -1):
            places = np.arange(out.shape[dim]) // factor
            axis = axis.slide(dim, places, places)
        return axis

    return each_axis(reach, spread)


@reaches("im2col")
def _unfolded(out, given):
    """Patches as columns, N × C × H × W to N × (C · K · K) × patches."""
    input, kernel = given["self"], given["kernel_size"]
    *lead, channels, height, width = input.shape
    number, slices = _patches(given, (height, width))
    frame = dict(zip((-2, -1), ((p, p) for p in given["padding"]), strict=True))

    def whole(table):
        table = of_rank(table, 3)
        return np.broadcast_to(table, (*table.shape[:-2], height, width))

    def columns(table):
        each = np.stack([table[(..., *at)] for _, at in slices], -3)
        return each.reshape(*table.shape[:-2], *kernel, *number)

    def cut(axis):
        return axis.spots().each(whole).framed(frame).each(columns)

    parts = (*lead, channels, *kernel, *number)
    return reshaped(each_axis(reach_of(input), cut), parts, tuple(out.shape))


@reaches("col2im")
def _folded(out, given):
    """The sum of patches, N × (C · K · K) × patches to N × C × H × W: a pixel sees
    what each number sees that is added to it."""
    kernel, padding = given["kernel_size"], given["padding"]
    *lead, channels, height, width = out.shape
    number, slices = _patches(given, (height, width))
    parts = (*lead, channels, *kernel, *number)

    def summed(axis):
        spots = axis.spots()
        found = []
        for table, nothing, union in (
            (spots.low, FAR, np.minimum),
            (spots.high, -FAR, np.maximum),
        ):
            table = of_rank(table, 5)
            each = np.broadcast_to(table, (*table.shape[:-4], *kernel, *number))
            sizes = (height + 2 * padding[0], width + 2 * padding[1])
            whole = np.full((*table.shape[:-4], *sizes), nothing, table.dtype)
            for (i, j), at in slices:
                place = whole[(..., *at)]
                union(place, each[..., i, j, :, :], out=place)
            rows, columns = (
                slice(p, p + n)
                for p, n in zip(padding, (height, width), strict=True)
            )
            found.append(whole[..., rows, columns])
        return tidy(Spots(*found, spots.all))

    input = given["self"]
    reach = reshaped(reach_of(input), tuple(input.shape), parts)
    return each_axis(reach, summed)


def _adaptively(n: int):
    def rule(out, given):
        first = out if isinstance(out, Tensor) else out[0]
        input = given["self"]
        return adaptive(
            reach_of(input), tuple(input.shape), tuple(first.shape[-n:])
        )

    return rule


reaches("adaptive_avg_pool1d", "adaptive_max_pool1d")(_adaptively(1))
reaches("_adaptive_avg_pool2d", "adaptive_max_pool2d")(_adaptively(2))
reaches("_adaptive_avg_pool3d", "adaptive_max_pool3d")(_adaptively(3))


def upsampled(taps: int):
    """Interpolation over `taps` neighbours each way from the nearest one below."""

    def rule(out, given):
        input = given.get("self", given.get("input"))
        n = input.dim() - 2
        corners = given.get("align_corners", False)

        def slid(axis):
            axis = axis.spots()
            for dim in range(-n, 0):
                old, new = input.shape[dim], out.shape[dim]
                o = np.arange(new)
                at = (
                    o * ((old - 1) / max(new - 1, 1))
                    if corners
                    else (o + 0.5) * old / new - 0.5
                )
                below = np.floor(np.clip(at, 0, None)).astype(int)
                starts = np.clip(below - taps + 1, 0, old - 1)
                ends = np.clip(below + taps, 0, old - 1)
                axis = axis.slide(dim, starts, ends)
            return axis

        return each_axis(reach_of(input), slid)

    return rule


reaches("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d")(
    upsampled(1)
)
reaches("upsample_bicubic2d")(upsampled(2))
