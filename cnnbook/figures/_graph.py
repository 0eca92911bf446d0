"""The steps of a block as a graph of labelled nodes, and where each stands in a picture."""

from __future__ import annotations

import copy
import operator
from collections import defaultdict
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

LAYERS = ("conv", "pool", "linear")
MOST_ALIKE = 4  # parallel paths that are alike; of more, three are kept
SKIP_LANE = 0.55  # width of the lane of a path without layers, in lanes

JOINS = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), "+"),
    **dict.fromkeys((torch.cat, torch.concat), "concat"),
}
UNSEEN = (torch.flatten, "flatten", operator.getitem, "contiguous", nn.Flatten, nn.Identity)
FOLLOWERS = {  # what is written into the box of the layer before it
    nn.BatchNorm2d: "BN",
    nn.LocalResponseNorm: "LRN",
    **dict.fromkeys((nn.ReLU, F.relu, torch.relu, "relu"), "ReLU"),
    **dict.fromkeys((nn.Dropout, F.dropout), "dropout"),
}


@dataclass(eq=False)
class Node:
    """One step: `kind` is a layer's, follower, join, skip, dots, shape or other."""

    text: str
    kind: str
    inputs: list[Node] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    row: int = 0
    x: float = 0.0  # in lanes


def graph(module: nn.Module, input_size: tuple[int, int, int]) -> list[Node]:
    """The steps of `module` in execution order, placed in rows and lanes.

    The first node is the input's shape, the last the output's. A path without layers between a
    fork and a join is a node of kind "skip". The module is only read.
    """
    return _place(_with_skips(_shorten(_trace(module, input_size))))


def readers(nodes: list[Node]) -> dict[Node, list[Node]]:
    """For each node those that read its output."""
    found = defaultdict(list)
    for node in nodes:
        for each in node.inputs:
            found[each].append(node)
    return found


def _trace(module: nn.Module, input_size: tuple[int, int, int]) -> list[Node]:
    traced = fx.symbolic_trace(copy.deepcopy(module).to("meta").eval())
    ShapeProp(traced).propagate(torch.empty(1, *input_size, device="meta"))
    nodes: dict[fx.Node, Node] = {}
    for step in traced.graph.nodes:
        inputs = [nodes[each] for each in step.all_input_nodes if each in nodes]
        if step.op in ("placeholder", "output"):
            tensor = (step.all_input_nodes or [step])[0].meta["tensor_meta"]
            nodes[step] = Node(" × ".join(map(str, tensor.shape[1:])), "shape", inputs)
        elif step.op != "get_attr":
            nodes[step] = _step(step, traced, inputs)
    return list(dict.fromkeys(nodes.values()))


def _step(step: fx.Node, traced: fx.GraphModule, inputs: list[Node]) -> Node:
    """The node of a step: a new one, or that of the layer before, which takes it in."""
    layer = traced.get_submodule(step.target) if step.op == "call_module" else None
    what = step.target if layer is None else type(layer)
    if len(inputs) == 1 and (what in UNSEEN or what in JOINS):
        return inputs[0]
    if what in JOINS:
        return Node(JOINS[what], "join", inputs)
    if what in FOLLOWERS:
        (before,) = inputs
        unshared = len(step.all_input_nodes[0].users) == 1
        if unshared and before.kind in (*LAYERS, "follower"):
            before.notes.append(FOLLOWERS[what])
            return before
        return Node(FOLLOWERS[what], "follower", inputs)
    kind, text, notes = _describe(layer, step)
    return Node(text, kind, inputs, notes)


def _describe(layer: nn.Module | None, step: fx.Node) -> tuple[str, str, list[str]]:
    """Kind, name and particulars of a layer in the papers' words."""
    if isinstance(layer, nn.Linear):
        return "linear", f"linear, {layer.out_features}", []
    if isinstance(layer, nn.AdaptiveAvgPool2d) or step.target is F.adaptive_avg_pool2d:
        size = "×".join(map(str, step.meta["tensor_meta"].shape[2:]))
        return "pool", f"avg pool to {size}", []
    if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        kernel, stride = (
            "×".join(map(str, value if isinstance(value, tuple) else (value, value)))
            for value in (layer.kernel_size, layer.stride)
        )
        notes = [] if stride == "1×1" else [f"stride {stride.split('×')[0]}"]
        if not isinstance(layer, nn.Conv2d):
            function = "max" if isinstance(layer, nn.MaxPool2d) else "avg"
            return "pool", f"{kernel} {function} pool", notes
        if layer.groups > 1:
            notes.append(f"{layer.groups} groups")
        return "conv", f"{kernel} conv, {layer.out_channels}", notes
    what = step.target if layer is None else type(layer)
    return "other", getattr(what, "__name__", str(what)), []


def _shorten(nodes: list[Node]) -> list[Node]:
    """Sums of sums become one; of many paths that are alike, the first two and the last stay."""
    after = readers(nodes)
    for node in nodes:
        if node.text == "+":
            node.inputs = [
                each
                for one in node.inputs
                for each in (one.inputs if one.text == "+" and len(after[one]) == 1 else [one])
            ]
    nodes = _reached(nodes)
    after, dots = readers(nodes), {}
    for fork in nodes:
        alike = defaultdict(list)
        for end in after[fork]:
            path = []
            while len(end.inputs) == 1 and len(after[end]) == 1:
                path.append(end)
                (end,) = after[end]
            if path:
                alike[end, tuple((each.text, *each.notes) for each in path)].append(path)
        for (end, _), paths in alike.items():
            if len(paths) > MOST_ALIKE:
                lasts = [path[-1] for path in paths]
                middle = dots[paths[-1][0]] = Node(f"… {len(paths)} in all …", "dots", [fork])
                end.inputs = [each for each in end.inputs if each not in lasts[2:-1]]
                end.inputs.insert(end.inputs.index(lasts[-1]), middle)
    return _reached([each for node in nodes for each in (dots.get(node), node) if each])


def _reached(nodes: list[Node]) -> list[Node]:
    """Those of `nodes` that the output depends on."""
    needed = {nodes[-1]}
    for node in reversed(nodes):
        if node in needed:
            needed.update(node.inputs)
    return [node for node in nodes if node in needed]


def _with_skips(nodes: list[Node]) -> list[Node]:
    """Put a node of kind "skip" on each direct way from a fork to a join."""
    after, result = readers(nodes), []
    for node in nodes:
        if len(node.inputs) > 1:
            for i, each in enumerate(node.inputs):
                if len(after[each]) > 1:
                    node.inputs[i] = Node("", "skip", [each])
                    result.append(node.inputs[i])
        result.append(node)
    return result


def _place(nodes: list[Node]) -> list[Node]:
    """Rows by the longest way from the input; each parallel path in a lane of its own."""
    after = readers(nodes)

    def paths(fork: Node) -> list[Node]:
        """The first nodes of the paths that leave `fork`, those without layers last."""
        return sorted(
            (each for each in after[fork] if len(each.inputs) == 1),
            key=lambda each: each.kind == "skip",
        )

    def width(node: Node) -> float:
        return SKIP_LANE if node.kind == "skip" else max(1, sum(map(width, paths(node))))

    for node in nodes:
        node.row = 1 + max((each.row for each in node.inputs), default=-1)
        if len(node.inputs) > 1:
            layered = [each.x for each in node.inputs if each.kind != "skip"]
            node.x = sum(layered) / len(layered) if layered else node.inputs[0].x
        edge = node.x - sum(width(each) for each in paths(node) if each.kind != "skip") / 2
        for each in paths(node):
            each.x = edge + width(each) / 2
            edge += width(each)
    return nodes
