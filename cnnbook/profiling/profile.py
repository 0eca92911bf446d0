"""`profile`: a network and an image size in, the table out."""

from __future__ import annotations

import torch
from torch import nn

from cnnbook.profiling.reach import Axis
from cnnbook.profiling.shapes import Shapes, shallow_copy
from cnnbook.profiling.table import Profile, ProfileError, TooSmall

LARGEST_TRIED = 4096  # pixels; where the search for a network's smallest image gives up


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
    mode = Shapes()
    try:
        copy = shallow_copy(model, mode, training)
        image = torch.empty((1, *size), device="meta")
        image.reach = tuple(
            Axis(dim, n, 0, 0, n - 1, 1) for dim, n in ((-2, size[1]), (-1, size[2]))
        )
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
            "input_size must be three positive integers (C, H, W) such as (3, 224, 224), "
            f"got {size}"
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
