"""What each torch function does to shapes and receptive fields, and what it costs:
one table.

A rule answers a function at once. It is entered where it is written, under the
function's name, for torch.X, torch.Tensor.X and torch.nn.functional.X alike; for
example

    @rule("square", "sign")
    def _elementwise(mode, input):
    return like(input)

makes both as quick as an activation. That is all that a new operation needs, and it
needs it for speed only: what has no rule is run on the meta device, as slowly and
as rightly as torch does it. So a rule may be narrow. Its arguments have torch's
names, and a call that names others passes it by; a call that it had rather not
answer (another type, shapes that do not fit, a tensor that does not depend on the
image) gets NotImplemented. It must not guess: where it answers, it says what torch
says. `tests/profiling/test_operations.py` holds the rules against torch.

A rule takes the running `Shapes` mode and the function's own arguments. It returns
tensors of the result's shape on the meta device, with their reach; new tensors,
unless torch returns the same. ``mode.row(...)`` writes a row of the profile. Layers
of torch's own that only hand their attributes to one function are answered without
torch's Python on the way to it: `LAYERS`, at the end.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnbook.profiling import reach as fields
from cnnbook.profiling.primitives import (
    META,
    overwrite,
    overwrites,
    transposed,
    upsampled,
)
from cnnbook.profiling.reach import Axis, merge, mix, windowed
from cnnbook.profiling.rows import ProfileError, TooSmall, times

# By torch's function: (mode, *its arguments) -> its result.
RULES: dict[Callable, Callable] = {}
# The arguments that its rule knows by name.
NAMES: dict[Callable, frozenset[str]] = {}


def functions(*names: str) -> list[Callable]:
    """The functions torch has under these names, as torch.X, Tensor.X and F.X."""
    places = (torch, Tensor, F)
    found = [
        getattr(place, name)
        for name in names
        for place in places
        if hasattr(place, name)
    ]
    return list(dict.fromkeys(filter(callable, found)))


def rule(*names: str, told: bool = False) -> Callable[[Callable], Callable]:
    """Enter a rule for the functions of these names; `told`: it takes the function
    first."""

    def enter(answer: Callable) -> Callable:
        for func in functions(*names):
            RULES[func] = run = partial(answer, func) if told else answer
            _mode, *parameters = inspect.signature(run).parameters.values()
            NAMES[func] = frozenset(
                p.name for p in parameters if p.kind != p.VAR_POSITIONAL
            )
        return answer

    return enter


def seen(input: Any) -> Any:
    """The reach of `input`; None for what does not depend on the image."""
    return getattr(input, "reach", None)


def empty(shape: Sequence[int], like: Tensor, reach: Any) -> Tensor:
    """Of `shape`, contiguous, of the type of `like`.

    An alias of `like` where it may be, which torch makes in a fifth of the time.
    They share a storage, which only `answers.py` reads, and a training step sets
    apart.
    """
    same = reach is not None and like.shape == shape
    out: Any = (
        like.detach()
        if same and like.is_meta and like.is_contiguous()
        else torch.empty(shape, dtype=like.dtype, device=META)
    )
    if reach is not None:
        out.reach = reach
    return out


def nothing_known(input: Any) -> bool:
    """Whether nothing but its shape is known of `input`: neither what it sees nor
    its values."""
    return type(input) is Tensor and input.is_meta and not hasattr(input, "value")


def like(input: Any) -> Any:
    """Another tensor as `input`, which sees the same."""
    reach = getattr(input, "reach", None)
    if reach is None:
        return laid_out_as(input) if nothing_known(input) else NotImplemented
    out: Any = input.detach() if input.is_contiguous() else laid_out_as(input)
    out.reach = reach
    return out


def laid_out_as(input: Tensor) -> Tensor:
    """What ``torch.empty_like`` gives, which torch finds in Python: the strides of
    `input`, unless one of its elements stands for several, or none for a place;
    along a dimension of length 1 they may be others."""
    if input.is_contiguous():
        return torch.empty(input.shape, dtype=input.dtype, device=META)
    shape, strides, expected = input.shape, input.stride(), 1
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size != 1:
            if stride != expected:
                return torch.empty_like(input)
            expected *= size
    return torch.empty_strided(shape, strides, dtype=input.dtype, device=META)


def overwritten(input: Any) -> Any:
    """`input` itself, after something was done to each element in its place."""
    known = getattr(input, "reach", None) is not None or nothing_known(input)
    return input if known else NotImplemented


def _ntuple(value: Any, n: int) -> tuple[int, ...]:
    if type(value) is tuple and len(value) == n:
        return value
    if isinstance(value, int):
        return (value,) * n
    value = tuple(map(int, value))
    return value * n if len(value) == 1 else value


# Convolutions, linear layers and pooling


def _conv(
    n, mode, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1
):
    shape, of_weight = input.shape, weight.shape
    if len(shape) != n + 2 or len(of_weight) != n + 2:
        _check_window(mode, stride, padding, dilation, groups)
        return NotImplemented
    filters, depth = of_weight[:2]
    if weight.dtype != input.dtype:
        raise _other_type(mode, input, weight)
    if shape[1] != depth * groups:
        raise ProfileError(
            f"{mode.place()} takes {depth * groups} channels, got {shape[1]}"
        )
    if groups < 1 or filters % groups:
        raise ProfileError(
            f"{mode.place()} has {filters} filters in {groups} groups"
        )
    if bias is not None and bias.shape != (filters,):
        raise ProfileError(
            f"{mode.place()} has {filters} filters and {tuple(bias.shape)} biases"
        )
    if padding != "same":
        padding = _ntuple(0 if padding == "valid" else padding, n)
    window = _ntuple(stride, n), padding, _ntuple(dilation, n)
    # Equal numbers of other types would find each other's answers.
    if not INTEGER.issuperset(map(type, chain.from_iterable(window))):
        return NotImplemented
    found = _convolved(shape, of_weight, *window)
    if found is None:
        _check_window(mode, *window)
        return NotImplemented
    padding, outputs, flops = found
    if min(outputs[2:]) < 1:
        raise _too_small(mode, shape[2:], of_weight[2:])
    reach = windowed(
        getattr(input, "reach", None),
        of_weight[2:],
        window[0],
        padding,
        window[2],
        outputs[2:],
        channels=True,
    )
    return mode.row(
        "conv",
        f"conv{n}d",
        empty(outputs, input, reach),
        outputs,
        reach,
        flops,
        weight,
        bias,
    )


def _check_window(mode, stride, padding, dilation, groups=1) -> None:
    """Refuse what torch refuses where there is data."""
    least = {"stride": (stride, 1), "padding": (padding, 0)}
    least |= {"dilation": (dilation, 1), "groups": (groups, 1)}
    for name, (given, low) in least.items():
        sides = given if isinstance(given, tuple | list) else (given,)
        for side in sides:
            if isinstance(side, int) and side < low:
                raise ProfileError(
                    f"{mode.place()} has a {name} of {side}; it is {low} at least"
                )


INTEGER = {int, str}  # a number, or a letter of "same"


@lru_cache(maxsize=4096)  # a network repeats its blocks
def _convolved(shape, weight, stride, padding, dilation):
    """The padding, the shape of the outputs and their multiply-adds; None where
    torch has to say."""
    if min(stride) < 1 or min(dilation) < 1:
        return None
    filters, depth, *kernel = weight
    if padding == "same":
        if max(stride) > 1:
            return None
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        sizes, padding = shape[2:], tuple([t // 2 for t in total])
    elif min(padding) < 0:
        return None
    else:
        sizes = [
            (size + 2 * p - d * (k - 1) - 1) // s + 1
            for size, p, d, k, s in zip(
                shape[2:], padding, dilation, kernel, stride, strict=True
            )
        ]
    outputs = (shape[0], filters, *sizes)
    return padding, outputs, math.prod(outputs) * depth * math.prod(kernel)


for _n in (1, 2, 3):
    rule(f"conv{_n}d")(partial(_conv, _n))


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", told=True)
def _conv_transpose(
    func,
    mode,
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
):
    n = weight.dim() - 2
    _check_window(mode, stride, padding, dilation, groups)
    if weight.dtype != input.dtype:
        raise _other_type(mode, input, weight)
    depth, channels = weight.shape[0], input.shape[-n - 1 :][:1]
    if channels != (depth,):
        raise ProfileError(
            f"{mode.place()} takes {depth} channels, got {times(channels, '×')}"
        )
    if depth % groups:
        raise ProfileError(f"{mode.place()} has {depth} filters in {groups} groups")
    if input.dim() != n + 2:
        return NotImplemented
    out = mode.run(
        func, input, weight, bias, stride, padding, output_padding, groups, dilation
    )
    window = (_ntuple(value, n) for value in (stride, padding, dilation))
    reach = transposed(
        seen(input), tuple(weight.shape[2:]), *window, tuple(out.shape[2:])
    )
    if reach is not None:
        out.reach = reach
    flops = input.numel() * weight[0].numel()
    name = func.__name__
    return mode.row("conv", name, out, tuple(out.shape), reach, flops, weight, bias)


@rule("linear")
def _linear(mode, input, weight, bias=None):
    if weight.dim() != 2 or input.dim() < 1:
        return NotImplemented
    if weight.dtype != input.dtype:
        raise _other_type(mode, input, weight)
    *others, inputs = input.shape
    outputs, expected = weight.shape
    if inputs != expected:
        raise ProfileError(f"{mode.place()} takes {expected} inputs, got {inputs}")
    if bias is not None and tuple(bias.shape) != (outputs,):
        return NotImplemented
    reach = mix(getattr(input, "reach", None), (-1,))
    shape = (*others, outputs)
    flops = math.prod(shape) * inputs
    out = empty(shape, input, reach)
    return mode.row("linear", "linear", out, shape, reach, flops, weight, bias)


def _pooled(mode, input, name, kernel, stride, padding, dilation, ceil_mode):
    n, shape = len(kernel), tuple(input.shape)
    # Without a batch, or by windows that torch may not take, torch answers itself.
    if (
        len(shape) != n + 2
        or min(*kernel, *stride, *dilation) < 1
        or min(padding) < 0
    ):
        _check_window(mode, stride, padding, dilation)
        return NotImplemented
    if any([2 * p > k for p, k in zip(padding, kernel, strict=True)]):
        return NotImplemented
    sizes = []
    for size, k, s, p, d in zip(
        shape[2:], kernel, stride, padding, dilation, strict=True
    ):
        room = size + 2 * p - d * (k - 1) - 1
        outputs = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (outputs - 1) * s >= size + p:
            outputs -= 1  # a last window that would start in the padding is dropped
        sizes.append(outputs)
    if min(sizes) < 1:
        raise _too_small(mode, shape[2:], kernel)
    reach = windowed(
        getattr(input, "reach", None), kernel, stride, padding, dilation, sizes
    )
    shape = (*shape[:2], *sizes)
    return mode.row("pool", name, empty(shape, input, reach), shape, reach, 0)


NO_STRIDE: tuple[Any, ...] = (None, (), [])  # then it is that of the kernel


def _max_pool(
    n,
    indices,
    mode,
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    return_indices=False,
):
    kernel = _ntuple(kernel_size, n)
    stride = kernel if stride in NO_STRIDE else _ntuple(stride, n)
    out = _pooled(
        mode,
        input,
        f"max_pool{n}d",
        kernel,
        stride,
        _ntuple(padding, n),
        _ntuple(dilation, n),
        ceil_mode,
    )
    return _with_indices(out) if indices or return_indices else out


def _with_indices(out: Any) -> Any:
    if out is NotImplemented:
        return out
    indices: Any = torch.empty(out.shape, dtype=torch.long, device=META)
    indices.reach = seen(out)
    return out, indices


def _avg_pool(
    n, mode, input, kernel_size, stride=None, padding=0, ceil_mode=False,
    count_include_pad=True, divisor_override=None,
):  # fmt: skip
    kernel = _ntuple(kernel_size, n)
    stride = kernel if stride in NO_STRIDE else _ntuple(stride, n)
    name = f"avg_pool{n}d"
    if divisor_override == 0:
        raise ProfileError(f"{mode.place()} has a divisor_override of 0")
    return _pooled(
        mode, input, name, kernel, stride, _ntuple(padding, n), (1,) * n, ceil_mode
    )


def _adaptive_pool(n, name, mode, input, output_size, return_indices=False):
    shape = tuple(input.shape)
    if len(shape) != n + 2:
        return NotImplemented
    sizes = output_size if output_size is None else _ntuple(output_size, n)
    if sizes is None or len(sizes) != n:
        return NotImplemented
    sizes = tuple(
        was if s is None else s for s, was in zip(sizes, shape[2:], strict=True)
    )
    if min(*sizes, *shape) < 1:
        return NotImplemented
    reach = fields.adaptive(getattr(input, "reach", None), shape, sizes)
    shape = (*shape[:2], *sizes)
    out = mode.row("pool", name, empty(shape, input, reach), shape, reach, 0)
    return _with_indices(out) if return_indices else out


for _n in (1, 2, 3):
    rule(f"avg_pool{_n}d")(partial(_avg_pool, _n))
    rule(f"max_pool{_n}d")(partial(_max_pool, _n, False))
    rule(f"max_pool{_n}d_with_indices")(partial(_max_pool, _n, True))
    for _kind in ("avg", "max"):
        _name = f"adaptive_{_kind}_pool{_n}d"
        rule(_name)(partial(_adaptive_pool, _n, _name))


def _other_type(mode, input: Tensor, weight: Tensor) -> ProfileError:
    return ProfileError(
        f"{mode.place()} has weights of {weight.dtype} and gets {input.dtype}"
    )


def _too_small(mode, sizes, kernel) -> TooSmall:
    return TooSmall(
        f"{mode.place()} gets {times(sizes, '×')} for a window of "
        f"{times(kernel, '×')}"
    )


# Attention, products of matrices, recurrent layers


@rule("scaled_dot_product_attention")
def _attention(
    mode,
    query,
    key,
    value,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    scale=None,
):
    *lead, queries, width = query.shape
    keys, depth = value.shape[-2:]
    if key.shape != (*lead, keys, width) or value.shape != (*lead, keys, depth):
        return NotImplemented
    if len(lead) < 1 or not query.dtype == key.dtype == value.dtype:
        return NotImplemented
    reaches = [
        mix(seen(query), (-1,)),
        mix(seen(key), (-2, -1)),
        mix(seen(value), (-2,)),
    ]
    if attn_mask is not None:
        mode.reads((attn_mask,))
        fits = zip(
            reversed(attn_mask.shape),
            (keys, queries, *reversed(lead)),
            strict=False,
        )
        if not all(n in (1, m) for n, m in fits) or attn_mask.dim() > query.dim():
            return NotImplemented
        if is_causal or attn_mask.dtype not in (torch.bool, query.dtype):
            return NotImplemented
        reaches.append(mix(seen(attn_mask), (-1,)))
    reach, shape = merge(reaches), (*lead, queries, depth)
    flops = math.prod(lead) * queries * keys * (width + depth)
    out = empty(shape, query, reach)
    return mode.row("attention", "attention", out, shape, reach, flops)


@rule("multi_head_attention_forward")
def _multi_head_attention(
    mode, query, key, value, embed_dim_to_check, num_heads, in_proj_weight,
    in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p, out_proj_weight,
    out_proj_bias, training=True, key_padding_mask=None, need_weights=True,
    attn_mask=None, use_separate_proj_weight=False, q_proj_weight=None,
    k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None,
    average_attn_weights=True, is_causal=False,
):  # fmt: skip
    """Sequence first, and no masks or biases of keys: what a Vision Transformer
    asks for."""
    unusual = (bias_k, bias_v, key_padding_mask, attn_mask, static_k, static_v)
    if (
        any(x is not None for x in unusual)
        or add_zero_attn
        or use_separate_proj_weight
    ):
        return NotImplemented
    if query.dim() != 3 or key.shape != value.shape or key.dim() != 3 or is_causal:
        return NotImplemented
    (queries, batch, width), keys = query.shape, key.shape[0]
    if (
        key.shape[1:] != query.shape[1:]
        or width != embed_dim_to_check
        or width % num_heads
    ):
        return NotImplemented
    if (
        tuple(in_proj_weight.shape) != (3 * width, width)
        or in_proj_weight.dtype != query.dtype
    ):
        return NotImplemented
    if tuple(out_proj_weight.shape) != (width, width):
        return NotImplemented
    all_keys = merge((seen(key), seen(value)))
    reach = merge((mix(seen(query), (-1,)), mix(all_keys, (-3, -1))))
    out = empty((queries, batch, width), query, reach)
    projections = 2 * (queries + keys) * width * width
    flops = batch * (projections + 2 * queries * keys * width)
    weights = (in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias)
    mode.reads(weights)
    mode.row(
        "attention",
        "attention",
        out,
        tuple(out.shape),
        reach,
        flops,
        None,
        *weights,
    )
    if not need_weights:
        return out, None
    heads = () if average_attn_weights else (num_heads,)
    return out, empty((batch, *heads, queries, keys), query, mix(reach, None))


@rule("bmm")
def _batch_of_matrices(mode, input, mat2):
    if not input.dim() == mat2.dim() == 3:
        raise ProfileError(
            f"{mode.place()} multiplies batches of matrices, of 3 dimensions, and "
            f"gets {input.dim()} and {mat2.dim()}"
        )
    return _matmul(mode, input, mat2)


@rule("matmul", "__matmul__")
def _matmul(mode, input, other):
    if not (isinstance(other, Tensor) and input.dim() == other.dim() >= 2):
        return NotImplemented
    (*lead, rows, inner), (*beside, expected, columns) = input.shape, other.shape
    if lead != beside or inner != expected or input.dtype != other.dtype:
        return NotImplemented
    reach = merge((mix(seen(input), (-1,)), mix(seen(other), (-2,))))
    if reach is None:
        return NotImplemented
    mode.reads((input, other))
    shape = (*lead, rows, columns)
    out = empty(shape, input, reach)
    flops = math.prod(shape) * inner
    return mode.row(
        "matmul", "matmul", out, shape, reach, flops, None, input, other
    )


def _recurrent(gates, mode, input, hidden, weights, has_biases, layers, dropout,
               train, bidirectional, batch_first):  # fmt: skip
    """All time steps at once, which torch would run one by one."""
    if input.dim() != 3 or not isinstance(weights, list | tuple):
        return NotImplemented  # a packed sequence
    state = hidden[0] if gates == "lstm" else hidden
    time, batch, _ = input.shape
    if batch_first:
        time, batch = batch, time
    directions = 2 if bidirectional else 1
    matrices = [w for w in weights if w.dim() == 2]
    if state.dim() != 3 or state.shape[:2] != (layers * directions, batch):
        return NotImplemented
    if matrices[0].shape[1] != input.shape[2] or matrices[0].dtype != input.dtype:
        return NotImplemented
    mode.reads(weights)
    width = state.shape[2] * directions
    reach = mix(seen(input), (-2 if batch_first else -3, -1))
    shape = (batch, time, width) if batch_first else (time, batch, width)
    out = empty(shape, input, reach)
    last = mix(reach, None)
    states = [
        empty(h.shape, h, last) for h in (hidden if gates == "lstm" else (hidden,))
    ]
    flops = time * batch * sum(w.numel() for w in matrices)
    mode.row("matmul", "matmul", out, shape, reach, flops, None, *weights)
    return (out, *states)


for _name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
    rule(_name)(partial(_recurrent, _name))


# Element by element


def _writes_in_place(
    func: Callable,
) -> Callable[[Sequence[Any], dict[str, Any]], bool]:
    """Whether a call of `func` overwrites its input, as its name or its `inplace`
    says."""
    if overwrites(getattr(func, "__name__", "")):
        return lambda args, kwargs: True
    try:
        at = list(inspect.signature(func).parameters).index("inplace") - 1
    except ValueError:  # no such argument, or a function of C++
        return lambda args, kwargs: False
    return lambda args, kwargs: kwargs.get("inplace", len(args) > at and args[at])


def _element_by_element(in_place, mode, input, /, *args, **kwargs):
    """Activations and the like, of one floating tensor and of numbers: same shape,
    same type."""
    if not isinstance(input, Tensor) or not input.is_floating_point():
        return NotImplemented
    if kwargs.keys() - SETTINGS:
        return NotImplemented
    for value in (*args, *kwargs.values()):
        if type(value) not in NUMBERS and value not in ("none", "tanh"):
            return NotImplemented
    return overwritten(input) if in_place(args, kwargs) else like(input)


NUMBERS = {int, float, bool}
SETTINGS = {"inplace", "min_val", "max_val", "negative_slope", "alpha",
            "approximate", "beta", "threshold"}  # fmt: skip
for _func in functions(
    "relu", "relu_", "relu6", "hardtanh", "hardswish", "hardsigmoid", "leaky_relu",
    "elu", "selu", "celu", "silu", "gelu", "mish", "softplus", "sigmoid",
    "sigmoid_", "tanh", "tanh_", "neg", "exp", "sqrt", "rsqrt", "abs", "softsign",
    "logsigmoid", "sin", "cos", "log", "erf", "square", "sign", "reciprocal", "pow",
    "__pow__",
):  # fmt: skip
    RULES[_func] = partial(_element_by_element, _writes_in_place(_func))
    NAMES[_func] = frozenset(SETTINGS)


@rule("clamp", "clamp_", told=True)
def _clamp(func, mode, input, min=None, max=None):
    if min is max is None or not {type(min), type(max)} <= NUMBERS | {type(None)}:
        return NotImplemented
    if not input.is_floating_point():
        return NotImplemented
    return overwritten(input) if func.__name__ == "clamp_" else like(input)


@rule("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
      "feature_alpha_dropout", told=True)  # fmt: skip
def _dropout(func, mode, input, p=0.5, training=False, inplace=False):
    dims = func.__name__[7:-1]
    if not 0 <= p <= 1 or dims.isdigit() and input.dim() != int(dims) + 2:
        return NotImplemented
    return overwritten(input) if inplace else like(input)


@rule("_assert")
def _asserted(mode, condition, message=None):
    if isinstance(condition, Tensor):
        return NotImplemented  # an activation's value
    assert condition, message


@rule("clone", "detach")
def _copied(mode, input):
    return like(input)


@rule("requires_grad_")
def _marked(mode, input, requires_grad=True):
    return input if seen(input) else NotImplemented


@rule("contiguous")
def _contiguous(mode, input):
    reach = seen(input)
    if reach is None:
        return NotImplemented
    return input if input.is_contiguous() else empty(input.shape, input, reach)


@rule("to", "cpu", "cuda", "float", "type_as", told=True)
def _moved(
    func,
    mode,
    input,
    *args,
    dtype=None,
    device=None,
    non_blocking=False,
    copy=False,
    memory_format=None,
):
    """To another type; where the values lie does not matter to what has none."""
    if func is Tensor.float:
        dtype = torch.float32
    for value in args:
        dtype = (
            value
            if isinstance(value, torch.dtype)
            else getattr(value, "dtype", dtype)
        )
    if dtype is None or dtype == input.dtype:
        return like(input) if copy and seen(input) else input
    if seen(input) is None:
        return mode.other(Tensor.type, (input, dtype), {})
    out = torch.empty(input.shape, dtype=dtype, device=META)
    out.reach = seen(input)
    return out


def _combined(in_place, mode, input, other):
    """Sums, products and the like of two tensors, or of a tensor and a number."""
    if not isinstance(input, Tensor):
        return NotImplemented
    mine = getattr(input, "reach", None)
    if not isinstance(other, Tensor):
        if type(other) not in NUMBERS or not input.is_floating_point():
            return NotImplemented
        if in_place:
            return overwritten(input)
        return like(mode.to_meta(input) if id(input) in mode.params else input)
    theirs = getattr(other, "reach", None)
    if input.dtype != other.dtype or mine is None and in_place:
        return NotImplemented
    alike = input.is_contiguous() and other.is_contiguous()
    # One that is nothing but a shape hides the other's values.
    hidden = nothing_known(input) or nothing_known(other)
    if mine is theirs is None and not (alike and hidden):
        return NotImplemented
    if not input.is_floating_point():
        return NotImplemented
    mode.used.add(id(input))
    mode.used.add(id(other))
    shape = input.shape
    if shape != other.shape:
        shape = _spread(shape, other.shape)
        if shape is None or in_place and shape != input.shape:
            return NotImplemented
    reach = mine if mine is theirs else merge((mine, theirs))
    if not in_place:
        if alike or shape != input.shape or input.stride() != other.stride():
            return empty(shape, input, reach)
        out: Any = laid_out_as(input)
        out.reach = reach
        return out
    if reach is not mine:
        input.reach = reach
        overwrite(input)
    return input


for _name in ("add", "sub", "mul", "div"):
    rule(_name, f"__{_name}__", f"__r{_name}__")(partial(_combined, False))
    rule(f"{_name}_", f"__i{_name}__")(partial(_combined, True))
rule("__truediv__")(partial(_combined, False))
rule("__itruediv__")(partial(_combined, True))


def _spread(a: torch.Size, b: torch.Size) -> tuple[int, ...] | None:
    """The shape of a sum in which a length of 1 is repeated; None where the lengths
    do not fit."""
    if len(a) < len(b):
        a, b = b, a
    lead = len(a) - len(b)
    if all([m == n or m == 1 or n == 1 for m, n in zip(a[lead:], b, strict=True)]):
        return (
            *a[:lead],
            *[n if m == 1 else m for m, n in zip(a[lead:], b, strict=True)],
        )
    return None


# Normalisation


@rule("batch_norm")
def _batch_norm(
    mode,
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
):
    """By stored statistics, or by those of the batch: either way a position stays
    one."""
    if not _normalises(
        input, input.shape[1:2], running_mean, running_var, weight, bias
    ):
        return NotImplemented
    if training and not mode.of_many and input.numel() == input.shape[1]:
        return NotImplemented  # a variance of one value, which torch refuses
    if not training and running_mean is None:
        return NotImplemented
    mode.reads((running_mean, running_var, weight, bias))
    return like(input)


def _normalises(
    input: Tensor, shape: Sequence[int], *parameters: Tensor | None
) -> bool:
    shape = tuple(shape)
    return input.dim() > 1 and all(
        [p is None or tuple(p.shape) == shape for p in parameters]
    )


@rule("group_norm")
def _group_norm(mode, input, num_groups, weight=None, bias=None, eps=1e-5):
    """Its statistics mix all positions."""
    shape = input.shape
    if num_groups < 1 or shape[1:2] == (0,):
        raise ProfileError(
            f"{mode.place()} normalises {times(shape, '×')} in {num_groups} groups"
        )
    if not _normalises(input, shape[1:2], weight, bias) or shape[1] % num_groups:
        return NotImplemented
    if not mode.of_many and shape.numel() == num_groups:
        return NotImplemented  # groups of one value, which torch refuses
    mode.reads((weight, bias))
    return empty(shape, input, mix(seen(input), None))


@rule("instance_norm")
def _instance_norm(
    mode,
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    shape = input.shape
    if not _normalises(input, shape[1:2], running_mean, running_var, weight, bias):
        return NotImplemented
    if len(shape) < 3 or shape[2:].numel() == 1:
        return NotImplemented
    mode.reads((running_mean, running_var, weight, bias))
    return empty(shape, input, mix(seen(input), None))


@rule("layer_norm")
def _layer_norm(mode, input, normalized_shape, weight=None, bias=None, eps=1e-5):
    normalized = tuple(normalized_shape)
    if not normalized or input.shape[-len(normalized) :] != normalized:
        return NotImplemented
    if not _normalises(input, normalized, weight, bias):
        return NotImplemented
    mode.reads((weight, bias))
    return empty(input.shape, input, mix(seen(input), range(-len(normalized), 0)))


@rule("rms_norm")
def _rms_norm(mode, input, normalized_shape, weight=None, eps=None):
    return _layer_norm(mode, input, normalized_shape, weight)


@rule("normalize")
def _normalize(mode, input, p=2.0, dim=1, eps=1e-12, out=None):
    n = input.dim()
    if (
        out is not None
        or type(p) not in NUMBERS
        or type(dim) is not int
        or not -n <= dim < n
    ):
        return NotImplemented
    if not input.is_floating_point() or seen(input) is None:
        return NotImplemented
    return empty(input.shape, input, mix(seen(input), (dim % n - n,)))


@rule("local_response_norm")
def _local_response_norm(mode, input, size, alpha=1e-4, beta=0.75, k=1.0):
    if size < 1:
        raise ProfileError(f"{mode.place()} has a size of {size}; it is 1 at least")
    return like(input) if input.dim() > 2 and input.numel() else NotImplemented


@rule("prelu")
def _prelu(mode, input, weight):
    if (
        input.dim() < 2
        or weight.numel() not in (1, input.shape[1])
        or weight.dim() != 1
    ):
        return NotImplemented
    mode.reads((weight,))
    return like(input)


@rule("softmax", "log_softmax")
def _softmax(mode, input, dim=None, _stacklevel=3, dtype=None):
    n = input.dim()
    if type(dim) is not int or dtype is not None:
        return NotImplemented
    if not -n <= dim < n:
        raise ProfileError(
            f"{mode.place()} has {n} dimensions and no {dim} to softmax over"
        )
    if not (input.is_floating_point() or input.is_complex()):
        raise ProfileError(f"{mode.place()} takes a softmax of {input.dtype}")
    if not input.is_floating_point() or seen(input) is None:
        return NotImplemented
    return empty(input.shape, input, mix(seen(input), (dim % n - n,)))


@rule("mean", "sum", "amax", "amin")
def _reduced(mode, input, dim=None, keepdim=False):
    """Means, sums and maxima over dimensions."""
    n, reach = input.dim(), seen(input)
    if reach is None or not input.is_floating_point() or not input.numel():
        return NotImplemented
    given = (
        range(n) if dim is None or dim == () else [dim] if type(dim) is int else dim
    )
    if not all([type(d) is int and -n <= d < n for d in given]):
        return NotImplemented
    dims = {d % n - n for d in given}
    if len(dims) != len(given):
        return NotImplemented
    kept = ((size, d - n in dims) for d, size in enumerate(input.shape))
    shape = [1 if gone else size for size, gone in kept if keepdim or not gone]
    return empty(shape, input, fields.reduced(reach, dims, keepdim))


# What moves elements about


@rule("cat", "concat")
def _cat(mode, tensors, dim=0):
    if (
        not tensors
        or type(dim) is not int
        or not all([isinstance(t, Tensor) for t in tensors])
    ):
        return NotImplemented
    first = tensors[0]
    n, dtype = first.dim(), first.dtype
    if not -n <= dim < n or not any([seen(t) for t in tensors]):
        return NotImplemented
    dim = dim % n
    shape = list(first.shape)
    sizes = []
    for tensor in tensors:
        other = list(tensor.shape)
        if len(other) != n or tensor.dtype != dtype:
            return NotImplemented
        sizes.append(other[dim])
        shape[dim] = other[dim]
        if other != shape:
            return NotImplemented
    shape[dim] = sum(sizes)
    mode.reads(tensors)
    return empty(
        shape, first, fields.joined([seen(t) for t in tensors], sizes, dim - n)
    )


def view_of(input: Tensor, out: Any, reach: Any) -> Tensor:
    if out is not input:  # as what is flat already is, flattened
        out.reach, out.base = reach, input
    return out


@rule("flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten", told=True)
def _reshaped(func, mode, input, *args, **kwargs):
    reach = seen(input)
    if args and isinstance(args[0], torch.dtype) or "dtype" in kwargs:
        return NotImplemented
    if reach is None:
        if not nothing_known(input) and id(input) not in mode.params:
            return NotImplemented
        input = mode.to_meta(input)
    out = mode.on_meta(func, (input, *args), kwargs)
    if reach is None:
        return view_of(input, out, None) if out._is_view() else out
    reach = fields.reshaped(reach, tuple(input.shape), tuple(out.shape))
    if out._is_view():
        return view_of(input, out, reach)
    out.reach = reach
    return out


for _func in functions(
    "flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten"
):
    NAMES[_func] = frozenset(
        ("dim", "start_dim", "end_dim", "shape", "size", "sizes")
    )


@rule("permute", told=True)
def _permuted(func, mode, input, *args, dims=None):
    reach = seen(input)
    if dims is None:
        dims = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
    if reach is None:
        return NotImplemented
    order = [dims] if func is torch.permute else dims
    out = mode.on_meta(func, (input, *order), {})
    n = input.dim()
    return view_of(input, out, fields.permuted(reach, [d % n for d in dims], n))


@rule("transpose", "swapaxes", "swapdims", told=True)
def _transposed(func, mode, input, dim0, dim1):
    reach = seen(input)
    if reach is None:
        return NotImplemented
    out = mode.on_meta(func, (input, dim0, dim1), {})
    order = list(range(input.dim()))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return view_of(input, out, fields.permuted(reach, order, input.dim()))


@rule("expand", "expand_as", told=True)
def _expanded(func, mode, input, *args):
    reach = seen(input)
    if type(reach) is not tuple:
        return NotImplemented
    out = mode.run(func, input, *args)
    for axis in reach:  # one position becomes several: torch says where
        if (
            type(axis) is not Axis
            or axis.dim is not None
            and axis.size != out.shape[axis.dim]
        ):
            return NotImplemented
    return view_of(input, out, reach)


@rule("__getitem__")
def _indexed(mode, input, index):
    """Integers, slices and new dimensions."""
    reach = seen(input)
    index = index if isinstance(index, tuple) else (index,)
    if type(reach) is not tuple or any([type(i) not in INDICES for i in index]):
        return NotImplemented
    n = input.dim()
    missing = n - sum([type(i) in (int, slice) for i in index])
    if missing < 0:
        return NotImplemented
    out = mode.run(Tensor.__getitem__, input, index)
    full = [slice(None)] * missing
    at = index.index(Ellipsis) if Ellipsis in index else len(index)
    parts = [*index[:at], *full, *index[at + 1 :]]
    old = [part for part in parts if part is not None]
    new = [part for part in parts if not isinstance(part, int)]

    def chosen(axis: Axis | fields.Spots) -> Axis | fields.Spots:
        if not isinstance(axis, Axis):
            return axis.indexed(parts)
        if axis.dim is None:
            return axis
        part = old[axis.dim]
        if isinstance(part, int):
            shift = part % axis.size * axis.jump
            first, last = axis.first + shift, axis.last + shift
            return Axis(None, 1, first, last, last, 0, axis.all)
        dim = next(d for d, other in enumerate(new) if other is part) - len(new)
        if part == slice(None):
            return axis._replace(dim=dim)
        start, stop, step = part.indices(axis.size)
        shift, jump, size = (
            start * axis.jump,
            step * axis.jump,
            len(range(start, stop, step)),
        )
        first, last = axis.first + shift, axis.last + shift
        return Axis(
            dim, size, first, last, last + (size - 1) * jump, jump, axis.all
        )

    # Each slice is an object of its own, by which it is found again.
    old = [
        slice(p.start, p.stop, p.step) if isinstance(p, slice) else p for p in old
    ]
    each = iter(old)
    parts = [None if part is None else next(each) for part in parts]
    new = [part for part in parts if not isinstance(part, int)]
    return view_of(input, out, fields.each_axis(reach, chosen))


INDICES = {int, slice, type(None), type(Ellipsis)}


@rule("chunk", "split", told=True)
def _split(func, mode, input, size, dim=0):
    """Chunks: each sees what the whole saw, unless it is the image that is cut."""
    reach, n = seen(input), input.dim()
    if reach is None or type(dim) is not int or not -n <= dim < n:
        return NotImplemented
    dim = dim % n - n
    if type(reach) is tuple and any([fields.along(axis, dim) for axis in reach]):
        return NotImplemented
    return tuple(
        [view_of(input, out, reach) for out in mode.run(func, input, size, dim)]
    )


for _func in functions("chunk", "split"):
    NAMES[_func] = frozenset(("dim",))


@rule("unbind")
def _unbound(mode, input, dim=0):
    reach, n = seen(input), input.dim()
    if type(reach) is not tuple or type(dim) is not int or not -n <= dim < n:
        return NotImplemented
    dim = dim % n - n
    if any([fields.along(axis, dim) for axis in reach]):
        return NotImplemented
    reach = fields.reduced(reach, {dim}, False)
    outs = mode.run(Tensor.unbind, input, dim)
    return tuple([view_of(input, out, reach) for out in outs])


@rule("roll")
def _rolled(mode, input, shifts, dims=None):
    """Positions go round: a shift that moves none of them is quick, too."""
    reach = seen(input)
    shifts = (shifts,) if type(shifts) is int else tuple(shifts)
    dims = (dims,) if type(dims) is int else () if dims is None else tuple(dims)
    n = input.dim()
    if type(reach) is not tuple or not dims or len(shifts) != len(dims):
        return NotImplemented
    if not all([type(k) is int for k in (*shifts, *dims)]) or not input.numel():
        return NotImplemented
    if not all([-n <= d < n for d in dims]):
        return NotImplemented
    moves = {d % n - n: k for d, k in zip(dims, shifts, strict=True)}
    if len(moves) != len(dims):
        return NotImplemented

    def rolled(axis):
        spots = axis.spots()
        along = {d: k for d, k in moves.items() if spots.along(d) > 1 and k}
        if not along:
            return axis
        by, over = tuple(along.values()), tuple(along)
        return fields.tidy(spots.each(lambda table: np.roll(table, by, over)))

    return empty(input.shape, input, fields.each_axis(reach, rolled))


@rule("pad")
def _padded(shapes, /, input, pad, mode="constant", value=None):
    reach = seen(input)
    if (
        mode == "constant"
        and reach is not None
        and not any(pad)
        and len(pad) <= 2 * input.dim()
    ):
        return empty(input.shape, input, reach)
    if type(reach) is not tuple:
        return NotImplemented
    if mode == "circular":
        return _wrapped(shapes, input, pad) if min(pad) >= 0 else NotImplemented
    wider = [-1 - i // 2 for i, n in enumerate(pad) if n]
    # Of spots, only what lies along another dimension stays as it is.
    framed = mode == "constant" and min(pad, default=0) >= 0
    for axis in reach:
        spread = type(axis) is not Axis and any([axis.along(d) > 1 for d in wider])
        if spread and not framed:
            return NotImplemented
    out = shapes.run(F.pad, input, pad, mode, value)

    def padded(axis: Axis | fields.Spots) -> Axis | fields.Spots:
        if type(axis) is not Axis:
            around = {
                dim: tuple(pad[-2 * dim - 2 :][:2])
                for dim in wider
                if fields.along(axis, dim)
            }
            return axis.spots().framed(around) if around else axis
        if axis.dim is None or 2 * -axis.dim > len(pad):
            return axis
        before = pad[2 * (-axis.dim - 1)] * axis.jump
        first, last, size = (
            axis.first - before,
            axis.last - before,
            out.shape[axis.dim],
        )
        return Axis(
            axis.dim,
            size,
            first,
            last,
            last + (size - 1) * axis.jump,
            axis.jump,
            axis.all,
        )

    out.reach = fields.each_axis(reach, padded)
    return out


def _wrapped(shapes, input, pad):
    """Padded by what lies at the other end."""
    out = shapes.run(F.pad, input, pad, "circular")

    def padded(axis):
        spots = axis.spots()
        around = [(0, 0)] * spots.low.ndim
        for k in range(len(pad) // 2):
            if spots.along(-1 - k) > 1:
                around[-1 - k] = pad[2 * k], pad[2 * k + 1]
        return fields.tidy(spots.each(lambda table: np.pad(table, around, "wrap")))

    out.reach = fields.each_axis(seen(input), padded)
    return out


# By interpolation: the dimensions it takes, and the neighbours that it weighs each
# way.
INTERPOLATIONS = {
    "linear": (1, 1),
    "bilinear": (2, 1),
    "bicubic": (2, 2),
    "trilinear": (3, 1),
}


@rule("interpolate")
def _interpolated(
    shapes,
    /,
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """Between neighbours; torch itself takes long to say what shape that has."""
    n, (dims, taps) = input.dim() - 2, INTERPOLATIONS.get(mode, (0, 0))
    if not 1 <= n <= 3:
        raise ProfileError(
            f"{shapes.place()} interpolates 3 to 5 dimensions, got {n + 2}"
        )
    reach, ours = seen(input), id(input) in shapes.params
    if dims != n or antialias or recompute_scale_factor:
        return NotImplemented
    if not input.is_floating_point() or (size is None) == (scale_factor is None):
        return NotImplemented
    if type(reach) is not tuple and not ours and not nothing_known(input):
        return NotImplemented
    given, kinds = size, {int}
    if scale_factor is not None:
        given, kinds = scale_factor, {int, float}
    each = given if isinstance(given, tuple | list) else (given,) * n
    if len(each) != n or not {type(v) for v in each} <= kinds:
        return NotImplemented
    if scale_factor is not None:
        each = [
            math.floor(s * v) for s, v in zip(input.shape[2:], each, strict=True)
        ]
    if min(*each, *input.shape) < 1:
        return NotImplemented
    if ours:
        input = shapes.to_meta(input)
    out = empty((*input.shape[:2], *map(int, each)), input, None)
    if reach is not None:
        out.reach = upsampled(taps)(
            out, {"self": input, "align_corners": bool(align_corners)}
        )
    return out


# Layers of torch's own


class LayerRule(NamedTuple):
    """A layer of torch's own whose `forward` only hands its attributes to one
    function."""

    # Of (mode, input, the layer's attributes).
    run: Callable[[Any, Tensor, dict[str, Any]], Tensor]
    fits: Callable[[dict[str, Any]], bool] = lambda layer: True


LAYERS: dict[type, LayerRule] = {}


def _weighted(layer: dict[str, Any]) -> bool:
    """Whether weight and bias are parameters (pruning and the like make them
    attributes)."""
    parameters = layer["_parameters"]
    return "weight" in parameters and "bias" in parameters


def _conv_layer(n: int) -> LayerRule:
    def run(mode, input, layer):
        parameters = layer["_parameters"]
        return _conv(
            n,
            mode,
            input,
            parameters["weight"],
            parameters["bias"],
            layer["stride"],
            layer["padding"],
            layer["dilation"],
            layer["groups"],
        )

    return LayerRule(
        run, lambda layer: _weighted(layer) and layer["padding_mode"] == "zeros"
    )


def _linear_layer(mode, input, layer):
    parameters = layer["_parameters"]
    return _linear(mode, input, parameters["weight"], parameters["bias"])


def _max_pool_layer(mode, input, layer):
    return _max_pool(
        2,
        False,
        mode,
        input,
        layer["kernel_size"],
        layer["stride"],
        layer["padding"],
        layer["dilation"],
        layer["ceil_mode"],
    )


def _avg_pool_layer(mode, input, layer):
    return _avg_pool(
        2,
        mode,
        input,
        layer["kernel_size"],
        layer["stride"],
        layer["padding"],
        layer["ceil_mode"],
        divisor_override=layer["divisor_override"],
    )


def _adaptive_pool_layer(mode, input, layer):
    return _adaptive_pool(
        2, "adaptive_avg_pool2d", mode, input, layer["output_size"]
    )


def _batch_norm_layer(*dims: int) -> LayerRule:
    def run(mode, input, layer):
        shape = input.shape
        if len(shape) not in dims or shape[1] != layer["num_features"]:
            return NotImplemented
        if layer["training"] and shape.numel() == shape[1]:
            return NotImplemented
        mode.used.update(map(id, layer["_parameters"].values()))
        return like(input)

    return LayerRule(run)


def _activation_layer(mode, input, layer):
    if not input.is_floating_point():
        return NotImplemented
    return overwritten(input) if layer.get("inplace") else like(input)


def _dropout_layer(mode, input, layer):
    return overwritten(input) if layer["inplace"] else like(input)


LAYERS.update({
    nn.Conv1d: _conv_layer(1),
    nn.Conv2d: _conv_layer(2),
    nn.Conv3d: _conv_layer(3),
    nn.Linear: LayerRule(_linear_layer, _weighted),
    nn.MaxPool2d: LayerRule(
        _max_pool_layer, lambda layer: not layer["return_indices"]
    ),
    nn.AvgPool2d: LayerRule(_avg_pool_layer),
    nn.AdaptiveAvgPool2d: LayerRule(_adaptive_pool_layer),
    nn.BatchNorm1d: _batch_norm_layer(2, 3),
    nn.BatchNorm2d: _batch_norm_layer(4),
    nn.BatchNorm3d: _batch_norm_layer(5),
    nn.Dropout: LayerRule(_dropout_layer),
    nn.Identity: LayerRule(lambda mode, input, layer: input),
} | {
    kind: LayerRule(_activation_layer)
    for kind in (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.Sigmoid,
                 nn.Hardsigmoid)
})  # fmt: skip


# Functions that no rule answers: how they are treated, and what row they write

KINDS: dict[Callable, str] = {
    func: kind
    for kind, names in {
        "conv": [f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)],
        "linear": ["linear"],
        "pool": [
            f"{how}_pool{n}d"
            for n in (1, 2, 3)
            for how in ("max", "avg", "adaptive_avg", "adaptive_max")
        ],
        "attention": [
            "multi_head_attention_forward",
            "scaled_dot_product_attention",
        ],
    }.items()
    for func in functions(*names)
}
PRODUCTS = KINDS.keys() | set(
    functions("matmul", "bmm", "__matmul__", "lstm", "gru", "rnn_tanh", "rnn_relu")
)
VALUES = set(functions("item", "tolist", "numpy", "__bool__", "__float__",
                       "__int__", "__index__", "nonzero", "masked_select", "unique",
                       "unique_consecutive", "__array__", "__complex__", "equal",
                       "allclose", "is_nonzero"))  # fmt: skip
RANDOM = set(functions("rand", "randn", "randint", "randperm", "rand_like",
                       "randn_like", "randint_like", "normal", "bernoulli",
                       "multinomial", "poisson", "dropout", "alpha_dropout",
                       "feature_dropout", "bernoulli_", "normal_", "uniform_",
                       "random_", "exponential_", "geometric_", "log_normal_",
                       "cauchy_", "dropout1d", "dropout2d", "dropout3d", "rrelu",
                       "gumbel_softmax", "empty", "empty_like", "new_empty",
                       "empty_strided"))  # fmt: skip
GETTERS = {
    getattr(Tensor, name).__get__
    for name in ("shape", "device", "dtype", "ndim", "requires_grad", "is_meta",
                 "layout", "grad", "is_cuda", "is_quantized", "is_nested",
                 "is_sparse")
} | set(functions("size", "dim", "numel", "is_floating_point", "stride", "__len__",
                  "is_complex", "is_contiguous", "element_size"))  # fmt: skip
