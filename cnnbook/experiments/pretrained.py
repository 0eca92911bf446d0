"""The small networks whose trained weights come with the package.

They are networks of the notes, made narrow so that all files together stay below
8 MB, and trained until they find the class of at least 91 % of the test images.
Nothing is compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

COMMON = Recipe(schedule="one-cycle", augment=("flip", "crop"), label_smoothing=0.1)
MOMENTUM = replace(COMMON, epochs=8, lr=0.1, precision="fp32")
ADAPTIVE = replace(
    COMMON, optimizer="adamw", lr=1e-3, weight_decay=0.01, precision="fp32"
)

# architecture: how it is trained, and what makes it small
NETWORKS: dict[str, tuple[Recipe, dict[str, Any]]] = {
    "resnet20": (MOMENTUM, {}),
    "plain20": (MOMENTUM, {}),
    "googlenet": (
        replace(ADAPTIVE, epochs=8, lr=2e-3, image_size=64),
        {"width": 0.5, "aux_logits": False},
    ),
    "vgg11_bn": (
        replace(ADAPTIVE, epochs=18, lr=2e-3, weight_decay=0.05, image_size=32),
        {"width": 16, "hidden_features": 64},
    ),
    "alexnet": (
        replace(ADAPTIVE, epochs=30, image_size=63),
        {"width": 28, "hidden_features": 128, "dropout": 0.25},
    ),
}


@experiment(
    "pretrained",
    title="Small networks of the notes, trained on all of Fashion-MNIST: their "
    "weights come with the package.",
    seeds={"standard": 1},
)
def pretrained(scale: str) -> list[Trial]:
    return [
        Trial(
            arm=name,
            architecture=name,
            options={"in_channels": 1, "num_classes": 10, **options},
            recipe=recipe,
            data="fashion-mnist",
            ships=True,
        )
        for name, (recipe, options) in NETWORKS.items()
    ]
