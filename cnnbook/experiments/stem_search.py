"""Stems of every kernel, stride and width in a grid, the two published ones among
them.

It decides whether a search over such choices singles a published stem out: which
would speak against "trial and error". At the standard scale one run of each stem
ranks them by their accuracy on validation images; the two published ones and the
best are then trained anew with other seeds and tested. A search on clothes at
56 pixels cannot say what one on ImageNet finds.

The images are enlarged to 56 pixels so that an 11×11 kernel with stride 4 has
something to look at. The kernels and strides are the published ones; the widths are
a quarter of them (24 for 96).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

KERNELS, STRIDES, WIDTHS = (3, 5, 7, 11), (2, 4), (12, 24, 48)


def arm(kernel_size: int, stride: int, width: int) -> str:
    """The name of a stem, such as ``7x7-s2-24``."""
    return f"{kernel_size}x{kernel_size}-s{stride}-{width}"


PUBLISHED = {"AlexNet": arm(11, 4, 24), "ZFNet": arm(7, 2, 24)}


@experiment(
    "stem-search",
    title="Kernel, stride and width of the first convolution, searched over a "
    "grid: where do the stems of AlexNet and ZFNet fall?",
    seeds={"full": 3, "standard": 5, "quick": 3},
)
def stem_search(scale: str) -> list[Trial]:
    quick = scale == "quick"
    recipe = Recipe(
        epochs={"quick": 3, "standard": 4, "full": 6}[scale],
        batch_size=256 if scale == "full" else 64,
        optimizer="adamw",
        lr=3e-3,
        schedule="one-cycle",
        image_size=56,
        precision="fp32" if scale == "standard" else "auto",
    )
    grid = [
        Trial(
            arm(kernel_size, stride, width),
            "stem_network",
            recipe,
            {
                "kernel_size": kernel_size,
                "stride": stride,
                "width": width,
                "num_classes": 10,
                "in_channels": 1,
            },
            data="fashion-mnist-mini" if quick else "fashion-mnist",
            train_images={"quick": 4000, "standard": 20_000, "full": None}[scale],
        )
        for kernel_size, stride, width in product(KERNELS, STRIDES, WIDTHS)
    ]
    if scale != "standard":
        return grid
    published = [trial for trial in grid if trial.arm in PUBLISHED.values()]
    return [*published, replace(grid[0], arm="best", among=tuple(grid))]
