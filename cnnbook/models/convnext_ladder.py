"""From ResNet-50 to ConvNeXt-T: every step of the paper's ladder, as a network.

Liu et al., *A ConvNet for the 2020s*, CVPR 2022 (arXiv:2201.03545), sections 2.2 to
2.6, figure 2 and table 10. The authors published the last network only; these are
built from their words. Each step keeps what the steps before it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images
from cnnbook.models.convnext import LayerNorm2d, convnext_tiny
from cnnbook.models.residual import Bottleneck, conv1x1, projection_where_needed
from cnnbook.models.resnet import ResNet, resnet50, stage

# Blocks of each stage, as in Swin-T; ResNet-50 has (3, 4, 6, 3).
RATIO = (3, 3, 9, 3)


class Residual(nn.Module):
    """F(x) + shortcut(x), then perhaps an activation; F is `layers` in a row."""

    expansion = 1

    def __init__(self, in_channels, channels, stride, layers, *then: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.downsample = projection_where_needed(in_channels, channels, stride)
        self.then = nn.Sequential(*then)

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self.layers(x) + self.downsample(x))


def depthwise(channels: int, kernel: int, stride: int) -> nn.Conv2d:
    """A convolution with as many groups as channels."""
    sizes = (channels, channels, kernel, stride, kernel // 2)
    return nn.Conv2d(*sizes, groups=channels, bias=False)


# The blocks: (in_channels, channels, stride) -> module, N × in_channels × H × W to
# N × channels × H/s × W/s; a bottleneck gives four times as many channels.


def grouped(in_channels: int, channels: int, stride: int) -> Bottleneck:
    """ResNet's bottleneck with a depthwise 3×3 convolution: ResNeXt to the end."""
    return Bottleneck(in_channels, channels, stride, groups=channels)


def inverted(in_channels: int, channels: int, stride: int) -> Residual:
    """1×1 to four times the channels, depthwise 3×3 there, 1×1 back (figure 3b)."""
    middle, norm = 4 * channels, nn.BatchNorm2d
    layers = [
        *(conv1x1(in_channels, middle), norm(middle), nn.ReLU()),
        *(depthwise(middle, 3, stride), norm(middle), nn.ReLU()),
        *(conv1x1(middle, channels), norm(channels)),
    ]
    return Residual(in_channels, channels, stride, layers, nn.ReLU())


def moved_up(in_channels, channels, stride, kernel=3, activation=nn.ReLU):
    """The depthwise convolution first, on few channels (figure 3c)."""
    middle, norm = 4 * channels, nn.BatchNorm2d
    layers = [
        *(depthwise(in_channels, kernel, stride), norm(in_channels), activation()),
        *(conv1x1(in_channels, middle), norm(middle), activation()),
        *(conv1x1(middle, channels), norm(channels)),
    ]
    return Residual(in_channels, channels, stride, layers, activation())


def fewer_activations(in_channels: int, channels: int, stride: int) -> Residual:
    """One GELU, between the two 1×1 convolutions."""
    middle, norm = 4 * channels, nn.BatchNorm2d
    layers = [
        *(depthwise(in_channels, 7, stride), norm(in_channels)),
        *(conv1x1(in_channels, middle), norm(middle), nn.GELU()),
        *(conv1x1(middle, channels), norm(channels)),
    ]
    return Residual(in_channels, channels, stride, layers)


def fewer_norms(in_channels, channels, stride, norm=nn.BatchNorm2d) -> Residual:
    """One normalisation, before the two 1×1 convolutions, which have biases now."""
    middle = 4 * channels
    layers = [
        *(depthwise(in_channels, 7, stride), norm(in_channels)),
        *(
            nn.Conv2d(in_channels, middle, 1),
            nn.GELU(),
            nn.Conv2d(middle, channels, 1),
        ),
    ]
    return Residual(in_channels, channels, stride, layers)


class Patches(nn.Module):
    """A stem that cuts patches of 4×4, four stages, one linear layer.

    Input: images N × `in_channels` × H × W, H and W at least 4. Output: N ×
    `num_classes` logits. The paper does not say what stood behind the stem before
    its last step; here it is a batch normalisation.
    """

    def __init__(self, block, width: int, num_classes=1000, in_channels=3):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, width, 4, stride=4, bias=False)
        self.norm = nn.BatchNorm2d(width)  #                     N × width × 56 × 56
        stages, given = [], width
        for number, blocks in enumerate(RATIO):
            channels, stride = width * 2**number, 2 if number else 1
            stages.append(stage(block, given, channels, blocks, stride))
            given = channels * stages[-1][0].expansion
        self.stages = nn.Sequential(*stages)  #                  N × given × 7 × 7
        self.fc = nn.Linear(given, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "this step", self.stem, 4)
        x = self.stages(self.norm(self.stem(images)))
        return self.fc(torch.mean(x, (2, 3)))


# From the first step to the last; each builder takes num_classes and in_channels.
LADDER: dict[str, Callable[..., nn.Module]] = {
    "ResNet-50": resnet50,
    "stage ratio": partial(ResNet, Bottleneck, RATIO),
    "patches": partial(Patches, Bottleneck, 64),
    "depthwise": partial(Patches, grouped, 64),
    "wider": partial(Patches, grouped, 96),
    "inverted": partial(Patches, inverted, 96),
    "moved up": partial(Patches, moved_up, 96),
    "7×7": partial(Patches, partial(moved_up, kernel=7), 96),
    "GELU": partial(Patches, partial(moved_up, kernel=7, activation=nn.GELU), 96),
    "fewer activations": partial(Patches, fewer_activations, 96),
    "fewer norms": partial(Patches, fewer_norms, 96),
    "layer norm": partial(Patches, partial(fewer_norms, norm=LayerNorm2d), 96),
    "ConvNeXt-T": convnext_tiny,
}
