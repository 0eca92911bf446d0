"""The thin ResNets for CIFAR-10, and their plain counterparts.

He, Zhang, Ren, Sun, *Deep Residual Learning for Image Recognition*, CVPR 2016,
section 4.2: for images of 32×32, a 3×3 stem without pooling and three stages of 16,
32 and 64 channels. With n blocks of two convolutions a stage there are 6n + 2
layers with weights. The paper's shortcuts are of option A, so that a residual and a
plain network have the same parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, check_variant, register
from cnnbook.models.residual import (
    SHORTCUTS,
    BasicBlock,
    Bottleneck,
    PlainBlock,
    conv3x3,
)
from cnnbook.models.resnet import initialise, stage

SMALLEST = 1  # every window is padded


class CifarResNet(nn.Module):
    """A 3×3 stem, three stages of blocks, global average pooling, one linear layer.

    Input: images N × `in_channels` × H × W of any size. Output: logits
    N × `num_classes`.

    Args:
        block: called as ``block(in_channels, channels, stride)``.
        blocks: of each stage (n in He et al. 2016).
        width: channels of the stem and the first stage (16 as published).
    """

    def __init__(
        self,
        block: Callable,
        blocks: int,
        num_classes: int = 10,
        in_channels: int = 3,
        width: int = 16,
    ):
        super().__init__()
        #                                                    with w = width,
        #                                                    e = block.expansion
        self.conv1 = conv3x3(in_channels, width)  # N × w × 32 × 32
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(block, width, width, blocks, stride=1)
        #                                           N × we × 32 × 32
        e = self.layer1[0].expansion
        self.layer2 = stage(block, width * e, 2 * width, blocks, stride=2)
        #                                           N × 2we × 16 × 16
        self.layer3 = stage(block, 2 * width * e, 4 * width, blocks, stride=2)
        #                                           N × 4we × 8 × 8
        self.avgpool = nn.AdaptiveAvgPool2d(1)  #   N × 4we × 1 × 1
        self.fc = nn.Linear(4 * width * e, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "ResNet", self.conv1, SMALLEST)
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _residual(depth: int, shortcut: str, options: dict) -> CifarResNet:
    check_variant(shortcut, tuple(SHORTCUTS))
    return CifarResNet(
        partial(BasicBlock, shortcut=SHORTCUTS[shortcut]),
        (depth - 2) // 6,
        **options,
    )


@register
def resnet20(shortcut: str = "A", **options) -> CifarResNet:
    """The residual network of 20 layers.

    `shortcut`: "A", "B" or "C" (He et al. 2016, section 4.1). `options`:
    ``num_classes`` (10), ``in_channels`` (3), ``width`` (16). ValueError for an
    unknown shortcut.
    """
    return _residual(20, shortcut, options)


@register
def resnet32(shortcut: str = "A", **options) -> CifarResNet:
    """The residual network of 32 layers; arguments as of :func:`resnet20`."""
    return _residual(32, shortcut, options)


@register
def resnet44(shortcut: str = "A", **options) -> CifarResNet:
    """The residual network of 44 layers; arguments as of :func:`resnet20`."""
    return _residual(44, shortcut, options)


@register
def resnet56(shortcut: str = "A", **options) -> CifarResNet:
    """The residual network of 56 layers; arguments as of :func:`resnet20`."""
    return _residual(56, shortcut, options)


@register
def resnet110(shortcut: str = "A", **options) -> CifarResNet:
    """The residual network of 110 layers; arguments as of :func:`resnet20`."""
    return _residual(110, shortcut, options)


@register
def resnet164(**options) -> CifarResNet:
    """The residual network of 164 layers, of bottlenecks (He et al., ECCV 2016,
    section 3)."""
    return CifarResNet(Bottleneck, 18, **options)


@register
def plain20(**options) -> CifarResNet:
    """The plain network of 20 layers. `options`: as of :func:`resnet20`, without a
    shortcut."""
    return CifarResNet(PlainBlock, 3, **options)


@register
def plain32(**options) -> CifarResNet:
    """The plain network of 32 layers; arguments as of :func:`plain20`."""
    return CifarResNet(PlainBlock, 5, **options)


@register
def plain44(**options) -> CifarResNet:
    """The plain network of 44 layers; arguments as of :func:`plain20`."""
    return CifarResNet(PlainBlock, 7, **options)


@register
def plain56(**options) -> CifarResNet:
    """The plain network of 56 layers; arguments as of :func:`plain20`."""
    return CifarResNet(PlainBlock, 9, **options)


@register
def plain110(**options) -> CifarResNet:
    """The plain network of 110 layers; arguments as of :func:`plain20`."""
    return CifarResNet(PlainBlock, 18, **options)
