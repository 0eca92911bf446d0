"""The blocks of ResNets: plain, basic and bottleneck, and what a shortcut can be.

He, Zhang, Ren, Sun, *Deep Residual Learning for Image Recognition*, CVPR 2016:
figures 2 and 5. Where a block's input and output differ in shape, section 4.1
compares three options of a shortcut. Each is a function (in_channels, out_channels,
stride) -> module; `SHORTCUTS` names them as the paper does.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn


class ZeroPad(nn.Module):
    """Option A's shortcut: every `stride`-th pixel, and zeros for the new channels.
    No parameters.

    N × `in_channels` × H × W to N × `out_channels` × ⌈H / stride⌉ × ⌈W / stride⌉.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.subsample = nn.AvgPool2d(kernel_size=1, stride=stride)
        self.new_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(self.subsample(x), (0, 0, 0, 0, 0, self.new_channels))


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Option C: a learned 1×1 convolution and its batch norm, whether the shape
    changes or not."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels, out_channels, kernel_size=1, stride=stride, bias=False
        ),
        nn.BatchNorm2d(out_channels),
    )


def projection_where_needed(
    in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    """Option B, torchvision's: a projection where the shape changes, otherwise the
    identity."""
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return projection(in_channels, out_channels, stride)


def zero_padding(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Option A: `ZeroPad` where the shape changes, otherwise the identity."""
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return ZeroPad(in_channels, out_channels, stride)


SHORTCUTS = {"A": zero_padding, "B": projection_where_needed, "C": projection}


def conv3x3(
    in_channels: int, out_channels: int, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels, out_channels, 3, stride, padding=1, groups=groups, bias=False
    )


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


class PlainBlock(nn.Module):
    """Two 3×3 convolutions, no shortcut. N × `in_channels` × H × W to
    N × `channels` × H/s × W/s.

    s is the `stride`; H/s and W/s are rounded up.
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__()
        self.conv1 = conv3x3(in_channels, channels, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def residual(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.residual(x))


class BasicBlock(PlainBlock):
    """relu(F(x) + x), F being the two 3×3 convolutions of a plain block (He et al.
    2016, figure 5, left)."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        shortcut: Callable[[int, int, int], nn.Module] = projection_where_needed,
    ):
        super().__init__(in_channels, channels, stride)
        self.downsample = shortcut(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.residual(x) + self.downsample(x))


class Bottleneck(nn.Module):
    """relu(F(x) + x), F being 1×1, 3×3 and 1×1 convolutions (He et al. 2016,
    figure 5, right).

    N × `in_channels` × H × W to N × 4·`channels` × H/s × W/s. The 3×3 convolution
    is `width` channels wide, in `groups` groups; ResNeXt varies both, in ResNet
    they are `channels` and 1.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        width: int | None = None,
        groups: int = 1,
    ):
        super().__init__()
        width = width or channels
        out_channels = channels * self.expansion
        self.conv1 = conv1x1(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride, groups)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv1x1(width, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = projection_where_needed(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + self.downsample(x))


class PaperBottleneck(Bottleneck):
    """The bottleneck as published: its first 1×1 convolution has the stride."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__(in_channels, channels, stride)
        self.conv1, self.conv2 = (
            conv1x1(in_channels, channels, stride),
            conv3x3(channels, channels),
        )
