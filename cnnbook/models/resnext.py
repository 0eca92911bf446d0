"""ResNeXt: residual networks whose blocks have many narrow paths.

Xie, Girshick, Dollár, Tu, He, *Aggregated Residual Transformations for Deep Neural
Networks*, CVPR 2017. A block has `cardinality` paths, each `width` channels wide:
"32×4d" is 32 paths of 4 channels. A grouped convolution computes them all
(figure 3c); `cnnbook.models.resnext_forms` has the two other forms of figure 3. All
else is ResNet: ``resnext(layers, 1, 64)`` is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cnnbook.models._common import register
from cnnbook.models.residual import Bottleneck
from cnnbook.models.resnet import ResNet
from cnnbook.models.resnet_cifar import CifarResNet


class ResNeXtBlock(Bottleneck):
    """relu(F(x) + x), F being 1×1, grouped 3×3 and 1×1 convolutions (Xie et al.
    2017, figure 3c).

    N × `in_channels` × H × W to N × 4·`channels` × H/s × W/s.

    Args:
        cardinality: the number of paths, which are the groups of the 3×3
            convolution (C).
        width: channels of a path in the first stage (d); later stages widen with
            their channels.
        first_channels: the `channels` of the first stage, to which `width` belongs.

    Raises:
        ValueError: if cardinality or width is no positive integer, or `width`
            cannot be kept in proportion to `channels`.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        cardinality: int = 32,
        width: int = 4,
        first_channels: int = 64,
    ):
        for name, value in (("cardinality", cardinality), ("width", width)):
            if type(value) is not int or value < 1:
                raise ValueError(
                    f"{name} must be a positive integer, got {value!r}"
                )
        path_width, rest = divmod(width * channels, first_channels)
        if rest:
            raise ValueError(
                f"a width of {width} at {first_channels} channels is no whole "
                f"number at {channels}"
            )
        super().__init__(
            in_channels,
            channels,
            stride,
            width=cardinality * path_width,
            groups=cardinality,
        )


def resnext(
    layers: Sequence[int],
    cardinality: int = 32,
    width: int = 4,
    channels: int = 64,
    **options,
) -> ResNet:
    """A ResNeXt for ImageNet of any depth, cardinality and width (Xie et al. 2017,
    table 1).

    Args:
        layers: the number of blocks of each of the four stages; (3, 4, 6, 3) gives
            50 layers.
        cardinality, width: of the first stage's blocks; later stages double the
            width.
        channels: of the stem (64 as published), to which all others are in
            proportion.
        options: ``num_classes`` (1000), ``in_channels`` (3).

    Raises:
        ValueError: if cardinality or width is no positive integer, or `channels`
            leaves a path without a whole number of them.
    """
    block = partial(ResNeXtBlock, cardinality=cardinality, width=width)
    return ResNet(block, layers, width=channels, **options)


@register
def resnext50_32x4d(**options) -> ResNet:
    """ResNeXt-50, 32 paths of 4 channels (Xie et al. 2017, table 1); `options` as
    of :func:`resnext`."""
    return resnext((3, 4, 6, 3), cardinality=32, width=4, **options)


@register
def resnext101_32x8d(**options) -> ResNet:
    """ResNeXt-101, 32 paths of 8 channels: torchvision's; `options` as of
    :func:`resnext`."""
    return resnext((3, 4, 23, 3), cardinality=32, width=8, **options)


@register
def resnext101_64x4d(**options) -> ResNet:
    """ResNeXt-101, 64 paths of 4 channels (Xie et al. 2017, table 4); `options` as
    of :func:`resnext`."""
    return resnext((3, 4, 23, 3), cardinality=64, width=4, **options)


@register
def resnext29(
    cardinality: int = 8,
    width: int = 64,
    channels: int = 64,
    blocks: int = 3,
    **options,
) -> CifarResNet:
    """The ResNeXt for small images: a 3×3 stem and three stages (Xie et al.
    2017, section 5.3).

    Args:
        cardinality, width: of the first stage's blocks; Xie et al. have 8×64d and
            16×64d.
        channels: of the stem; a block of the first stage gives four times as many.
        blocks: of each stage; b blocks make 9b + 2 layers with weights, the
            published 29 if 3.
        options: ``num_classes`` (10), ``in_channels`` (3).

    Raises:
        ValueError: if cardinality or width is no positive integer.
    """
    block = partial(
        ResNeXtBlock, cardinality=cardinality, width=width, first_channels=channels
    )
    return CifarResNet(block, blocks, width=channels, **options)
