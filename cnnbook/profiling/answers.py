"""What calls gave before: a network repeats its blocks, and what a function without
a rule gives is told by the shapes and the reach of what it is given.

Answers are remembered where nothing else decides them: no value of an input is
known, and nothing was written to.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_iter, tree_unflatten

from cnnbook.profiling.primitives import FLAT, META, reach_of
from cnnbook.profiling.reach import Axis, Folded, United

# Hashed with their type: 1, 1.0 and True are equal.
NUMBERS = {int, float, bool, complex}


class Unlike(Exception):
    """An argument that no other call's can be compared with."""


class Answer(NamedTuple):
    """What a call gave: its tensors, in the order of torch's trees, and its
    multiply-adds.

    Attributes:
        form: how the tensors lie in what was returned; None for a tensor alone.
        made: shape, strides, type and reach of each.
        bases: for each, which input it is a view of; None if of none.
        flops: multiply-adds.
    """

    form: TreeSpec | None
    made: tuple[tuple, ...]
    bases: tuple[int | None, ...]
    flops: int

    def again(self, func: Callable, args, kwargs, inputs: Sequence[Tensor]) -> Any:
        """The same for other tensors: views are views of these."""
        if any(base is not None for base in self.bases):
            out = func(*args, **kwargs)
            outs = [out] if self.form is None else tree_flatten(out)[0]
        else:
            outs = [
                torch.empty_strided(shape, strides, dtype=dtype, device=META)
                for shape, strides, dtype, _ in self.made
            ]
            out = outs[0] if self.form is None else tree_unflatten(outs, self.form)
        for each, (*_, reach), base in zip(
            outs, self.made, self.bases, strict=True
        ):
            if reach is not None:
                each.reach = reach
            if base is not None:
                each.base = inputs[base]
        return out


def answer_of(out: Any, inputs: Sequence[Tensor], flops: int) -> Answer | None:
    """What to remember of `out`; None if it is an input, or holds what is no
    tensor."""
    outs, form = ([out], None) if isinstance(out, Tensor) else tree_flatten(out)
    if not all(isinstance(each, Tensor) for each in outs):
        return None
    if any(each is t for each in outs for t in inputs):
        return None
    bases = [base for _, base in bases_of(outs, inputs)]
    if any(base is not None for base in bases):
        # An activation is given the storage of what it is of, and which of two is
        # viewed cannot be told.
        stores = {id(t): t.untyped_storage()._cdata for t in inputs}
        if len(set(stores.values())) < len(stores):
            return None
    made = [(t.shape, t.stride(), t.dtype, reach_of(t)) for t in outs]
    return Answer(form, tuple(made), tuple(bases), flops)


def bases_of(
    out: Any, inputs: Sequence[Tensor]
) -> Iterator[tuple[Any, int | None]]:
    """The tensors of `out`, each with the place of the input whose storage it
    has."""
    stored: dict[int, int] = {}
    for i, t in enumerate(inputs):
        stored.setdefault(t.untyped_storage()._cdata, i)
    for each in tree_iter(out):
        if isinstance(each, Tensor):
            yield each, stored.get(each.untyped_storage()._cdata)


def key_of(func: Callable, args: Any, kwargs: Any) -> Hashable:
    """What decides the answer; None where that cannot be said."""
    try:
        key = func, _key(args), _key(kwargs)
        hash(key)
    except (Unlike, TypeError):
        return None
    return key


def _key(value: Any) -> Hashable:
    if isinstance(value, Tensor):
        if not value.is_meta or hasattr(value, "value"):
            raise Unlike  # its values may decide
        reach = reach_of(value)
        if type(reach) is tuple:
            reach = tuple(map(_of_axis, reach))
        return value.shape, value.stride(), value.dtype, reach
    kind = type(value)
    if kind in NUMBERS:
        return kind, value
    if isinstance(value, tuple | list):
        return kind, *map(_key, value)
    if isinstance(value, dict):
        return kind, *((name, _key(item)) for name, item in value.items())
    if kind is slice:
        return slice, *map(_key, (value.start, value.stop, value.step))
    if kind in FLAT:
        return value
    raise Unlike


def _of_axis(axis: Any) -> Hashable:
    if type(axis) is Axis:
        return axis
    if isinstance(axis, Folded):
        return _of_axis(axis.axis), tuple(axis.old), tuple(axis.new)
    if isinstance(axis, United):
        return _of_axis(axis.a), _of_axis(axis.b)
    low, high = axis.low, axis.high
    return low.shape, low.tobytes(), high.shape, high.tobytes(), axis.all
