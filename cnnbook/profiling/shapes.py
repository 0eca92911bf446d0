"""The pass over the network: its own code, run on shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType, MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import DisableTorchFunction
from torch.nn.parameter import UninitializedTensorMixin
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map
from torch.utils.flop_counter import flop_registry

from cnnbook.profiling.reach import UNKNOWN, extent, merge, mix
from cnnbook.profiling.rules import (
    ATTENTION,
    FACTORIES,
    GETTERS,
    LAYERS,
    MIXES_ALL,
    RULES,
    VALUES,
)
from cnnbook.profiling.table import Layer, ProfileError

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

# Layers that change no shape and move nothing; torch's own Python for them would take most of the
# time of a profile.
UNCHANGED = {
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU,
    nn.Hardswish, nn.Dropout, nn.Dropout2d, nn.Identity,
}  # fmt: skip


def shallow_copy(model: nn.Module, mode: Shapes, training: bool) -> nn.Module:
    """The same modules over the same parameters, without hooks, each telling `mode` that it runs.

    Running a copy is what leaves the caller's modules alone: an attribute that `forward` sets, the
    training mode, the hooks are all the copy's.
    """
    copies: dict[int, nn.Module] = {}
    overrides = {**NO_HOOKS, "training": training}

    def copy(module: nn.Module, name: str) -> nn.Module:
        twin = copies.get(id(module))
        if twin is not None:
            return twin
        kind = type(module)
        if issubclass(kind, torch.jit.ScriptModule):
            raise ProfileError("TorchScript hides its layers; profile the module it came from")
        twin = copies[id(module)] = object.__new__(kind)
        attributes = module.__dict__ | overrides
        # Past nn.Module's own __setattr__, which would look for parameters among the attributes.
        object.__setattr__(twin, "__dict__", attributes)
        attributes["_buffers"] = attributes["_buffers"].copy()
        parameters = attributes["_parameters"] = attributes["_parameters"].copy()
        if parameters:
            register(parameters, name)
        children = attributes["_modules"] = attributes["_modules"].copy()
        if children:
            prefix = f"{name}." if name else ""
            for key, child in children.items():
                if child is not None:
                    children[key] = copy(child, prefix + key)
        # An instance may have a forward of its own; it is bound to the caller's module.
        own_forward = attributes.get("forward")
        if own_forward is None and not children:
            if kind in UNCHANGED:
                attributes["forward"] = reads(parameters) if parameters else unchanged
                return twin
            rule = LAYERS.get(kind)
            if rule is not None and rule.fits(attributes):
                attributes["forward"] = straight(rule.run, attributes, name)
                mode.copies.append(twin)
                return twin
        if own_forward is None and kind is nn.Sequential and all(map(is_plain, children.values())):
            attributes["forward"] = in_turn(children)
            return twin
        forward = own_forward or MethodType(kind.forward, twin)
        where = (name, not children)

        def announced(*args, **kwargs):
            outer, mode.where = mode.where, where
            try:
                return forward(*args, **kwargs)
            finally:
                mode.where = outer

        attributes["forward"] = announced
        mode.copies.append(twin)
        return twin

    def register(parameters: dict[str, Tensor | None], name: str) -> None:
        for key, parameter in parameters.items():
            if isinstance(parameter, UninitializedTensorMixin):
                raise ProfileError(
                    f"layer {name!r} is lazy and has no shape yet; run the model once first"
                )
            if parameter is not None:
                mode.params.setdefault(id(parameter), (name, key, parameter))

    def reads(parameters: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
        def unchanged(input):
            mode.reads(parameters.values())
            return input

        return unchanged

    def unchanged(input):
        return input

    def in_turn(children: dict[str, nn.Module]) -> Callable[[Any], Any]:
        """What ``nn.Sequential`` does, past ``nn.Module.__call__``: a copy has no hooks to call."""

        def forward(input):
            for child in children.values():
                input = child.forward(input)
            return input

        return forward

    def straight(run: Callable, attributes: dict[str, Any], name: str) -> Callable:
        """The layer's rule at once, past torch's Python on the way to it."""
        where = (name, True)

        def forward(input):
            outer, mode.where = mode.where, where
            try:
                with DisableTorchFunction():
                    return run(mode, input, attributes)
            finally:
                mode.where = outer

        return forward

    twin = copy(model, "")
    copies.clear()  # `copy` knows itself, so that only the collector would end what it holds
    return twin


def is_plain(module: nn.Module | None) -> bool:
    """Whether calling `module` is calling its `forward`."""
    return module is not None and type(module).__call__ is nn.Module.__call__


class Shapes(TorchFunctionMode):
    """Answers every torch function with a tensor of the right shape and no data."""

    def __init__(self):
        super().__init__()
        self.layers: list[Layer] = []
        self.where = ("", False)  # the running module's name, and whether it has no submodules
        self.params: dict[int, tuple[str, str, Tensor]] = {}  # by id: module, name, parameter
        self.used: set[int] = set()  # ids of what some function has read
        self.counted: set[int] = set()  # ids of parameters that a row has counted
        self.copies: list[nn.Module] = []
        self.uses: dict[str, int] = {}

    def release(self) -> None:
        """Let go of the network, so that it is freed as soon as its owner drops it."""
        for twin in self.copies:
            twin.__dict__.clear()
        self.copies.clear()
        self.params.clear()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        rule = RULES.get(func)
        if rule is not None:
            return rule(self, *args, **kwargs) if kwargs else rule(self, *args)
        if func in GETTERS:
            return func(*args, **kwargs or {})
        return self.other(func, args, kwargs or {})

    # Rows

    def reads(self, tensors: Iterable[Any]) -> None:
        """Remember that what runs has read these, of which some may be parameters."""
        self.used.update(map(id, tensors))

    def row(
        self, kind: str, function: str, out: Tensor, shape: Sequence[int], reach: Any, flops: int,
        weight: Tensor | None = None, *others: Tensor | None,
    ) -> Tensor:  # fmt: skip
        """Write the row of `function`, which gave `out` of `shape`; return `out`.

        The row is named after the module that owns `weight`; else after the running module; else
        after that and the function. A parameter, `weight` or one of the `others`, counts in the
        first row that reads it.
        """
        params = 0
        for tensor in (weight, *others):
            number = id(tensor)
            if number in self.params and number not in self.counted:
                self.counted.add(number)
                params += tensor.numel()
        name, key, _ = self.params.get(id(weight), ("", "", None))
        if not name or key != "weight":
            module, is_leaf = self.where
            name = module if module and is_leaf else f"{module}.{function}".lstrip(".")
        uses = self.uses[name] = self.uses.get(name, 0) + 1
        if uses > 1:
            name = f"{name}#{uses}"
        self.layers.append(Layer(name, kind, tuple(shape[1:]), params, flops, extent(reach)))
        return out

    def remaining_params(self) -> tuple[dict[str, int], dict[str, int]]:
        """Parameters that are in no row, by module: of what ran, and of what did not."""
        other, not_run = {}, {}
        for number, (owner, key, parameter) in self.params.items():
            if number not in self.counted:
                place = other if number in self.used else not_run
                module = owner or key
                place[module] = place.get(module, 0) + parameter.numel()
        return other, not_run

    # Any function without a rule

    def other(self, func, args, kwargs, reach: Any = UNKNOWN) -> Any:
        """Run `func` on the meta device; matrix products inside it become a row."""
        inputs = [t for t in tree_iter((args, kwargs)) if isinstance(t, Tensor)]
        if not inputs and func in FACTORIES:
            kwargs = kwargs | {"device": "meta"}
        with _MatrixProducts() as products:
            out = self.on_meta(func, args, kwargs)
        if reach is UNKNOWN:
            reaches = [getattr(t, "reach", None) for t in inputs]
            if func in MIXES_ALL or products.flops:
                reach = mix(merge(reaches), None, keep=True)
            elif all(r is None for r in reaches):
                reach = None
        self.stamp(out, reach)
        if products.flops:
            kind = "attention" if func in ATTENTION else "matmul"
            first = next(t for t in tree_iter(out) if isinstance(t, Tensor))
            seen = getattr(first, "reach", None)
            self.row(kind, kind, first, first.shape, seen, products.flops, None, *inputs)
        return out

    def on_meta(self, func, args, kwargs) -> Any:
        """``func(*args, **kwargs)`` with every real tensor replaced by its shape."""
        try:
            args = map(self.to_meta, args)
            return func(*args, **{key: self.to_meta(value) for key, value in kwargs.items()})
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
        if type(value) is int or value is None:
            return value
        if not isinstance(value, Tensor):
            nested = isinstance(value, list | tuple | dict)
            return tree_map(self.to_meta, value) if nested else value
        self.used.add(id(value))
        if value.is_meta and id(value) not in self.params:
            return value
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")

    @staticmethod
    def stamp(out: Any, reach: Any) -> None:
        if reach is None:
            return
        if isinstance(out, Tensor):
            out.reach = reach
        elif isinstance(out, tuple | list):
            for part in out:
                Shapes.stamp(part, reach)


class _MatrixProducts(TorchDispatchMode):
    """Counts the multiply-adds of the matrix products in a function, by torch's formulas."""

    flops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if formula := flop_registry.get(func._overloadpacket):
            self.flops += formula(*args, **kwargs, out_val=out) // 2
        return out


def _function_name(func) -> str:
    return (resolve_name(func) or getattr(func, "__name__", str(func))).removeprefix("torch.")
