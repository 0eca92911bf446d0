"""A network timed rather than trained, and how that becomes a record."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from cnnbook import models
from cnnbook.experiments._provenance import digits, surroundings
from cnnbook.measuring import (
    DTYPES,
    measure,
    peak_bandwidth,
    peak_operations,
    traffic,
)
from cnnbook.profiling import profile
from cnnbook.records import Timing
from cnnbook.training.device import find_device


@dataclass(frozen=True)
class TimingTrial:
    """A network, and how it is timed.

    Attributes:
        architecture, options: the network, as
            ``models.create(architecture, **options)`` takes it.
        input_size: (C, H, W) of an image.
        batch_size: images in a call.
        training: time the gradients too.
        dtype: "float32" or "bfloat16", of weights and activations.
        channels_last: whether the channels of a pixel lie side by side in memory.
        min_seconds: for how long calls are repeated, as `cnnbook.measuring.measure`
            takes it.
    """

    architecture: str
    options: dict = field(default_factory=dict)
    input_size: tuple[int, int, int] = (3, 224, 224)
    batch_size: int = 1
    training: bool = False
    dtype: str = "float32"
    channels_last: bool = True
    min_seconds: float = 0.5

    @property
    def arm(self) -> str:
        """Its label, such as ``resnet50-training-float32-16``."""
        mode = "training" if self.training else "inference"
        return f"{self.architecture}-{mode}-{self.dtype}-{self.batch_size}"

    @property
    def seed(self) -> None:
        return None

    def with_seed(self, seed: int) -> TimingTrial:
        """Itself: time does not depend on the weights."""
        return self

    def settings(self) -> dict:
        """What a record of this run must have in common with it."""
        return self.settings_of(self)

    def settings_of(self, one: Any) -> dict:
        """The same of a record, a `Timing`."""
        names = [each.name for each in fields(self) if each.name != "min_seconds"]
        return json.loads(json.dumps({name: getattr(one, name) for name in names}))

    def run(self, device: torch.device | str, **where: Any) -> Timing:
        """Measure it; `where` is the record's experiment, scale and start.

        Raises:
            NotEnoughMemory: a ValueError, if the device has too little.
        """
        device, start = find_device(device), time.perf_counter()
        model = models.create(self.architecture, **self.options)
        p = profile(model, self.input_size, training=self.training)
        # A GPU's float32 would otherwise be that of its tensor cores, with 10 bits
        # of mantissa.
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=True, allow_tf32=False
        ):
            found = measure(
                model,
                self.input_size,
                self.batch_size,
                device,
                self.training,
                dtype=self.dtype,
                channels_last=self.channels_last,
                min_seconds=self.min_seconds,
            )
        itemsize = DTYPES[self.dtype].itemsize
        operations, bandwidth = (
            peak_operations(device, self.dtype),
            peak_bandwidth(device),
        )
        return Timing(
            **where,
            **self.settings(),
            arm=self.arm,
            parameters=p.total.params,
            seconds=digits(time.perf_counter() - start),
            runs=found.runs,
            latency=digits(found.seconds),
            lower_quartile=digits(found.lower_quartile),
            upper_quartile=digits(found.upper_quartile),
            peak_memory=found.peak_memory,
            flops=found.flops,
            moved_bytes=traffic(p, self.batch_size, itemsize, self.training),
            peak_operations=digits(operations.rate),
            peak_operations_source=operations.source,
            peak_bandwidth=digits(bandwidth.rate),
            peak_bandwidth_source=bandwidth.source,
            **surroundings(found.device),
        )
