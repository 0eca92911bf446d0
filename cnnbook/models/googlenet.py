"""GoogLeNet, which won the classification task of ILSVRC-2014.

Szegedy et al., *Going Deeper with Convolutions*, CVPR 2015 (arXiv:1409.4842). Two
networks carry the name:

- ``variant="torchvision"``: torchvision's, key by key. It has batch normalisation
  (Ioffe, Szegedy, ICML 2015), which came five months after the paper, and no local
  response normalisation. **Its "5×5" branch is a 3×3 convolution**: its code and
  weights were ported from TF-slim's inception_v1, which has this slip (tensorflow
  issue #7130, torchvision issue #906). Its last max pooling is 2×2 instead of 3×3,
  and its auxiliary heads average over a 4×4 grid.
- ``variant="paper"``: Table 1, figure 3 and section 5: real 5×5 branches,
  convolutions with biases and no batch normalisation, local response normalisation
  in the stem, auxiliary heads that average over 5×5 windows with stride 3. Its
  first convolution is a plain 7×7, as figure 3 draws it. The 2.7 K weights and 34 M
  multiply-adds that table 1 prints for it are those of a separable one with depth
  multiplier 8: 7·7·3·8 + 24·64 weights. Ioffe and Szegedy (2015, appendix) have one
  there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnbook.models._common import check_images, check_variant, register
from cnnbook.models.inception import (
    BasicConv2d,
    Channels,
    ConvReLU,
    Inception,
    Inception2014,
    InceptionAux,
    InceptionAux2014,
    linear,
)

TABLE_1 = {
    "3a": Channels(64, 96, 128, 16, 32, 32),
    "3b": Channels(128, 128, 192, 32, 96, 64),
    "4a": Channels(192, 96, 208, 16, 48, 64),
    "4b": Channels(160, 112, 224, 24, 64, 64),
    "4c": Channels(128, 128, 256, 24, 64, 64),
    "4d": Channels(112, 144, 288, 32, 64, 64),
    "4e": Channels(256, 160, 320, 32, 128, 128),
    "5a": Channels(256, 160, 320, 32, 128, 128),
    "5b": Channels(384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutputs(NamedTuple):
    """What the network gives in training, N × `num_classes` each.

    Attributes:
        logits: of the network itself.
        aux_logits2, aux_logits1: of the auxiliary heads, the deeper one's first.
    """

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class GoogLeNet(nn.Module):
    """GoogLeNet as torchvision builds it.

    Input: images N × `in_channels` × H × W, H and W at least 15. Output: logits
    N × `num_classes`; in training with auxiliary heads, :class:`GoogLeNetOutputs`.

    Args:
        num_classes, in_channels: of the data.
        batch_norm: whether batch normalisation follows each convolution (or else a
            bias).
        aux_logits: whether there are auxiliary heads, behind modules 4a and 4d.
        dropout, dropout_aux: before the last linear layer, and in the auxiliary
            heads.
        width: factor on the channels of every convolution but the auxiliary heads',
            1/16 or more.
        transform_input: whether images normalised by ImageNet's statistics are
            normalised anew to [-1, 1], which torchvision's published weights
            expect.

    Raises:
        ValueError: if `width` leaves a convolution without a channel.
    """

    aux_weight = 0.3  # of an auxiliary head's loss, section 5
    inception, auxiliary = Inception, InceptionAux
    # In pixels: then the last max pool has one window.
    smallest = smallest_with_aux = 15

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        batch_norm: bool = True,
        aux_logits: bool = True,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
        width: float = 1.0,
        transform_input: bool = False,
    ):
        super().__init__()
        if width < 1 / 16:
            raise ValueError(f"width must be at least 1/16, got {width!r}")
        conv = BasicConv2d if batch_norm else ConvReLU
        inception, rows = (
            self.inception,
            {k: row.times(width) for k, row in TABLE_1.items()},
        )
        c64, c192 = round(64 * width), round(192 * width)
        self.aux_logits = aux_logits
        self.rescale = FromImageNet() if transform_input else nn.Identity()

        self.conv1 = conv(in_channels, c64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(c64, c64, 1)
        self.conv3 = conv(c64, c192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)

        self.inception3a = inception(c192, rows["3a"], conv)
        self.inception3b = inception(rows["3a"].out, rows["3b"], conv)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)

        self.inception4a = inception(rows["3b"].out, rows["4a"], conv)
        self.inception4b = inception(rows["4a"].out, rows["4b"], conv)
        self.inception4c = inception(rows["4b"].out, rows["4c"], conv)
        self.inception4d = inception(rows["4c"].out, rows["4d"], conv)
        self.inception4e = inception(rows["4d"].out, rows["4e"], conv)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)

        self.inception5a = inception(rows["4e"].out, rows["5a"], conv)
        self.inception5b = inception(rows["5a"].out, rows["5b"], conv)

        if aux_logits:
            self.aux1 = self.auxiliary(
                rows["4a"].out, num_classes, conv, dropout_aux
            )
            self.aux2 = self.auxiliary(
                rows["4d"].out, num_classes, conv, dropout_aux
            )
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = linear(rows["5b"].out, num_classes)

    def stem(self, images: Tensor) -> Tensor:  # N × 3 × 224 × 224
        x = self.maxpool1(self.conv1(images))  # N × 64 × 56 × 56
        x = self.conv3(self.conv2(x))  #         N × 192 × 56 × 56
        return self.maxpool2(x)  #               N × 192 × 28 × 28

    def forward(self, images: Tensor) -> Tensor | GoogLeNetOutputs:
        with_aux = self.training and self.aux_logits
        smallest = self.smallest_with_aux if with_aux else self.smallest
        check_images(images, "GoogLeNet", self.conv1.conv, smallest)
        x = self.stem(self.rescale(images))
        x = self.inception3b(self.inception3a(x))  #     N × 480 × 28 × 28
        at_4a = self.inception4a(self.maxpool3(x))  #    N × 512 × 14 × 14
        x = self.inception4c(self.inception4b(at_4a))  # N × 512 × 14 × 14
        at_4d = self.inception4d(x)  #                   N × 528 × 14 × 14
        x = self.maxpool4(self.inception4e(at_4d))  #    N × 832 × 7 × 7
        x = self.inception5b(self.inception5a(x))  #     N × 1024 × 7 × 7
        x = torch.flatten(self.avgpool(x), 1)  #         N × 1024
        logits = self.fc(self.dropout(x))
        if with_aux:
            return GoogLeNetOutputs(logits, self.aux2(at_4d), self.aux1(at_4a))
        return logits


class GoogLeNet2014(GoogLeNet):
    """GoogLeNet as published: arguments and output as :class:`GoogLeNet`'s.

    Images must be at least 31 × 31, and 79 × 79 for training with auxiliary heads.
    Szegedy et al. 2015 do not give the constants of their local response
    normalisation. These are those of Caffe's replication (``bvlc_googlenet``):
    5 channels, α = 1e-4, β = 0.75, k = 1, as PyTorch's defaults.
    """

    inception, auxiliary = Inception2014, InceptionAux2014
    smallest, smallest_with_aux = 31, 79

    def __init__(
        self, *args, batch_norm: bool = False, dropout: float = 0.4, **options
    ):
        super().__init__(*args, batch_norm=batch_norm, dropout=dropout, **options)
        self.norm1 = nn.LocalResponseNorm(5)
        self.norm2 = nn.LocalResponseNorm(5)
        self.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)

    def stem(self, images: Tensor) -> Tensor:
        x = self.norm1(self.maxpool1(self.conv1(images)))
        return self.maxpool2(self.norm2(self.conv3(self.conv2(x))))


class FromImageNet(nn.Module):
    """Images normalised by ImageNet's mean and deviation → normalised by 0.5 and
    0.5."""

    scale: Tensor
    shift: Tensor

    def __init__(self):
        super().__init__()
        scale = torch.tensor([std / 0.5 for std in (0.229, 0.224, 0.225)])
        shift = torch.tensor([(mean - 0.5) / 0.5 for mean in (0.485, 0.456, 0.406)])
        self.register_buffer("scale", scale.view(3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return images * self.scale + self.shift


@register
def googlenet(variant: str = "torchvision", **options) -> GoogLeNet:
    """GoogLeNet: ``variant="torchvision"`` (:class:`GoogLeNet`) or
    ``"paper"`` (:class:`GoogLeNet2014`).

    Args:
        variant: which of the two networks that carry the name.
        options: ``num_classes`` (1000), ``in_channels`` (3), ``batch_norm`` (True;
            of ``"paper"`` False), ``aux_logits`` (True), ``dropout`` (0.2; of
            ``"paper"`` 0.4), ``dropout_aux`` (0.7), ``width`` (1.0),
            ``transform_input`` (False).

    Raises:
        ValueError: for an unknown variant.
    """
    check_variant(variant, ("torchvision", "paper"))
    return (GoogLeNet if variant == "torchvision" else GoogLeNet2014)(**options)
