"""The steps of a block as nodes of a picture, and where each stands in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from cnnbook.interpret.graph import graph as graph_of

LAYERS = ("conv", "pool", "linear")
MOST_ALIKE = 4  # parallel paths that are alike; of more, three are kept
SKIP_LANE = 0.55  # width of the lane of a path without layers, in lanes

UNSEEN = ("identity", "flatten", "reshape", "view", "contiguous", "__getitem__")
FOLLOWERS = {  # what is written into the box of the layer before it
    "batch norm": "BN",
    "response norm": "LRN",
    "relu": "ReLU",
    "dropout": "dropout",
}


@dataclass(eq=False)
class Node:
    """One step: `kind` is a layer's, follower, join, skip, dots, shape or other.

    In the picture of a whole network it has the `shape` of its output, the name of
    the `block` it belongs to, if any, and its own `name`.
    """

    text: str
    kind: str
    inputs: list[Node] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    row: int = 0
    x: float = 0.0  # in lanes
    shape: tuple[int, ...] = ()
    block: str = ""
    name: str = ""


def graph(module: nn.Module, input_size: tuple[int, int, int]) -> list[Node]:
    """The steps of `module` in execution order, placed in rows and lanes.

    The first node is the input's shape, the last the output's. A path without
    layers between a fork and a join is a node of kind "skip". The module is only
    read.
    """
    return _place(_with_skips(_shorten(_steps(module, input_size))))


def readers(nodes: Sequence[Node]) -> dict[Node, list[Node]]:
    """For each node those that read its output."""
    found: dict[Node, list[Node]] = defaultdict(list)
    for node in nodes:
        for each in node.inputs:
            found[each].append(node)
    return found


def _steps(module: nn.Module, input_size: tuple[int, int, int]) -> list[Node]:
    """The steps that are drawn; what follows a layer is written into that layer's
    node."""
    traced = graph_of(module, input_size)
    after = traced.readers()
    nodes: dict[str, Node] = {}
    for step in traced:
        inputs = [nodes[name] for name in step.inputs]
        if step.kind == "input":
            nodes[step.name] = Node(_times(step.shape), "shape")
        elif len(inputs) == 1 and (step.kind == "join" or step.operation in UNSEEN):
            nodes[step.name] = inputs[0]
        elif step.operation in FOLLOWERS:
            (before,), text = inputs, FOLLOWERS[step.operation]
            unshared = len(after[step.inputs[0]]) == 1
            if unshared and before.kind in (*LAYERS, "follower"):
                before.notes.append(text)
                nodes[step.name] = before
            else:
                nodes[step.name] = Node(text, "follower", inputs)
        else:
            kind = step.kind if step.kind in (*LAYERS, "join") else "other"
            nodes[step.name] = Node(step.label, kind, inputs, list(step.notes))
    last = Node(
        _times(traced[traced.output].shape), "shape", [nodes[traced.output]]
    )
    return [*dict.fromkeys(nodes.values()), last]


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _shorten(nodes: list[Node]) -> list[Node]:
    """Sums of sums become one; of many paths that are alike, the first two and the
    last stay."""
    after = readers(nodes)
    for node in nodes:
        if node.text == "+":
            node.inputs = [
                each
                for one in node.inputs
                for each in (
                    one.inputs
                    if one.text == "+" and len(after[one]) == 1
                    else [one]
                )
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
                alike[end, tuple((each.text, *each.notes) for each in path)].append(
                    path
                )
        for (end, _), paths in alike.items():
            if len(paths) > MOST_ALIKE:
                lasts = [path[-1] for path in paths]
                middle = dots[paths[-1][0]] = Node(
                    f"… {len(paths)} in all …", "dots", [fork]
                )
                end.inputs = [
                    each for each in end.inputs if each not in lasts[2:-1]
                ]
                end.inputs.insert(end.inputs.index(lasts[-1]), middle)
    return _reached(
        [each for node in nodes for each in (dots.get(node), node) if each]
    )


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
    """Rows by the longest way from the input; each parallel path in a lane of its
    own."""
    after = readers(nodes)

    def paths(fork: Node) -> list[Node]:
        """The first nodes of the paths that leave `fork`, those without layers
        last."""
        return sorted(
            (each for each in after[fork] if len(each.inputs) == 1),
            key=lambda each: each.kind == "skip",
        )

    def width(node: Node) -> float:
        return (
            SKIP_LANE
            if node.kind == "skip"
            else max(1, sum(map(width, paths(node))))
        )

    for node in nodes:
        node.row = 1 + max((each.row for each in node.inputs), default=-1)
        if len(node.inputs) > 1:
            layered = [each.x for each in node.inputs if each.kind != "skip"]
            node.x = sum(layered) / len(layered) if layered else node.inputs[0].x
        edge = (
            node.x
            - sum(width(each) for each in paths(node) if each.kind != "skip") / 2
        )
        for each in paths(node):
            each.x = edge + width(each) / 2
            edge += width(each)
    return nodes
