"""The three equivalent forms of a ResNeXt block.

Xie et al., *Aggregated Residual Transformations for Deep Neural Networks*, CVPR
2017, figure 3:
(a) every path by itself, summed; (b) the paths' narrow outputs concatenated, then
one wide 1×1 convolution; (c) grouped convolution, which is
:class:`cnnbook.models.resnext.ResNeXtBlock`.

`SummedPaths.of` and `ConcatenatedPaths.of` turn a block of form (c) into one of
form (a) or (b) that holds the very same weights: its parameters and statistics are
views of the block's. For the forms to be equal, the last batch norm of (a) follows
the sum, not each path.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from cnnbook.models.residual import (
    Bottleneck,
    conv1x1,
    conv3x3,
    projection_where_needed,
)

Form = TypeVar("Form", bound=nn.Module)


class Path(nn.Module):
    """A path up to its last ReLU: N × `in_channels` × H × W to
    N × `width` × H/s × W/s."""

    def __init__(self, in_channels: int, width: int, stride: int):
        super().__init__()
        self.conv1 = conv1x1(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)))


class SummedPaths(nn.Module):
    """Form (a): each path widens its own output, and the outputs are summed.

    N × `in_channels` × H × W to N × `out_channels` × H/s × W/s, by `cardinality`
    paths of `width` channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        cardinality: int,
        width: int,
    ):
        super().__init__()
        self.paths = nn.ModuleList(
            Path(in_channels, width, stride) for _ in range(cardinality)
        )
        self.conv3 = nn.ModuleList(
            conv1x1(width, out_channels) for _ in range(cardinality)
        )
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = projection_where_needed(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [
            widen(path(x))
            for path, widen in zip(self.paths, self.conv3, strict=True)
        ]
        return self.relu(self.bn3(sum(outputs)) + self.downsample(x))

    @classmethod
    def of(cls, block: Bottleneck) -> SummedPaths:
        """The form (a) of `block`, with the same weights in memory."""
        form = _same_shape(cls, block)
        widths = block.conv3.weight.data.chunk(len(form.conv3), dim=1)
        for conv, weight in zip(form.conv3, widths, strict=True):
            conv.weight = nn.Parameter(weight)
        return form


class ConcatenatedPaths(nn.Module):
    """Form (b): the paths' outputs side by side, then one 1×1 convolution. Shapes
    as of (a)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        cardinality: int,
        width: int,
    ):
        super().__init__()
        self.paths = nn.ModuleList(
            Path(in_channels, width, stride) for _ in range(cardinality)
        )
        self.conv3 = conv1x1(cardinality * width, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = projection_where_needed(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.cat([path(x) for path in self.paths], dim=1)
        return self.relu(self.bn3(self.conv3(out)) + self.downsample(x))

    @classmethod
    def of(cls, block: Bottleneck) -> ConcatenatedPaths:
        """The form (b) of `block`, with the same weights in memory."""
        form = _same_shape(cls, block)
        form.conv3 = block.conv3
        return form


def _same_shape(form: type[Form], block: Bottleneck) -> Form:
    """A new `form` of the shape of `block`, which has its weights but for those of
    conv3."""
    conv = block.conv2
    with torch.device("meta"):  # its own weights are replaced at once
        made = form(
            block.conv1.in_channels,
            block.conv3.out_channels,
            conv.stride[0],
            conv.groups,
            conv.out_channels // conv.groups,
        )
    for name in ("conv1", "bn1", "conv2", "bn2"):
        for key, whole in block.get_submodule(name).state_dict().items():
            # A path's share of a weight or statistic; the count of batches has no
            # dimension.
            shares = (
                whole.chunk(conv.groups) if whole.dim() else [whole] * conv.groups
            )
            paths = made.get_submodule("paths").children()
            for path, share in zip(paths, shares, strict=True):
                _assign(path.get_submodule(name), key, share)
    made.bn3, made.downsample = block.bn3, block.downsample
    return made.train(block.training)


def _assign(module: nn.Module, key: str, value: Tensor) -> None:
    is_parameter = key in dict(module.named_parameters())
    setattr(module, key, nn.Parameter(value) if is_parameter else value)
