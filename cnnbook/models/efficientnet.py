"""EfficientNet: depth, width and resolution grow together.

Tan, Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*,
ICML 2019 (arXiv:1905.11946). B0, found by a search (table 1), is made of
MobileNetV2's blocks with squeeze and excitation in their middle. B1 to B7 are B0
scaled by its `width` (channels) and `depth` (blocks) and given larger images;
`SCALES` has the three numbers of each. Keys and logits are torchvision's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, register
from cnnbook.models.mobilenet import conv_bn
from cnnbook.models.se_resnet import SqueezeExcitation
from cnnbook.models.stochastic_depth import StochasticDepth


class Stage(NamedTuple):
    """A row of table 1: blocks in a row, of which the first has the stride."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    blocks: int


TABLE_1 = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)
STEM = 32
# Width, depth and the images' side in pixels of B0 to B7, from the authors' code.
SCALES = (
    (1.0, 1.0, 224),
    (1.0, 1.1, 240),
    (1.1, 1.2, 260),
    (1.2, 1.4, 300),
    (1.4, 1.8, 380),
    (1.6, 2.2, 456),
    (1.8, 2.6, 528),
    (2.0, 3.1, 600),
)

# Every window is padded, so that each layer gives at least one position.
SMALLEST = 1


def channels_times(channels: int, width: float) -> int:
    """The multiple of 8 nearest to the product that is not 10 % below it."""
    nearest = max(8, int(channels * width + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels * width else nearest + 8


def conv(*sizes: int, **options: int) -> nn.Sequential:
    """A convolution, batch normalisation and the swish x · σ(x), PyTorch's SiLU."""
    return conv_bn(*sizes, nn.SiLU(inplace=True), **options)


class MBConv(nn.Module):
    """Widen by 1×1, convolve each channel, weigh the channels, narrow by 1×1.

    N × `in_channels` × H × W to N × `channels` × H/s × W/s. Where input and output
    have one shape, the output is F(x) + x, otherwise F(x). `drop` is the share of
    images whose F(x) is left out in training.
    """

    def __init__(self, in_channels, channels, stage: Stage, stride=1, drop=0.0):
        super().__init__()
        middle = stage.expansion * in_channels
        layers: list[nn.Module] = []
        if stage.expansion > 1:
            layers.append(conv(in_channels, middle, 1))
        layers += [
            conv(middle, middle, stage.kernel, stride=stride, groups=middle),
            SqueezeExcitation(middle, in_channels // 4, nn.SiLU),
            conv_bn(middle, channels, 1),
        ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop)
        self.has_shortcut = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        out = self.block(x)
        return self.stochastic_depth(out) + x if self.has_shortcut else out


class EfficientNet(nn.Module):
    """Stem, seven stages, a 1×1 convolution, an average, a linear layer (Tan and
    Le 2019, table 1).

    Input: images N × `in_channels` × H × W of any size. Output: N × `num_classes`.

    Args:
        width: factor on the channels of every stage; they become multiples of 8.
        depth: factor on the blocks of every stage, rounded up.
        dropout: before the linear layer; 0.2 for B0.
        drop: share of images whose last block is skipped in training; earlier ones
            have less, in proportion.
    """

    def __init__(
        self,
        width: float = 1.0,
        depth: float = 1.0,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.2,
        drop: float = 0.2,
    ):
        super().__init__()
        blocks = [math.ceil(stage.blocks * depth) for stage in TABLE_1]
        channels = channels_times(STEM, width)
        layers = [conv(in_channels, channels, 3, stride=2)]  #    N × 32 × 112 × 112
        for number, stage in enumerate(TABLE_1):
            # B0: N × 16 × 112 × 112, 24 × 56 × 56, 40 × 28 × 28, 80 × 14 × 14,
            # 112 × 14 × 14, 192 × 7 × 7, 320 × 7 × 7
            made = []
            for i in range(blocks[number]):
                share = drop * (sum(blocks[:number]) + i) / sum(blocks)
                given = channels_times(stage.channels, width)
                stride = 1 if i else stage.stride
                made.append(MBConv(channels, given, stage, stride, share))
                channels = given
            layers.append(nn.Sequential(*made))
        layers.append(conv(channels, 4 * channels, 1))  #         N × 1280 × 7 × 7
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)  #                 N × 1280 × 1 × 1
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(4 * channels, num_classes),
        )
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "EfficientNet", self.features[0], SMALLEST)
        x = self.avgpool(self.features(images))
        return self.classifier(torch.flatten(x, 1))


def initialise(network: nn.Module) -> None:
    """Normal weights of variance 2 / fan-out; the linear's in ±1 / √classes."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)


@register
def efficientnet_b0(**options) -> EfficientNet:
    """EfficientNet-B0; `options` as of :class:`EfficientNet`."""
    return EfficientNet(**options)
