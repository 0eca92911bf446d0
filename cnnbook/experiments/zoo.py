"""Every architecture of the notes on Fashion-MNIST, in the notes' order; then those
after 2017.

It decides no statement: it shows what each reaches when it is trained well, and
after how long. The goal at the standard scale is 93 % of the test images with batch
normalisation and 92 % without. There networks are narrower than published and
images larger than stored, as two CPU cores allow in 90 minutes a run.

At the full scale the resolutions and the ten epochs are d2l's (Zhang et al., *Dive
into Deep Learning*, release 1.0.3, chapters 8.1 to 8.6): 224 for AlexNet and for
VGG-11 with a quarter of the channels, 96 for GoogLeNet and ResNet-18. ZFNet takes
AlexNet's, the deeper networks ResNet-18's. The batches are larger than d2l's 128
where the learning rate can be raised with them: a GPU waits for Python between the
small layers of a small batch.

The quick scale: a fifth of the embedded images, networks with smaller linear
layers, small images. Its accuracies rank no architecture: what learns fastest from
little wins.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

COMMON = Recipe(schedule="one-cycle", augment=("flip", "crop"), label_smoothing=0.1)
# AdamW's steps depend little on the gradients' size, which varies much without
# batch normalisation.
ADAPTIVE = replace(COMMON, optimizer="adamw", lr=5e-4, weight_decay=0.01)
MOMENTUM = replace(COMMON, optimizer="sgd", lr=0.05)

# Twice the batch: the rate of AdamW × √2, so that the steps' noise stays alike.
LARGER = replace(ADAPTIVE, batch_size=256, lr=7e-4)
# Four times the batch: the rate of SGD × 4 (Goyal et al., Accurate, Large Minibatch
# SGD, 2017).
LARGEST = replace(MOMENTUM, batch_size=512, lr=0.2)

# In bf16 most train 1.2 to 1.6 × faster on CPUs that compute in it; MobileNet-V2
# and EfficientNet-B0 train slower.
SLOW = replace(
    COMMON, optimizer="adamw", lr=7e-4, weight_decay=0.01, precision="bf16"
)
FAST = replace(
    COMMON, optimizer="adamw", lr=2e-3, weight_decay=0.05, precision="bf16"
)
IN_FP32 = replace(FAST, precision="fp32")
Sized = tuple[int, dict[str, Any]]

# At the standard scale. architecture: recipe, image size, epochs, options
STANDARD: dict[str, tuple[Recipe, int, int, dict[str, Any]]] = {
    "alexnet": (SLOW, 63, 36, {"width": 48, "hidden_features": 512}),
    "zfnet": (SLOW, 56, 32, {"width": 48, "hidden_features": 512}),
    "vgg11": (SLOW, 32, 28, {"width": 24, "hidden_features": 256}),
    "vgg11_bn": (FAST, 32, 24, {"width": 28, "hidden_features": 256}),
    "googlenet": (FAST, 64, 22, {"width": 0.5}),
    "resnet18": (FAST, 64, 22, {"width": 32}),
    "resnet50": (FAST, 48, 16, {"width": 32}),
    "resnext50_32x4d": (FAST, 48, 11, {"channels": 32}),
    "densenet121": (FAST, 48, 18, {"growth": 16}),
    "se_resnet50": (FAST, 48, 12, {"width": 32}),
    "mobilenet_v2": (IN_FP32, 48, 20, {}),
    "efficientnet_b0": (IN_FP32, 48, 16, {}),
    "convnext_tiny": (FAST, 48, 12, {"channels": (48, 96, 192, 384)}),
}
# architecture: recipe of the full scale, then image size and options at the full
# and the quick one
ARCHITECTURES: dict[str, tuple[Recipe, Sized, Sized]] = {
    "alexnet": (LARGER, (224, {}), (63, {"hidden_features": 512})),
    "zfnet": (LARGER, (224, {}), (56, {"hidden_features": 512})),
    "vgg11": (
        ADAPTIVE,
        (224, {"width": 16}),
        (32, {"width": 16, "hidden_features": 512}),
    ),
    "vgg11_bn": (
        LARGER,
        (224, {"width": 16}),
        (32, {"width": 16, "hidden_features": 512}),
    ),
    "googlenet": (LARGEST, (96, {}), (32, {})),
    "resnet18": (LARGEST, (96, {}), (32, {})),
    "resnet50": (LARGEST, (96, {}), (32, {})),
    "resnext50_32x4d": (LARGEST, (96, {}), (32, {})),
}


@experiment(
    "zoo",
    title="Every architecture of the notes on Fashion-MNIST: how accurate, after "
    "how long?",
    seeds={"full": 3, "standard": 3, "quick": 3},
)
def zoo(scale: str) -> list[Trial]:
    return [
        _trial(name, scale)
        for name in (STANDARD if scale == "standard" else ARCHITECTURES)
    ]


def _trial(name: str, scale: str) -> Trial:
    data, images = "fashion-mnist", None
    if scale == "standard":
        recipe, size, epochs, options = STANDARD[name]
        recipe = replace(recipe, epochs=epochs)
    elif scale == "full":
        recipe, (size, options), _ = ARCHITECTURES[name]
        recipe = replace(recipe, epochs=10)
    else:
        _, _, (size, options) = ARCHITECTURES[name]
        data, images = "fashion-mnist-mini", 2000
        # So few steps leave no time to find a learning rate for momentum.
        recipe = replace(ADAPTIVE, epochs=3, batch_size=50)
    return Trial(
        arm=name,
        architecture=name,
        options={"in_channels": 1, "num_classes": 10, **options},
        data=data,
        recipe=replace(recipe, image_size=size),
        train_images=images,
    )
