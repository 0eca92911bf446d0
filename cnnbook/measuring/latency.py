"""How long a network takes on a device, and how much memory, each call timed by
itself."""

from __future__ import annotations

import copy
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable
from numbers import Real
from typing import Any

import torch
from torch import nn

from cnnbook._arguments import check_flags, short
from cnnbook.data.imagefolder import available_memory
from cnnbook.profiling import Profile, profile
from cnnbook.training.check import is_shortage, largest_that_fits
from cnnbook.training.checkpoint import RandomState
from cnnbook.training.device import device_name, find_device
from cnnbook.training.recipe import loss_of

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
WARM_UP = 3  # calls: the first ones choose algorithms and allocate memory
LEAST_RUNS = 5  # so that quartiles mean something
# glibc returns a large freed block to the system at once, and page faults for the
# next one can take longer than the convolution. Once a block of this size has been
# freed, it keeps those up to it.
LARGEST_KEPT = 2**25 - 2**16  # bytes; the threshold does not rise beyond 32 MiB


class NotEnoughMemory(ValueError):
    """The device's memory does not suffice for a batch; the message names both."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What `measure` found. A call is one batch: a forward pass, in training a
    backward one too.

    Attributes:
        name: the network's class.
        input_size: (C, H, W) of an image.
        batch_size: images in a call.
        training: whether a call computes the gradients too.
        device: as people call it.
        threads: the CPU's threads for one operation; None on other devices.
        dtype: of weights and activations.
        runs: how many calls were timed, each by itself.
        seconds: a call's median latency, from its start until the device has
            finished.
        lower_quartile, upper_quartile: of the same, in seconds.
        peak_memory: bytes on a CUDA device at the fullest moment, from weights,
            images, activations, gradients and workspace together; None elsewhere,
            as PyTorch does not count the CPU's.
        flops: multiply-adds of a call, in training with those of the gradients.
    """

    name: str
    input_size: tuple[int, int, int]
    batch_size: int
    training: bool
    device: str
    threads: int | None
    dtype: str
    runs: int
    seconds: float
    lower_quartile: float
    upper_quartile: float
    peak_memory: int | None
    flops: int

    @property
    def images_per_second(self) -> float:
        """Images a second, one call after the other, at the median latency."""
        return self.batch_size / self.seconds

    @property
    def flops_per_second(self) -> float:
        """Multiply-adds a second that the device achieved, at the median
        latency."""
        return self.flops / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, strings and a list, ready for JSON or for a
        table's row."""
        return dataclasses.asdict(self) | {
            "input_size": list(self.input_size),
            "images_per_second": self.images_per_second,
            "flops_per_second": self.flops_per_second,
        }

    def __str__(self) -> str:
        size = "×".join(map(str, (self.batch_size, *self.input_size)))
        threads = "" if self.threads is None else f", {self.threads} threads"
        memory = "not measured: PyTorch counts a CUDA device's only"
        if self.peak_memory is not None:
            memory = f"{self.peak_memory / 2**20:,.0f} MiB"
        quartiles = (
            f"{1e3 * self.lower_quartile:,.2f} to {1e3 * self.upper_quartile:,.2f}"
        )
        return "\n".join(
            [
                (
                    f"{self.name} on {size}, "
                    f"{'training' if self.training else 'inference'}"
                ),
                f"  device       {self.device}{threads}, {self.dtype}",
                f"  latency      {1e3 * self.seconds:,.2f} ms, the median of "
                f"{self.runs} runs (quartiles {quartiles} ms)",
                f"  throughput   {self.images_per_second:,.1f} images/s",
                (
                    f"  arithmetic   {self.flops_per_second / 1e9:,.1f} billion "
                    "multiply-adds/s"
                ),
                f"  peak memory  {memory}",
            ]
        )


def measure(
    model: nn.Module,
    input_size: tuple[int, int, int] = (3, 224, 224),
    batch_size: int = 1,
    device: str | torch.device = "auto",
    training: bool = False,
    *,
    dtype: str = "float32",
    channels_last: bool = False,
    min_seconds: float = 1.0,
) -> Measurement:
    """Time a copy of `model` on random images; the caller's model stays as it is.

    In training a call is the forward pass, the cross-entropy loss and its
    gradients, without the optimiser's step. Each call is timed by itself and ends
    when the device has finished. On the CPU of a Linux machine the process from
    then on reuses freed memory of up to 32 MiB a block, so that page faults do not
    hide the arithmetic.

    Args:
        model: a network for N × C × H × W images, giving logits N × classes or, in
            training, a tuple of these.
        input_size: (C, H, W) of an image.
        batch_size: images in a call.
        device: "auto" (a GPU where there is one) or a torch device.
        training: measure training rather than inference.
        dtype: "float32", "bfloat16" or "float16", of weights and activations.
        channels_last: lay activations out as N × H × W × C in memory.
        min_seconds: for how long calls are repeated; there are at least five.

    Raises:
        ValueError: in one line, if a setting is wrong, there is no such device, the
            images do not fit the network, or (then a NotEnoughMemory) the device's
            memory does not suffice.
    """
    check_flags(training=training, channels_last=channels_last)
    _check(model, batch_size, dtype, min_seconds)
    place = find_device(device)
    profiled = profile(model, input_size, training=training)
    channels, height, width = input_size
    before = _allocated(place)

    def call_of(images: int) -> Callable[[], None]:
        return _call(
            model, input_size, images, place, training, dtype, channels_last
        )

    seconds: list[float] = []
    with RandomState(0, place).seeded():
        try:
            seconds = _time(call_of(batch_size), place, min_seconds)
        except Exception as error:
            if not is_shortage(error):
                raise
        # Outside of `except`, whose error keeps all that was allocated when it came
        # up.
        if not seconds:
            most = _most_to_try(batch_size // 2, profiled, place)
            fits = largest_that_fits(lambda images: call_of(images)(), most)
            raise NotEnoughMemory(
                f"{device_name(place)} has not enough memory for a batch of "
                f"{batch_size} images {channels}×{height}×{width}"
                + (
                    f"; batch_size={fits} fits"
                    if fits
                    else ", nor for a single one"
                )
            )
    lower, median, upper = statistics.quantiles(seconds, n=4, method="inclusive")
    return Measurement(
        name=type(model).__name__,
        input_size=(channels, height, width),
        batch_size=batch_size,
        training=training,
        device=device_name(place),
        threads=torch.get_num_threads() if place.type == "cpu" else None,
        dtype=dtype,
        runs=len(seconds),
        seconds=median,
        lower_quartile=lower,
        upper_quartile=upper,
        peak_memory=_peak(place, before),
        flops=batch_size * _flops(profiled, training),
    )


def _check(
    model: nn.Module, batch_size: int, dtype: str, min_seconds: float
) -> None:
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"measure() takes a torch.nn.Module, got {type(model).__name__}; "
            "models.create(name) builds one from its name"
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ValueError("the network has no weights (it is on the meta device)")
    if type(batch_size) is not int or not 1 <= batch_size < 2**63:
        raise ValueError(
            f"batch_size must be a positive integer, got {short(batch_size)}"
        )
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(
            f"unknown dtype {short(dtype)}; there is {', '.join(DTYPES)}"
        )
    if not (
        isinstance(min_seconds, Real) and 0 <= min_seconds <= sys.float_info.max
    ):
        raise ValueError(
            "min_seconds must be zero or a positive number, got "
            f"{short(min_seconds)}"
        )


def _flops(p: Profile, training: bool) -> int:
    """Multiply-adds of a call for one image.

    The gradients of a layer's inputs and weights cost a forward pass each, and the
    images need none. torch's FlopCounterMode counts too many for the gradients of
    grouped convolutions.
    """
    return 3 * p.total.flops - p.layers[0].flops if training else p.total.flops


def _most_to_try(batch_size: int, p: Profile, place: torch.device) -> int:
    """`batch_size`, or as often halved as the CPU's memory asks for.

    Linux promises more memory than there is, and kills whoever then takes it. An
    eighth leaves room for gradients and for what other processes do.
    """
    available = available_memory() if place.type == "cpu" else None
    while available and batch_size * 1024 * p.total.memory_kb > available / 8:
        batch_size //= 2
    return batch_size


def _call(
    model, input_size, batch_size, place, training, dtype, channels_last
) -> Callable:
    """The call to be timed, on a copy of `model` and on images that lie on the
    device."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = copy.deepcopy(model).train(training)
    model.zero_grad(set_to_none=True)  # a copy has the original's gradients
    model.to(place, DTYPES[dtype], memory_format=layout)
    images = torch.randn(
        (batch_size, *input_size), device=place, dtype=DTYPES[dtype]
    )
    images = images.contiguous(memory_format=layout)
    if not training:

        def infer() -> None:
            with torch.no_grad():
                model(images)

        return infer

    labels = torch.zeros(batch_size, dtype=torch.long, device=place)

    def train() -> None:
        model.zero_grad(set_to_none=True)
        loss_of(model, model(images), labels, 0.0).backward()

    return train


def _time(
    call: Callable[[], None], place: torch.device, min_seconds: float
) -> list[float]:
    """The seconds of each call, until they add up to `min_seconds`."""
    if place.type == "cpu":
        torch.empty(LARGEST_KEPT, dtype=torch.uint8)  # freed as soon as it is there
    for _ in range(WARM_UP):
        call()
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    seconds: list[float] = []
    while len(seconds) < LEAST_RUNS or sum(seconds) < min_seconds:
        wait(place)
        start = time.perf_counter()
        call()
        wait(place)  # a GPU works on after the call has returned
        seconds.append(time.perf_counter() - start)
    return seconds


def wait(place: torch.device) -> None:
    """Until the device has done all that it was given."""
    if place.type == "cuda":
        torch.cuda.synchronize(place)
    elif place.type == "mps":
        torch.mps.synchronize()


def _allocated(place: torch.device) -> int:
    return torch.cuda.memory_allocated(place) if place.type == "cuda" else 0


def _peak(place: torch.device, before: int) -> int | None:
    """The peak since the last reset, less what had been allocated `before` the
    measurement."""
    return (
        torch.cuda.max_memory_allocated(place) - before
        if place.type == "cuda"
        else None
    )
