"""Every architecture of the notes on Fashion-MNIST, in the notes' order.

At the full scale the resolutions and the ten epochs are d2l's (Zhang et al., *Dive into Deep
Learning*, release 1.0.3, chapters 8.1 to 8.6): 224 for AlexNet and for VGG-11 with a quarter of the
channels, 96 for GoogLeNet and ResNet-18. ZFNet takes AlexNet's, the deeper networks ResNet-18's.
The batches are larger than d2l's 128 where the learning rate can be raised with them: a GPU waits
for Python between the small layers of a small batch.

The quick scale is for two CPU cores: a fifth of the embedded images, networks with smaller linear
layers, small images. Its accuracies rank no architecture: what learns fastest from little wins.
"""

from __future__ import annotations

from dataclasses import replace

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

COMMON = Recipe(schedule="one-cycle", augment=("flip", "crop"), label_smoothing=0.1)
# AdamW's steps depend little on the gradients' size, which varies much without batch normalisation.
ADAPTIVE = replace(COMMON, optimizer="adamw", lr=5e-4, weight_decay=0.01)
MOMENTUM = replace(COMMON, optimizer="sgd", lr=0.05)

# Twice the batch: the rate of AdamW × √2, so that the steps' noise stays alike.
LARGER = replace(ADAPTIVE, batch_size=256, lr=7e-4)
# Four times the batch: the rate of SGD × 4 (Goyal et al., Accurate, Large Minibatch SGD, 2017).
LARGEST = replace(MOMENTUM, batch_size=512, lr=0.2)

# architecture: recipe of the full scale, then image size and options at the full and the quick one
ARCHITECTURES = {
    "alexnet": (LARGER, (224, {}), (63, {"hidden_features": 512})),
    "zfnet": (LARGER, (224, {}), (56, {"hidden_features": 512})),
    "vgg11": (ADAPTIVE, (224, {"width": 16}), (32, {"width": 16, "hidden_features": 512})),
    "vgg11_bn": (LARGER, (224, {"width": 16}), (32, {"width": 16, "hidden_features": 512})),
    "googlenet": (LARGEST, (96, {}), (32, {})),
    "resnet18": (LARGEST, (96, {}), (32, {})),
    "resnet50": (LARGEST, (96, {}), (32, {})),
    "resnext50_32x4d": (LARGEST, (96, {}), (32, {})),
}


@experiment(
    "zoo",
    title="Every architecture of the notes on Fashion-MNIST: how accurate, after how long?",
)
def zoo(scale: str) -> list[Trial]:
    trials = []
    for name, (recipe, full, quick) in ARCHITECTURES.items():
        size, options = full if scale == "full" else quick
        if scale == "full":
            data, train_images, settings = "fashion-mnist", None, {"epochs": 10}
        else:
            data, train_images = "fashion-mnist-mini", 2000
            # So few steps leave no time to find a learning rate for momentum.
            recipe, settings = ADAPTIVE, {"epochs": 3, "batch_size": 50}
        trials.append(
            Trial(
                arm=name,
                architecture=name,
                options={"in_channels": 1, "num_classes": 10, **options},
                data=data,
                recipe=replace(recipe, image_size=size, **settings),
                train_images=train_images,
            )
        )
    return trials
