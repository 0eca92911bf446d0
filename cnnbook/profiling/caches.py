"""What outlives a pass: tensors in a cache that is no part of the network.

A twin's own attributes are dropped with it. But a forward may also fill a dict of
its Python module, an attribute of a class or an `lru_cache` (tables of positions,
windows, masks), which the network that runs for real reads later. So what is in
there is to be real, too: where something else still holds a tensor of the pass that
does not depend on the image, the calls that made it are made once more, with data.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from cnnbook.profiling.calls import tensors_of
from cnnbook.profiling.primitives import META, overwrites, reach_of
from cnnbook.profiling.rules import RANDOM


def fill(log: list[tuple], device: torch.device) -> None:
    """Empty `log`, as `Shapes` keeps it, from its end, and give what others hold of
    it real values on `device`.

    A call's results are held by later calls alone, which are gone when its turn
    comes, unless they write, or made what others write: those are kept.
    """
    later: list[tuple] = []
    held = Held()
    found: list[tuple[Tensor, Tensor]] = []
    while log:
        func, args, kwargs, out, *_ = log.pop()
        if reach_of(out) is not None or isinstance(func, type):  # or a layer's
            continue
        made = [out] if isinstance(out, Tensor) else list(tensors_of(out))
        out = None
        survivors = [
            k
            for k in range(len(made))
            if sys.getrefcount(made[k]) > _ALONE + held.times[id(made[k])]
            and made[k].is_meta
            and reach_of(made[k]) is None
            # Else an earlier call has made it.
            and not any(made[k] is t for t in tensors_of((args, kwargs)))
        ]
        if survivors:
            history = [*log, (func, args, kwargs, made), *reversed(later)]
            for k in survivors:
                with suppress(Exception):  # then it stays as it is
                    found.append((made[k], _computed(made[k], history, device)))
            del history
        if _target(func, args) is not None or any(held.times[id(t)] for t in made):
            later.append((func, args, kwargs, made))
            held.add((args, kwargs, made))
    later.clear()
    found.reverse()  # views first, without which torch lets a base be swapped
    while found:
        tensor, real = found.pop()
        if not real.is_meta:
            with suppress(RuntimeError):  # others refer to it in ways of their own
                torch.utils.swap_tensors(tensor, real)


class Held:
    """How often each tensor that does not depend on the image is referred to, by
    its id: by calls, and by its views."""

    def __init__(self) -> None:
        self.times: Counter[int] = Counter()
        self.known: set[int] = set()
        self.viewed: set[int] = set()

    def add(self, values: Any) -> None:
        for tensor in tensors_of(values):
            if reach_of(tensor) is not None:
                continue
            self.times[id(tensor)] += 1
            for each in _and_bases(tensor):
                if id(each) in self.known:
                    break
                self.known.add(id(each))
                base = getattr(each, "base", None)
                self.times[id(base)] += 1
                if each._is_view() and id(base) not in self.viewed:
                    self.viewed.add(id(base))
                    self.times[id(base)] += _VIEWED


# What a list alone refers to; Pythons count otherwise.
_LISTED = [object()]
_ALONE = sys.getrefcount(_LISTED[0])
# What torch adds where there are views; its versions do otherwise.
_BASE = [torch.empty(1, device=META)]
_VIEW = _BASE[0][:]
_VIEWED = sys.getrefcount(_BASE[0]) - _ALONE


def _target(func: Any, args: Any) -> Tensor | None:
    """What a call overwrites, if it does not depend on the image."""
    if not overwrites(getattr(func, "__name__", "")):
        return None
    first = next(iter(args), None)
    return first if isinstance(first, Tensor) and reach_of(first) is None else None


def _and_bases(tensor: Any) -> Iterator[Tensor]:
    while tensor is not None:
        yield tensor
        tensor = getattr(tensor, "base", None)


def _computed(tensor: Tensor, history: list[tuple], device: torch.device) -> Tensor:
    """`tensor` with its values: only the calls are made that it comes from."""
    wanted = set(map(id, _and_bases(tensor)))
    calls = []
    for call in reversed(history):
        func, args, kwargs, out, *_ = call
        made = set(map(id, tensors_of(out)))
        if not isinstance(func, type):
            made.update(map(id, _and_bases(_target(func, args))))
        if wanted.isdisjoint(made):
            continue
        calls.append(call)
        for each in tensors_of((args, kwargs)):
            if reach_of(each) is None:
                wanted.update(map(id, _and_bases(each)))
    real: dict[int, Tensor] = {}

    def value(given: Any) -> Any:
        if isinstance(given, torch.device):
            return device if given == META else given
        if not isinstance(given, Tensor):
            return given
        if id(given) in real:
            return real[id(given)]
        if reach_of(given) is not None:  # the image: of its shape and type only
            return torch.zeros((), dtype=given.dtype, device=device).expand(
                given.shape
            )
        # One of the network's own, which is not to be written to.
        real[id(given)] = given.detach().clone()
        return real[id(given)]

    draws = any(func in RANDOM for func, *_ in calls)
    with torch.no_grad(), torch.random.fork_rng([]) if draws else nullcontext():
        for func, args, kwargs, out, *_ in reversed(calls):
            args, kwargs = tree_map(value, (tuple(args), kwargs or {}))
            found = tensors_of(func(*args, **kwargs))
            real.update(zip(map(id, tensors_of(out)), found, strict=True))
    return real[id(tensor)].detach()
