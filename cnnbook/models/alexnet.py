"""AlexNet, the network that won ILSVRC-2012.

Two networks carry the name:

- ``variant="paper"``: Krizhevsky, Sutskever, Hinton, *ImageNet Classification with
  Deep Convolutional Neural Networks*, NeurIPS 2012, section 3 and figure 2. Its
  layers are split into two halves, one a GPU; the halves exchange activations
  before four layers only: the third convolution and the three linear layers.
- ``variant="torchvision"``: the one-GPU network of Krizhevsky, *One weird trick for
  parallelizing convolutional neural networks*, arXiv:1404.5997, as torchvision
  builds it: one undivided stack, 64-192-384-256-256 filters, no response
  normalisation. It is the one most people run, and the one whose table the lecture
  draws.

The papers say 224 pixels. With the padding of 2 used here, an 11×11 kernel of
stride 4 then gives 55 × 55 outputs, as in the paper's figure 2. The lecture's
227 pixels give 56 × 56 with that padding, and 55 × 55 without any. The later layers
come out alike: the first pool makes 27 of both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, check_variant, register

# Two max pools after a stride-4 stem: one pixel less and the last pool has nothing
# to look at.
SMALLEST = 63


class AlexNet(nn.Module):
    """The one-GPU AlexNet, equal to ``torchvision.models.alexnet`` key by key.

    Input: images N × `in_channels` × H × W, H and W at least 63. Output: logits
    N × `num_classes`. `hidden_features` is the width of the two hidden linear
    layers (4096 as published), `width` the channels of the first convolution (64 as
    published), to which all others are in proportion.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        hidden_features: int = 4096,
        width: int = 64,
    ):
        super().__init__()
        w = width  #                                 with w = 64: N × 3 × 224 × 224
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, w, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),  #                             N × 64 × 55 × 55
            nn.MaxPool2d(kernel_size=3, stride=2),  #             N × 64 × 27 × 27
            nn.Conv2d(w, 3 * w, kernel_size=5, padding=2),  #     N × 192 × 27 × 27
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  #             N × 192 × 13 × 13
            nn.Conv2d(3 * w, 6 * w, kernel_size=3, padding=1),  # N × 384 × 13 × 13
            nn.ReLU(inplace=True),
            nn.Conv2d(6 * w, 4 * w, kernel_size=3, padding=1),  # N × 256 × 13 × 13
            nn.ReLU(inplace=True),
            nn.Conv2d(4 * w, 4 * w, kernel_size=3, padding=1),  # N × 256 × 13 × 13
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  #             N × 256 × 6 × 6
        )
        # The identity at 224; admits other sizes.
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(4 * w * 6 * 6, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_features, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "AlexNet", self.features[0], SMALLEST)
        return self.classifier(
            torch.flatten(self.avgpool(self.features(images)), 1)
        )


class LocalResponseNorm2012(nn.Module):
    """Local response normalisation, section 3.3, within each half's channels.
    N × C × H × W.

    ``b_i = a_i / (k + α Σ_j a_j²)^β`` over the n = 5 channels j around i, with
    k = 2, α = 1e-4, β = 0.75. PyTorch divides its α by n, so it is given n·α. A
    channel's neighbours are those of its own half: each GPU knew only its own
    channels.
    """

    def __init__(self, halves: int = 2):
        super().__init__()
        self.halves = halves
        self.norm = nn.LocalResponseNorm(size=5, alpha=5 * 1e-4, beta=0.75, k=2.0)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return self.norm(
            x.reshape(n * self.halves, c // self.halves, h, w)
        ).reshape(n, c, h, w)


class AlexNet2012(nn.Module):
    """AlexNet as published: 96-256-384-384-256 filters, two halves, response
    normalisation.

    ``groups=2`` is the split: in conv2, conv4 and conv5 a half sees only its own
    channels; conv3 and the linear layers see both. On one device it is this module;
    `run_split` runs the same weights as two halves on two devices.

    Input: images N × `in_channels` × H × W, H and W at least 63. Output: logits
    N × `num_classes`.

    Krizhevsky et al. 2012 give 224×224 images and 55×55 outputs for conv1 but no
    padding; 2 is the symmetric padding for which both are true.
    """

    def __init__(
        self, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5
    ):
        super().__init__()
        #                                                          N × 3 × 224 × 224
        self.conv1 = nn.Conv2d(in_channels, 96, 11, stride=4, padding=2)
        self.norm1 = LocalResponseNorm2012()  #                    N × 96 × 55 × 55
        self.pool1 = nn.MaxPool2d(3, stride=2)  #                  N × 96 × 27 × 27
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)  # N × 256 × 27 × 27
        self.norm2 = LocalResponseNorm2012()
        self.pool2 = nn.MaxPool2d(3, stride=2)  #                  N × 256 × 13 × 13
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)  #          N × 384 × 13 × 13
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        #                                                          N × 384 × 13 × 13
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        #                                                          N × 256 × 13 × 13
        self.pool5 = nn.MaxPool2d(3, stride=2)  #                  N × 256 × 6 × 6
        # The identity at 224; admits other sizes.
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, num_classes)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Section 5: weights from N(0, 0.01²); biases 1 where that feeds ReLUs
        early, else 0."""
        for name, layer in self.named_children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
                ones = name in ("conv2", "conv4", "conv5", "fc6", "fc7")
                if layer.bias is not None:
                    nn.init.constant_(layer.bias, 1.0 if ones else 0.0)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, "AlexNet", self.conv1, SMALLEST)
        x = self.pool1(self.norm1(self.relu(self.conv1(images))))
        x = self.pool2(self.norm2(self.relu(self.conv2(x))))
        x = self.relu(self.conv3(x))
        x = self.relu(self.conv4(x))
        x = self.pool5(self.relu(self.conv5(x)))
        x = torch.flatten(self.avgpool(x), 1)
        x = self.dropout(self.relu(self.fc6(x)))
        x = self.dropout(self.relu(self.fc7(x)))
        return self.fc8(x)


@register
def alexnet(variant: str = "torchvision", **options) -> AlexNet | AlexNet2012:
    """AlexNet: ``variant="torchvision"`` (:class:`AlexNet`) or ``"paper"``
    (:class:`AlexNet2012`).

    Args:
        variant: which of the two networks that carry the name.
        options: ``num_classes`` (1000), ``in_channels`` (3), ``dropout`` (0.5); for
            ``"torchvision"`` also ``hidden_features`` (4096), the linear layers'
            width, and ``width`` (64), the channels of the first convolution.

    Raises:
        ValueError: for an unknown variant.
    """
    check_variant(variant, ("torchvision", "paper"))
    return (AlexNet if variant == "torchvision" else AlexNet2012)(**options)
