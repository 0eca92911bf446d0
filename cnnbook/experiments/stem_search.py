"""Stems of every kernel, stride and width in a grid, the two published ones among them.

The images are enlarged to 56 pixels so that an 11×11 kernel with stride 4 has something to look at.
The kernels and strides are the published ones; the widths are a quarter of them (24 for 96).
"""

from __future__ import annotations

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
    title="Kernel, stride and width of the first convolution, searched over a grid: where do the "
    "stems of AlexNet and ZFNet fall?",
)
def stem_search(scale: str) -> list[Trial]:
    quick = scale == "quick"
    recipe = Recipe(
        epochs=3 if quick else 6,
        batch_size=64 if quick else 256,
        optimizer="adamw",
        lr=3e-3,
        schedule="one-cycle",
        image_size=56,
    )
    return [
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
            train_images=4000 if quick else None,
        )
        for kernel_size, stride, width in product(KERNELS, STRIDES, WIDTHS)
    ]
