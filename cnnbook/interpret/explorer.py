"""Networks as the book's explorer writes them: lists of layers, and lines of text.

The explorer is a page of the book that profiles a network in the reader's browser.
There a network is a list of layers; a layer is a dict of its ``type`` and its
numbers, and parallel branches are one layer, ``sum``, ``product`` or ``concat``,
whose ``branches`` are lists of layers. :func:`layers` makes that list of a
network's graph (`cnnbook.interpret.graph`), so that nothing is copied by hand.

Written as text, layers stand between dots, each a letter and its numbers:
``c64k7s2p3n.b.r.m3s2p1`` is a convolution of 64 kernels of 7×7 with stride 2,
padding 3 and no bias, a batch norm, a ReLU and a 3×3 max pool. ``s(c64k3p1~)`` is a
sum of a convolution and the input itself, ``p(…~…)`` a product, ``j(…~…)`` a
concatenation. The text has no character that an address would have to escape.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cnnbook import models
from cnnbook.interpret.graph import Graph, Node, graph

Layer = dict[str, Any]

# A layer's letter, and its numbers: their letters, and the value that is left out.
# The first number follows the layer's letter. None: always written.
GRAMMAR: dict[str, tuple[str, list[tuple[str, str, Any]]]] = {
    "conv": ("c", [("out", "", None), ("kernel", "k", 1), ("stride", "s", 1),
                   ("padding", "p", 0), ("dilation", "d", 1), ("groups", "g", 1),
                   ("bias", "n", True)]),
    "batchnorm": ("b", []),
    "layernorm": ("y", []),
    "scale": ("v", []),
    "relu": ("r", []),
    "relu6": ("q", []),
    "silu": ("w", []),
    "gelu": ("e", []),
    "sigmoid": ("i", []),
    "lrn": ("n", [("size", "", None)]),
    "maxpool": ("m", [("kernel", "", None), ("stride", "s", 1), ("padding", "p", 0),
                      ("dilation", "d", 1), ("ceil", "u", False)]),
    "avgpool": ("a", [("kernel", "", None), ("stride", "s", 1), ("padding", "p", 0),
                      ("ceil", "u", False)]),
    "adaptiveavg": ("g", [("size", "", None)]),
    "adaptivemax": ("h", [("size", "", None)]),
    "flatten": ("f", []),
    "linear": ("l", [("out", "", None), ("bias", "n", True)]),
    "dropout": ("o", [("percent", "", None)]),
    "zeros": ("z", [("out", "", None)]),
    "channelslast": ("t", []),
    "channelsfirst": ("u", []),
}  # fmt: skip
JOINS = {"sum": "s", "product": "p", "concat": "j"}
# What is each of them in a graph.
JOINED = {"add": "sum", "mul": "product", "concat": "concat"}
ACTIVATIONS = ("relu", "relu6", "silu", "gelu", "sigmoid")
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)  # N×C×H×W to N×H×W×C, and back
WINDOW = ("kernel", "stride", "padding", "dilation")


def write(network: list[Layer]) -> str:
    """The text of a list of layers."""
    return ".".join(map(_write, network))


def _write(layer: Layer) -> str:
    if layer["type"] in JOINS:
        return f"{JOINS[layer['type']]}({'~'.join(map(write, layer['branches']))})"
    letter, numbers = GRAMMAR[layer["type"]]
    for name, its_letter, left_out in numbers:
        value = layer[name]
        if isinstance(value, bool):
            letter += its_letter if value != left_out else ""
        elif isinstance(value, int):
            letter += f"{its_letter}{value}" if value != left_out else ""
        elif tuple(value) != (left_out, left_out):
            height, width = value
            letter += f"{its_letter}{height}" + (
                f"x{width}" if width != height else ""
            )
    return letter


def layers(model: nn.Module, input_size: tuple[int, int, int]) -> list[Layer]:
    """The layers of `model` in inference, in execution order, with parallel
    branches nested.

    `input_size` is (C, H, W) of an image that fits the network.

    Raises:
        ValueError: if the network does something that the explorer has no layer
            for.
    """
    steps = graph(model, input_size)
    _check_last_dimensions(steps)
    return _nested(steps, steps[steps.output], steps.nodes[0], _dominators(steps))


def _check_last_dimensions(steps: Graph) -> None:
    """ValueError for a layer of the last dimension where that is not the
    channels'."""
    channels_last: set[str] = set()
    for node in steps:
        if node.operation == "permute":
            is_last = node.settings["dims"] == TO_LAST
        else:
            is_last = not channels_last.isdisjoint(node.inputs)
        if is_last and len(node.shape) == 3:
            channels_last.add(node.name)
        elif node.operation in ("linear", "layer norm") and len(node.shape) > 1:
            raise _unknown(node)


def _dominators(steps: Graph) -> dict[str, list[str]]:
    """For each step those that every way from the input to it passes, itself
    included."""
    found: dict[str, list[str]] = {}
    for node in steps:
        first, *others = [found[name] for name in node.inputs] or [[]]
        shared = [each for each in first if all(each in other for other in others)]
        found[node.name] = [*shared, node.name]
    return found


def _nested(steps: Graph, node: Node, start: Node, dominators) -> list[Layer]:
    """The layers from `start`, which is left out, to `node`."""
    backwards: list[Layer] = []
    while node is not start:
        if len(node.inputs) == 1:
            backwards += _layer(node)
            node = steps[node.inputs[0]]
        elif node.operation in JOINED and node.settings.get("dim", 1) == 1:
            fork = steps[dominators[node.name][-2]]
            ends = [steps[name] for name in node.inputs]
            branches = [_nested(steps, end, fork, dominators) for end in ends]
            backwards.append({"type": JOINED[node.operation], "branches": branches})
            node = fork
        else:
            raise _unknown(node)
    return _norms_of_images(backwards[::-1])


def _norms_of_images(found: list[Layer]) -> list[Layer]:
    """A layer norm between two permutes is one of an image's channels."""
    kept: list[Layer] = []
    for layer in found:
        kept.append(layer)
        types = [each["type"] for each in kept[-3:]]
        if types == ["channelslast", "layernorm", "channelsfirst"]:
            kept[-3:] = [{"type": "layernorm"}]
    return kept


def _layer(node: Node) -> list[Layer]:
    """The layer of one step of the network; none where it changes nothing."""
    numbers, bias = node.settings, "bias" in node.tensors
    window = {name: numbers[name] for name in WINDOW if name in numbers}
    match node.operation:
        case "conv" if numbers["padding_mode"] == "zeros" and isinstance(
            numbers["padding"], tuple
        ):
            layer = {"type": "conv", "out": node.shape[0], **window}
            layer |= {"groups": numbers["groups"], "bias": bias}
        case "linear":
            layer = {"type": "linear", "out": node.shape[-1], "bias": bias}
        case "max pool" | "avg pool":
            layer = {
                "type": node.operation.replace(" ", ""),
                **window,
                "ceil": numbers["ceil"],
            }
        case "adaptive avg pool" | "adaptive max pool":
            layer = {
                "type": node.operation.replace(" ", "")[:-4],
                "size": node.shape[1:],
            }
        case "batch norm":
            layer = {"type": "batchnorm"}
        case "response norm":
            layer = {"type": "lrn", "size": numbers["size"]}
        case "dropout":
            layer = {"type": "dropout", "percent": round(100 * numbers["p"])}
        case "layer norm" if len(numbers["size"]) == 1 and bias:
            layer = {"type": "layernorm"}
        case "mul" if numbers.get("size") == (node.shape[0], 1, 1):
            layer = {"type": "scale"}
        case activation if activation.lower() in ACTIVATIONS:
            layer = {"type": activation.lower()}
        case "flatten" if (numbers["start"], numbers["end"]) == (1, -1):
            layer = {"type": "flatten"}
        case "pad" if (
            numbers["pad"][:5] == (0, 0, 0, 0, 0) and len(numbers["pad"]) == 6
        ):
            layer = {"type": "zeros", "out": numbers["pad"][5]}
        case "permute" if numbers["dims"] == TO_LAST:
            layer = {"type": "channelslast"}
        case "permute" if numbers["dims"] == TO_FIRST:
            layer = {"type": "channelsfirst"}
        case "identity":
            return []
        case "add" if numbers.get("number") == 0:
            return []
        case _:
            raise _unknown(node)
    return [layer]


def _unknown(node: Node) -> ValueError:
    return ValueError(
        f"the explorer has no layer for {node.operation} ({node.name})"
    )


def preset(name: str) -> dict[str, str]:
    """The network `name` and the images it was made for: ``{"net": …, "in":
    "3x224x224"}``.

    GoogLeNet comes without its auxiliary heads, which do not run in inference.
    """
    with torch.device("meta"):
        options: dict[str, Any] = {}
        if name == "googlenet":
            options["aux_logits"] = False
        network = layers(models.create(name, **options), (3, 224, 224))
    # Ten classes: a network for small images.
    side = 32 if network[-1]["out"] == 10 else 224
    return {"net": write(network), "in": f"3x{side}x{side}"}


def presets() -> dict[str, dict[str, str]]:
    """:func:`preset` of every architecture, by name."""
    return {name: preset(name) for name in models.names()}
