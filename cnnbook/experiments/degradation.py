"""Depth with and without shortcuts: figures 4 and 6 of the ResNet paper, in small."""

from __future__ import annotations

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe


@experiment(
    "degradation",
    title="Plain and residual networks of two depths, trained alike: does the deeper one have the "
    "lower training error?",
)
def degradation(scale: str) -> list[Trial]:
    names = ["plain20", "plain56", "resnet20", "resnet56"]
    if scale == "quick":
        where = {"data": "fashion-mnist-mini", "train_images": 4000}
        # Without augmentation, so that the training error is that of fixed images.
        recipe = Recipe(
            epochs=10, batch_size=64, lr=0.05, warmup_epochs=1, weight_decay=1e-4, image_size=14
        )
    else:
        names += ["plain18", "plain34", "resnet18", "resnet34"]
        where = {"data": "fashion-mnist"}
        recipe = Recipe(epochs=10, batch_size=256, lr=0.1, warmup_epochs=1, weight_decay=1e-4)
    return [
        Trial(
            arm=name,
            architecture=name,
            options={"num_classes": 10, "in_channels": 1},
            recipe=recipe,
            **where,
        )
        for name in names
    ]
