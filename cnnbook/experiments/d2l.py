"""The training settings of another textbook, Zhang et al., *Dive into Deep
Learning* 1.0.3.

Chapters 8.1, 8.2, 8.4 and 8.6: plain SGD at a constant rate of 0.01, batches of
128, ten epochs on Fashion-MNIST, pixels in [0, 1], no augmentation. Three things
differ from the book's code. The networks are ours: VGG-11 with a quarter of the
channels is the same; AlexNet has torchvision's filters; GoogLeNet, here without
batch normalisation and auxiliary heads, and ResNet-18 are torchvision's. The
weights start as ours do, not by Xavier's rule. And 60 of the 60,000 training images
are held out, where d2l takes its validation figures from the test images.

It has no other scale than that of a GPU: shortened, so small steps learn next to
nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

RECIPE = Recipe(
    epochs=10,
    batch_size=128,
    optimizer="sgd",
    lr=0.01,
    momentum=0.0,
    weight_decay=0.0,
    schedule="constant",
    normalise=False,
    validation=0.001,
)
PLAIN = {"batch_norm": False, "aux_logits": False}
# architecture: options, the image's side
ARCHITECTURES: dict[str, tuple[dict[str, Any], int]] = {
    "alexnet": ({}, 224),
    "vgg11": ({"width": 16}, 224),
    "googlenet": (PLAIN, 96),
    "resnet18": ({}, 96),
}


@experiment(
    "d2l",
    title="Four networks with the training settings of Dive into Deep Learning: "
    "what do ours add?",
    seeds={"full": 3},
)
def d2l(scale: str) -> list[Trial]:
    return [
        Trial(
            arm=f"d2l-{name}",
            architecture=name,
            options={"in_channels": 1, "num_classes": 10, **options},
            data="fashion-mnist",
            recipe=replace(RECIPE, image_size=side),
        )
        for name, (options, side) in ARCHITECTURES.items()
    ]
