"""ResNet, the network that won ILSVRC-2015, and its plain counterpart without
shortcuts.

He, Zhang, Ren, Sun, *Deep Residual Learning for Image Recognition*, CVPR 2016:
figure 3 and table 1. Its blocks are in :mod:`cnnbook.models.residual`. Two
variants:

- ``variant="torchvision"``: keys and logits of torchvision. Shortcuts of option B;
  a bottleneck halves the resolution in its 3×3 convolution ("v1.5").
- ``variant="paper"``: a bottleneck halves the resolution in its first 1×1
  convolution; the networks of basic blocks have the parameter-free shortcuts of
  option A, as in table 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, check_variant, register
from cnnbook.models.residual import (
    BasicBlock,
    Bottleneck,
    PaperBottleneck,
    PlainBlock,
    zero_padding,
)

# Every window is padded, so that each layer gives at least one position.
SMALLEST = 1


def stage(
    block: Callable, in_channels: int, channels: int, blocks: int, stride: int
):
    """`blocks` blocks in a row, of which the first changes the shape."""
    first = block(in_channels, channels, stride)
    out_channels = channels * first.expansion
    return nn.Sequential(
        first, *(block(out_channels, channels, 1) for _ in range(blocks - 1))
    )


def initialise(network: nn.Module) -> None:
    """Normal weights of variance 2 / fan-out (He et al., *Delving Deep into
    Rectifiers*, 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(
                module.weight, mode="fan_out", nonlinearity="relu"
            )


class ResNet(nn.Module):
    """Stem, four stages of blocks, global average pooling, one linear layer
    (He et al. 2016, table 1).

    Input: images N × `in_channels` × H × W of any size. Output: logits
    N × `num_classes`.

    Args:
        block: called as ``block(in_channels, channels, stride)``; the module's
            `expansion` is the ratio of its output channels to `channels`.
        layers: the number of blocks of each stage.
        width: channels of the stem and of the first stage (64 as published).
    """

    def __init__(
        self,
        block: Callable,
        layers: Sequence[int],
        num_classes: int = 1000,
        in_channels: int = 3,
        width: int = 64,
    ):
        super().__init__()
        w = width  #           with w = 64, e = block.expansion: N × 3 × 224 × 224
        self.conv1 = nn.Conv2d(in_channels, w, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(w)  #                          N × 64 × 112 × 112
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)  #   N × 64 × 56 × 56
        self.layer1 = stage(block, w, w, layers[0], stride=1)  # N × 64e × 56 × 56
        e = self.layer1[0].expansion
        self.layer2 = stage(block, w * e, 2 * w, layers[1], stride=2)
        #                                                        N × 128e × 28 × 28
        self.layer3 = stage(block, 2 * w * e, 4 * w, layers[2], stride=2)
        #                                                        N × 256e × 14 × 14
        self.layer4 = stage(block, 4 * w * e, 8 * w, layers[3], stride=2)
        #                                                        N × 512e × 7 × 7
        self.avgpool = nn.AdaptiveAvgPool2d(1)  #                N × 512e × 1 × 1
        self.fc = nn.Linear(8 * w * e, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "ResNet", self.conv1, SMALLEST)
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _basic(layers: Sequence[int], variant: str, options: dict) -> ResNet:
    check_variant(variant, ("torchvision", "paper"))
    option_a = partial(BasicBlock, shortcut=zero_padding)
    return ResNet(
        BasicBlock if variant == "torchvision" else option_a, layers, **options
    )


def _bottleneck(layers: Sequence[int], variant: str, options: dict) -> ResNet:
    check_variant(variant, ("torchvision", "paper"))
    return ResNet(
        Bottleneck if variant == "torchvision" else PaperBottleneck,
        layers,
        **options,
    )


@register
def resnet18(variant: str = "torchvision", **options) -> ResNet:
    """ResNet-18, of basic blocks. `options`: as of :class:`ResNet`, from
    ``num_classes`` on."""
    return _basic((2, 2, 2, 2), variant, options)


@register
def resnet34(variant: str = "torchvision", **options) -> ResNet:
    """ResNet-34, of basic blocks. `options`: as of :class:`ResNet`, from
    ``num_classes`` on."""
    return _basic((3, 4, 6, 3), variant, options)


@register
def resnet50(variant: str = "torchvision", **options) -> ResNet:
    """ResNet-50, of bottlenecks. `options`: as of :class:`ResNet`, from
    ``num_classes`` on."""
    return _bottleneck((3, 4, 6, 3), variant, options)


@register
def resnet101(variant: str = "torchvision", **options) -> ResNet:
    """ResNet-101, of bottlenecks. `options`: as of :class:`ResNet`, from
    ``num_classes`` on."""
    return _bottleneck((3, 4, 23, 3), variant, options)


@register
def resnet152(variant: str = "torchvision", **options) -> ResNet:
    """ResNet-152, of bottlenecks. `options`: as of :class:`ResNet`, from
    ``num_classes`` on."""
    return _bottleneck((3, 8, 36, 3), variant, options)


@register
def plain18(**options) -> ResNet:
    """ResNet-18 without its shortcuts; `options` as of :func:`resnet18`."""
    return ResNet(PlainBlock, (2, 2, 2, 2), **options)


@register
def plain34(**options) -> ResNet:
    """ResNet-34 without its shortcuts; `options` as of :func:`resnet18`."""
    return ResNet(PlainBlock, (3, 4, 6, 3), **options)
