"""Pre-activation against the original residual block: table 2 of its paper, in small."""

from __future__ import annotations

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe


@experiment(
    "preactivation",
    title="Residual networks with the ReLU after the sum and inside the residual, at equal depth "
    "and cost: does an identity without a ReLU on the way help a deep network?",
)
def preactivation(scale: str) -> list[Trial]:
    if scale == "quick":
        depths = (56,)
        where = {"data": "fashion-mnist-mini", "train_images": 3000}
        # As in "degradation": 28 pixels halved, so that the time is for depth.
        recipe = Recipe(
            epochs=8, batch_size=64, lr=0.05, warmup_epochs=1, weight_decay=1e-4, image_size=14
        )
    else:
        depths = (110, 164)
        where = {"data": "fashion-mnist"}
        recipe = Recipe(
            epochs=10,
            batch_size=512,
            lr=0.2,
            warmup_epochs=1,
            weight_decay=1e-4,
            augment=("flip", "crop"),
        )
    return [
        Trial(
            arm=f"{kind}{depth}",
            architecture=f"{kind}{depth}",
            options={"num_classes": 10, "in_channels": 1},
            recipe=recipe,
            **where,
        )
        for depth in depths
        for kind in ("resnet", "preact_resnet")
    ]
