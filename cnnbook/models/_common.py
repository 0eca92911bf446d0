"""What every architecture's builder shares: the registry, names in order and in
print, and the check of the images."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

from cnnbook._arguments import near

Builder = TypeVar("Builder", bound=Callable[..., nn.Module])

BUILDERS: dict[str, Callable[..., nn.Module]] = {}
# What makes any network, then the order of the notes, what came after them by year,
# and the book's own small networks. The page of the package has the same order.
FILES = (
    "_create", "_common", "pretrained", "alexnet", "alexnet_split", "zfnet", "vgg",
    "inception", "googlenet", "residual", "resnet", "resnet_cifar", "deepen",
    "preactivation", "resnext", "resnext_forms", "densenet", "se_resnet",
    "mobilenet", "efficientnet", "convnext", "stacks", "small",
)  # fmt: skip


def register(builder: Builder) -> Builder:
    """Make `builder` available as ``models.create(builder.__name__)``."""
    BUILDERS[builder.__name__] = builder
    return builder


def names() -> tuple[str, ...]:
    """Every architecture in the notes' order, and later ones by year; under
    torchvision's name where it has one."""
    return tuple(
        sorted(BUILDERS, key=lambda name: FILES.index(_file(BUILDERS[name])))
    )


# How a name is written in print: what it begins with, and what it may end with.
# Between the two is a number of layers.
FAMILIES = {
    "alexnet": "AlexNet",
    "zfnet": "ZFNet",
    "vgg": "VGG-",
    "googlenet": "GoogLeNet",
    "resnet": "ResNet-",
    "plain": "plain-",
    "preact_resnet": "pre-activation ResNet-",
    "resnext": "ResNeXt-",
    "densenet": "DenseNet-",
    "se_resnet": "SE-ResNet-",
    "mobilenet_v2": "MobileNetV2",
    "efficientnet_b0": "EfficientNet-B0",
    "convnext_tiny": "ConvNeXt-T",
    "kernel_stack": "stack of kernels",
    "stem_network": "network behind a stem",
    "small_resnet": "small ResNet",
}
ENDINGS = {"": "", "_bn": " with BN", "_5x5": " with 5×5"}


def title(name: str) -> str:
    """An architecture's name as it is written in print: "VGG-16" for ``vgg16``; any
    other name as it is."""
    if name not in BUILDERS:
        return name
    if name in FAMILIES:
        return FAMILIES[name]
    parts = re.fullmatch(r"(.*?)(\d+)(_bn|_5x5|_\d+x\d+d)?", name)
    assert parts is not None, name  # a test asks for the title of each
    family, layers, ending = parts.groups(default="")
    ending = ENDINGS.get(ending, ending.replace("_", " ").replace("x", "×"))
    return f"{FAMILIES[family]}{layers}{ending}"


def _file(builder: Callable) -> str:
    return builder.__module__.rpartition(".")[2]


def check_variant(variant: str, known: tuple[str, ...]) -> None:
    """Raise a ValueError unless `variant` is one of `known`."""
    if variant not in known:
        raise ValueError(f"unknown variant {variant!r}; {near(variant, known)}")


def check_images(
    images: Tensor, name: str, first: nn.Module, smallest: int
) -> None:
    """Raise a one-line ValueError unless `images` is N × C × H × W, large enough,
    with the C that `first` reads: a convolution, or a sequence that begins with
    one.

    A convolution's own message names a kernel deep inside the network; this one
    names what the caller can change.
    """
    while isinstance(first, nn.Sequential):
        first = first[0]
    if images.dim() != 4:
        raise ValueError(
            f"{name} takes a batch N×C×H×W, got {images.dim()} dimensions"
        )
    _, c, h, w = images.shape
    if isinstance(first, nn.Conv2d) and c != first.in_channels:
        raise ValueError(
            f"{name} was built for {first.in_channels}-channel images, got {c} "
            f"channels; build it with in_channels={c}"
        )
    if min(h, w) < smallest:
        raise ValueError(
            f"{name} needs images of at least {smallest}×{smallest}, got {h}×{w}"
        )
