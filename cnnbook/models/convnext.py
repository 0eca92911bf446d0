"""ConvNeXt: a ResNet brought up to date, one decision at a time.

Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, *A ConvNet for the 2020s*, CVPR 2022
(arXiv:2201.03545), figure 4 and table 9. What vision transformers do, done by
convolutions: an image is cut into patches, a 7×7 depthwise convolution looks
around, and two layers on each position mix the channels.
`cnnbook.models.convnext_ladder` has the steps that lead here from ResNet-50. Keys
and logits are torchvision's.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn, ones

from cnnbook.models._common import check_images, register
from cnnbook.models.stochastic_depth import StochasticDepth

CHANNELS = (96, 192, 384, 768)
TINY = (3, 3, 9, 3)  # blocks of each stage

SMALLEST = 32  # a patch of 4×4, halved three times


class LayerNorm2d(nn.LayerNorm):
    """Normalises the channels of each position. N × C × H × W to the same shape."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class Permute(nn.Module):
    """The dimensions in another order."""

    def __init__(self, *order: int):
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)

    def extra_repr(self) -> str:
        return f"order={self.order}"


class ConvNeXtBlock(nn.Module):
    """x + scale · F(x): N × `channels` × H × W to the same shape (Liu et al.
    2022, figure 4, right).

    F is a 7×7 depthwise convolution, a layer norm, and two 1×1 convolutions with a
    GELU between them: four times wider, and back. They are linear layers on N × H ×
    W × C here, as in the authors' code, which is the same and faster. `drop` is the
    share of images whose F(x) is left out in training.
    """

    def __init__(self, channels: int, drop: float = 0.0):
        super().__init__()
        # Nearly zero, so that the block begins as an identity.
        self.layer_scale = nn.Parameter(1e-6 * ones(channels, 1, 1))
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            Permute(0, 2, 3, 1),
            nn.LayerNorm(channels, eps=1e-6),
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Linear(4 * channels, channels),
            Permute(0, 3, 1, 2),
        )
        self.stochastic_depth = StochasticDepth(drop)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stochastic_depth(self.layer_scale * self.block(x))


def downsampling(in_channels: int, channels: int) -> nn.Sequential:
    """Between two stages: half the height and width (rounded down)."""
    return nn.Sequential(
        LayerNorm2d(in_channels),
        nn.Conv2d(in_channels, channels, 2, stride=2),
    )


class ConvNeXt(nn.Module):
    """Patches, stages with downsampling between them, a linear layer (Liu et al.
    2022, table 9).

    Input: images N × `in_channels` × H × W, H and W at least 32. Output: N ×
    `num_classes` logits.

    Args:
        blocks, channels: of each stage.
        drop: share of images whose last block is skipped in training; earlier ones
            have less, in proportion.
    """

    def __init__(
        self,
        blocks: tuple[int, ...] = TINY,
        channels: tuple[int, ...] = CHANNELS,
        num_classes: int = 1000,
        in_channels: int = 3,
        drop: float = 0.1,
    ):
        super().__init__()
        stem = nn.Conv2d(in_channels, channels[0], 4, stride=4)  # N × 96 × 56 × 56
        layers = [nn.Sequential(stem, LayerNorm2d(channels[0]))]
        for number, width in enumerate(channels):
            # N × 96 × 56 × 56, 192 × 28 × 28, 384 × 14 × 14, 768 × 7 × 7
            if number:
                layers.append(downsampling(channels[number - 1], width))
            first = sum(blocks[:number])
            stage = [
                ConvNeXtBlock(width, drop * i / max(1, sum(blocks) - 1))
                for i in range(first, first + blocks[number])
            ]
            layers.append(nn.Sequential(*stage))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)  #                  N × 768 × 1 × 1
        self.classifier = nn.Sequential(
            LayerNorm2d(width), nn.Flatten(1), nn.Linear(width, num_classes)
        )
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "ConvNeXt", self.features[0], SMALLEST)
        return self.classifier(self.avgpool(self.features(images)))


def initialise(network: nn.Module) -> None:
    """Normal weights of deviation 0.02, biases of zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@register
def convnext_tiny(**options) -> ConvNeXt:
    """ConvNeXt-T; `options` as of :class:`ConvNeXt`."""
    return ConvNeXt(TINY, **options)
