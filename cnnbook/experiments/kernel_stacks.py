"""Two 3×3 convolutions against a 5×5, three against a 7×7, with and without ReLUs between.

The networks differ in nothing but what covers the window: see `cnnbook.models.KernelStack`.
"""

from __future__ import annotations

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

# arm: kernel size, convolutions in a row, whether without ReLU between them
ARMS = {
    "5x5": (5, 1, False),
    "3x3-3x3": (3, 2, False),
    "3x3-3x3-linear": (3, 2, True),
    "7x7": (7, 1, False),
    "3x3-3x3-3x3": (3, 3, False),
    "3x3-3x3-3x3-linear": (3, 3, True),
}


@experiment(
    "kernel-stacks",
    title="Several 3×3 convolutions against one larger one of the same receptive field: does the "
    "stack learn as well, and what do the ReLUs between its convolutions add?",
)
def kernel_stacks(scale: str) -> list[Trial]:
    quick = scale == "quick"
    recipe = Recipe(
        epochs=4 if quick else 12,
        batch_size=64 if quick else 256,
        optimizer="adamw",
        lr=3e-3,
        schedule="one-cycle",
    )
    return [
        Trial(
            arm,
            "kernel_stack",
            recipe,
            {
                "kernel_size": kernel_size,
                "depth": depth,
                "linear": linear,
                "channels": 16 if quick else 64,
                "num_classes": 10,
                "in_channels": 1,
            },
            data="fashion-mnist-mini" if quick else "fashion-mnist",
        )
        for arm, (kernel_size, depth, linear) in ARMS.items()
    ]
