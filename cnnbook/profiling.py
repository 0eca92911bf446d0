"""The three measures of a network, layer by layer, from shapes alone.

`profile` calls the network's own ``forward`` on tensors that have a shape and no data, under a
`TorchFunctionMode` that answers each function with the shape of its result. Nothing is computed and
nothing is allocated. Because the mode sees functions, not modules, ``F.relu``, ``+`` and ``cat``
are seen as well as layers, and a module used twice is seen twice.

The convention, per image, in 32-bit floats (the notes, *Net Architecture*):

- ``memory_kb``: C'·H'·W'·4 / 1024 of the layer's output;
- ``params``: C'·(C/groups)·K·K weights, and C' biases if the layer has them;
- ``flops``: (C'·H'·W')·((C/groups)·K·K). A multiplication and its addition are one. A linear layer
  is out·in; pooling, normalisation and activation are 0.

The receptive field of a layer is the side, in pixels of the image, of the square that one of its
outputs depends on (Araujo, Norris, Sim, *Computing Receptive Fields of Convolutional Neural
Networks*, Distill 2019): an image may be smaller than it, and then the output sees all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from types import MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import UninitializedTensorMixin
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map
from torch.utils.flop_counter import flop_registry

if TYPE_CHECKING:
    import pandas as pd

BYTES_PER_ELEMENT = 4
COLUMNS = ("kind", "output", "memory_kb", "params", "flops", "receptive_field")
LARGEST_TRIED = 4096  # pixels; where the search for a network's smallest image gives up


class ProfileError(ValueError):
    """The network cannot be profiled as asked; the message says at which layer and why."""


class TooSmall(ProfileError):
    """The image is so small that a layer's output would be empty."""


class Layer(NamedTuple):
    """A row of the table: one use of one layer. `output` is a shape without the batch."""

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    flops: int
    receptive_field: int | tuple[int, int] | None

    @property
    def memory_kb(self) -> float:
        return math.prod(self.output) * BYTES_PER_ELEMENT / 1024


class Total(NamedTuple):
    """The three measures of a whole network: KB per image, parameters, multiply-adds per image."""

    memory_kb: float
    params: int
    flops: int


@dataclass(frozen=True)
class Profile:
    """What `profile` found.

    Attributes:
        name: the network's class.
        input_size: (C, H, W) of the image.
        layers: the rows of the table, as plain tuples.
        other: parameters of what ran but is no row (normalisation, embeddings), by module.
        not_run: parameters of what did not run (auxiliary heads outside training), by module.
    """

    name: str
    input_size: tuple[int, int, int]
    layers: tuple[Layer, ...]
    other: dict[str, int] = field(default_factory=dict)
    not_run: dict[str, int] = field(default_factory=dict)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per convolution, linear and pooling layer in execution order, by layer name.

        Columns: ``kind``; ``output`` (C, H, W); ``memory_kb``; ``params``, 0 where a layer is used
        again; ``flops``; ``receptive_field``, in pixels: a side, or (height, width) where they
        differ, or missing where it cannot be told from shapes. Matrix products that are no layer
        (attention) have rows of their kind.
        """
        import pandas as pd

        rows = [[getattr(layer, column) for column in COLUMNS] for layer in self.layers]
        index = pd.Index([layer.name for layer in self.layers], name="layer")
        table = pd.DataFrame(rows, columns=list(COLUMNS), index=index)
        if not any(isinstance(layer.receptive_field, tuple) for layer in self.layers):
            table["receptive_field"] = table["receptive_field"].astype("Int64")
        return table

    @cached_property
    def total(self) -> Total:
        """The three measures summed; ``params`` counts every parameter the network has."""
        return Total(
            memory_kb=sum(layer.memory_kb for layer in self.layers),
            params=sum(layer.params for layer in self.layers)
            + sum(self.other.values())
            + sum(self.not_run.values()),
            flops=sum(layer.flops for layer in self.layers),
        )

    def by_kind(self) -> pd.DataFrame:
        """The three measures summed by kind; the rows add up to `total`.

        ``other`` and ``not run`` are the parameters of `other` and `not_run`, if there are any.
        """
        import pandas as pd

        sums = self.table.groupby("kind", sort=False)[["memory_kb", "params", "flops"]].sum()
        for kind, params in (("other", self.other), ("not run", self.not_run)):
            if params:
                row = pd.DataFrame([[0.0, sum(params.values()), 0]], [kind], sums.columns)
                sums = pd.concat([sums, row])
        return sums.rename_axis("kind")

    def to_csv(self, path=None) -> str | None:
        """Write the table as CSV to `path`, or return it; a shape is written as 64x55x55."""
        table = self.table.assign(output=[_times(layer.output, "x") for layer in self.layers])
        fields = [_times(layer.receptive_field, "x") for layer in self.layers]
        return table.assign(receptive_field=fields).to_csv(path)

    def to_dict(self) -> dict[str, Any]:
        """Everything as lists, dicts and numbers, ready for JSON."""
        rows = [
            {"layer": layer.name} | {column: getattr(layer, column) for column in COLUMNS}
            for layer in self.layers
        ]
        return {
            "name": self.name,
            "input_size": list(self.input_size),
            "layers": rows,
            "other": self.other,
            "not_run": self.not_run,
            "total": self.total._asdict(),
        }

    def _display(self) -> pd.DataFrame:
        """The table as people read it, with the total below."""
        import pandas as pd

        rows = [
            (
                layer.name,
                layer.kind,
                _times(layer.output, "×"),
                f"{layer.memory_kb:,.2f}",
                f"{layer.params:,}",
                f"{layer.flops:,}",
                _times(layer.receptive_field, "×"),
            )
            for layer in self.layers
        ]
        for title, params in (("other", self.other), ("not run", self.not_run)):
            if params:
                rows.append((f"({title})", "", "", "", f"{sum(params.values()):,}", "", ""))
        total = self.total
        rows.append(
            ("total", "", "", f"{total.memory_kb:,.2f}", f"{total.params:,}", f"{total.flops:,}", "")
        )
        heads = ("layer", "kind", "output", "memory (KB)", "params", "flops", "receptive field (px)")
        return pd.DataFrame(rows, columns=heads).set_index("layer")

    def __str__(self) -> str:
        lines = [f"{self.name} on {_times(self.input_size, '×')}"]
        lines.append(self._display().reset_index().to_string(index=False))
        if self.not_run:
            lines.append(f"not run: {', '.join(self.not_run)}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        total = self.total
        return (
            f"<Profile of {self.name} on {_times(self.input_size, '×')}: {len(self.layers)} layers, "
            f"{total.memory_kb:,.0f} KB, {total.params:,} params, {total.flops:,} flops>"
        )

    def _repr_html_(self) -> str:
        table = self._display()
        body = "".join(
            f'<tr><th scope="row">{row[0]}</th>'
            + "".join(f"<td>{cell}</td>" for cell in row[1:])
            + "</tr>"
            for row in table.itertuples()
        )
        heads = "".join(f"<th scope='col'>{head}</th>" for head in (table.index.name, *table))
        caption = f"{self.name} on {_times(self.input_size, '×')}, per image"
        return (
            f'<table class="profile"><caption>{caption}</caption>'
            f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
        )


def profile(
    model: nn.Module, input_size: tuple[int, int, int] = (3, 224, 224), *, training: bool = False
) -> Profile:
    """The three measures and the receptive field of every layer of `model` for one image.

    The caller's model is only read: its weights, mode, device, hooks and gradients stay as they
    are, and so do the random number generators.

    Args:
        model: any network whose shapes do not depend on the values of its activations.
        input_size: (C, H, W) of an image, without a batch dimension.
        training: as in training (auxiliary heads run) rather than as in inference.

    Raises:
        ProfileError: a ValueError, of one line: the input size is not three positive integers, the
            images do not fit the network (the smallest size that does is named), or the network
            asks for an activation's value, which shapes cannot tell.
    """
    if not isinstance(model, nn.Module):
        raise ProfileError(
            f"profile() takes a torch.nn.Module, got {type(model).__name__}; "
            "models.create(name) builds one from its name"
        )
    size = _check_input_size(input_size)
    model = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    try:
        return _profile(model, size, training)
    except TooSmall as error:
        smallest = _smallest_image(model, size[0], training)
        hint = f"; it needs at least {smallest}×{smallest}" if smallest else ""
        raise TooSmall(
            f"images of {size[1]}×{size[2]} are too small for {type(model).__name__}: {error}{hint}"
        ) from None


def _profile(model: nn.Module, size: tuple[int, int, int], training: bool) -> Profile:
    random_state = torch.get_rng_state()
    mode = _Shapes()
    try:
        copy = _shallow_copy(model, mode, training)
        image = torch.empty((1, *size), device="meta")
        image.reach = tuple(Axis(dim, n, 0, 0, n - 1, 1) for dim, n in ((-2, size[1]), (-1, size[2])))
        with torch.no_grad(), mode:
            copy(image)
        other, not_run = mode.remaining_params()
    finally:
        mode.release()
        torch.set_rng_state(random_state)
    return Profile(type(model).__name__, size, tuple(mode.layers), other, not_run)


def _check_input_size(input_size) -> tuple[int, int, int]:
    try:
        size = tuple(input_size)
    except TypeError:
        size = (input_size,)
    if len(size) == 4:
        raise ProfileError(
            f"input_size is one image (C, H, W) without a batch dimension, got {size}; "
            f"leave out the first number: {size[1:]}"
        )
    if len(size) != 3 or not all(type(n) is int and n > 0 for n in size):
        raise ProfileError(
            f"input_size must be three positive integers (C, H, W) such as (3, 224, 224), got {size}"
        )
    return size


def _smallest_image(model: nn.Module, channels: int, training: bool) -> int | None:
    """The side of the smallest square image that fits, or None where none was found."""

    def fits(side: int) -> bool:
        try:
            _profile(model, (channels, side, side), training)
        except ValueError:
            return False
        return True

    high = 1
    while not fits(high):
        high *= 2
        if high > LARGEST_TRIED:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _times(shape: int | Iterable[int] | None, sign: str) -> str:
    """(64, 55, 55) → "64×55×55"; a missing value → "—"."""
    if shape is None:
        return "—"
    return str(shape) if isinstance(shape, int) else sign.join(map(str, shape))


# --- Receptive field -----------------------------------------------------------------------------


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
        return Axis(self.dim, size, self.first, last, self.end, self.jump * Fraction(n, size))

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


def _merge(reaches: Iterable) -> Any:
    """What a sum, product or concatenation of tensors sees: all that any of them sees."""
    merged = None
    for reach in reaches:
        if reach is None or reach is merged:
            continue
        if reach is UNKNOWN:
            return UNKNOWN
        merged = reach if merged is None else tuple(map(_union, merged, reach))
        if None in merged:
            return UNKNOWN
    return merged


def _union(a: Axis, b: Axis) -> Axis | None:
    if None not in (a.dim, b.dim) and a.dim != b.dim:
        return None  # the positions lie along different dimensions: this is no pointwise operation
    wide = a if a.size >= b.size and a.dim is not None else b
    union = wide._replace(
        first=min(a.first, b.first), last=max(a.last, b.last), end=max(a.end, b.end)
    )
    # One value spread over all positions (squeeze and excitation): each position sees all of it.
    return union if a.jump == b.jump else union.whole(keep=True)


def _extent(reach) -> int | tuple[int, int] | None:
    if reach is None or reach is UNKNOWN:
        return None
    height, width = (axis.extent for axis in reach)
    return height if height == width else (height, width)


def _each_axis(reach, change: Callable[[Axis], Axis | None]):
    if reach is None or reach is UNKNOWN:
        return reach
    changed = tuple(map(change, reach))
    return UNKNOWN if None in changed else changed


def _mix(reach, dims: Iterable[int] | None, keep: bool):
    """`reach` after an operation mixed the positions along `dims` (from the right; None: all)."""
    return _each_axis(
        reach, lambda axis: axis.whole(keep) if dims is None or axis.dim in dims else axis
    )


# --- The pass over the network -------------------------------------------------------------------

NO_HOOKS = dict.fromkeys(
    (
        "_forward_hooks",
        "_forward_pre_hooks",
        "_backward_hooks",
        "_backward_pre_hooks",
        "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called",
        "_forward_pre_hooks_with_kwargs",
    ),
    MappingProxyType({}),
)


def _shallow_copy(model: nn.Module, mode: _Shapes, training: bool) -> nn.Module:
    """The same modules over the same parameters, without hooks, each telling `mode` that it runs.

    Running a copy is what leaves the caller's modules alone: an attribute that `forward` sets, the
    training mode, the hooks are all the copy's.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise ProfileError("a TorchScript module hides its layers; profile the module it came from")
    copies: dict[int, nn.Module] = {}

    def copy(module: nn.Module, name: str) -> nn.Module:
        if id(module) in copies:
            return copies[id(module)]
        twin = copies[id(module)] = object.__new__(type(module))
        attributes = twin.__dict__
        attributes.update(module.__dict__)
        attributes.update(NO_HOOKS)
        attributes["training"] = training
        attributes["_parameters"] = dict(module._parameters)
        attributes["_buffers"] = dict(module._buffers)
        prefix = f"{name}." if name else ""
        for key, parameter in module._parameters.items():
            if isinstance(parameter, UninitializedTensorMixin):
                raise ProfileError(
                    f"layer {name!r} is lazy and has no shape yet; run the model once, then profile it"
                )
            if parameter is not None:
                mode.params.setdefault(id(parameter), (prefix + key, parameter))
        attributes["_modules"] = {
            key: child if child is None else copy(child, prefix + key)
            for key, child in module._modules.items()
        }
        # An instance may have a forward of its own; it is bound to the caller's module.
        forward = module.__dict__.get("forward") or MethodType(type(module).forward, twin)
        where = (name, not module._modules)

        def announced(*args, **kwargs):
            outer, mode.where = mode.where, where
            try:
                return forward(*args, **kwargs)
            finally:
                mode.where = outer

        attributes["forward"] = announced
        mode.copies.append(twin)
        return twin

    return copy(model, "")


class _Shapes(TorchFunctionMode):
    """Answers every torch function with a tensor of the right shape and no data."""

    def __init__(self):
        super().__init__()
        self.layers: list[Layer] = []
        self.where = ("", False)  # the running module's name, and whether it has no submodules
        self.params: dict[int, tuple[str, Tensor]] = {}  # name and parameter, by the latter's id
        self.used: set[int] = set()  # parameters that some function has read
        self.in_rows: set[int] = set()  # parameters that a row has counted
        self.copies: list[nn.Module] = []
        self.uses: dict[str, int] = {}

    def release(self) -> None:
        """Break the copies' reference cycles, so that the caller's model is freed when it should."""
        for twin in self.copies:
            twin.__dict__.clear()
        self.copies.clear()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        rule = RULES.get(func)
        if rule is not None:
            return rule(self, *args, **kwargs) if kwargs else rule(self, *args)
        return self.other(func, args, kwargs or {})

    # Rows

    def count(self, *tensors: Tensor | None) -> int:
        """Parameters among `tensors` that no row has counted yet."""
        new = 0
        for tensor in tensors:
            key = id(tensor)
            if key in self.params:
                self.used.add(key)
                if key not in self.in_rows:
                    self.in_rows.add(key)
                    new += tensor.numel()
        return new

    def row(self, kind: str, out: Tensor, params: int, flops: int, name: str) -> None:
        uses = self.uses[name] = self.uses.get(name, 0) + 1
        name = name if uses == 1 else f"{name}#{uses}"
        extent = _extent(getattr(out, "reach", None))
        self.layers.append(Layer(name, kind, tuple(out.shape[1:]), params, flops, extent))

    def layer_name(self, weight: Tensor | None, function: str) -> str:
        """The module that owns `weight`; else the running module; else that, and the function."""
        if id(weight) in self.params:
            return self.params[id(weight)][0].removesuffix(".weight")
        module, is_leaf = self.where
        return module if is_leaf else f"{module}.{function}".lstrip(".")

    def remaining_params(self) -> tuple[dict[str, int], dict[str, int]]:
        """Parameters that are in no row, by module: of what ran, and of what did not."""
        other, not_run = {}, {}
        for key, (name, parameter) in self.params.items():
            if key not in self.in_rows:
                place = other if key in self.used else not_run
                module = name.rpartition(".")[0] or name
                place[module] = place.get(module, 0) + parameter.numel()
        return other, not_run

    # Any function without a rule

    def other(self, func, args, kwargs, reach: Any = UNKNOWN) -> Any:
        """Run `func` on the meta device; matrix products inside it become a row."""
        if func in GETTERS:
            return func(*args, **kwargs)
        inputs = [t for t in tree_iter((args, kwargs)) if isinstance(t, Tensor)]
        if not inputs and func in FACTORIES:
            kwargs = kwargs | {"device": "meta"}
        with _MatrixProducts() as products:
            out = self.on_meta(func, args, kwargs)
        if reach is UNKNOWN:
            reaches = [getattr(t, "reach", None) for t in inputs]
            if func in MIXES_ALL or products.flops:
                reach = _mix(_merge(reaches), None, keep=True)
            elif all(r is None for r in reaches):
                reach = None
        self.stamp(out, reach)
        if products.flops:
            kind = "attention" if func in ATTENTION else "matmul"
            first = next(t for t in tree_iter(out) if isinstance(t, Tensor))
            name = self.layer_name(None, kind)
            self.row(kind, first, self.count(*inputs), products.flops, name)
        return out

    def on_meta(self, func, args, kwargs) -> Any:
        """``func(*args, **kwargs)`` with every real tensor replaced by its shape."""
        try:
            return func(*tree_map(self.to_meta, args), **tree_map(self.to_meta, kwargs))
        except (RuntimeError, NotImplementedError, ValueError, IndexError, TypeError) as error:
            name = _function_name(func)
            if func in VALUES or "meta tensors" in str(error) or "FakeTensor" in str(error):
                raise ProfileError(
                    f"{self.place()} asks for the values of an activation ({name}), "
                    "which shapes cannot tell"
                ) from None
            reason = str(error).strip().splitlines()[0]
            raise ProfileError(f"{self.place()} fails in {name}: {reason}") from None

    def place(self) -> str:
        return f"layer {self.where[0]!r}" if self.where[0] else "the network"

    def to_meta(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        self.used.add(id(value))
        if value.is_meta and id(value) not in self.params:
            return value
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")

    @staticmethod
    def stamp(out: Any, reach: Any) -> None:
        if reach is not None:
            for tensor in tree_iter(out):
                if isinstance(tensor, Tensor):
                    tensor.reach = reach


class _MatrixProducts(TorchDispatchMode):
    """Counts the multiply-adds of the matrix products inside a function, by torch's own formulas."""

    flops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if formula := flop_registry.get(func._overloadpacket):
            self.flops += formula(*args, **kwargs, out_val=out) // 2
        return out


def _function_name(func) -> str:
    return (resolve_name(func) or getattr(func, "__name__", str(func))).removeprefix("torch.")


# --- Rules: what a function does to shapes, and what it costs ------------------------------------


def _empty(shape: Iterable[int], like: Tensor, reach: Any) -> Tensor:
    out = torch.empty(shape, dtype=like.dtype, device="meta")
    if reach is not None:
        out.reach = reach
    return out


def _ntuple(value: Any, n: int) -> tuple[int, ...]:
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
    shape, kernel = input.shape, weight.shape[2:]
    if shape[-n - 1] != weight.shape[1] * groups:
        raise ProfileError(
            f"{mode.place()} takes {weight.shape[1] * groups} channels, got {shape[-n - 1]}"
        )
    stride, dilation = _ntuple(stride, n), _ntuple(dilation, n)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        sizes, padding = tuple(shape[-n:]), tuple(t // 2 for t in total)
    else:
        padding = _ntuple(0 if padding == "valid" else padding, n)
        sizes = tuple(
            (size + 2 * p - d * (k - 1) - 1) // s + 1
            for size, p, d, k, s in zip(shape[-n:], padding, dilation, kernel, stride, strict=True)
        )
    if min(sizes) < 1:
        raise _too_small(mode, shape[-n:], kernel)
    reach = _through_window(getattr(input, "reach", None), kernel, stride, padding, dilation, sizes)
    out = _empty((*shape[: -n - 1], weight.shape[0], *sizes), input, reach)
    flops = out.numel() * weight[0].numel()
    mode.row("conv", out, mode.count(weight, bias), flops, mode.layer_name(weight, f"conv{n}d"))
    return out


def _conv_transpose(func, mode, /, input, weight, bias=None, *args, **kwargs):
    out = mode.on_meta(func, (input, weight, bias, *args), kwargs)
    mode.stamp(out, None if getattr(input, "reach", None) is None else UNKNOWN)
    flops = input.numel() * weight[0].numel()
    name = mode.layer_name(weight, func.__name__)
    mode.row("conv", out, mode.count(weight, bias), flops, name)
    return out


def _linear(mode, input, weight, bias=None):
    if input.shape[-1] != weight.shape[1]:
        raise ProfileError(f"{mode.place()} takes {weight.shape[1]} inputs, got {input.shape[-1]}")
    reach = _mix(getattr(input, "reach", None), (-1,), keep=False)
    out = _empty((*input.shape[:-1], weight.shape[0]), input, reach)
    flops = out.numel() * weight.shape[1]
    mode.row("linear", out, mode.count(weight, bias), flops, mode.layer_name(weight, "linear"))
    return out


def _pooled(mode, input, name, kernel, stride, padding, dilation, ceil_mode):
    n = len(kernel)
    sizes = []
    for size, k, s, p, d in zip(input.shape[-n:], kernel, stride, padding, dilation, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        outputs = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (outputs - 1) * s >= size + p:
            outputs -= 1  # a last window that would start in the padding is dropped
        sizes.append(outputs)
    if min(sizes) < 1:
        raise _too_small(mode, input.shape[-n:], kernel)
    reach = _through_window(getattr(input, "reach", None), kernel, stride, padding, dilation, sizes)
    out = _empty((*input.shape[:-n], *sizes), input, reach)
    mode.row("pool", out, 0, 0, mode.layer_name(None, name))
    return out


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
    sizes = tuple(was if s is None else s for s, was in zip(sizes, input.shape[-n:], strict=True))
    reach = getattr(input, "reach", None)
    if reach is not None and reach is not UNKNOWN:
        known = n == 2 and tuple(axis.dim for axis in reach) == (-2, -1)
        reach = (reach[0].adaptive(sizes[0]), reach[1].adaptive(sizes[1])) if known else UNKNOWN
    out = _empty((*input.shape[:-n], *sizes), input, reach)
    mode.row("pool", out, 0, 0, mode.layer_name(None, name))
    return (out, out.long()) if return_indices else out


def _too_small(mode, sizes, kernel) -> TooSmall:
    return TooSmall(
        f"{mode.place()} gets {_times(sizes, '×')} for a window of {_times(kernel, '×')}"
    )


def _same(mode, input, *args, **kwargs):
    """Activations and the like: same shape, same receptive field."""
    return input


def _kept(func, mode, /, input, *args, **kwargs):
    """Copies: same shape, perhaps laid out in memory in another way."""
    out = mode.on_meta(func, (input, *args), kwargs)
    mode.stamp(out, getattr(input, "reach", None))
    return out


def _norm(mode, input, *args, **kwargs):
    """Normalisation by stored statistics, or over channels: reads parameters, keeps positions."""
    mode.used.update(map(id, args))
    mode.used.update(map(id, kwargs.values()))
    return input


def _norm_over_image(mode, input, *args, **kwargs):
    """Group and instance norm: their statistics mix all positions."""
    _norm(mode, input, *args, **kwargs)
    return _empty(input.shape, input, _mix(getattr(input, "reach", None), None, keep=True))


def _layer_norm(mode, input, normalized_shape, weight=None, bias=None, eps=1e-5):
    mode.used.update((id(weight), id(bias)))
    dims = range(-len(normalized_shape), 0)
    return _empty(input.shape, input, _mix(getattr(input, "reach", None), dims, keep=True))


def _pointwise(func, mode, /, a, b=1, *args, **kwargs):
    """Sums, products and the like of two tensors, or of a tensor and a number."""
    reach_a, reach_b = getattr(a, "reach", None), getattr(b, "reach", None)
    mode.used.update((id(a), id(b)))
    if isinstance(a, Tensor) and not isinstance(b, Tensor) and a.is_floating_point():
        return a
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape:
        if reach_a is reach_b and a.is_meta and a.dtype == b.dtype:
            return a
        if a.is_meta and b.is_meta and a.dtype == b.dtype:
            return _empty(a.shape, a, _merge((reach_a, reach_b)))
    out = mode.on_meta(func, (a, b, *args), kwargs)
    mode.stamp(out, _merge((reach_a, reach_b)))
    return out


def _cat(func, mode, /, tensors, *args, **kwargs):
    out = mode.on_meta(func, (tensors, *args), kwargs)
    mode.stamp(out, _merge(getattr(tensor, "reach", None) for tensor in tensors))
    return out


def _moves(func, new_dim, mode, /, input, *args, **kwargs):
    """Views: ``new_dim(dim, size, old_shape, new_shape, args, kwargs)`` says where a dim went."""
    out = mode.on_meta(func, (input, *args), kwargs)
    old, new = input.shape, out.shape

    def moved(axis: Axis) -> Axis | None:
        if axis.dim is None:
            return axis
        dim = new_dim(axis.dim + len(old), old, new, args, kwargs)
        if dim is None:  # no longer a dimension: fine where it had one position
            return axis._replace(dim=None) if old[axis.dim] == 1 else None
        return axis._replace(dim=dim - len(new))

    mode.stamp(out, _each_axis(getattr(input, "reach", None), moved))
    return out


def _reshaped(dim, old, new, args, kwargs) -> int | None:
    """Where `dim` is after a reshape: a dimension of its own, or part of one."""
    before, size = math.prod(old[:dim]), old[dim]
    start = 1
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
    out = mode.on_meta(func, (input, *args), kwargs)
    dims = kwargs.get("dim", args[0] if args else None)
    if isinstance(dims, bool) or dims is None:
        dims = range(-input.dim(), 0)
    n = input.dim()
    dims = [(d % n) - n for d in ([dims] if isinstance(dims, int) else dims)]
    keepdim = kwargs.get("keepdim", args[1] if len(args) > 1 else False)

    def reduced(axis: Axis) -> Axis:
        if axis.dim in dims:
            return axis.whole(keep=False)
        gone = 0 if keepdim or axis.dim is None else sum(d > axis.dim for d in dims)
        return axis if not gone else axis._replace(dim=axis.dim + gone)

    mode.stamp(out, _each_axis(getattr(input, "reach", None), reduced))
    return out


def _softmax(func, mode, /, input, dim=None, *args, **kwargs):
    out = mode.on_meta(func, (input, dim, *args), kwargs)
    dims = None if dim is None else ((dim % input.dim()) - input.dim(),)
    mode.stamp(out, _mix(getattr(input, "reach", None), dims, keep=True))
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
    if Ellipsis in index or not all(isinstance(i, int | slice) for i in index):
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

    return _each_axis(reach, chosen)


def _split(func, mode, /, input, *args, **kwargs):
    """Chunks: each sees what the whole saw, unless it is the image that is cut."""
    outs = mode.on_meta(func, (input, *args), kwargs)
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    dim = dim % input.dim() - input.dim()
    mode.stamp(
        outs,
        _each_axis(getattr(input, "reach", None), lambda axis: None if axis.dim == dim else axis),
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

    mode.stamp(out, _each_axis(getattr(input, "reach", None), padded))
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
    # fmt: off
    families: list[tuple[Callable, tuple[str, ...]]] = [
        (_pointwise, ("add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_",
                      "__add__", "__iadd__", "__radd__", "__sub__", "__isub__", "__mul__",
                      "__imul__", "__rmul__", "__truediv__", "__itruediv__")),
        (_kept, ("contiguous", "clone", "to", "float", "type_as", "requires_grad_")),
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
