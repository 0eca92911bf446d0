"""Cardinality against accuracy at equal cost: table 3 of the ResNeXt paper, in small."""

from __future__ import annotations

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

# Cardinality and width of table 2, a quarter and half as wide as published. A quarter of 14 is no
# whole number, so the quick scale has no 8 paths.
QUICK = ((1, 16), (2, 10), (4, 6), (32, 1))
FULL = ((1, 32), (2, 20), (4, 12), (8, 7), (32, 2))


@experiment(
    "cardinality",
    title="ResNeXts of equal depth, multiply-adds and parameters, with 1 to 32 paths a block: "
    "do more and narrower paths classify better?",
)
def cardinality(scale: str) -> list[Trial]:
    if scale == "quick":
        templates, channels, blocks = QUICK, 16, 1
        where = {"data": "fashion-mnist-mini", "train_images": 5000}
        recipe = Recipe(epochs=3, batch_size=64, lr=0.1)
    else:
        templates, channels, blocks = FULL, 32, 3
        where = {"data": "fashion-mnist"}
        recipe = Recipe(epochs=10, batch_size=256, lr=0.1, augment=("flip", "crop"))
    shape = {"channels": channels, "blocks": blocks, "num_classes": 10, "in_channels": 1}
    return [
        Trial(
            arm=f"{paths}x{width}d",
            architecture="resnext29",
            options={"cardinality": paths, "width": width, **shape},
            recipe=recipe,
            **where,
        )
        for paths, width in templates
    ]
