"""Pre-activation ResNets: normalisation and ReLU stand before each convolution, not
after it.

He, Zhang, Ren, Sun, *Identity Mappings in Deep Residual Networks*, ECCV 2016:
figure 4(e), section 3 and the appendix. Nothing stands on the shortcut, so that a
signal passes from any block to any other unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, register
from cnnbook.models.residual import conv1x1, conv3x3, zero_padding
from cnnbook.models.resnet import initialise

SMALLEST = 1  # every window is padded


def activation(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class Basic(nn.Sequential):
    """What follows the first activation: two 3×3 convolutions, an activation
    between them."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__(
            conv3x3(in_channels, channels, stride),
            activation(channels),
            conv3x3(channels, channels),
        )


class Bottleneck(nn.Sequential):
    """What follows the first activation: 1×1, 3×3 and 1×1 convolutions, activations
    between."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__(
            conv1x1(in_channels, channels),
            activation(channels),
            conv3x3(channels, channels, stride),
            activation(channels),
            conv1x1(channels, channels * self.expansion),
        )


class PreActivationBlock(nn.Module):
    """x + F(relu(bn(x))): with zero weights exactly the identity. Keeps
    N × C × H × W.

    `residual` is the convolutions F, from C to C channels.
    """

    def __init__(self, channels: int, residual: nn.Module):
        super().__init__()
        self.activation = activation(channels)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual(self.activation(x))


class FirstBlock(nn.Module):
    """The first block of a stage: activated before its two paths part (He et al.,
    ECCV 2016, appendix).

    `residual` and `downsample` map `channels` channels to the same, new shape.
    """

    def __init__(self, channels: int, residual: nn.Module, downsample: nn.Module):
        super().__init__()
        self.activation = activation(channels)
        self.residual = residual
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(x)
        return self.downsample(x) + self.residual(x)


def projection_where_needed(
    in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    """A bare 1×1 convolution where the shape changes, otherwise the identity."""
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return conv1x1(in_channels, out_channels, stride)


class PreActivationResNet(nn.Module):
    """Stem, stages of pre-activation blocks, a last activation, average pooling,
    one linear layer.

    Input: images N × C × H × W of any size. Output: logits N × `num_classes`.

    Args:
        stem: from C channels to ``channels[0]``; its first layer is a convolution.
        residual: `Basic` or `Bottleneck`.
        channels, blocks: of each stage; every stage but the first halves the
            resolution.
        shortcut: of each stage's first block, called as
            ``shortcut(in, out, stride)``.
    """

    def __init__(
        self,
        stem: nn.Sequential,
        residual: type[Basic] | type[Bottleneck],
        channels: Sequence[int],
        blocks: Sequence[int],
        num_classes: int,
        shortcut: Callable[[int, int, int], nn.Module] = projection_where_needed,
    ):
        super().__init__()
        outputs = [c * residual.expansion for c in channels]
        inputs = [channels[0], *outputs[:-1]]
        self.stem = stem
        self.stages = nn.Sequential()
        for i, (c, n) in enumerate(zip(channels, blocks, strict=True)):
            stride = 1 if i == 0 else 2
            first = residual(inputs[i], c, stride)
            rest = (
                PreActivationBlock(outputs[i], residual(outputs[i], c))
                for _ in range(n - 1)
            )
            downsample = shortcut(inputs[i], outputs[i], stride)
            self.stages.append(
                nn.Sequential(FirstBlock(inputs[i], first, downsample), *rest)
            )
        self.activation = activation(outputs[-1])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(outputs[-1], num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "ResNet", self.stem[0], SMALLEST)
        x = self.activation(self.stages(self.stem(images)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _imagenet(residual, blocks, num_classes: int = 1000, in_channels: int = 3):
    stem = nn.Sequential(
        nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False),
        nn.MaxPool2d(3, stride=2, padding=1),
    )
    return PreActivationResNet(
        stem, residual, (64, 128, 256, 512), blocks, num_classes
    )


def _cifar(
    residual,
    n,
    shortcut,
    num_classes: int = 10,
    in_channels: int = 3,
    width: int = 16,
):
    stem = nn.Sequential(conv3x3(in_channels, width))
    channels = (width, 2 * width, 4 * width)
    return PreActivationResNet(
        stem, residual, channels, (n, n, n), num_classes, shortcut
    )


@register
def preact_resnet18(**options) -> PreActivationResNet:
    """Pre-activation ResNet-18. `options`: ``num_classes`` (1000), ``in_channels``
    (3)."""
    return _imagenet(Basic, (2, 2, 2, 2), **options)


@register
def preact_resnet34(**options) -> PreActivationResNet:
    """Pre-activation ResNet-34; options as of :func:`preact_resnet18`."""
    return _imagenet(Basic, (3, 4, 6, 3), **options)


@register
def preact_resnet50(**options) -> PreActivationResNet:
    """Pre-activation ResNet-50; options as of :func:`preact_resnet18`."""
    return _imagenet(Bottleneck, (3, 4, 6, 3), **options)


@register
def preact_resnet101(**options) -> PreActivationResNet:
    """Pre-activation ResNet-101; options as of :func:`preact_resnet18`."""
    return _imagenet(Bottleneck, (3, 4, 23, 3), **options)


@register
def preact_resnet152(**options) -> PreActivationResNet:
    """Pre-activation ResNet-152; options as of :func:`preact_resnet18`."""
    return _imagenet(Bottleneck, (3, 8, 36, 3), **options)


@register
def preact_resnet20(**options) -> PreActivationResNet:
    """For CIFAR-10. `options`: ``num_classes`` (10), ``in_channels`` (3), ``width``
    (16)."""
    return _cifar(Basic, 3, zero_padding, **options)


@register
def preact_resnet56(**options) -> PreActivationResNet:
    """For CIFAR-10; options as of :func:`preact_resnet20`."""
    return _cifar(Basic, 9, zero_padding, **options)


@register
def preact_resnet110(**options) -> PreActivationResNet:
    """For CIFAR-10; options as of :func:`preact_resnet20`."""
    return _cifar(Basic, 18, zero_padding, **options)


@register
def preact_resnet164(**options) -> PreActivationResNet:
    """For CIFAR-10, of bottlenecks; options as of :func:`preact_resnet20`."""
    return _cifar(Bottleneck, 18, projection_where_needed, **options)
