"""ZFNet, AlexNet improved by looking inside it.

Zeiler, Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014,
arXiv:1311.2901. Two of its networks:

- ``variant="paper"``: figure 3. Against AlexNet: a finer stem (7×7 stride 2 instead
  of 11×11 stride 4), a second layer with the stride that the stem gave up, and no
  split over two GPUs.
- ``variant="wide"``: the same with 512-1024-512 instead of 384-384-256 filters in
  layers 3, 4, 5, the variation of table 3 with the lowest error, and the one that
  the lecture draws.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, check_variant, register

# Filters of the five convolutions.
CHANNELS = {"paper": (96, 256, 384, 384, 256), "wide": (96, 256, 512, 1024, 512)}
# Two pools and two strides leave 3×3 for the last pool of 3; one pixel less and it
# is 2×2.
SMALLEST = 53


def response_norm() -> nn.LocalResponseNorm:
    """Krizhevsky et al. 2012, section 3.3: over 5 channels, with k = 2, α = 1e-4,
    β = 0.75."""
    # PyTorch divides its α by the number of channels.
    return nn.LocalResponseNorm(size=5, alpha=5 * 1e-4, beta=0.75, k=2.0)


class ZFNet(nn.Module):
    """ZFNet as in figure 3 of Zeiler and Fergus 2014, with `channels` filters in
    its five convolutions.

    Input: images N × `in_channels` × H × W, H and W at least 53. Output: logits
    N × `num_classes`. `hidden_features` is the width of the two hidden linear
    layers (4096 as published).

    Figure 3 gives the side of every output and no padding; the paddings here are
    those for which all sides come out. Its contrast normalisation across feature
    maps is read as AlexNet's response normalisation, with AlexNet's constants.
    Zeiler and Fergus start all weights at a scale of 0.01 (section 3.1); here they
    start as PyTorch starts them.
    """

    def __init__(
        self,
        channels: tuple[int, int, int, int, int] = CHANNELS["paper"],
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        hidden_features: int = 4096,
    ):
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        self.features = nn.Sequential(  #                        N × 3 × 224 × 224
            nn.Conv2d(in_channels, c1, kernel_size=7, stride=2, padding=1),
            nn.ReLU(inplace=True),  #                            N × 96 × 110 × 110
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # N × 96 × 55 × 55
            response_norm(),
            nn.Conv2d(c1, c2, kernel_size=5, stride=2),  #       N × 256 × 26 × 26
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # N × 256 × 13 × 13
            response_norm(),
            nn.Conv2d(c2, c3, kernel_size=3, padding=1),  #      N × 384 × 13 × 13
            nn.ReLU(inplace=True),
            nn.Conv2d(c3, c4, kernel_size=3, padding=1),  #      N × 384 × 13 × 13
            nn.ReLU(inplace=True),
            nn.Conv2d(c4, c5, kernel_size=3, padding=1),  #      N × 256 × 13 × 13
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  #            N × 256 × 6 × 6
        )
        # The identity at 224; admits other sizes.
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Linear(c5 * 6 * 6, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "ZFNet", self.features[0], SMALLEST)
        return self.classifier(
            torch.flatten(self.avgpool(self.features(images)), 1)
        )


@register
def zfnet(variant: str = "paper", width: int = 96, **options) -> ZFNet:
    """ZFNet: ``variant="paper"`` (Zeiler and Fergus 2014, figure 3) or ``"wide"``
    (512-1024-512, the lecture's).

    Args:
        variant: which filters layers 3, 4 and 5 have.
        width: filters of the first layer (96 as published), to which all others are
            in proportion.
        options: ``num_classes`` (1000), ``in_channels`` (3), ``dropout`` (0.5),
            ``hidden_features`` (4096, the linear layers' width).

    Raises:
        ValueError: for an unknown variant, or a width that is no multiple of 3.
    """
    check_variant(variant, tuple(CHANNELS))
    if type(width) is not int or width < 3 or width % 3:
        raise ValueError(f"width must be a positive multiple of 3, got {width!r}")
    c1, c2, c3, c4, c5 = (c * width // 96 for c in CHANNELS[variant])
    return ZFNet((c1, c2, c3, c4, c5), **options)
