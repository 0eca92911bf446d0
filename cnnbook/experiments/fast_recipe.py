"""What each choice of the recipe of "time-to-accuracy" gains.

It decides, choice by choice, whether the recipe without it errs more on the test
images: a choice has earned its place if the interval of "all" less the arm without
it is above zero, and has not if it is below. "crop-too" has what the recipe leaves
out. Each run has one thread and no clock.
"""

from __future__ import annotations

from dataclasses import replace

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.experiments.time_to_accuracy import OPTIONS, SCALES

# arm: what of the recipe, and of the network's options, is other than in "all"
WITHOUT: dict[str, tuple[dict, dict]] = {
    "all": ({}, {}),
    "no-flip": ({"augment": ()}, {}),
    "crop-too": ({"augment": ("flip", "crop")}, {}),
    "no-smoothing": ({"label_smoothing": 0.0}, {}),
    "no-rise": ({"schedule": "cosine"}, {}),
    "no-shortcuts": ({}, {"shortcuts": False}),
    "no-mirroring": ({}, {"mirrored": False}),
    "relu": ({}, {"gelu": False}),
    "fp32": ({"precision": "fp32"}, {}),
}


@experiment(
    "fast-recipe",
    title="The recipe that takes Fashion-MNIST to 94 %, and the same without one "
    "of its choices: what does each gain?",
    seeds={"standard": 5, "quick": 3},
)
def fast_recipe(scale: str) -> list[Trial]:
    recipe, data = SCALES[scale]
    return [
        Trial(
            arm,
            "small_resnet",
            replace(recipe, **other),
            OPTIONS | options,
            data=data,
        )
        for arm, (other, options) in WITHOUT.items()
    ]
