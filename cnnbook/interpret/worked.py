"""One activation, worked out: the window it sees, the kernel, the products, and
what follows.

What the live page shows for a click, as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnbook.interpret._checks import (
    check_image,
    check_trained,
    find_position,
    unknown,
)
from cnnbook.interpret.graph import Graph, Node, activations, graph


@dataclass(frozen=True, eq=False)
class Worked:
    """How a value of a convolution comes about, and of the steps right behind it.

    Attributes:
        layer, label: the convolution's name in code, and what a reader calls it.
        channel, position: which of its outputs; row and column.
        inputs: the window, channels × K × K, of the input channels that the output
            reads.
        missing: K × K, true where the window lies on padding.
        kernel: channels × K × K.
        sums: a number per input channel: its products added up.
        bias: 0.0 if the layer has none.
        output: the sum of `sums`, and the bias.
        steps: what follows the convolution and works on each value by itself, as
            (name, value behind it): ("batch norm", −0.3), ("ReLU", 0.0).
    """

    layer: str
    label: str
    channel: int
    position: tuple[int, int]
    inputs: Tensor
    missing: Tensor
    kernel: Tensor
    sums: Tensor
    bias: float
    output: float
    steps: tuple[tuple[str, float], ...]

    @property
    def products(self) -> Tensor:
        """Input times kernel, channels × K × K."""
        return self.inputs * self.kernel


def worked(
    model: nn.Module,
    image: Tensor,
    layer: str,
    channel: int = 0,
    position: tuple[int, int] | None = None,
) -> Worked:
    """How one value of a convolution comes about.

    Args:
        model: a trained network; it is only read, and looked at in inference.
        image: C × H × W, normalised as `model` takes it.
        layer: a convolution, by its name in ``profile(...).table``.
        channel: which of its maps.
        position: row and column; by default where the map is largest.

    Raises:
        ValueError: if the network is untrained, or has no such convolution, channel
            or position.
    """
    check_trained(model)
    steps = graph(model, check_image(image))
    convs = {node.name: node for node in steps if node.operation == "conv"}
    if layer not in convs:
        raise unknown(f"{steps.name} has no convolution", layer, convs)
    node, values = convs[layer], activations(model, image)
    maps = values[layer]
    row, column = find_position(maps, layer, channel, position)
    tensors = dict(model.named_parameters())
    kernel = tensors[node.tensors["weight"]][channel].detach()
    added = node.tensors.get("bias")
    bias = 0.0 if added is None else float(tensors[added][channel].detach())
    inputs, missing = _window(node, values[node.inputs[0]], row, column)
    width, share = len(kernel), len(maps) // node.settings["groups"]
    # Of the channels that the kernel's group reads.
    first = channel // share * width
    inputs = inputs[first : first + width]
    sums = (inputs * kernel).sum((1, 2))
    return Worked(
        layer,
        node.label,
        channel,
        (row, column),
        inputs,
        missing,
        kernel,
        sums,
        bias,
        float(sums.sum()) + bias,
        _behind(steps, node, values, channel, row, column),
    )


def _window(
    node: Node, below: Tensor, row: int, column: int
) -> tuple[Tensor, Tensor]:
    """The values under a kernel, channels × K × K, and where they are padding."""
    settings = node.settings
    if settings["padding_mode"] != "zeros" or isinstance(settings["padding"], str):
        raise ValueError(f"{node.name} must be padded with zeros, by a number")
    (pad_y, pad_x), (kernel_y, kernel_x) = settings["padding"], settings["kernel"]
    (step_y, step_x), (apart_y, apart_x) = settings["stride"], settings["dilation"]
    rows = slice(row * step_y, row * step_y + apart_y * (kernel_y - 1) + 1, apart_y)
    columns = slice(
        column * step_x, column * step_x + apart_x * (kernel_x - 1) + 1, apart_x
    )
    pads = (pad_x, pad_x, pad_y, pad_y)
    outside = F.pad(torch.zeros(below.shape[1:]), pads, value=1.0).bool()
    return F.pad(below, pads)[:, rows, columns], outside[rows, columns]


def _behind(
    steps: Graph,
    node: Node,
    values: dict[str, Tensor],
    channel: int,
    row: int,
    column: int,
) -> tuple[tuple[str, float], ...]:
    """The batch norm and the ReLU behind a convolution, if these alone read it."""
    found = []
    after = steps.readers()
    while len(after[node.name]) == 1:
        (node,) = after[node.name]
        if node.operation not in ("batch norm", "relu"):
            break
        found.append((node.label, float(values[node.name][channel, row, column])))
    return tuple(found)
