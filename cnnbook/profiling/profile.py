"""`profile`: a network and an image size in, the table out."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch._functorch.apis as apis
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode
from torch.utils._pytree import tree_iter, tree_map_only

from cnnbook._arguments import short
from cnnbook.profiling.calls import calls_of, tensors_of
from cnnbook.profiling.reach import Axis
from cnnbook.profiling.rows import ProfileError, TooSmall
from cnnbook.profiling.shapes import META, Shapes
from cnnbook.profiling.table import Profile
from cnnbook.profiling.training import PRECISIONS, Step, training_of
from cnnbook.profiling.twin import Twins

# In pixels: where the search for a network's smallest image gives up.
LARGEST_TRIED = 4096


def profile(
    model: nn.Module,
    input_size: tuple[int, int, int] = (3, 224, 224),
    *,
    inputs: Any = None,
    dtype: torch.dtype | None = None,
    training: bool = False,
    optimizer: str = "momentum",
    device: str = "cpu",
    precision: str = "fp32",
) -> Profile:
    """The three measures and the receptive field of every layer of `model` for one
    image.

    The caller's model is only read: its weights, mode, device, hooks, gradients and
    whatever else its ``forward`` writes to stay as they are, and so do the random
    number generators.

    Args:
        model: any network whose shapes do not depend on the values of its
            activations.
        input_size: (C, H, W) of an image, without a batch dimension.
        inputs: in place of `input_size`, all that ``forward`` takes, with its batch
            dimension of 1: a tuple of its arguments, or a dict of them by name.
            Each is a tensor, of which only shape and type count, or a shape, or a
            tuple, list or dict of such.
        dtype: of the images, and of every input that is given as a shape; that of
            the network's parameters unless given.
        training: as in training (auxiliary heads run) rather than as in inference,
            with the memory of a training step in `Profile.training` and its column
            ``kept_kb``.
        optimizer: sgd, momentum, adam or adamw, for `Profile.training`.
        device: cpu or cuda: whose kernels `Profile.training` is of.
        precision: fp32, or bf16 for `torch.autocast`, of `Profile.training`:
            weights, gradients and the optimiser's numbers stay 32-bit floats, with
            copies of the weights beside them.

    Raises:
        ProfileError: a ValueError, of one line: the input size is not three
            positive integers, the images do not fit the network (the smallest size
            that does is named), the network asks for an activation's value, which
            shapes cannot tell, or it fails as it would with data.
    """
    if not isinstance(model, nn.Module):
        raise ProfileError(
            f"profile() takes a torch.nn.Module, got {type(model).__name__}; "
            "models.create(name) builds one from its name"
        )
    if not isinstance(training, bool):
        raise ProfileError(f"training must be True or False, got {short(training)}")
    model = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    with _uncollected():
        return _profiled(
            model,
            input_size,
            inputs,
            dtype,
            training,
            (optimizer, device, precision),
        )


def _profiled(model, input_size, inputs, dtype, training, step) -> Profile:
    if dtype is None:
        dtype = next(
            (p.dtype for p in model.parameters() if p.is_floating_point()),
            torch.float32,
        )
    if inputs is not None:
        args, kwargs = _given_inputs(inputs, dtype)
        found = _profile(model, args, kwargs, training)
        return _with_training(found, model, args, kwargs, *step)
    size = _check_input_size(input_size)

    def of_size(*size: int) -> Profile:
        return _profile(model, (_image((1, *size), dtype),), {}, training, size)

    try:
        found = of_size(*size)
    except TooSmall as error:
        smallest = _smallest_image(lambda side: of_size(size[0], side, side))
        hint = f"; it needs at least {smallest}×{smallest}" if smallest else ""
        raise TooSmall(
            f"images of {size[1]}×{size[2]} are too small for "
            f"{type(model).__name__}: {error}{hint}"
        ) from None
    image = _image((1, *size), dtype)
    return _with_training(found, model, (image,), {}, *step)


def _with_training(
    found: Profile,
    model: nn.Module,
    args: tuple,
    kwargs: dict[str, Any],
    optimizer: str,
    device: str,
    precision: str,
) -> Profile:
    """`found` with the memory of a training step, if it is of training."""
    if not found.of_training:
        return found
    if not isinstance(device, str) or device not in ("cpu", "cuda"):
        raise ProfileError(f"device is cpu or cuda, got {short(device)}")
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise ProfileError(
            f"precision is {' or '.join(PRECISIONS)}, got {short(precision)}"
        )

    def step_of(batch: int) -> tuple[Step, list[Tensor]]:
        step = Step(device, precision)

        def images(t: Tensor) -> Tensor:
            return (
                _image((batch, *t.shape[1:]), t.dtype) if t.shape[:1] == (1,) else t
            )

        own_args, own_kwargs = tree_map_only(Tensor, images, (args, kwargs))
        for t in tensors_of((own_args, own_kwargs)):
            step.begin(t)
        out = _run(step, model, own_args, own_kwargs, True, shortcuts=False)
        step.release()
        return step, [t for t in tree_iter(out) if isinstance(t, Tensor)]

    training, kept = training_of(
        step_of, list(model.parameters()), list(model.buffers()), optimizer, device
    )
    *kept, _image_kept = kept
    layers = found.layers
    if len(kept) == len(layers):
        layers = tuple(
            layer._replace(kept_kb=size / 1024)
            for layer, size in zip(layers, kept, strict=True)
        )
    return replace(
        found, layers=layers, training=replace(training, precision=precision)
    )


def _profile(
    model: nn.Module,
    args: tuple,
    kwargs: dict[str, Any],
    training: bool,
    size: tuple[int, ...] | None = None,
) -> Profile:
    mode = Shapes(of_many=size is not None)
    try:
        _run(mode, model, args, kwargs, training)
        other, not_run = mode.remaining_params()
        calls = calls_of(mode.log, tensors_of((args, kwargs)))
    finally:
        mode.release()
    if size is None:
        first = next(tensors_of((args, kwargs)), None)
        size = () if first is None else tuple(first.shape)
        size = size[1:] if size[:1] == (1,) else size
    name = type(model).__name__
    return Profile(
        name,
        size,
        tuple(mode.layers),
        other,
        not_run,
        of_training=training,
        calls=calls,
        modules=mode.kinds,
    )


def _run(
    mode: Shapes, model, args, kwargs, training: bool, shortcuts: bool = True
) -> Any:
    """Call a twin of `model` under `mode`; whatever goes wrong is one line."""
    gradients = torch.no_grad() if shortcuts else torch.enable_grad()
    try:
        twins = Twins(mode, training, shortcuts)
        twin = twins.module(model, "")
        # It knows itself, so that only the collector would end what it holds.
        twins.release()
        with gradients, _nothing_hidden(), mode:
            return twin(*args, **kwargs)
    except ProfileError:
        raise
    except RecursionError:
        raise ProfileError(
            "the network is nested deeper than Python's limit"
        ) from None
    except Exception as error:
        raise ProfileError(
            _as_one_line(error, mode.at if mode.error is error else "")
        ) from error


def _as_one_line(error: Exception, at: str) -> str:
    """What a network's own code complained of, and what to do about it."""
    text = " ".join(str(error).split()) or type(error).__name__
    place = f"layer {at!r}" if at else "the network"
    if isinstance(error, TypeError) and "required keyword-only argument" in text:
        return (
            f"{place} wants more than an image ({text}); give all by their names: "
            "profile(model, inputs={…})"
        )
    if isinstance(error, TypeError) and "required positional argument" in text:
        return (
            f"{place} wants more than an image ({text}); give them all: "
            "profile(model, inputs=…)"
        )
    if isinstance(error, AssertionError):
        return f"{place} refuses these images: {text}"
    return f"{place} fails with {type(error).__name__}: {text}"


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would go through all of torch's objects
    for the thousands that a pass makes, and find none to free."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextlib.contextmanager
def _nothing_hidden() -> Iterator[None]:
    """Scripted functions are seen while this lasts, and those that `torch.vmap`
    maps over a dimension, whole; compiled ones run as they were written."""
    scripted: Any = torch.jit.ScriptFunction
    mapping: Any = apis
    own, own_map = scripted.__call__, mapping.vmap_impl

    def seen(whole, function, args, kwargs):
        mode = _get_current_function_mode()
        # Only in this thread: others are none of our business.
        if isinstance(mode, Shapes):
            with torch._C.DisableTorchFunction(), mode.unseen():
                out = mode.other(whole, args, kwargs)
                mode.log.append(
                    (function, args, kwargs, out, mode.where[0], len(mode.layers))
                )
                return out
        return whole(*args, **kwargs)

    def called(function, *args, **kwargs):
        return seen(partial(own, function), function, args, kwargs)

    def mapped(
        function, in_dims, out_dims, randomness, chunk_size, *args, **kwargs
    ):
        whole = partial(
            own_map, function, in_dims, out_dims, randomness, chunk_size
        )
        return seen(whole, function, args, kwargs)

    scripted.__call__, mapping.vmap_impl = called, mapped
    try:
        if "torch._dynamo" not in sys.modules:  # then nothing is compiled
            yield
        else:
            with torch.compiler.set_stance("force_eager"):
                yield
    finally:
        scripted.__call__, mapping.vmap_impl = own, own_map


# Inputs


def _image(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor without data that depends on the image, which it is if it has rows
    and columns."""
    try:
        image: Any = torch.empty(shape, dtype=dtype, device=META)
    except (RuntimeError, TypeError):  # the latter of numbers beyond 64 bits
        raise ProfileError(f"images of {short(shape[1:])} are too large") from None
    if len(shape) >= 2:
        image.reach = tuple(
            Axis(dim, shape[dim], 0, 0, shape[dim] - 1, 1) for dim in (-2, -1)
        )
    return image


def _given_inputs(inputs: Any, dtype: torch.dtype) -> tuple[tuple, dict[str, Any]]:
    def made(value: Any) -> Any:
        if isinstance(value, Tensor):
            return _image(tuple(value.shape), value.dtype)
        if (
            isinstance(value, tuple | list)
            and value
            and all(type(n) is int for n in value)
        ):
            return _image(tuple(value), dtype)
        if isinstance(value, dict):
            return {key: made(item) for key, item in value.items()}
        if type(value) in (tuple, list):
            return type(value)(map(made, value))
        return value

    if isinstance(inputs, dict):
        return (), made(inputs)
    if isinstance(inputs, Tensor):
        return (made(inputs),), {}
    if not isinstance(inputs, tuple | list):
        raise ProfileError(
            "inputs is a tuple of what forward takes, such as ((1, 3, 224, 224),), "
            f"or a dict by name; got {type(inputs).__name__}"
        )
    if inputs and all(type(n) is int for n in inputs):
        raise ProfileError(
            f"inputs holds one shape for each argument: ({tuple(inputs)},)"
        )
    return tuple(map(made, inputs)), {}


def _check_input_size(input_size) -> tuple[int, int, int]:
    try:
        size = tuple(input_size)
    except TypeError:
        size = (input_size,)
    if len(size) == 4:
        raise ProfileError(
            "input_size is one image (C, H, W) without a batch dimension, got "
            f"{size}; "
            f"leave out the first number: {size[1:]}"
        )
    if len(size) != 3 or not all(type(n) is int and n > 0 for n in size):
        raise ProfileError(
            "input_size must be three positive integers (C, H, W) such as (3, 224, "
            f"224), got {size}"
        )
    return size


def _smallest_image(profile_at) -> int | None:
    """The side of the smallest square image that fits, or None where none was
    found."""

    def fits(side: int) -> bool:
        try:
            profile_at(side)
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
