"""A network of the book's own, as small as Fashion-MNIST allows and fast to train.

It is no published architecture; what it is made of comes from the others. The stem
halves the image at once, as GoogLeNet's does, for most of the time goes into large
feature maps. Its convolutions are 3×3, as VGG's, and normalised, as in GoogLeNet's
second version. Two pairs have a shortcut, as in ResNet, and one linear layer
follows a pooling over all positions.
"""

from __future__ import annotations

from torch import Tensor, nn

from cnnbook.models._common import check_images, register
from cnnbook.models.residual import conv3x3


class SmallResNet(nn.Module):
    """A stem, a pair of 3×3 convolutions, a transition, a pair, a linear layer.

    Input: images N × `in_channels` × H × W, H and W at least 8. Output: logits
    N × `num_classes`. The shapes beside the layers are those of 28×28 pixels.

    Args:
        width: channels of the first pair; the second has twice as many.
        shortcuts: over the pairs.
        mirrored: in evaluation, answer with the mean of an image's logits and of
            those of its mirror image.
        gelu: after each normalisation a GELU, which is smooth, in place of a ReLU.
    """

    def __init__(
        self,
        width: int = 64,
        shortcuts: bool = True,
        mirrored: bool = False,
        gelu: bool = False,
        num_classes: int = 10,
        in_channels: int = 3,
    ):
        super().__init__()
        self.mirrored = mirrored
        self.stem = nn.Sequential(
            conv(in_channels, width // 2, pool=True, gelu=gelu),  # N × 32 × 14 × 14
            conv(width // 2, width, gelu=gelu),  # N × 64 × 14 × 14
        )
        self.pair1 = Pair(width, shortcuts, gelu)  # N × 64 × 14 × 14
        # N × 128 × 7 × 7
        self.transition = conv(width, 2 * width, stride=2, gelu=gelu)
        self.pair2 = Pair(2 * width, shortcuts, gelu)  # N × 128 × 7 × 7
        self.maxpool = nn.AdaptiveMaxPool2d(1)  # N × 128 × 1 × 1
        self.fc = nn.Linear(2 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "SmallResNet", self.stem, 8)
        logits = self.logits(images)
        if self.mirrored and not self.training:
            logits = (logits + self.logits(images.flip(-1))) / 2
        return logits

    def logits(self, images: Tensor) -> Tensor:
        x = self.pair1(self.stem(images))
        x = self.pair2(self.transition(x))
        return self.fc(self.maxpool(x).flatten(1))


class Pair(nn.Module):
    """Two 3×3 convolutions, N × `channels` × H × W to the same; with `shortcut`,
    what they add to x."""

    def __init__(self, channels: int, shortcut: bool, gelu: bool):
        super().__init__()
        self.shortcut = shortcut
        self.residual = nn.Sequential(
            conv(channels, channels, gelu=gelu), conv(channels, channels, gelu=gelu)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual(x) if self.shortcut else self.residual(x)


def conv(
    in_channels: int,
    out_channels: int,
    stride: int = 1,
    pool: bool = False,
    gelu: bool = False,
) -> nn.Sequential:
    """A 3×3 convolution, a max pool 2×2 if asked for, batch normalisation, ReLU or
    GELU.

    The pool stands first, so that what follows it has a quarter to do.
    """
    layers: list[nn.Module] = [conv3x3(in_channels, out_channels, stride)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    activation = nn.GELU() if gelu else nn.ReLU(inplace=True)
    return nn.Sequential(*layers, nn.BatchNorm2d(out_channels), activation)


@register
def small_resnet(**options) -> SmallResNet:
    """`SmallResNet`, with its arguments as options."""
    return SmallResNet(**options)
