"""Two small families of networks of the book's own, for comparisons that need
training.

They are no published architectures. In each family one thing varies and all else
stays:

- :func:`kernel_stack`: what covers a window of pixels, one large kernel or several
  3×3 ones;
- :func:`stem_network`: the kernel, stride and width of the first convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, register
from cnnbook.models.vgg import VGG


def stack(
    channels: int,
    kernel_size: int,
    depth: int,
    activation: type[nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """`depth` convolutions in a row, N × `channels` × H × W to the same;
    `activation` between them.

    Its receptive field is 1 + depth·(kernel_size - 1) pixels.
    """
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [
            nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2)
        ]
        layers += [activation()]
    return nn.Sequential(*layers[:-1])  # what follows the last is not between


class KernelStack(nn.Module):
    """A 3×3 stem, two stacks with a max pool after each, global average pooling, a
    linear layer.

    Input: images N × `in_channels` × H × W, H and W at least 4. Output: logits
    N × `num_classes`.

    Args:
        kernel_size, depth: of both stacks; see :func:`stack`.
        linear: leave out the ReLUs inside a stack; the ReLU after it stays.
        channels: of every convolution.
    """

    def __init__(
        self,
        kernel_size: int = 3,
        depth: int = 2,
        linear: bool = False,
        channels: int = 32,
        num_classes: int = 10,
        in_channels: int = 3,
    ):
        super().__init__()
        between = nn.Identity if linear else nn.ReLU
        self.stem = nn.Conv2d(in_channels, channels, kernel_size=3, padding=1)
        #                                                    N × 32 × 28 × 28
        self.stack1 = stack(channels, kernel_size, depth, between)
        #                                                    N × 32 × 28 × 28
        self.stack2 = stack(channels, kernel_size, depth, between)
        #                                                    N × 32 × 14 × 14
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)  # N × 32 × 7 × 7
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        for layer in self.modules():
            # Scaled by fan-in (He et al. 2015), or else the deeper stacks would
            # start with less.
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "KernelStack", self.stem, 4)
        x = torch.relu(self.stem(images))
        x = self.pool(torch.relu(self.stack1(x)))
        x = self.pool(torch.relu(self.stack2(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class StemNetwork(nn.Module):
    """AlexNet's start with a free stem, then two 3×3 convolutions and global
    average pooling.

    Input: images N × `in_channels` × H × W of any size. Output: logits
    N × `num_classes`.

    Args:
        kernel_size, stride, width: of the first convolution. It is padded so that
            the output's side is the input's side divided by the stride, whatever
            the (odd) kernel.
    """

    def __init__(
        self,
        kernel_size: int = 7,
        stride: int = 2,
        width: int = 24,
        num_classes: int = 10,
        in_channels: int = 3,
    ):
        super().__init__()
        self.features = nn.Sequential(  #                        N × 1 × 56 × 56
            nn.Conv2d(
                in_channels, width, kernel_size, stride, padding=kernel_size // 2
            ),
            nn.ReLU(inplace=True),  #                            N × 24 × 28 × 28
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # N × 24 × 14 × 14
            nn.Conv2d(width, 48, kernel_size=3, padding=1),  #   N × 48 × 14 × 14
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # N × 48 × 7 × 7
            nn.Conv2d(48, 64, kernel_size=3, padding=1),  #      N × 64 × 7 × 7
            nn.ReLU(inplace=True),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "StemNetwork", self.features[0], 1)
        return self.fc(torch.flatten(self.avgpool(self.features(images)), 1))


@register
def kernel_stack(**options) -> KernelStack:
    """One large kernel or several small ones at one receptive field; see
    :class:`KernelStack`."""
    return KernelStack(**options)


def conv5x5(in_channels: int, channels: int) -> list[nn.Module]:
    """A 5×5 convolution, which leaves height and width as they are, and its
    ReLU."""
    return [nn.Conv2d(in_channels, channels, 5, padding=2), nn.ReLU(inplace=True)]


@register
def vgg13_5x5(**options) -> VGG:
    """VGG-13 with each pair of 3×3 convolutions replaced by one 5×5 of the same
    field.

    Section 4.1 of Simonyan and Zisserman 2015 compares the two. Options as for
    :func:`cnnbook.models.vgg11`.
    """
    return VGG((1,) * 5, conv5x5, **options)


@register
def stem_network(**options) -> StemNetwork:
    """A small network with a free stem; see :class:`StemNetwork`."""
    return StemNetwork(**options)
