"""DenseNet: every layer of a block reads all layers before it.

Huang, Liu, van der Maaten, Weinberger, *Densely Connected Convolutional Networks*,
CVPR 2017 (arXiv:1608.06993), table 1. A layer adds k channels, its *growth rate*,
and reads everything that the block has made so far. This is DenseNet-BC: a 1×1
convolution before each 3×3 one (B), and half the channels after each block (C).
Keys and logits are torchvision's.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, register

GROWTH = 32  # channels that a layer adds (k)
DENSENET121 = (6, 12, 24, 16)  # layers of each block, each with two convolutions

SMALLEST = 29  # of 8 positions behind the stem, three 2×2 poolings leave one


class DenseLayer(nn.Sequential):
    """[x, H(x)], H being two times normalisation, ReLU and convolution (Huang et
    al. 2017, section 3).

    N × `in_channels` × H × W to N × (`in_channels` + `growth`) × H × W. The 1×1
    convolution gives 4·`growth` channels. torchvision concatenates the same
    channels anew in each layer.
    """

    def __init__(self, in_channels: int, growth: int):
        super().__init__(
            OrderedDict(
                norm1=nn.BatchNorm2d(in_channels),
                relu1=nn.ReLU(),
                conv1=nn.Conv2d(in_channels, 4 * growth, 1, bias=False),
                norm2=nn.BatchNorm2d(4 * growth),
                relu2=nn.ReLU(inplace=True),
                conv2=nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, super().forward(x)], 1)


def dense_block(layers: int, in_channels: int, growth: int) -> nn.Sequential:
    """`layers` layers in a row; each adds `growth` channels."""
    return nn.Sequential(
        OrderedDict(
            (f"denselayer{i + 1}", DenseLayer(in_channels + i * growth, growth))
            for i in range(layers)
        )
    )


def transition(in_channels: int) -> nn.Sequential:
    """Between two blocks: half the channels, height and width (rounded down)."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(in_channels),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(in_channels, in_channels // 2, 1, bias=False),
            pool=nn.AvgPool2d(2, stride=2),
        )
    )


class DenseNet(nn.Module):
    """Stem, dense blocks with transitions between them, a linear layer (Huang et
    al. 2017, table 1).

    Input: images N × `in_channels` × H × W, H and W at least 29. Output: N ×
    `num_classes` logits.

    Args:
        layers: of each block.
        growth: channels that a layer adds; the stem has twice as many.
    """

    def __init__(
        self,
        layers: tuple[int, ...] = DENSENET121,
        growth: int = GROWTH,
        num_classes: int = 1000,
        in_channels: int = 3,
    ):
        super().__init__()
        channels = 2 * growth
        # DenseNet-121:                                       N × 3 × 224 × 224
        self.features = nn.Sequential(
            OrderedDict(
                conv0=nn.Conv2d(in_channels, channels, 7, 2, padding=3, bias=False),
                norm0=nn.BatchNorm2d(channels),
                relu0=nn.ReLU(inplace=True),  #               N × 64 × 112 × 112
                pool0=nn.MaxPool2d(3, 2, padding=1),  #       N × 64 × 56 × 56
            )
        )
        for number, count in enumerate(layers, start=1):
            # N × 256 × 56 × 56, 512 × 28 × 28, 1024 × 14 × 14, 1024 × 7 × 7
            block = dense_block(count, channels, growth)
            self.features.add_module(f"denseblock{number}", block)
            channels += count * growth
            if number < len(layers):
                # N × 128 × 28 × 28, 256 × 14 × 14, 512 × 7 × 7
                between = transition(channels)
                self.features.add_module(f"transition{number}", between)
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)  #             N × 1024 × 1 × 1
        self.classifier = nn.Linear(channels, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "DenseNet", self.features, SMALLEST)
        x = self.avgpool(self.relu(self.features(images)))
        return self.classifier(torch.flatten(x, 1))


def initialise(network: nn.Module) -> None:
    """Normal weights of variance 2 / fan-in (He et al. 2015, *Delving Deep*)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


@register
def densenet121(**options) -> DenseNet:
    """DenseNet-121; `options` as of :class:`DenseNet`."""
    return DenseNet(DENSENET121, **options)
