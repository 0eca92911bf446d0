"""The blocks of GoogLeNet: the Inception module and the auxiliary classifier.

Szegedy et al., *Going Deeper with Convolutions*, CVPR 2015 (arXiv:1409.4842),
sections 4 and 5.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Channels:
    """Output channels of the six convolutions of an Inception module: a row of
    Table 1."""

    conv1x1: int
    reduce3x3: int
    conv3x3: int
    reduce5x5: int
    conv5x5: int
    pool_proj: int

    @property
    def out(self) -> int:
        return self.conv1x1 + self.conv3x3 + self.conv5x5 + self.pool_proj

    def times(self, width: float) -> Channels:
        return Channels(*(round(width * each) for each in astuple(self)))


class BasicConv2d(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, **where
    ):
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, bias=False, **where
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU(inplace=True)
        nn.init.trunc_normal_(self.conv.weight, std=0.01, a=-2, b=2)


class ConvReLU(nn.Sequential):
    """Convolution with a bias, ReLU.

    The paper gives no initial weights. These are He et al.'s (arXiv:1502.01852,
    section 2.2): with nothing to normalise them, activations must keep their size
    over 22 layers.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, **where
    ):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, **where)
        self.relu = nn.ReLU(inplace=True)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)


class Inception(nn.Module):
    """Four parallel branches over one input, their channels stacked (Szegedy et al.
    2015, figure 2b).

    N × C × H × W → N × `channels.out` × H × W. `conv` is the class of its
    convolutions.
    """

    largest_kernel = 3  # of the branch that the paper calls 5×5

    def __init__(
        self, in_channels: int, channels: Channels, conv: type = BasicConv2d
    ):
        super().__init__()
        c, k = channels, self.largest_kernel
        self.branch1 = conv(in_channels, c.conv1x1, 1)
        self.branch2: nn.Module = nn.Sequential(
            conv(in_channels, c.reduce3x3, 1),
            conv(c.reduce3x3, c.conv3x3, 3, padding=1),
        )
        self.branch3: nn.Module = nn.Sequential(
            conv(in_channels, c.reduce5x5, 1),
            conv(c.reduce5x5, c.conv5x5, k, padding=k // 2),
        )
        self.branch4: nn.Module = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), conv(in_channels, c.pool_proj, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1
        )


class Inception2014(Inception):
    """The Inception module as published, with a real 5×5 branch."""

    largest_kernel = 5


class NaiveInception(Inception2014):
    """The module without 1×1 reductions (Szegedy et al. 2015, figure 2a).

    Its pooling branch keeps all input channels: N × C × H × W →
    N × (`conv1x1` + `conv3x3` + `conv5x5` + C) × H × W.
    """

    def __init__(self, in_channels: int, channels: Channels, conv: type = ConvReLU):
        super().__init__(in_channels, channels, conv)
        self.branch2 = conv(in_channels, channels.conv3x3, 3, padding=1)
        self.branch3 = conv(in_channels, channels.conv5x5, 5, padding=2)
        self.branch4 = nn.MaxPool2d(3, stride=1, padding=1)


class InceptionAux(nn.Module):
    """Auxiliary classifier: N × C × 14 × 14 → logits N × `num_classes` (Szegedy
    et al. 2015, section 5)."""

    def __init__(
        self, in_channels: int, num_classes: int, conv: type, dropout: float = 0.7
    ):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d((4, 4))
        self.conv = conv(in_channels, 128, 1)
        self.fc1 = linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(self.conv(self.pool(x)), 1)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class InceptionAux2014(InceptionAux):
    """The auxiliary classifier as published. Its input is 5 × 5 at least."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.pool = nn.Sequential(
            nn.AvgPool2d(5, stride=3),  #     N × C × 4 × 4 for 14 × 14
            nn.AdaptiveAvgPool2d((4, 4)),  #  the identity then; admits other sizes
        )


def linear(in_features: int, out_features: int) -> nn.Linear:
    layer = nn.Linear(in_features, out_features)
    nn.init.trunc_normal_(layer.weight, std=0.01, a=-2, b=2)
    return layer
