"""Which pixels made a feature fire: the deconvnet, a network run backwards.

Zeiler, Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014,
section 2.1. All activations of a layer but one are set to zero, and what is left is
brought down to the pixels by undoing layer after layer:

- *unpool*: a max pool put in the place that it took the maximum from (its
  "switch");
- *rectify*: keep what is positive, as the network's own maps are;
- *filter*: convolve with the transposed filters.

A batch norm, which the paper has not, is in inference a factor on each filter and
is undone with it. Response norms are passed by, as in the paper; dropout does
nothing in inference.

The gradient differs in one point only: at a ReLU it keeps what was positive on the
way *up* (Simonyan, Vedaldi, Zisserman 2014, section 4).
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

PASSED = ("response norm", "dropout", "identity", "reshape", "view")
UNDONE = ("conv", "batch norm", "relu", "max pool", *PASSED)


@dataclass(frozen=True, eq=False)
class Projection:
    """What one activation looks like in pixels.

    Attributes:
        pixels: C × H × W, as the network's input; zero where nothing reached.
        activation: the value that was brought down; 0 if the feature is silent on
            the image, and then `pixels` are zero too.
        position: its row and column in the layer's map.
        window: the pixels that it sees, inside the image: (top, left, bottom,
            right), the last two not included.
    """

    pixels: Tensor
    activation: float
    position: tuple[int, int]
    window: tuple[int, int, int, int]

    def crop(self, image: Tensor) -> Tensor:
        """The part of an image, or of `pixels`, that the activation sees."""
        top, left, bottom, right = self.window
        return image[:, top:bottom, left:right]


def deconvnet(
    model: nn.Module,
    image: Tensor,
    layer: str,
    channel: int,
    position: tuple[int, int] | None = None,
) -> Projection:
    """One activation of `layer`, brought down to the pixels.

    Args:
        model: a trained network; from the image to `layer` a single row of
            convolutions, batch norms, ReLUs and max pools, as AlexNet, ZFNet and
            VGG are. It is only read, and looked at in inference.
        image: C × H × W, normalised as `model` takes it.
        layer: a step of the network by its name in ``profile(...).table``, or of
            another module.
        channel: which of its maps.
        position: row and column; by default where the map is largest.

    Raises:
        ValueError: if the network is untrained or has no such layer, channel or
            position; or if paths meet on the way (a shortcut, an Inception module),
            or a layer has no inverse that Zeiler and Fergus 2014 give (an average
            pool, a linear layer). The line names it.
    """
    check_trained(model)
    size = check_image(image)
    steps = graph(model, size)
    path = _path(steps, layer)
    values = activations(model, image)
    maps = values[path[-1].name]
    row, column = find_position(maps, layer, channel, position)
    signal = torch.zeros_like(maps)
    signal[channel, row, column] = maps[channel, row, column].clamp(min=0)
    activation = float(signal[channel, row, column])
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        for node in reversed(path):
            signal = _undo(node, signal, values[node.inputs[0]], tensors)
    seen = window(path, (row, column), size[1:])
    return Projection(signal, activation, (row, column), seen)


def _path(steps: Graph, layer: str) -> list[Node]:
    """The steps from the one after the image to `layer`, which are a single row."""
    try:
        node = steps[layer]
    except KeyError:
        names = [each.name for each in steps if each.kind in ("conv", "pool")]
        raise unknown(f"{steps.name} has no layer", layer, names) from None
    path: list[Node] = []
    while node.name != "input":
        if len(node.inputs) != 1 or node.operation not in UNDONE:
            why = (
                "paths meet there"
                if len(node.inputs) > 1
                else f"{node.label} cannot be undone"
            )
            raise ValueError(
                f"the deconvnet cannot pass {node.name} of {steps.name} ({why}): "
                "from the image to the layer it needs one row of convolutions, "
                "batch norms, ReLUs and max pools"
            )
        path.append(node)
        node = steps[node.inputs[0]]
    if not path:
        raise ValueError("the input is no layer of the network")
    return path[::-1]


def _undo(
    node: Node, signal: Tensor, below: Tensor, tensors: dict[str, Tensor]
) -> Tensor:
    """The signal at the input of a step, whose value in the network was `below`."""
    if node.operation == "relu":
        return signal.clamp(min=0)
    if node.operation == "max pool":
        return unpool(node, signal, below)
    if node.operation == "batch norm":
        weight, var = (
            tensors.get(node.tensors.get(role, "")) for role in ("weight", "var")
        )
        scale = (1.0 if weight is None else weight) * (
            var + node.settings["eps"]
        ).rsqrt()
        return signal * scale.view(-1, 1, 1)
    if node.operation == "conv":
        return filter_transposed(
            node, signal, below, tensors[node.tensors["weight"]]
        )
    return signal


def filter_transposed(
    node: Node, signal: Tensor, below: Tensor, weight: Tensor
) -> Tensor:
    """The maps below a convolution: each value spreads its kernel over a window."""
    settings = node.settings
    if settings["padding_mode"] != "zeros" or isinstance(settings["padding"], str):
        raise ValueError(
            f"the deconvnet needs padding with zeros, by a number, at {node.name}"
        )
    shape = {name: settings[name] for name in ("stride", "padding", "dilation")}
    rest = [  # rows and columns that no window reached
        size - ((count - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1)
        for size, count, kernel, stride, padding, dilation in zip(
            below.shape[1:],
            signal.shape[1:],
            settings["kernel"],
            *shape.values(),
            strict=True,
        )
    ]
    return F.conv_transpose2d(
        signal[None],
        weight,
        output_padding=rest,
        groups=settings["groups"],
        **shape,
    )[0]


def unpool(node: Node, signal: Tensor, below: Tensor) -> Tensor:
    """The maps below a max pool: each value in the place of the maximum, elsewhere
    zero.

    Where windows overlap and share a maximum, their values are added there.
    """
    settings = node.settings
    _, switches = F.max_pool2d(
        below[None],
        settings["kernel"],
        settings["stride"],
        settings["padding"],
        settings["dilation"],
        settings["ceil"],
        return_indices=True,
    )
    unpooled = torch.zeros_like(below).flatten(1)
    return unpooled.scatter_add_(
        1, switches[0].flatten(1), signal.flatten(1)
    ).view_as(below)


def window(
    path: list[Node], position: tuple[int, int], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The pixels that a position behind the steps of `path` sees: top, left,
    bottom, right.

    What is padded, of the image or of a layer between, is none of them. `size` is
    the image's height and width; bottom and right are not included.
    """
    starts, ends = [], []
    for axis, low in enumerate(position):
        high = low
        below = [size, *(node.shape[1:] for node in path[:-1])]
        for node, sides in zip(reversed(path), reversed(below), strict=True):
            if "kernel" in node.settings:
                kernel, stride, padding, dilation = (
                    node.settings[name][axis]
                    for name in ("kernel", "stride", "padding", "dilation")
                )
                low = max(low * stride - padding, 0)
                high = min(
                    high * stride - padding + dilation * (kernel - 1),
                    sides[axis] - 1,
                )
        starts.append(low)
        ends.append(high + 1)
    (top, left), (bottom, right) = starts, ends
    return top, left, bottom, right
