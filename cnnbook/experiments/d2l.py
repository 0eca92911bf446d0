"""The training settings of another textbook, Zhang et al., *Dive into Deep Learning* 1.0.3.

Chapters 8.1, 8.2, 8.4 and 8.6: plain SGD at a constant rate of 0.01, batches of 128, ten epochs on
Fashion-MNIST, pixels in [0, 1], no augmentation. Three things differ from the book's code. The
networks are ours: VGG-11 with a quarter of the channels is the same; AlexNet has torchvision's
filters; GoogLeNet, here without batch normalisation and auxiliary heads, and ResNet-18 are
torchvision's. The weights start as ours do, not by Xavier's rule. And 60 of the 60,000 training
images are held out, where d2l takes its validation figures from the test images.

The quick scale shortens all of it for two CPU cores: it shows how little so small steps learn in so
few of them, and nothing about the book.
"""

from __future__ import annotations

from dataclasses import replace

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
# architecture: options, then the image's side at the full and at the quick scale
ARCHITECTURES = {
    "alexnet": ({}, 224, 63),
    "vgg11": ({"width": 16}, 224, 32),
    "googlenet": (PLAIN, 96, 32),
    "resnet18": ({}, 96, 32),
}


@experiment(
    "d2l",
    title="Four networks with the training settings of Dive into Deep Learning: what do ours add?",
)
def d2l(scale: str) -> list[Trial]:
    trials = []
    for name, (options, full_size, quick_size) in ARCHITECTURES.items():
        if scale == "full":
            data, train_images = "fashion-mnist", None
            recipe = replace(RECIPE, image_size=full_size)
        else:
            data, train_images = "fashion-mnist-mini", 2000
            recipe = replace(RECIPE, image_size=quick_size, epochs=2)
            if name in ("alexnet", "vgg11"):
                options = {**options, "hidden_features": 512}
        trials.append(
            Trial(
                arm=f"d2l-{name}",
                architecture=name,
                options={"in_channels": 1, "num_classes": 10, **options},
                data=data,
                recipe=recipe,
                train_images=train_images,
            )
        )
    return trials
