"""Pre-activation against the original residual block: table 2 of its paper, in
small.

It decides whether a network of 110 layers learns more, and errs less, with the ReLU
inside the residual (He et al., ECCV 2016, tables 2 and 3: 6.61 to 6.37 % error at
110 layers, 7.61 to 4.92 at 1001). It is refuted by an interval of
"preact_resnet110 − resnet110" above zero. At 56 layers the paper has no figure; the
pair is there to show whether depth matters.

Each arm trains at the best of three learning rates or more: the paper had to warm
up the original network of 110 layers at a low one, and whether it recovers at a low
one is a part of the question. They are chosen by runs as long as those that are
reported, and until none is the highest or the lowest. Images and passes are those
of "degradation".
"""

from __future__ import annotations

from typing import Any

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

RATES = (0.1, 0.05, 0.025)


@experiment(
    "preactivation",
    title="Residual networks with the ReLU after the sum and inside the residual, "
    "at equal depth and cost: does an identity without a ReLU on the way help a "
    "deep network?",
    seeds={"full": 3, "standard": 5, "quick": 3},
)
def preactivation(scale: str) -> list[Trial]:
    rates: tuple[float, ...] = ()
    depths: tuple[int, ...]
    where: dict[str, Any]
    if scale == "quick":
        depths = (56,)
        where = {"data": "fashion-mnist-mini", "train_images": 3000}
        # As in "degradation": 28 pixels halved, so that the time is for depth.
        recipe = Recipe(
            epochs=8,
            batch_size=64,
            lr=0.05,
            warmup_epochs=1,
            weight_decay=1e-4,
            image_size=14,
        )
    elif scale == "standard":
        depths = (56, 110)
        where = {"data": "fashion-mnist", "train_images": 30_000}
        rates = RATES
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
            rates=rates,
            widens=True,
            **where,
        )
        for depth in depths
        for kind in ("resnet", "preact_resnet")
    ]
