"""Small kernels in a row against a large one: of equal field and parameters, and
VGG's own test.

It decides three things. Whether two 3×3 convolutions classify better than a 5×5
(and three than a 7×7) when both may have the same parameters: refuted by an
interval of the difference in accuracy below zero. Whether the ReLUs between them
help: stack less "-linear" stack. And whether VGG's own observation repeats
(section 4.1): its network B with each pair of 3×3 convolutions replaced by one 5×5
had a top-1 error 7 points higher (`records.effects`); there widths are
equal, so the 5×5 has the more parameters.

At the standard scale the widths of the first six arms make their kernels'
parameters equal to 2 %: 18·20² = 7,200 against 25·17² = 7,225, and 27·19² = 9,747
against 49·14² = 9,604. At the other scales all have one width. But for the two arms
of VGG the networks differ in nothing but what covers the window: see
`cnnbook.models.KernelStack`. Learning rates are chosen by runs of two epochs; those
of the two arms of VGG by runs as long as those that are reported, and until neither
has the highest or the lowest.

That was settled after their ten seeds were seen: by two epochs B got half the rate
of its form with 5×5, and erred more, against the paper.
"""

from __future__ import annotations

from typing import Any

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

# arm: kernel size, convolutions in a row, without ReLU between them, width at equal
# parameters
ARMS = {
    "5x5": (5, 1, False, 17),
    "3x3-3x3": (3, 2, False, 20),
    "3x3-3x3-linear": (3, 2, True, 20),
    "7x7": (7, 1, False, 14),
    "3x3-3x3-3x3": (3, 3, False, 19),
    "3x3-3x3-3x3-linear": (3, 3, True, 19),
}


def recipe(epochs: int, batch_size: int, **options) -> Recipe:
    return Recipe(
        epochs=epochs,
        batch_size=batch_size,
        optimizer="adamw",
        lr=3e-3,
        schedule="one-cycle",
        **options,
    )


# scale: recipe, learning rates to choose from, data, images, channels (None: each
# arm's own)
SCALES = {
    "quick": (recipe(4, 64), (), "fashion-mnist-mini", None, 16),
    "standard": (
        recipe(6, 64, precision="fp32"),
        (1.5e-3, 3e-3, 6e-3),
        "fashion-mnist",
        20_000,
        None,
    ),
    "full": (recipe(12, 256), (), "fashion-mnist", None, 64),
}
VGG = recipe(6, 64, precision="fp32", image_size=32, weight_decay=0.01)


@experiment(
    "kernel-stacks",
    title="Several 3×3 convolutions against one larger one of the same receptive "
    "field: does the stack learn as well, and what do the ReLUs between its "
    "convolutions add?",
    seeds={"full": 3, "standard": 10, "quick": 3},
)
def kernel_stacks(scale: str) -> list[Trial]:
    settings, rates, data, images, channels = SCALES[scale]
    where: dict[str, Any] = {"data": data, "train_images": images}
    classes = {"num_classes": 10, "in_channels": 1}
    trials = [
        Trial(
            arm,
            "kernel_stack",
            settings,
            {
                "kernel_size": kernel_size,
                "depth": depth,
                "linear": linear,
                "channels": channels or own,
                **classes,
            },
            rates=rates,
            choosing_epochs=2,
            **where,
        )
        for arm, (kernel_size, depth, linear, own) in ARMS.items()
    ]
    if scale == "standard":
        shape = {"width": 16, "hidden_features": 256, **classes}
        trials += [
            Trial(
                name,
                name.replace("-", "_"),
                VGG,
                shape,
                rates=(5e-4, 1e-3, 2e-3),
                widens=True,
                **where,
            )
            for name in ("vgg13", "vgg13-5x5")
        ]
    return trials
