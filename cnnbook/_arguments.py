"""Wrong arguments of public functions: one line that names the argument and what it
must be.

The annotations say what an argument is; here they are held to. A room of the
package calls `guard` once, below its imports, and whatever it offers is checked
from then on.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from numbers import Integral, Real
from typing import Any, Union, get_args, get_origin

# Of which zero is a value like others. Any other whole number counts something, and
# is positive.
FROM_ZERO = {"channel", "label", "padding", "rank", "seed", "workers"}
SHARES = {"dropout", "dropout_aux"}  # in [0, 1]


def guard(room: str, *, filled: bool = False, skip: Sequence[str] = ()) -> None:
    """Have the public functions and network classes of a module check what they are
    given.

    Args:
        room: the module's name; what it offers stands in ``__all__``.
        filled: whether an empty table, list, mapping or tensor is wrong too.
        skip: names of what checks its arguments itself.
    """
    module = sys.modules[room]
    for name in module.__all__:
        if name in skip:
            continue
        found = getattr(module, name)
        if inspect.isfunction(found) or hasattr(found, "cache_info"):
            setattr(module, name, checked(found, filled=filled))
        elif _is_plain_class(found) and "__init__" in vars(found):
            found.__init__ = checked(found.__init__, filled=filled)


def checked(function: Callable, *, filled: bool = False) -> Callable:
    """`function`, which raises a TypeError or a ValueError in one line for a wrong
    argument."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            bound = signature.bind(*args, **kwargs).arguments
        except TypeError:
            # Too many arguments or too few: Python says which.
            return function(*args, **kwargs)
        for name, value in bound.items():
            parameter = signature.parameters[name]
            if value is not parameter.default:
                for each in (
                    value
                    if parameter.kind is parameter.VAR_POSITIONAL
                    else (value,)
                ):
                    _check(name, each, _kind(function, name), filled)
        return function(*args, **kwargs)

    if hasattr(function, "cache_clear"):
        vars(wrapper)["cache_clear"] = function.cache_clear
    return wrapper


def check_flags(**flags) -> None:
    """ValueError for one that is neither True nor False."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be True or False, got {short(value)}")


def _is_plain_class(found) -> bool:
    # Data classes and named tuples hold what they are given.
    return isinstance(found, type) and not (
        is_dataclass(found) or issubclass(found, tuple)
    )


@functools.cache
def _kind(function: Callable, name: str) -> Any:
    """What the annotation of `name` stands for; Any where it does not say or cannot
    be known."""
    function = inspect.unwrap(function)
    annotation = function.__annotations__.get(name, Any)
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(function.__globals__), _Late())
    except (NameError, TypeError, AttributeError):
        return Any


class _Late(dict):
    """Names that modules import for type checkers alone."""

    def __missing__(self, name: str):
        if name == "pd":
            import pandas

            return pandas
        package = sys.modules[__package__]
        for room in (package, package.data):
            if name in room.__all__:
                return getattr(room, name)
        raise KeyError(name)


def _check(name: str, value, kind, filled: bool) -> None:
    what = _wanted(kind)
    if what is not None and not _is(value, kind):
        raise TypeError(f"{name} must be {what}, got {short(value)}")
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, Real):
        _check_number(name, value, kind)
    elif filled and hasattr(value, "__len__") and not _length(value):
        raise ValueError(f"{name} must not be empty")
    elif get_origin(kind) in (tuple, Sequence) and get_args(kind)[0] is int:
        if not len(value):
            raise ValueError(f"{name} must not be empty")
        for number in value:
            if (
                not isinstance(number, Integral)
                or isinstance(number, bool)
                or number < 0
            ):
                raise ValueError(
                    f"{name} must be of whole numbers, got {short(value)}"
                )


def _check_number(name: str, value: Any, kind) -> None:
    if not isinstance(value, Integral) and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {short(value)}")
    # More than torch can count.
    if isinstance(value, Integral) and abs(int(value)) >= 2**63:
        raise ValueError(f"{name} must be a smaller number, got {short(value)}")
    if name in SHARES and not 0 <= value <= 1:
        raise ValueError(f"{name} must be in 0 … 1, got {short(value)}")
    if int in _parts(kind):
        least = 0 if name in FROM_ZERO else 1
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {short(value)}")


def _parts(kind) -> tuple:
    """The alternatives of a kind: of ``int | None`` these two."""
    return (
        get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    )


def _is(value, kind) -> bool:
    if len(_parts(kind)) > 1:
        return any(_is(value, part) for part in _parts(kind))
    origin = get_origin(kind) or kind
    if origin in (Any, inspect.Parameter.empty):
        return True
    if origin is type(None) or origin is None:
        return value is None
    if origin is bool:
        return isinstance(value, bool)
    if origin is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if origin is float:
        return isinstance(value, Real) and not isinstance(value, bool)
    if origin is os.PathLike:
        return isinstance(value, os.PathLike)
    if origin in (Mapping, dict):
        return isinstance(value, Mapping)
    if origin in (Sequence, tuple, list):
        fits = _is_sequence(value)
        sizes = get_args(kind)
        if origin is tuple and sizes and Ellipsis not in sizes:
            return fits and len(value) == len(sizes)
        return fits
    if origin is Callable or origin is type(Callable):
        return callable(value)
    return not isinstance(origin, type) or isinstance(value, origin)


def _is_sequence(value) -> bool:
    """A list, a tuple, an index of a table, … but no text, no mapping and no
    table."""
    if isinstance(value, (str, bytes, Mapping)) or hasattr(value, "columns"):
        return False
    if type(value).__module__.startswith("torch") and not isinstance(value, tuple):
        return False  # a tensor, which has a length too; torch's sizes are tuples
    return hasattr(value, "__len__") and hasattr(value, "__iter__")


def _wanted(kind) -> str | None:
    """The kind in words; None for one that is not checked."""
    words = []
    for part in _parts(kind):
        origin = get_origin(part) or part
        if origin in (Any, inspect.Parameter.empty) or isinstance(origin, str):
            return None
        sizes = [size for size in get_args(part) if size is not Ellipsis]
        words.append(
            {
                int: "a whole number",
                float: "a number",
                str: "a string",
                bool: "True or False",
                type(None): "None",
                os.PathLike: "a path",
                Mapping: "a mapping",
                dict: "a mapping",
                Sequence: "a sequence",
                list: "a sequence",
                tuple: "a sequence"
                if ... in get_args(part)
                else f"{len(sizes)} values",
                Callable: "a function",
                type: "a class",
            }.get(origin)
            or f"a {getattr(origin, '__name__', origin)}"
        )
    return " or ".join(dict.fromkeys(words))


def _length(value) -> int:
    try:
        return len(value)
    except TypeError:  # a tensor of no dimensions
        return 1


def short(value) -> str:
    """The value as Python writes it, in one line of 60 characters at most; of a
    thing its kind."""
    if value is None or isinstance(
        value, (str, bytes, bool, float, list, tuple, dict)
    ):
        text = " ".join(repr(value).split())
    elif isinstance(value, type):
        text = repr(value)
    elif isinstance(value, Integral):
        huge = abs(int(value)) >= 10**60
        text = "a number of more than 60 digits" if huge else str(value)
    else:
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def near(word: object, known: Iterable[str], most: int = 40) -> str:
    """The end of an error line for a misspelt `word`: the names near to it, or else
    those there are, at most so many."""
    names = {name.lower(): name for name in known}
    if close := difflib.get_close_matches(str(word).lower(), names):
        return f"did you mean {' or '.join(names[name] for name in close)}?"
    more = ", …" if len(names) > most else ""
    return f"there is {', '.join(list(names.values())[:most])}{more}"
