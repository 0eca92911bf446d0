"""What to do when a device's memory does not suffice: say which batch size
would."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from cnnbook.training import distributed
from cnnbook.training.outputs import loss_of

# How torch begins the errors of the CPU's allocators, which have no class of their
# own.
CPU_WORDS = ("DefaultCPUAllocator", "not enough memory", "can't allocate memory")


def is_shortage(error: BaseException) -> bool:
    """Whether memory ran out, of a GPU or of the machine."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        word in str(error) for word in CPU_WORDS
    )


@contextmanager
def enough_memory(
    model: nn.Module,
    input_size: tuple[int, int, int],
    batch_size: int,
    mixed: torch.autocast,
) -> Iterator[None]:
    """Turn a shortage of memory into one line that names a batch size that was
    tried and fits.

    Args:
        model: the network, on its device.
        input_size: (C, H, W) as it reads images.
        batch_size: images a step.
        mixed: the precision in which it trains.

    Raises:
        ValueError: instead of what torch raises.
    """
    try:
        yield
    except Exception as error:
        if not is_shortage(error):
            raise
    else:
        return
    # Outside of `except`, whose error keeps all that was allocated when it came up.
    device = next(model.parameters()).device
    size = "×".join(map(str, input_size))
    line = (
        f"{device} has not enough memory for batches of {batch_size} images {size}"
    )
    if distributed.world()[1] > 1:
        raise ValueError(f"{line}; choose a smaller batch_size")
    fits = largest_that_fits(model, input_size, batch_size // 2, mixed)
    if not fits:
        raise ValueError(
            f"{line}, nor of a single one; choose a smaller image_size"
        )
    raise ValueError(f"{line}; batch_size={fits} fits")


def largest_that_fits(
    model: nn.Module,
    input_size: tuple[int, int, int],
    most: int,
    mixed: torch.autocast,
) -> int:
    """Of `most`, its half, its quarter, …: the first of which a step fits; 0 if
    none does."""
    device = next(model.parameters()).device
    model.zero_grad(set_to_none=True)
    while most:
        if device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            trial = copy.deepcopy(model).train()  # the network keeps its statistics
            with mixed:
                outputs = trial(torch.zeros(most, *input_size, device=device))
            labels = torch.zeros(most, dtype=torch.long, device=device)
            loss_of(trial, outputs, labels, 0.0).backward()
        except Exception as error:
            if not is_shortage(error):
                raise
        else:
            return most
        most //= 2
    return 0
