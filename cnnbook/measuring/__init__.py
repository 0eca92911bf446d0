"""Wall-clock truth: how long a network takes on a device, and what limits it there.

The three measures of `cnnbook.profile` follow from shapes and are the same
everywhere. What is measured here depends on the device, its load, the precision and
the version of PyTorch; a `Measurement` says on which device it was made.

>>> from cnnbook import models
>>> from cnnbook.measuring import measure
>>> network = models.create("resnet18")
>>> print(measure(network, (3, 224, 224), batch_size=8))  # doctest: +SKIP
"""

from cnnbook._arguments import guard
from cnnbook.measuring.latency import DTYPES, Measurement, NotEnoughMemory, measure
from cnnbook.measuring.roofline import (
    Peak,
    peak_bandwidth,
    peak_operations,
    traffic,
)
from cnnbook.measuring.scaling import scaling_efficiency

__all__ = [
    "DTYPES",
    "Measurement",
    "NotEnoughMemory",
    "Peak",
    "measure",
    "peak_bandwidth",
    "peak_operations",
    "scaling_efficiency",
    "traffic",
]

guard(__name__, skip=["measure", "scaling_efficiency"])
