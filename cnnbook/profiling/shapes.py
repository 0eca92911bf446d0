"""The pass over the network: its own code, run on shapes.

A function of torch is answered by its rule (`rules.py`) if the table has one that
fits the call; by torch itself, if it reads a property; and else it is run on the
meta device, where its primitive operations are seen (`primitives.py`). So a
function that nobody thought of costs time, not truth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._device import _device_constructors
from torch.utils._pytree import tree_iter, tree_map

from cnnbook.profiling.answers import Answer, answer_of, bases_of, key_of
from cnnbook.profiling.caches import fill
from cnnbook.profiling.primitives import (
    META,
    Primitives,
    overwrites,
    reach_of,
    tensors_in,
)
from cnnbook.profiling.reach import field_of
from cnnbook.profiling.rows import Layer, ProfileError
from cnnbook.profiling.rules import (
    GETTERS,
    KINDS,
    NAMES,
    PRODUCTS,
    RANDOM,
    RULES,
    VALUES,
    functions,
)

# torch's own list of the functions that take a device.
FACTORIES = _device_constructors()
# Elements of a tensor whose values are kept beside its shape.
LARGEST_CONSTANT = 1 << 16
CPU = torch.device("cpu")
# What torch says where a shape would depend on values.
ASKS_FOR_VALUES = ("meta tensor", "data-independent", "data-dependent")
WHOLE = {torch.int8, torch.int16, torch.int32, torch.int64}
INDEXING: set[Any] = {Tensor.__getitem__, Tensor.__setitem__}


class Shapes(TorchFunctionMode):
    """Answers every torch function with a tensor of the right shape and no data.

    `of_many` says that the one image stands for a batch of many, so that what torch
    refuses for one image alone, such as a variance of a single value, is no fault
    of the network.
    """

    def __init__(self, of_many: bool = False):
        super().__init__()
        self.of_many = of_many
        self.layers: list[Layer] = []
        # What has been called: see `calls.py`.
        self.log: list[tuple] | deque = []
        self.kinds: dict[str, str] = {}  # the modules' classes, by their names
        # The running module's name, and whether it has no submodules.
        self.where = ("", False)
        # The last error that a module let through, and the innermost module that
        # did.
        self.error: BaseException | None = None
        self.at = ""
        # By id: module, name, parameter.
        self.params: dict[int, tuple[str, str, Tensor]] = {}
        self.used: set[int] = set()  # ids of what some function has read
        self.counted: set[int] = set()  # ids of parameters that a row has counted
        self.copies: list[nn.Module] = []
        self.uses: dict[str, int] = {}
        # By id: a real tensor and its shape.
        self.stand_ins: dict[int, tuple[Tensor, Tensor]] = {}
        # Storages of values that no longer are what is in them.
        self.spoiled: set[int] = set()
        # Whether a function runs whole, within which no layer is to be answered.
        self.hidden = False
        # Whether something was made that does not depend on the image.
        self.constants = False
        # What functions without a rule gave; None: each call is to be run.
        self.answers: dict[Any, Answer] | None = {}

    def release(self) -> None:
        """Let go of the network, so that it is freed as soon as its owner drops
        it."""
        for twin in self.copies:
            twin.__dict__.clear()
        self.copies.clear()
        owner = next((p for _, _, p in self.params.values()), None)
        self.params.clear()
        self.stand_ins.clear()
        self.error = None
        if self.constants and isinstance(self.log, list):
            fill(self.log, CPU if owner is None else owner.device)
        self.log.clear()
        if self.answers:
            self.answers.clear()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        rule = RULES.get(func)
        if rule is not None:
            if not kwargs:
                out = rule(self, *args)
            elif kwargs.keys() <= NAMES[func]:
                out = rule(self, *args, **kwargs)
            else:
                out = NotImplemented
            if out is not NotImplemented:
                self.log.append(
                    (func, args, kwargs, out, self.where[0], len(self.layers))
                )
                return out
        elif func in GETTERS:
            return func(*args, **kwargs or {})
        kwargs = kwargs or {}
        out = self.other(func, args, kwargs)
        self.log.append((func, args, kwargs, out, self.where[0], len(self.layers)))
        return out

    @contextmanager
    def unseen(self) -> Iterator[None]:
        self.hidden, outer = True, self.hidden
        try:
            yield
        finally:
            self.hidden = outer

    # Rows

    def reads(self, tensors: Iterable[Any]) -> None:
        """Remember that what runs has read these, of which some may be
        parameters."""
        self.used.update(map(id, tensors))

    def row(
        self,
        kind: str,
        function: str,
        out: Tensor,
        shape: tuple[int, ...],
        reach: Any,
        flops: int,
        weight: Tensor | None = None,
        *others: Tensor | None,
    ) -> Tensor:
        """Write the row of `function`, which gave `out` of `shape`; return `out`.

        The row is named after the module that owns `weight`; else after the running
        module; else after that and the function. A parameter, `weight` or one of
        the `others`, counts in the first row that reads it.
        """
        params = 0
        for tensor in (weight, *others):
            if tensor is None:
                continue
            number = id(tensor)
            if number in self.params and number not in self.counted:
                self.counted.add(number)
                params += tensor.numel()
        name, key, _ = self.params.get(id(weight), ("", "", None))
        if not name or key != "weight":
            module, is_leaf = self.where
            name = (
                module if module and is_leaf else f"{module}.{function}".lstrip(".")
            )
        uses = self.uses[name] = self.uses.get(name, 0) + 1
        if uses > 1:
            name = f"{name}#{uses}"
        # The batch; elsewhere it may be last, or folded into windows.
        if shape[:1] == (1,):
            shape = shape[1:]
        self.layers.append(
            Layer(name, kind, shape, params, flops, *field_of(reach))
        )
        return out

    def remaining_params(self) -> tuple[dict[str, int], dict[str, int]]:
        """Parameters that are in no row, by module: of what ran, and of what did
        not."""
        other: dict[str, int] = {}
        not_run: dict[str, int] = {}
        for number, (owner, key, parameter) in self.params.items():
            if number not in self.counted:
                place = other if number in self.used else not_run
                module = owner or key
                place[module] = place.get(module, 0) + parameter.numel()
        return other, not_run

    # Any function without a rule

    def other(self, func, args, kwargs) -> Any:
        """Run `func` on the meta device; matrix products inside it become a row."""
        if func in INDEXING:
            args = (args[0], self.places(func, *args[:2]), *args[2:])
        if func in BOUNDED:
            # Of a wrong call torch will complain.
            with suppress(TypeError):
                self.within(func, *BOUNDED[func](*args, **kwargs))
        given = tensors_in(args, kwargs)
        if func in VALUES and not any(t.is_meta for t in given):
            return func(*args, **kwargs)
        args, kwargs = self.to_meta(list(args)), self.to_meta(dict(kwargs))
        inputs = tensors_in(args, kwargs)
        if func in FACTORIES:
            kwargs["device"] = META
        value = self.value(func, args, kwargs, inputs)
        if func in VALUES and value is not NotImplemented:
            return value
        out, flops = self.ran(func, args, kwargs, inputs)
        if isinstance(out, Tensor):
            if not inputs:
                out = self.to_meta(out)
            self.constants |= reach_of(out) is None
        if value is not NotImplemented:
            remember(out, value)
        elif inputs and writes(func) and hasattr(inputs[0], "value"):
            self.spoiled.add(inputs[0].value.untyped_storage()._cdata)
        kind = KINDS.get(func) or ("matmul" if flops else None)
        if kind is not None:
            first = next(t for t in tree_iter(out) if isinstance(t, Tensor))
            name, weight = kind, None
            if kind not in ("attention", "matmul"):
                name = _name(func).rpartition(".")[2]
                weight = next((t for t in given if id(t) in self.params), None)
            shape = tuple(first.shape)
            self.row(
                kind, name, first, shape, reach_of(first), flops, weight, *given
            )
        return out

    def ran(self, func, args, kwargs, inputs: list[Tensor]) -> tuple[Any, int]:
        """What `func` gives on the meta device, and its multiply-adds."""
        known = self.answers
        key = key_of(func, args, kwargs) if inputs and known is not None else None
        if known is not None and key is not None:
            answer = known.get(key)
            if answer is not None:
                return answer.again(func, args, kwargs, inputs), answer.flops
        if (
            func in RULES
            and func not in PRODUCTS
            and not any(map(reach_of, inputs))
        ):
            out, flops = self.on_meta(func, args, kwargs), 0
            wrote = writes(func)
            for each, base in bases_of(out, inputs):
                if base is not None and each is not inputs[base]:
                    each.base = inputs[base]
        else:
            with Primitives() as primitives:
                out = self.on_meta(func, args, kwargs)
            flops = primitives.flops
            wrote = any(
                t.untyped_storage()._cdata in primitives.wrote for t in inputs
            )
        if known is not None and key is not None and not wrote:
            answer = answer_of(out, inputs, flops)
            if answer is not None:
                known[key] = answer
        return out, flops

    def value(self, func, args, kwargs, inputs: list[Tensor]) -> Any:
        """What `func` gives for small tensors that do not depend on the image.

        NotImplemented where an input's values are not known, or the result is drawn
        at random.
        """
        if func in RANDOM or not all(map(self.is_known, inputs)):
            return NotImplemented
        if sum(t.numel() for t in inputs) > LARGEST_CONSTANT:
            return NotImplemented
        try:
            if func in FACTORIES:  # how much it makes is not known before
                if func(*args, **kwargs).numel() > LARGEST_CONSTANT:
                    return NotImplemented
                kwargs = kwargs | {"device": CPU}
            return func(*tree_map(value_of, args), **tree_map(value_of, kwargs))
        except Exception:  # torch's own complaint is had from the run on shapes
            return NotImplemented

    def places(self, func, input: Tensor, index: Any) -> tuple:
        """An index of `input` with its lists of numbers, and its masks, as tensors
        of numbers."""
        parts: list[Any] = []
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, list | range | np.ndarray):
                with suppress(TypeError, ValueError, RuntimeError):
                    numbers = torch.as_tensor(part, device=CPU)
                    part = numbers if numbers.numel() else part
            if func is Tensor.__getitem__ and _is_mask(part):
                number = self.number(part)
                part = part if number is None else number.bool()
            parts.append(part)
        tensors = [part for part in parts if isinstance(part, Tensor)]
        if not any(part.dtype is torch.bool for part in tensors):
            return tuple(parts)
        known = [
            value_of(part)
            if isinstance(part, Tensor) and self.is_known(part)
            else part
            for part in parts
        ]
        if any(isinstance(part, Tensor) and part.is_meta for part in known):
            return tuple(parts)
        # A mask of another length than what it chooses from is refused here.
        whole = torch.zeros((), dtype=torch.bool, device=CPU).expand(input.shape)
        self.on_meta(Tensor.__getitem__, (whole, tuple(known)), {})
        found: list[Any] = []
        for part in known:
            is_mask = isinstance(part, Tensor) and part.dtype is torch.bool
            found += (
                part.nonzero(as_tuple=True) if is_mask and part.dim() else [part]
            )
        return tuple(found)

    def number(self, tensor: Tensor) -> Any:
        """The values of `tensor` at this point of the pass; None if they are not
        known."""
        _, tensor = self.stand_ins.get(id(tensor), (None, tensor))
        if not tensor.is_meta:
            return tensor
        return value_of(tensor) if self.is_known(tensor) else None

    def within(
        self, func, shape: torch.Size, chosen: dict[int, Any], backwards: bool
    ) -> None:
        """Refuse numbers, by the dimension they choose from, beyond its end: torch
        does where there is data. `backwards`: they may count from the end."""
        for dim, index in chosen.items():
            if not isinstance(index, Tensor) or _is_mask(index):
                continue
            numbers = self.number(index)
            if numbers is None or not numbers.numel() or numbers.dtype not in WHOLE:
                continue
            if not -len(shape) <= dim < len(shape):
                continue
            size = shape[dim]
            for number in map(int, torch.aminmax(numbers)):
                if not (-size if backwards else 0) <= number < size:
                    raise ProfileError(
                        f"{self.place()} fails in {_name(func)}: index {number} is "
                        f"out of bounds for dimension {dim} with size {size}"
                    )

    def is_known(self, tensor: Tensor) -> bool:
        value = getattr(tensor, "value", None)
        return (
            value is not None and value.untyped_storage()._cdata not in self.spoiled
        )

    def run(self, func, *args, **kwargs) -> Any:
        """``func`` on the meta device, for a rule that knows the reach but not the
        shape."""
        return self.on_meta(
            func, self.to_meta(args), self.to_meta(kwargs) if kwargs else kwargs
        )

    def on_meta(self, func, args, kwargs) -> Any:
        try:
            return func(*args, **kwargs)
        except (
            RuntimeError,
            NotImplementedError,
            ValueError,
            IndexError,
            TypeError,
        ) as error:
            if isinstance(error, ProfileError):
                raise
            name, text = _name(func), str(error)
            if "quantized::" in text:
                raise ProfileError(
                    f"{self.place()} is quantised ({name}), which has no shapes "
                    "without data; profile the network it was made of"
                ) from None
            asks = any(sign in text.lower() for sign in ASKS_FOR_VALUES)
            if func in VALUES or asks:
                raise ProfileError(
                    f"{self.place()} asks for the values of an activation "
                    f"({name}), which shapes cannot tell"
                ) from None
            reason = (
                text.strip().splitlines()[0]
                if text.strip()
                else type(error).__name__
            )
            raise ProfileError(
                f"{self.place()} fails in {name}: {reason}"
            ) from None

    def to_meta(self, value: Any) -> Any:
        """`value` with every real tensor in it replaced by its shape."""
        kind = type(value)
        if kind is int or value is None:
            return value
        if not isinstance(value, Tensor):
            if kind is torch.device:
                return META
            if kind is tuple or kind is list:
                return kind([self.to_meta(item) for item in value])
            nested = isinstance(value, list | tuple | dict)
            return tree_map(self.to_meta, value) if nested else value
        self.used.add(id(value))
        if value.is_meta and id(value) not in self.params:
            return value
        known = self.stand_ins.get(id(value))
        if known is None:
            shape: Any = torch.empty_strided(
                value.shape, value.stride(), dtype=value.dtype, device=META
            )
            small = not value.is_meta and value.numel() <= LARGEST_CONSTANT
            if small and id(value) not in self.params:
                shape.value = value.detach().clone()
            known = self.stand_ins[id(value)] = value, shape
            self.constants = True
        return known[1]

    # Errors

    def place(self) -> str:
        return f"layer {self.where[0]!r}" if self.where[0] else "the network"

    def blame(self, error: BaseException) -> None:
        """Note the innermost module that let `error` through."""
        if self.error is not error:
            self.error, self.at = error, self.where[0]


def _dims_of(index: tuple, dims: int) -> dict[int, Any]:
    """The parts of an index by the dimension of `dims` that each is of."""

    def taken(part: Any) -> int:
        if _is_mask(part):
            return part.dim()
        return 0 if part is None or isinstance(part, bool | np.bool_) else 1

    skipped = dims - sum(taken(part) for part in index if part is not Ellipsis)
    found, dim = {}, 0
    for part in index:
        if taken(part):
            found[dim] = part
        dim += skipped if part is Ellipsis else taken(part)
    return found


def _is_mask(part: Any) -> bool:
    """Of bytes, too, as torch once wrote them."""
    return isinstance(part, Tensor) and part.dtype in (torch.bool, torch.uint8)


def _indexed(input, index, *others):
    return input.shape, _dims_of(index, input.dim()), True


def _put(input, indices, *others, **more):
    return input.shape, _dims_of(indices, input.dim()), True


def _along(input, dim, index, *others, **more):
    return input.shape, {dim: index}, False


def _taken(input, index):
    return (input.numel(),), {0: index}, True


def _embedded(input, weight, *others, **more):
    return weight.shape, {0: input}, False


def _embedded_by(weight, indices, *others, **more):
    return weight.shape, {0: indices}, False


# What is chosen from, by which numbers along which of its dimensions, and whether
# they may count from the end.
BOUNDED: dict[Callable, Callable[..., tuple[Any, dict[int, Any], bool]]] = {
    **dict.fromkeys(INDEXING, _indexed),
    **dict.fromkeys(functions("index_put", "index_put_"), _put),
    **dict.fromkeys(
        functions("index_select", "gather", "scatter", "scatter_", "scatter_add",
                  "scatter_add_", "index_fill", "index_fill_", "index_copy",
                  "index_copy_", "index_add", "index_add_"),
        _along,
    ),
    **dict.fromkeys(functions("take"), _taken),
    F.embedding: _embedded,
    torch.embedding: _embedded_by,
}  # fmt: skip


def remember(out: Any, value: Any) -> None:
    """Keep the values beside the shapes of what does not depend on the image."""
    for shape, each in zip(tree_iter(out), tree_iter(value), strict=True):
        if isinstance(shape, Tensor) and isinstance(each, Tensor):
            noted: Any = shape
            noted.value = each


def value_of(value: Any) -> Any:
    if isinstance(value, Tensor):
        noted: Any = value
        return noted.value
    return CPU if isinstance(value, torch.device) else value


def writes(func) -> bool:
    return overwrites(getattr(func, "__name__", ""))


def _name(func) -> str:
    return (
        resolve_name(func) or getattr(func, "__name__", str(func))
    ).removeprefix("torch.")
