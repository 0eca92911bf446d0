"""How fast the architectures of the book are, and how much of the device they use.

Each is timed on random images of 224 pixels, in inference and in training, a batch
at a time; what is measured is described at `cnnbook.measuring.measure`, the shares
of the peak at `cnnbook.measuring.roofline`. The quick scale is for one thread of a
CPU. The full scale is for a GPU: mostly in bfloat16, in which `fit` trains there,
and one batch size in float32 to compare.
"""

from __future__ import annotations

from itertools import product

from cnnbook.experiments._mechanism import experiment
from cnnbook.experiments._timing import TimingTrial

QUICK = (
    "alexnet",
    "zfnet",
    "vgg16",
    "googlenet",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
)
FULL = (*QUICK, "resnet152", "preact_resnet50")
QUICK_BATCHES = (("float32", 1), ("float32", 4), ("float32", 16))
FULL_BATCHES = (
    ("bfloat16", 1),
    ("bfloat16", 32),
    ("bfloat16", 256),
    ("float32", 32),
)


@experiment(
    "speed",
    title="Latency, throughput, memory and the share of the device's peak of every "
    "architecture, in inference and in training: what do operations cost in time?",
)
def speed(scale: str) -> list[TimingTrial]:
    names, batches = (
        (FULL, FULL_BATCHES) if scale == "full" else (QUICK, QUICK_BATCHES)
    )
    return [
        TimingTrial(
            name,
            batch_size=batch_size,
            training=training,
            dtype=dtype,
            min_seconds=0.3 if scale == "full" else 0.5,
        )
        for (dtype, batch_size), training, name in product(
            batches, (False, True), names
        )
    ]
