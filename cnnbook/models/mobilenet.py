"""MobileNetV2: depthwise convolutions between narrow images, for telephones.

Sandler, Howard, Zhu, Zhmoginov, Chen, *MobileNetV2: Inverted Residuals and Linear
Bottlenecks*, CVPR 2018 (arXiv:1801.04381), table 2. A convolution is split in two:
a *depthwise* 3×3 one, whose outputs read one channel each, and a 1×1 one that mixes
the channels. The shortcut joins the narrow ends of a block, and its middle is wide:
the bottleneck of ResNet, inverted. Keys and logits are torchvision's.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, register


class Stage(NamedTuple):
    """A row of table 2: blocks in a row, of which the first has the stride."""

    expansion: int  # t: a block's middle has t times the channels that it reads
    channels: int  #  c: that it gives
    blocks: int  #    n
    stride: int  #    s


TABLE_2 = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)
STEM, HEAD = 32, 1280

# Every window is padded, so that each layer gives at least one position.
SMALLEST = 1


def conv_bn(in_channels, channels, kernel, *more, stride=1, groups=1):
    """A convolution with zeros around the image, batch normalisation, and more."""
    sizes, padding = (in_channels, channels, kernel, stride), kernel // 2
    return nn.Sequential(
        nn.Conv2d(*sizes, padding=padding, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
        *more,
    )


def conv(*sizes: int, **options: int) -> nn.Sequential:
    """The same and ReLU6, which is min(max(x, 0), 6)."""
    return conv_bn(*sizes, nn.ReLU6(inplace=True), **options)


class InvertedResidual(nn.Module):
    """Widen by 1×1, convolve each channel, narrow by 1×1 without a ReLU (Sandler
    et al. 2018, figure 4d).

    N × `in_channels` × H × W to N × `channels` × H/s × W/s. Where input and output
    have one shape, the output is F(x) + x, otherwise F(x).
    """

    def __init__(self, in_channels: int, channels: int, stride=1, expansion=6):
        super().__init__()
        middle = expansion * in_channels
        layers = [conv(in_channels, middle, 1)] if expansion > 1 else []
        layers += [
            conv(middle, middle, 3, stride=stride, groups=middle),
            *conv_bn(middle, channels, 1),
        ]
        self.conv = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.has_shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """Stem, 17 blocks, a 1×1 convolution, an average, a linear layer (Sandler et
    al. 2018, table 2).

    Input: images N × `in_channels` × H × W of any size. Output: N × `num_classes`.
    """

    def __init__(
        self, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2
    ):
        super().__init__()
        layers: list[nn.Module] = []
        layers.append(conv(in_channels, STEM, 3, stride=2))  #   N × 32 × 112 × 112
        channels = STEM
        for stage in TABLE_2:
            # N × 16 × 112 × 112, 24 × 56 × 56, 32 × 28 × 28, 64 × 14 × 14,
            # 96 × 14 × 14, 160 × 7 × 7, 320 × 7 × 7
            for i in range(stage.blocks):
                stride = 1 if i else stage.stride
                sizes = (channels, stage.channels, stride, stage.expansion)
                layers.append(InvertedResidual(*sizes))
                channels = stage.channels
        layers.append(conv(channels, HEAD, 1))  #                N × 1280 × 7 × 7
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)  #                N × 1280 × 1 × 1
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(HEAD, num_classes),
        )
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "MobileNetV2", self.features[0], SMALLEST)
        x = self.avgpool(self.features(images))
        return self.classifier(torch.flatten(x, 1))


def initialise(network: nn.Module) -> None:
    """Normal weights of variance 2 / fan-out; the linear's deviate by 0.01."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.bias)


@register
def mobilenet_v2(**options) -> MobileNetV2:
    """MobileNetV2; `options` as of :class:`MobileNetV2`."""
    return MobileNetV2(**options)
