"""Depth with and without shortcuts: figures 4 and 6 of the ResNet paper, in small.

It decides whether a deeper plain network has the higher training error, and whether
a deeper residual one has the lower (ResNet, section 4.2 and table 2). The first is
refuted by an interval of "plain56 − plain20" below zero, the second by one of
"resnet56 − resnet20" above.

Errors are those of fixed training images in evaluation mode. Each arm trains at the
best of four learning rates, chosen by runs of two epochs: one rate for all is
unfair to some. Nothing is augmented, so that what a network fails to learn is its
own failure, and six passes over half of the training images leave something to
compare: ten thousand images are soon learned by heart.
"""

from __future__ import annotations

from typing import Any

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

DEPTHS = (20, 32, 44, 56)
RATES = (0.1, 0.05, 0.025, 0.0125)


@experiment(
    "degradation",
    title="Plain and residual networks of several depths: does the "
    "deeper one have the lower training error?",
    seeds={"full": 3, "standard": 5, "quick": 3},
)
def degradation(scale: str) -> list[Trial]:
    names = ["plain20", "plain56", "resnet20", "resnet56"]
    rates: tuple[float, ...] = ()
    where: dict[str, Any]
    if scale == "quick":
        where = {"data": "fashion-mnist-mini", "train_images": 4000}
        # Without augmentation, so that the training error is that of fixed images.
        recipe = Recipe(
            epochs=10,
            batch_size=64,
            lr=0.05,
            warmup_epochs=1,
            weight_decay=1e-4,
            image_size=14,
        )
    elif scale == "standard":
        names = [
            f"{kind}{depth}" for depth in DEPTHS for kind in ("plain", "resnet")
        ]
        where = {"data": "fashion-mnist", "train_images": 30_000}
        rates = RATES
        # As many steps as six passes over all images with 128 a step, for half the
        # arithmetic.
        recipe = Recipe(
            epochs=6,
            batch_size=64,
            warmup_epochs=0.5,
            weight_decay=1e-4,
            image_size=14,
            precision="fp32",
            fixed_images=10_000,
        )
    else:
        names += ["plain18", "plain34", "resnet18", "resnet34"]
        where = {"data": "fashion-mnist"}
        recipe = Recipe(
            epochs=10, batch_size=256, lr=0.1, warmup_epochs=1, weight_decay=1e-4
        )
    return [
        Trial(
            arm=name,
            architecture=name,
            options={"num_classes": 10, "in_channels": 1},
            recipe=recipe,
            rates=rates,
            choosing_epochs=2,
            **where,
        )
        for name in names
    ]
