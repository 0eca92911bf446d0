"""A network's twin: the same parameters in other modules, which may be run and
written to."""

from __future__ import annotations

import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._C import DisableTorchFunction
from torch.nn.parameter import is_lazy
from torch.utils.hooks import RemovableHandle

from cnnbook.profiling.rows import ProfileError
from cnnbook.profiling.rules import LAYERS

if TYPE_CHECKING:
    from cnnbook.profiling.shapes import Shapes

# What nn.Module itself keeps in a module; all else is its owner's.
ORDER = tuple(nn.Module().__dict__)
FIRST, LAST = ORDER[0], ORDER[-1]
OWN = frozenset(ORDER) | {
    "_compiled_call_impl",
    "_is_hf_initialized",
}
HOOKS = ("_forward_hooks", "_forward_pre_hooks")
# Keyed by the hook's number, which no two hooks of a process share: one each will
# do for all.
MARKS = (
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)
PLAIN = {int, float, bool, str, bytes, complex, type(None), type, torch.Size,
         torch.dtype, torch.device, Tensor, nn.Parameter, types.ModuleType, range,
         slice, frozenset}  # fmt: skip


class Twins:
    """Makes a twin of a network, each module of which tells `mode` when it runs.

    Running a twin is what leaves the caller's things alone: an attribute that
    `forward` sets, a list it appends to, a hook that it registers are all the
    twin's. What refers to the caller's modules and containers (a hook, a bound
    method, a cache of the owner's class) is copied with them, and refers to the
    copies.
    """

    def __init__(self, mode: Shapes, training: bool, shortcuts: bool = True):
        self.mode, self.training, self.shortcuts = mode, training, shortcuts
        self.twins: dict[int, Any] = {}
        self.kept: list[Any] = []  # what is in `twins`, lest an id is used again
        self.marks: dict[str, OrderedDict] = {name: OrderedDict() for name in MARKS}
        self.fixed = {**self.marks, "training": training}

    def module(self, module: nn.Module, name: str) -> nn.Module:
        twin = self.twins.get(id(module))
        if twin is not None:
            return twin
        kind = type(module)
        self.mode.kinds[name] = kind.__name__
        layer = LAYERS.get(kind)
        if layer is None:
            if issubclass(kind, torch.jit.ScriptModule):
                raise ProfileError(
                    "TorchScript hides its layers; profile the module it came from"
                )
            original = module.__dict__.get("_modules", {}).get("_orig_mod")
            # A module that torch.compile has wrapped.
            if original is not None and kind.__name__ == "OptimizedModule":
                twin = self.twins[id(module)] = self.module(original, name)
                return twin
        twin = self.twins[id(module)] = object.__new__(kind)
        attributes = module.__dict__ | self.fixed
        # Past nn.Module's own __setattr__, which would look for parameters among
        # the attributes.
        object.__setattr__(twin, "__dict__", attributes)
        parameters, children = attributes["_parameters"], attributes["_modules"]
        if parameters:
            self.register(parameters, name)
        hooked = attributes["_forward_hooks"] or attributes["_forward_pre_hooks"]
        attributes["_forward_hooks"] = OrderedDict()
        attributes["_forward_pre_hooks"] = OrderedDict()
        if (
            layer is not None
            and self.shortcuts
            and not (hooked or children or "forward" in attributes)
            and layer.fits(attributes)
        ):
            attributes["forward"] = self.straight(layer.run, attributes, kind, name)
            self.mode.copies.append(twin)
            return twin
        attributes["_parameters"] = parameters.copy()
        attributes["_buffers"] = attributes["_buffers"].copy()
        children = attributes["_modules"] = children.copy()
        if children:
            prefix = f"{name}." if name else ""
            for key, child in children.items():
                if child is not None:
                    children[key] = self.module(child, prefix + key)
        plain = kind is nn.Sequential and not hooked and "forward" not in attributes
        if plain and all(map(is_plain, children.values())):
            attributes["forward"] = in_turn(children)
            return twin
        self.mode.copies.append(twin)
        if hooked:
            self.hooks(module, attributes)
        written = list(attributes.items())
        if written[0][0] == FIRST and written[len(ORDER) - 1][0] == LAST:
            del written[: len(ORDER)]
        for key, value in written:
            if type(value) not in PLAIN and key not in OWN:
                attributes[key] = self.of(value)
        if attributes.get("_compiled_call_impl") is not None:
            attributes["_compiled_call_impl"] = None
        forward = attributes.get("forward")
        if forward is None:
            method: Any = kind.forward
            method = getattr(method, "_torchdynamo_orig_callable", method)
            forward = types.MethodType(method, twin)
        attributes["forward"] = self.announced(forward, (name, not children))
        return twin

    def release(self) -> None:
        self.twins.clear()
        self.kept.clear()

    def hooks(self, module: nn.Module, attributes: dict[str, Any]) -> None:
        for name in HOOKS:
            for number, hook in module.__dict__[name].items():
                attributes[name][number] = self.of(hook)
        for name in MARKS[:3]:
            self.marks[name].update(module.__dict__[name])

    def register(self, parameters: dict[str, Tensor | None], name: str) -> None:
        params = self.mode.params
        for key, parameter in parameters.items():
            if type(parameter) is nn.Parameter:
                params.setdefault(id(parameter), (name, key, parameter))
                continue
            if parameter is None:
                continue
            if is_lazy(parameter):
                raise ProfileError(
                    f"layer {name!r} is lazy and has no shape yet; run the model "
                    "once first"
                )
            params.setdefault(id(parameter), (name, key, parameter))

    # What modules refer to

    def of(self, value: Any) -> Any:
        """`value`, or a copy if it may be written to or refers to what has a
        twin."""
        kind = type(value)
        if kind in PLAIN:
            return value
        twin = self.twins.get(id(value))
        if twin is not None:
            return twin
        if isinstance(value, nn.Module):
            return self.module(value, "")
        make = COPIES.get(kind)
        if make is not None:
            return make(self, value)
        if is_copyable(value, kind):
            return self.instance(value, kind)
        if isinstance(value, tuple) and hasattr(kind, "_make"):  # a named one
            return kind._make(map(self.of, value))
        return value

    def remember(self, value: Any, twin: Any) -> Any:
        self.twins[id(value)] = twin
        self.kept.append(value)
        return twin

    def of_list(self, value):
        twin = self.remember(value, value.copy())  # a deque keeps its length
        twin.clear()
        twin.extend(map(self.of, value))
        return twin

    def of_dict(self, value):
        twin = value.copy()
        twin.clear()
        self.remember(value, twin)
        for key, item in value.items():
            twin[key] = self.of(item)
        return twin

    def of_tuple(self, value):
        if PLAIN.issuperset(map(type, value)):  # a kernel's sides, as nearly always
            return value
        items = tuple(map(self.of, value))
        same = all(a is b for a, b in zip(items, value, strict=True))
        return value if same else items

    def of_set(self, value):
        return self.remember(value, value.copy())

    def of_array(self, value):
        twin = self.remember(value, value.copy())
        if value.dtype.hasobject:
            twin.flat[:] = [self.of(item) for item in value.flat]
        return twin

    def method(self, value):
        owner = self.of(value.__self__)
        return (
            value
            if owner is value.__self__
            else types.MethodType(value.__func__, owner)
        )

    def builtin(self, value):
        """A list's ``append`` and the like."""
        owner = value.__self__
        if type(owner) in PLAIN or owner is None:
            return value
        twin = self.of(owner)
        return value if twin is owner else getattr(twin, value.__name__)

    def function(self, value):
        compiled = getattr(value, "_torchdynamo_orig_callable", None)
        if compiled is not None:
            return self.of(compiled)
        if value.__closure__ is None:
            return value
        twin = types.FunctionType(
            value.__code__,
            value.__globals__,
            value.__name__,
            value.__defaults__,
            tuple(types.CellType() for _ in value.__closure__),
        )
        twin.__kwdefaults__ = value.__kwdefaults__
        twin.__dict__.update(value.__dict__)
        self.remember(value, twin)
        for old, new in zip(value.__closure__, twin.__closure__, strict=True):
            try:
                new.cell_contents = self.of(old.cell_contents)
            except ValueError:  # an empty cell
                continue
        return twin

    def partial(self, value):
        keywords = {key: self.of(item) for key, item in value.keywords.items()}
        return partial(self.of(value.func), *map(self.of, value.args), **keywords)

    def weak(self, value):
        referent = value()
        return value if referent is None else weakref.ref(self.of(referent))

    def handle(self, value):
        twin = object.__new__(RemovableHandle)
        twin.__dict__.update(value.__dict__)
        # Removing a twin's hook has no effect on its network.
        twin.hooks_dict_ref = weakref.ref(OrderedDict())
        return self.remember(value, twin)

    def instance(self, value, kind):
        held = HELD[holder(kind)]
        twin = self.remember(value, kind.__new__(kind))
        for key, item in getattr(value, "__dict__", {}).items():
            twin.__dict__[key] = self.of(item)
        for slot in slots(kind):
            # One that was never set has none.
            with suppress(AttributeError):
                slot.__set__(twin, self.of(slot.__get__(value)))
        held(self, value, twin)
        return twin

    def fill_nothing(self, value, twin):
        """A plain object is all in its attributes."""

    def fill_list(self, value, twin):
        list.extend(twin, map(self.of, list.__iter__(value)))

    def fill_dict(self, value, twin):
        for key, item in dict.items(value):
            dict.__setitem__(twin, key, self.of(item))

    def fill_ordered(self, value, twin):
        for key, item in OrderedDict.items(value):
            OrderedDict.__setitem__(twin, key, self.of(item))

    def fill_default(self, value, twin):
        twin.default_factory = value.default_factory
        self.fill_dict(value, twin)

    def fill_set(self, value, twin):
        set.update(twin, value)

    def namespace(self, value):
        twin = self.remember(value, types.SimpleNamespace())
        twin.__dict__.update(
            {key: self.of(item) for key, item in value.__dict__.items()}
        )
        return twin

    # What runs

    def announced(self, forward: Callable, where: tuple[str, bool]) -> Callable:
        mode = self.mode

        def announced(*args, **kwargs):
            outer, mode.where = mode.where, where
            try:
                return forward(*args, **kwargs)
            except BaseException as error:
                mode.blame(error)
                raise
            finally:
                mode.where = outer

        return announced

    def straight(
        self, run: Callable, attributes: dict[str, Any], kind: type, name: str
    ):
        """The layer's rule at once, past torch's Python on the way to it.

        Where the rule does not answer, the layer's own `forward` does.
        """
        where, mode = (name, True), self.mode

        def forward(input):
            outer, mode.where = mode.where, where
            try:
                if mode.hidden:
                    raise ProfileError(
                        f"layer {name!r} is called within torch.vmap, where its "
                        "shapes are those of a part; call it on the whole"
                    )
                with DisableTorchFunction():
                    out = run(mode, input, attributes)
                if out is NotImplemented:
                    return whole(input)
                mode.log.append(
                    (kind, input, attributes, out, name, len(mode.layers))
                )
                return out
            except BaseException as error:
                mode.blame(error)
                raise
            finally:
                mode.where = outer

        def whole(input):
            twin = object.__new__(kind)
            object.__setattr__(twin, "__dict__", attributes)
            return kind.forward(twin, input)

        return forward


def in_turn(children: dict[str, nn.Module]) -> Callable[[Any], Any]:
    """What ``nn.Sequential`` does, past ``nn.Module.__call__`` where no hook is to
    be called."""

    def forward(input):
        for child in children.values():
            hooks = child.__dict__
            if hooks["_forward_hooks"] or hooks["_forward_pre_hooks"]:
                input = child(input)
            else:
                input = child.forward(input)
        return input

    return forward


def is_plain(module: nn.Module | None) -> bool:
    """Whether calling `module` is calling its hooks and its `forward`."""
    return module is not None and type(module).__call__ is nn.Module.__call__


HELD: dict[type, Callable[[Twins, Any, Any], None]] = {
    object: Twins.fill_nothing,
    list: Twins.fill_list,
    dict: Twins.fill_dict,
    OrderedDict: Twins.fill_ordered,
    defaultdict: Twins.fill_default,
    set: Twins.fill_set,
}


def holder(kind: type) -> type:
    """What a class is at bottom: the first of its bases that is Python's own."""
    return next(base for base in kind.__mro__ if not base.__flags__ & HEAP)


HEAP = 1 << 9  # the flag of a class that was made while Python runs


def slots(kind: type) -> Iterator[Any]:
    """The descriptors of what ``__slots__`` names, in a class and its bases."""
    for base in kind.__mro__:
        if "__slots__" in base.__dict__:
            for member in base.__dict__.values():
                if isinstance(member, types.MemberDescriptorType):
                    yield member


def is_copyable(value: Any, kind: type) -> bool:
    """Whether `value` is an instance of a class of its owner's that holds no more
    than attributes, and what a list, a dict or a set holds."""
    if type(kind) is not type or not kind.__flags__ & HEAP:
        return False
    own = holder(kind)
    written_in_python = hasattr(value, "__dict__") or all(
        "__slots__" in base.__dict__
        for base in kind.__mro__
        if base.__flags__ & HEAP
    )
    return (
        own in HELD
        and written_in_python
        and kind.__new__ is own.__new__
        and (own is not object or kind.__reduce_ex__ is object.__reduce_ex__)
        and not isinstance(value, Enum | BaseException)
    )


COPIES: dict[type, Callable[[Twins, Any], Any]] = {
    list: Twins.of_list,
    deque: Twins.of_list,
    dict: Twins.of_dict,
    OrderedDict: Twins.of_dict,
    defaultdict: Twins.of_dict,
    tuple: Twins.of_tuple,
    set: Twins.of_set,
    bytearray: Twins.of_set,
    np.ndarray: Twins.of_array,
    types.SimpleNamespace: Twins.namespace,
    types.MethodType: Twins.method,
    types.BuiltinMethodType: Twins.builtin,
    types.FunctionType: Twins.function,
    partial: Twins.partial,
    weakref.ref: Twins.weak,
    RemovableHandle: Twins.handle,
}
