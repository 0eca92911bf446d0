"""What each torch function does to shapes and receptive fields, and what it costs.

A rule takes the running `Shapes` mode and the function's own arguments, and returns a tensor of the
result's shape on the meta device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnbook.profiling.reach import UNKNOWN, Axis, each_axis, merge, mix
from cnnbook.profiling.table import ProfileError, TooSmall, times

META = torch.device("meta")


def _empty(shape: Iterable[int], like: Tensor, reach: Any) -> Tensor:
    out = torch.empty(shape, dtype=like.dtype, device=META)
    if reach is not None:
        out.reach = reach
    return out


def _ntuple(value: Any, n: int) -> tuple[int, ...]:
    if type(value) is tuple and len(value) == n:
        return value
    if isinstance(value, int):
        return (value,) * n
    value = tuple(value)
    return value * n if len(value) == 1 else value


def _through_window(reach, kernel, stride, padding, dilation, sizes) -> Any:
    """`reach` after a sliding window over the last two dimensions."""
    if reach is None or reach is UNKNOWN:
        return reach
    height, width = reach
    if (height.dim, width.dim) != (-2, -1) or len(sizes) != 2:
        return UNKNOWN
    return (
        height.window(kernel[0], stride[0], padding[0], dilation[0], sizes[0]),
        width.window(kernel[1], stride[1], padding[1], dilation[1], sizes[1]),
    )


def _conv(n, mode, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    shape, (filters, depth, *kernel) = tuple(input.shape), weight.shape
    if shape[-n - 1] != depth * groups:
        raise ProfileError(f"{mode.place()} takes {depth * groups} channels, got {shape[-n - 1]}")
    stride, dilation = _ntuple(stride, n), _ntuple(dilation, n)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        sizes, padding = shape[-n:], [t // 2 for t in total]
    else:
        padding = _ntuple(0 if padding == "valid" else padding, n)
        sizes = [
            (size + 2 * p - d * (k - 1) - 1) // s + 1
            for size, p, d, k, s in zip(shape[-n:], padding, dilation, kernel, stride, strict=True)
        ]
    if min(sizes) < 1:
        raise _too_small(mode, shape[-n:], kernel)
    reach = _through_window(getattr(input, "reach", None), kernel, stride, padding, dilation, sizes)
    outputs = (*shape[: -n - 1], filters, *sizes)
    flops = math.prod(outputs) * depth * math.prod(kernel)
    out = _empty(outputs, input, reach)
    return mode.row("conv", f"conv{n}d", out, outputs, reach, flops, weight, bias)


def _conv_transpose(func, mode, /, input, weight, bias=None, *args, **kwargs):
    out = mode.on_meta(func, (input, weight, bias, *args), kwargs)
    reach = None if getattr(input, "reach", None) is None else UNKNOWN
    mode.stamp(out, reach)
    flops = input.numel() * weight[0].numel()
    return mode.row("conv", func.__name__, out, out.shape, reach, flops, weight, bias)


def _linear(mode, input, weight, bias=None):
    *others, inputs = input.shape
    outputs, expected = weight.shape
    if inputs != expected:
        raise ProfileError(f"{mode.place()} takes {expected} inputs, got {inputs}")
    reach = mix(getattr(input, "reach", None), (-1,), keep=False)
    shape = (*others, outputs)
    out = _empty(shape, input, reach)
    flops = math.prod(shape) * inputs
    return mode.row("linear", "linear", out, shape, reach, flops, weight, bias)


def _pooled(mode, input, name, kernel, stride, padding, dilation, ceil_mode):
    n, shape = len(kernel), tuple(input.shape)
    sizes = []
    for size, k, s, p, d in zip(shape[-n:], kernel, stride, padding, dilation, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        outputs = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (outputs - 1) * s >= size + p:
            outputs -= 1  # a last window that would start in the padding is dropped
        sizes.append(outputs)
    if min(sizes) < 1:
        raise _too_small(mode, shape[-n:], kernel)
    reach = _through_window(getattr(input, "reach", None), kernel, stride, padding, dilation, sizes)
    shape = (*shape[:-n], *sizes)
    return mode.row("pool", name, _empty(shape, input, reach), shape, reach, 0)


def _max_pool(
    n, mode, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, **kwargs
):
    kernel = _ntuple(kernel_size, n)
    stride = _ntuple(stride, n) if stride else kernel
    out = _pooled(
        mode, input, f"max_pool{n}d", kernel, stride, _ntuple(padding, n), _ntuple(dilation, n),
        ceil_mode,
    )  # fmt: skip
    return (out, out.long()) if kwargs.get("return_indices") else out


def _avg_pool(
    n, mode, input, kernel_size, stride=None, padding=0, ceil_mode=False,
    count_include_pad=True, divisor_override=None,
):  # fmt: skip
    kernel = _ntuple(kernel_size, n)
    stride = _ntuple(stride, n) if stride else kernel
    name = f"avg_pool{n}d"
    return _pooled(mode, input, name, kernel, stride, _ntuple(padding, n), (1,) * n, ceil_mode)


def _adaptive_pool(n, name, mode, input, output_size, return_indices=False):
    sizes = _ntuple(output_size, n)
    shape = tuple(input.shape)
    sizes = [was if s is None else s for s, was in zip(sizes, shape[-n:], strict=True)]
    reach = getattr(input, "reach", None)
    if reach is not None and reach is not UNKNOWN:
        known = n == 2 and tuple(axis.dim for axis in reach) == (-2, -1)
        reach = (reach[0].adaptive(sizes[0]), reach[1].adaptive(sizes[1])) if known else UNKNOWN
    shape = (*shape[:-n], *sizes)
    out = mode.row("pool", name, _empty(shape, input, reach), shape, reach, 0)
    return (out, out.long()) if return_indices else out


def _too_small(mode, sizes, kernel) -> TooSmall:
    return TooSmall(f"{mode.place()} gets {times(sizes, '×')} for a window of {times(kernel, '×')}")


def _same(mode, input, *args, **kwargs):
    """Activations and the like: same shape, same receptive field."""
    return input


def _kept(func, mode, /, input, *args, **kwargs):
    """Copies: same shape, perhaps laid out in memory in another way."""
    out = mode.on_meta(func, (input, *args), kwargs)
    mode.stamp(out, getattr(input, "reach", None))
    return out


def _contiguous(mode, input, *args, **kwargs):
    """As `_kept`; the plain call on an activation needs no help from torch."""
    if args or kwargs or not input.is_meta or id(input) in mode.params:
        return _kept(Tensor.contiguous, mode, input, *args, **kwargs)
    if input.is_contiguous():
        return input
    return _empty(input.shape, input, getattr(input, "reach", None))


def _norm(mode, input, *args, **kwargs):
    """Normalisation by stored statistics, or over channels: reads parameters, keeps positions."""
    mode.reads(args)
    mode.reads(kwargs.values())
    return input


def _norm_over_image(mode, input, *args, **kwargs):
    """Group and instance norm: their statistics mix all positions."""
    _norm(mode, input, *args, **kwargs)
    return _empty(input.shape, input, mix(getattr(input, "reach", None), None, keep=True))


def _layer_norm(mode, input, normalized_shape, weight=None, bias=None, eps=1e-5):
    mode.reads((weight, bias))
    dims = range(-len(normalized_shape), 0)
    return _empty(input.shape, input, mix(getattr(input, "reach", None), dims, keep=True))


def _pointwise(func, mode, /, a, b=1, *args, **kwargs):
    """Sums, products and the like of two tensors, or of a tensor and a number."""
    reach_a, reach_b = getattr(a, "reach", None), getattr(b, "reach", None)
    mode.reads((a, b))
    if isinstance(a, Tensor) and not isinstance(b, Tensor) and a.is_floating_point():
        return a
    if _same_kind(a, b):
        if a.shape == b.shape and reach_a is reach_b:
            return a
        shape = _spread(a.shape, b.shape)
        if shape == list(a.shape) or (shape is not None and func not in IN_PLACE):
            return _empty(shape, a, merge((reach_a, reach_b)))
    out = mode.on_meta(func, (a, b, *args), kwargs)
    mode.stamp(out, merge((reach_a, reach_b)))
    return out


def _same_kind(*tensors: Any) -> bool:
    """Whether all are tensors without data, of one type and as many dimensions."""
    if not all([isinstance(t, Tensor) and t.is_meta for t in tensors]):
        return False
    dtype, dims = tensors[0].dtype, tensors[0].dim()
    return all([t.dtype == dtype and t.dim() == dims for t in tensors])


def _spread(a: torch.Size, b: torch.Size) -> list[int] | None:
    """The shape of a sum in which a length of 1 is repeated; None where the lengths do not fit."""
    if all(m == n or 1 in (m, n) for m, n in zip(a, b, strict=True)):
        return [n if m == 1 else m for m, n in zip(a, b, strict=True)]
    return None


def _cat(func, mode, /, tensors, *args, **kwargs):
    mode.reads(tensors)
    reach = merge(getattr(tensor, "reach", None) for tensor in tensors)
    shape = _joined(tensors, *args, **kwargs)
    if shape is not None:  # torch's own Python for it would take ten times as long
        return _empty(shape, tensors[0], reach)
    out = mode.on_meta(func, (tensors, *args), kwargs)
    mode.stamp(out, reach)
    return out


def _joined(tensors, dim=0, **kwargs) -> list[int] | None:
    """The shape of tensors one after another along `dim`; None for anything but the plain case."""
    if kwargs or not isinstance(dim, int) or not tensors or not _same_kind(*tensors):
        return None
    shape = list(tensors[0].shape)
    if not -len(shape) <= dim < len(shape):
        return None
    together = 0
    for tensor in tensors:
        other = list(tensor.shape)
        together += other[dim]
        shape[dim] = other[dim]
        if other != shape:
            return None
    shape[dim] = together
    return shape


def _moves(func, new_dim, mode, /, input, *args, **kwargs):
    """Views: ``new_dim(dim, size, old_shape, new_shape, args, kwargs)`` says where a dim went."""
    out = mode.on_meta(func, (input, *args), kwargs)
    old, new = tuple(input.shape), tuple(out.shape)

    def moved(axis: Axis) -> Axis | None:
        if axis.dim is None:
            return axis
        dim = new_dim(axis.dim + len(old), old, new, args, kwargs)
        if dim is None:  # no longer a dimension: fine where it had one position
            return axis._replace(dim=None) if old[axis.dim] == 1 else None
        dim -= len(new)
        return axis if dim == axis.dim else axis._replace(dim=dim)

    mode.stamp(out, each_axis(getattr(input, "reach", None), moved))
    return out


def _reshaped(dim, old, new, args, kwargs) -> int | None:
    """Where `dim` is after a reshape: a dimension of its own, or part of one."""
    size, right = old[dim], dim - len(old)
    if size > 1 and old[dim:] == new[right:]:
        return len(new) + right  # often only what is left of it changes
    before, start = math.prod(old[:dim]), 1
    for j, length in enumerate(new):
        if start * length > before and before % start == 0:
            inside = (start * length) % (before * size) == 0
            return j if inside and length > 1 else None
        start *= length
    return None


def _permuted(dim, old, new, args, kwargs) -> int:
    dims = kwargs.get("dims", args[0] if len(args) == 1 and not isinstance(args[0], int) else args)
    return [d % len(old) for d in dims].index(dim)


def _transposed(dim, old, new, args, kwargs) -> int:
    a, b = ((args + (kwargs.get("dim0"), kwargs.get("dim1")))[i] % len(old) for i in (0, 1))
    return {a: b, b: a}.get(dim, dim)


def _unsqueezed(dim, old, new, args, kwargs) -> int:
    at = (args[0] if args else kwargs["dim"]) % len(new)
    return dim + (at <= dim)


def _reduced(func, mode, /, input, *args, **kwargs):
    """Means, sums and maxima over dimensions."""
    dims = kwargs.get("dim", args[0] if args else None)
    if isinstance(dims, bool) or dims is None:
        dims = range(-input.dim(), 0)
    n = input.dim()
    given = [dims] if isinstance(dims, int) else dims
    dims = {(d % n) - n for d in given}
    keepdim = kwargs.get("keepdim", args[1] if len(args) > 1 else False)
    plain = input.is_meta and input.is_floating_point() and not kwargs.keys() - {"dim", "keepdim"}
    if plain and len(dims) == len(given) > 0 and all(-n <= d < n for d in given):
        # torch's own Python for it would take twenty times as long
        kept = ((size, d - n in dims) for d, size in enumerate(input.shape))
        out = _empty(
            [1 if gone else size for size, gone in kept if keepdim or not gone], input, None
        )
    else:
        out = mode.on_meta(func, (input, *args), kwargs)

    def reduced(axis: Axis) -> Axis:
        if axis.dim in dims:
            return axis.whole(keep=False)
        gone = 0 if keepdim or axis.dim is None else sum(d > axis.dim for d in dims)
        return axis if not gone else axis._replace(dim=axis.dim + gone)

    mode.stamp(out, each_axis(getattr(input, "reach", None), reduced))
    return out


def _softmax(func, mode, /, input, dim=None, *args, **kwargs):
    out = mode.on_meta(func, (input, dim, *args), kwargs)
    dims = None if dim is None else ((dim % input.dim()) - input.dim(),)
    mode.stamp(out, mix(getattr(input, "reach", None), dims, keep=True))
    return out


def _getitem(func, mode, input, index):
    out = mode.on_meta(func, (input, index), {})
    mode.stamp(out, _indexed(input, index))
    return out


def _indexed(input: Tensor, index: Any) -> Any:
    """The reach of ``input[index]`` for integers and slices; anything else is not followed."""
    reach = getattr(input, "reach", None)
    if reach is None or reach is UNKNOWN:
        return reach
    index = index if isinstance(index, tuple) else (index,)
    if not all(isinstance(i, int | slice) for i in index):
        return UNKNOWN
    n = input.dim()
    index = index + (slice(None),) * (n - len(index))
    kept = [d for d in range(n) if isinstance(index[d], slice)]

    def chosen(axis: Axis) -> Axis | None:
        if axis.dim is None:
            return axis
        part = index[axis.dim + n]
        if isinstance(part, int):  # one position: it sees what the widest one sees
            return axis._replace(dim=None, size=1, end=axis.last, jump=0)
        axis = axis._replace(dim=kept.index(axis.dim + n) - len(kept))
        return axis if part == slice(None) or axis.jump == 0 else None

    return each_axis(reach, chosen)


def _split(func, mode, /, input, *args, **kwargs):
    """Chunks: each sees what the whole saw, unless it is the image that is cut."""
    outs = mode.on_meta(func, (input, *args), kwargs)
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    dim = dim % input.dim() - input.dim()
    mode.stamp(
        outs,
        each_axis(getattr(input, "reach", None), lambda axis: None if axis.dim == dim else axis),
    )
    return outs


def _pad(func, mode, /, input, pad, *args, **kwargs):
    out = mode.on_meta(func, (input, pad, *args), kwargs)

    def padded(axis: Axis) -> Axis:
        if axis.dim is None or 2 * -axis.dim > len(pad):
            return axis
        before = pad[2 * (-axis.dim - 1)] * axis.jump
        size = out.shape[axis.dim]
        last = axis.last - before
        return Axis(
            axis.dim, size, axis.first - before, last, last + (size - 1) * axis.jump, axis.jump
        )

    mode.stamp(out, each_axis(getattr(input, "reach", None), padded))
    return out


def _methods(*names: str) -> list[Callable]:
    """The functions torch has under these names, as torch.X, Tensor.X and F.X."""
    places = (torch, Tensor, F)
    found = [getattr(place, name) for name in names for place in places if hasattr(place, name)]
    return list(dict.fromkeys(found))


def _rules() -> dict[Callable, Callable]:
    rules: dict[Callable, Callable] = {F.linear: _linear}
    for n in (1, 2, 3):
        rules[getattr(F, f"conv{n}d")] = partial(_conv, n)
        transpose = getattr(F, f"conv_transpose{n}d")
        rules[transpose] = partial(_conv_transpose, transpose)
        for name in (f"max_pool{n}d", f"max_pool{n}d_with_indices"):
            indices = {"return_indices": True} if name.endswith("indices") else {}
            for func in _methods(name):
                rules[func] = partial(_max_pool, n, **indices)
        rules[getattr(F, f"avg_pool{n}d")] = partial(_avg_pool, n)
        for kind in ("avg", "max"):
            name = f"adaptive_{kind}_pool{n}d"
            for func in _methods(name):
                rules[func] = partial(_adaptive_pool, n, name)
    same = _methods(
        "relu", "relu_", "relu6", "hardtanh", "hardswish", "hardsigmoid", "leaky_relu", "elu",
        "selu", "celu", "silu", "gelu", "mish", "softplus", "sigmoid", "sigmoid_", "tanh", "tanh_",
        "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout",
        "detach", "clamp", "clamp_", "abs", "neg", "exp", "sqrt", "rsqrt",
    )  # fmt: skip
    rules.update(dict.fromkeys(same, _same))
    rules.update(dict.fromkeys((F.batch_norm, F.local_response_norm, torch.prelu), _norm))
    rules.update(dict.fromkeys((F.group_norm, F.instance_norm), _norm_over_image))
    rules[F.layer_norm] = _layer_norm
    rules[Tensor.contiguous] = _contiguous
    # fmt: off
    families: list[tuple[Callable, tuple[str, ...]]] = [
        (_pointwise, ("add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_",
                      "__add__", "__iadd__", "__radd__", "__sub__", "__isub__", "__mul__",
                      "__imul__", "__rmul__", "__truediv__", "__itruediv__")),
        (_kept, ("clone", "to", "float", "type_as", "requires_grad_")),
        (_cat, ("cat", "concat")),
        (_reduced, ("mean", "sum", "amax", "amin")),
        (_softmax, ("softmax", "log_softmax")),
        (_getitem, ("__getitem__",)),
        (_split, ("chunk", "split")),
        (_pad, ("pad",)),
    ]
    moves = [
        (_reshaped, ("flatten", "view", "reshape", "squeeze")),
        (_permuted, ("permute",)),
        (_transposed, ("transpose",)),
        (_unsqueezed, ("unsqueeze",)),
    ]
    # fmt: on
    for rule, names in families:
        for func in _methods(*names):
            rules[func] = partial(rule, func)
    for new_dim, names in moves:
        for func in _methods(*names):
            rules[func] = partial(_moves, func, new_dim)
    return rules


RULES = _rules()


class LayerRule(NamedTuple):
    """A layer of torch's own whose `forward` only hands its attributes to one function."""

    run: Callable[[Any, Tensor, dict[str, Any]], Tensor]  # (mode, input, the layer's attributes)
    fits: Callable[[dict[str, Any]], bool]


def _weighted(attributes: dict[str, Any]) -> bool:
    """Whether weight and bias are parameters (pruning and the like make them attributes)."""
    parameters = attributes["_parameters"]
    return "weight" in parameters and "bias" in parameters


def _layers() -> dict[type, LayerRule]:
    def conv(n):
        def run(mode, input, layer):
            parameters = layer["_parameters"]
            return _conv(
                n, mode, input, parameters["weight"], parameters["bias"], layer["stride"],
                layer["padding"], layer["dilation"], layer["groups"],
            )  # fmt: skip

        return LayerRule(run, lambda layer: _weighted(layer) and layer["padding_mode"] == "zeros")

    def linear(mode, input, layer):
        parameters = layer["_parameters"]
        return _linear(mode, input, parameters["weight"], parameters["bias"])

    def max_pool(mode, input, layer):
        return _max_pool(
            2, mode, input, layer["kernel_size"], layer["stride"], layer["padding"],
            layer["dilation"], layer["ceil_mode"],
        )  # fmt: skip

    def avg_pool(mode, input, layer):
        return _avg_pool(
            2, mode, input, layer["kernel_size"], layer["stride"], layer["padding"],
            layer["ceil_mode"],
        )  # fmt: skip

    def adaptive(mode, input, layer):
        return _adaptive_pool(2, "adaptive_avg_pool2d", mode, input, layer["output_size"])

    return {
        nn.Conv1d: conv(1),
        nn.Conv2d: conv(2),
        nn.Conv3d: conv(3),
        nn.Linear: LayerRule(linear, _weighted),
        nn.MaxPool2d: LayerRule(max_pool, lambda layer: not layer["return_indices"]),
        nn.AvgPool2d: LayerRule(avg_pool, lambda layer: True),
        nn.AdaptiveAvgPool2d: LayerRule(adaptive, lambda layer: True),
    }


# Torch's own way from a layer to its function would take most of the time of a profile.
LAYERS = _layers()
IN_PLACE = set(_methods("add_", "sub_", "mul_", "div_", "__iadd__", "__isub__", "__imul__",
                        "__itruediv__"))  # fmt: skip
ATTENTION = {F.multi_head_attention_forward, F.scaled_dot_product_attention}
MIXES_ALL = ATTENTION | set(_methods("matmul", "bmm", "einsum", "__matmul__"))
FACTORIES = set(_methods("arange", "empty", "eye", "full", "linspace", "ones", "rand", "randint",
                         "randn", "randperm", "zeros"))  # fmt: skip
VALUES = set(_methods("item", "tolist", "numpy", "__bool__", "__float__", "__int__", "__index__",
                      "nonzero", "masked_select", "unique"))  # fmt: skip
GETTERS = {
    getattr(Tensor, name).__get__
    for name in ("shape", "device", "dtype", "ndim", "requires_grad", "is_meta", "layout", "grad",
                 "is_cuda", "is_quantized", "is_nested", "is_sparse")
} | set(_methods("size", "dim", "numel", "is_floating_point", "stride", "__len__"))  # fmt: skip
