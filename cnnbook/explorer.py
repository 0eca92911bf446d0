"""Networks as the book's explorer writes them: lists of layers, and lines of text.

The explorer is a page of the book that profiles a network in the reader's browser. There a network
is a list of layers; a layer is a dict of its ``type`` and its numbers, and parallel branches are
one layer, ``sum`` or ``concat``, whose ``branches`` are lists of layers. :func:`layers` finds that
list by tracing a network's own ``forward`` (:mod:`torch.fx`), so that nothing is copied by hand.

Written as text, layers stand between dots, each a letter and its numbers: ``c64k7s2p3n.b.r.m3s2p1``
is a convolution of 64 kernels of 7×7 with stride 2, padding 3 and no bias, a batch norm, a ReLU and
a 3×3 max pool. ``s(c64k3p1~)`` is a sum of a convolution and the input itself, ``j(…~…)`` a
concatenation. The text has no character that an address would have to escape.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from cnnbook import models
from cnnbook.models._common import check_images

Layer = dict[str, Any]

# A layer's letter, and its numbers: their letters, and the value that is left out. The first number
# follows the layer's letter. None: always written.
GRAMMAR = {
    "conv": ("c", [("out", "", None), ("kernel", "k", 1), ("stride", "s", 1), ("padding", "p", 0),
                   ("dilation", "d", 1), ("groups", "g", 1), ("bias", "n", True)]),
    "batchnorm": ("b", []),
    "relu": ("r", []),
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
            letter += f"{its_letter}{height}" + (f"x{width}" if width != height else "")
    return letter


def layers(model: nn.Module) -> list[Layer]:
    """The layers of `model` in inference, in execution order, with parallel branches nested.

    Raises:
        ValueError: if the network does something that the explorer has no layer for.
    """
    model = model.eval()
    graph = fx.Tracer(autowrap_functions=(check_images,)).trace(model)
    nodes = [node for node in graph.nodes if node.users or node.op == "output"]
    return _nested(model, nodes[-1].args[0], nodes[0], _dominators(nodes))


def _dominators(nodes: list[fx.Node]) -> dict[fx.Node, list[fx.Node]]:
    """For each node those that every way from the input to it passes, itself included, in order."""
    found: dict[fx.Node, list[fx.Node]] = {}
    for node in nodes:
        first, *others = [found[each] for each in node.all_input_nodes] or [[]]
        found[node] = [each for each in first if all(each in other for other in others)] + [node]
    return found


def _nested(model, node: fx.Node, start: fx.Node, dominators) -> list[Layer]:
    """The layers from `start`, which is left out, to `node`."""
    backwards: list[Layer] = []
    while node is not start:
        inputs = _operands(node)
        if len(inputs) == 1:
            backwards += _layer(model, node)
            (node,) = inputs
        else:
            fork = dominators[node][-2]
            branches = [_nested(model, each, fork, dominators) for each in inputs]
            join = "concat" if node.target is torch.cat else "sum"
            backwards.append({"type": join, "branches": branches})
            node = fork
    return backwards[::-1]


def _operands(node: fx.Node) -> list[fx.Node]:
    if (
        node.target is torch.cat
        and node.args[1:] not in ((1,), ())
        or node.kwargs.get("dim", 1) != 1
    ):
        raise _unknown(node)
    if node.target is torch.cat:
        return list(node.args[0])
    if node.target in (operator.add, torch.add):
        return [each for each in node.args if isinstance(each, fx.Node)]
    return list(node.all_input_nodes)


def _layer(model: nn.Module, node: fx.Node) -> list[Layer]:
    """The layer of one step of the network; none where it changes nothing."""
    what = model.get_submodule(node.target) if node.op == "call_module" else node.target
    match what:
        case nn.Conv2d(padding_mode="zeros", padding=tuple()):
            pairs = ("kernel_size", "stride", "padding", "dilation")
            kernel, stride, padding, dilation = (getattr(what, name) for name in pairs)
            layer = {"type": "conv", "out": what.out_channels, "kernel": kernel, "stride": stride,
                     "padding": padding, "dilation": dilation, "groups": what.groups,
                     "bias": what.bias is not None}  # fmt: skip
        case nn.Linear():
            bias = what.bias is not None
            layer = {"type": "linear", "out": what.out_features, "bias": bias}
        case nn.MaxPool2d() | nn.AvgPool2d():
            layer = {"type": "maxpool" if isinstance(what, nn.MaxPool2d) else "avgpool"}
            layer |= {
                name: _pair(getattr(what, attribute))
                for name, attribute in (("kernel", "kernel_size"), ("stride", "stride"),
                                        ("padding", "padding"), ("dilation", "dilation"))
                if hasattr(what, attribute)
            } | {"ceil": what.ceil_mode}  # fmt: skip
        case nn.AdaptiveAvgPool2d() | nn.AdaptiveMaxPool2d():
            kind = "adaptiveavg" if isinstance(what, nn.AdaptiveAvgPool2d) else "adaptivemax"
            layer = {"type": kind, "size": _pair(what.output_size)}
        case nn.BatchNorm2d() | nn.BatchNorm1d():
            layer = {"type": "batchnorm"}
        case nn.LocalResponseNorm():
            layer = {"type": "lrn", "size": what.size}
        case nn.Dropout():
            layer = {"type": "dropout", "percent": round(100 * what.p)}
        case nn.ReLU() | F.relu | torch.relu:
            layer = {"type": "relu"}
        case nn.Flatten(start_dim=1, end_dim=-1):
            layer = {"type": "flatten"}
        case torch.flatten if node.args[1:] == (1,):
            layer = {"type": "flatten"}
        case F.pad if node.args[1][:5] == (0, 0, 0, 0, 0) and len(node.args[1]) == 6:
            layer = {"type": "zeros", "out": node.args[1][5]}
        case nn.Identity():
            return []
        case _:
            raise _unknown(node)
    return [layer]


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _unknown(node: fx.Node) -> ValueError:
    return ValueError(f"the explorer has no layer for {node.format_node() or node.name}")


def preset(name: str) -> dict[str, str]:
    """The network `name` and the images it was made for: ``{"net": …, "in": "3x224x224"}``.

    GoogLeNet comes without its auxiliary heads, which do not run in inference.
    """
    with torch.device("meta"):
        options = {"aux_logits": False} if name == "googlenet" else {}
        network = layers(models.create(name, **options))
    side = 32 if network[-1]["out"] == 10 else 224  # ten classes: a network for small images
    return {"net": write(network), "in": f"3x{side}x{side}"}
