"""VGG: depth from 3×3 convolutions alone.

Simonyan, Zisserman, *Very Deep Convolutional Networks for Large-Scale Image
Recognition*, ICLR 2015, arXiv:1409.1556, table 1. Its configurations A, B, D and E
are called VGG-11, 13, 16 and 19 after their layers with weights. The names ending
in ``_bn`` have batch normalisation after each convolution, which is not the
paper's: it came later (Ioffe, Szegedy, ICML 2015).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, register

# Convolutions in each of the five stages.
VGG11 = (1, 1, 2, 2, 2)
VGG13 = (2, 2, 2, 2, 2)
VGG16 = (2, 2, 3, 3, 3)
VGG19 = (2, 2, 4, 4, 4)

SMALLEST = 32  # halved by each of five max pools


def conv(in_channels: int, channels: int) -> list[nn.Module]:
    """A 3×3 convolution, which leaves height and width as they are, and its
    ReLU."""
    return [
        nn.Conv2d(in_channels, channels, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
    ]


def conv_bn(in_channels: int, channels: int) -> list[nn.Module]:
    """The same with batch normalisation between the two."""
    convolution, relu = conv(in_channels, channels)
    return [convolution, nn.BatchNorm2d(channels), relu]


class VGG(nn.Module):
    """A VGG network, equal to torchvision's key by key.

    Input: images N × `in_channels` × H × W, H and W at least 32. Output: logits
    N × `num_classes`.

    Args:
        depths: convolutions in each stage; a 2×2 max pool ends each.
        block: the layers of one convolution: :func:`conv` or :func:`conv_bn`.
        width: channels of the first stage (64 as published). They double after each
            pool until they are 8 times as many.
        hidden_features: width of the two hidden linear layers (4096 as published).
    """

    def __init__(
        self,
        depths: tuple[int, ...] = VGG16,
        block=conv,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        width: int = 64,
        hidden_features: int = 4096,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        c = in_channels  #                        N × 3 × 224 × 224
        for stage, depth in enumerate(depths):
            # N × 64 × 224 × 224, 128 × 112 × 112, 256 × 56 × 56, 512 × 28 × 28,
            # 512 × 14 × 14, each then halved in height and width
            channels = width * min(2**stage, 8)
            for _ in range(depth):
                layers += block(c, channels)
                c = channels
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        self.features = nn.Sequential(*layers)  # N × 512 × 7 × 7
        # The identity at 224; admits other sizes.
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(c * 7 * 7, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, num_classes),
        )
        self._initialise()

    def _initialise(self) -> None:
        """As torchvision: scaled by fan-out (He et al., *Delving Deep into
        Rectifiers*, ICCV 2015).

        The paper draws the weights from a normal distribution of variance 0.01, a
        deviation of 0.1, and starts its deeper networks from the layers of a
        trained VGG-11. It adds that it found afterwards that Glorot and Bengio's
        initialisation makes this unnecessary (section 3.1).
        """
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(
                    layer.weight, mode="fan_out", nonlinearity="relu"
                )
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "VGG", self.features[0], SMALLEST)
        return self.classifier(
            torch.flatten(self.avgpool(self.features(images)), 1)
        )


@register
def vgg11(**options) -> VGG:
    """VGG-11, configuration A of Simonyan and Zisserman 2015, table 1. Options as
    for :class:`VGG`, but for `depths` and `block`."""
    return VGG(VGG11, conv, **options)


@register
def vgg11_bn(**options) -> VGG:
    """VGG-11 with batch normalisation; options as for :func:`vgg11`."""
    return VGG(VGG11, conv_bn, **options)


@register
def vgg13(**options) -> VGG:
    """VGG-13, configuration B; options as for :func:`vgg11`."""
    return VGG(VGG13, conv, **options)


@register
def vgg13_bn(**options) -> VGG:
    """VGG-13 with batch normalisation; options as for :func:`vgg11`."""
    return VGG(VGG13, conv_bn, **options)


@register
def vgg16(**options) -> VGG:
    """VGG-16, configuration D; options as for :func:`vgg11`."""
    return VGG(VGG16, conv, **options)


@register
def vgg16_bn(**options) -> VGG:
    """VGG-16 with batch normalisation; options as for :func:`vgg11`."""
    return VGG(VGG16, conv_bn, **options)


@register
def vgg19(**options) -> VGG:
    """VGG-19, configuration E; options as for :func:`vgg11`."""
    return VGG(VGG19, conv, **options)


@register
def vgg19_bn(**options) -> VGG:
    """VGG-19 with batch normalisation; options as for :func:`vgg11`."""
    return VGG(VGG19, conv_bn, **options)
