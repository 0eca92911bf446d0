"""Networks as the book's explorer writes them: lists of layers, and lines of text.

The explorer is a page of the book that profiles a network in the reader's browser.
There a network is a list of layers; a layer is a dict of its ``type`` and its
numbers, and parallel branches are one layer, ``sum`` or ``concat``, whose
``branches`` are lists of layers. :func:`layers` makes that list of a network's
graph (`cnnbook.interpret.graph`), so that nothing is copied by hand.

Written as text, layers stand between dots, each a letter and its numbers:
``c64k7s2p3n.b.r.m3s2p1`` is a convolution of 64 kernels of 7×7 with stride 2,
padding 3 and no bias, a batch norm, a ReLU and a 3×3 max pool. ``s(c64k3p1~)`` is a
sum of a convolution and the input itself, ``j(…~…)`` a concatenation. The text has
no character that an address would have to escape.
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
    "relu": ("r", []),
    "relu6": ("q", []),
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
}  # fmt: skip
JOINS = {"sum": "s", "concat": "j"}
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
    return _nested(steps, steps[steps.output], steps.nodes[0], _dominators(steps))


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
        elif node.kind == "join" and node.settings.get("dim", 1) == 1:
            fork = steps[dominators[node.name][-2]]
            ends = [steps[name] for name in node.inputs]
            branches = [_nested(steps, end, fork, dominators) for end in ends]
            join = "concat" if node.operation == "concat" else "sum"
            backwards.append({"type": join, "branches": branches})
            node = fork
        else:
            raise _unknown(node)
    return backwards[::-1]


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
            layer = {"type": "linear", "out": node.shape[0], "bias": bias}
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
        case "relu" | "ReLU6":
            layer = {"type": node.operation.lower()}
        case "flatten" if (numbers["start"], numbers["end"]) == (1, -1):
            layer = {"type": "flatten"}
        case "pad" if (
            numbers["pad"][:5] == (0, 0, 0, 0, 0) and len(numbers["pad"]) == 6
        ):
            layer = {"type": "zeros", "out": numbers["pad"][5]}
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
    """:func:`preset` of every architecture that is made of the explorer's layers,
    by name.

    The others, with a product or a layer norm in them, do not fit into its text.
    """
    found = {}
    for name in models.names():
        try:
            found[name] = preset(name)
        except ValueError:
            continue
    return found
