"""What a network called, and what each call read: the edges of its graph.

While `Shapes` answers functions it keeps a log, which costs an append a call.
`calls_of` makes of it plain values that hold no tensor, when the pass is over. What
does not depend on the image (a table of positions, a mask) is no call here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from torch import Tensor

from cnnbook.profiling.primitives import overwrites
from cnnbook.profiling.rules import KINDS, RULES

WEIGHTED = {  # which have no row, and a weight
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "batch_norm",
    "layer_norm",
    "group_norm",
    "instance_norm",
    "prelu",
}
# The settings that a drawing tells, under torch's names.
SETTINGS = ("kernel_size", "stride", "padding", "dilation", "groups", "output_size")


# Those of them that each of torch's own layers has.
_SET: dict[type, tuple[str, ...]] = {}

NOTHING: tuple[int, ...] = ()
NONE: dict[str, Any] = {}


class Call(NamedTuple):
    """One function of torch, or one layer that is one function.

    Attributes:
        function: torch's name of it, ``conv2d``, or a layer's class, ``Conv2d``.
        module: path of the module that called it, or that it is.
        reads: the calls whose results it reads, as places in `Profile.calls`; 0 is
            the image.
        shape: of its first result, with the batch.
        row: the row of the profile that it is, as a place in `Profile.layers`; None
            if it is none.
        settings: its kernel, stride, groups, … where it has a row; of these and of
            norms and the like also ``weight``, a shape, and whether there is a
            ``bias``.
    """

    function: str
    module: str
    reads: tuple[int, ...]
    shape: tuple[int, ...]
    row: int | None = None
    settings: dict[str, Any] = {}


def calls_of(log: Iterable[tuple], given: Iterator[Tensor]) -> tuple[Call, ...]:
    """The calls in execution order; the first, of no function, is the image and all
    else given.

    `log` has an entry for each call, in which all tensors are alive: (function or
    class, arguments, keyword arguments or a layer's attributes, result, module,
    rows so far).
    """
    made: dict[int, int] = {}  # by a tensor's id: the call that wrote to it last
    shape: tuple[int, ...] = ()
    for tensor in given:
        made[id(tensor)] = 0
        shape = shape or tuple(tensor.shape)
    found = [Call("", "", (), shape)]
    rows = 0
    for function, args, kwargs, out, module, so_far in log:
        row = None
        if so_far > rows:
            rows, row = so_far, so_far - 1
        here = len(found)
        name, is_layer, of_shape, writes, weighted = _known_of(function)
        if is_layer:  # of one tensor
            source = made.get(id(args))
            if source is None and row is None:
                continue
            made[id(out)] = here
            settings = NONE
            if row is not None or weighted:
                settings = _layer_settings(function, kwargs)
            reads = NOTHING if source is None else (source,)
            found.append(Call(name, module, reads, out.shape, row, settings))
            continue
        read: list[int] = []
        _add_reads(args, made, read)
        if kwargs:
            _add_reads(kwargs.values(), made, read)
        if row is None and (of_shape or not read):
            continue  # of the image, no more than its shape
        first = out if isinstance(out, Tensor) else None
        if first is not None:
            made[id(first)] = here
        else:
            for tensor in tensors_of(out):
                first = tensor if first is None else first
                made[id(tensor)] = here
        if first is None or writes:
            # What it wrote to, and what that is a view of.
            if isinstance(next(iter(args), None), Tensor):
                first = args[0]
            written: Any = first
            while written is not None:
                made[id(written)] = here
                written = getattr(written, "base", None)
        settings = NONE
        if row is not None or weighted:
            settings = _settings(function, args, kwargs)
        shape = NOTHING if first is None else first.shape
        found.append(Call(name, module, tuple(read), shape, row, settings))
    return tuple(found)


def _add_reads(
    values: Iterable[Any], made: dict[int, int], read: list[int]
) -> None:
    for value in values:
        source = made.get(id(value))
        if source is not None:
            if source not in read:
                read.append(source)
        elif isinstance(value, (list, tuple)):
            _add_reads(value, made, read)


def tensors_of(value: Any) -> Iterator[Tensor]:
    """Every tensor in `value`, and in the lists, tuples and dicts within it."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors_of(each)
    elif isinstance(value, dict):
        yield from tensors_of(list(value.values()))


@functools.lru_cache(maxsize=1024)  # others' functions, too, come and go
def _known_of(function: Any) -> tuple[str, bool, bool, bool, bool]:
    """Its name, and whether it is a layer, takes a shape only, writes, has a
    weight."""
    name = getattr(function, "__name__", "") or getattr(function, "name", "?")
    of_shape = name.startswith("new_") or name.endswith("_like")
    is_layer = isinstance(function, type)
    return name, is_layer, of_shape, overwrites(name), name in WEIGHTED


def _settings(function: Callable, args, kwargs) -> dict[str, Any]:
    given = dict(zip(_parameters(function), args, strict=False)) | (kwargs or {})
    found = {key: given[key] for key in SETTINGS if key in given}
    found = {
        key: value for key, value in found.items() if not isinstance(value, Tensor)
    }
    weight = given.get("weight")
    if isinstance(weight, Tensor):
        found["weight"] = weight.shape
        found["bias"] = given.get("bias") is not None
        if KINDS.get(function) == "conv":
            found["kernel_size"] = weight.shape[2:]
    return found


def _layer_settings(kind: type, attributes: dict[str, Any]) -> dict[str, Any]:
    keys = _SET.get(kind)
    if keys is None:
        keys = _SET[kind] = tuple(key for key in SETTINGS if key in attributes)
    found = {key: attributes[key] for key in keys}
    parameters = attributes["_parameters"]
    if parameters and parameters["weight"] is not None:
        found["weight"] = parameters["weight"].shape
        found["bias"] = parameters["bias"] is not None
    return found


@functools.cache
def _parameters(function: Callable) -> tuple[str, ...]:
    """The names of the arguments, of a function with a rule."""
    answer = RULES.get(function)
    return tuple(inspect.signature(answer).parameters)[1:] if answer else ()
