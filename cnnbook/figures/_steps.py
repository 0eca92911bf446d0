"""The layers of a whole network as a picture shows them, from its one graph."""

from __future__ import annotations

from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import nn

from cnnbook.figures._graph import LAYERS, Node
from cnnbook.figures._style import INK, TEXT, grid_color
from cnnbook.interpret.graph import Graph
from cnnbook.interpret.graph import Node as Operation
from cnnbook.interpret.graph import graph as graph_of


@dataclass(eq=False)
class Shortcut:
    """A way around layers: from behind the layer `start` to behind the layer `end`.

    `changed`: whether anything happens on it, as where a shape changes.
    """

    start: str
    end: str
    changed: bool = field(default=False)


def traced(model: nn.Module | Graph, input_size: tuple[int, int, int]) -> Graph:
    """The graph of a network. TypeError for what is none."""
    if isinstance(model, Graph):
        return model
    if not isinstance(model, nn.Module):
        raise TypeError(f"a torch.nn.Module is drawn, got {type(model).__name__}")
    return graph_of(model, input_size)


def is_drawn(node: Operation, graph: Graph) -> bool:
    """Whether a step is a layer that changes something: no pool from 6×6 to 6×6."""
    if node.kind not in LAYERS:
        return False
    idle = (
        node.operation.startswith("adaptive")
        and node.shape == graph[node.inputs[0]].shape
    )
    return not idle


def short(node: Operation) -> tuple[str, str]:
    """A layer in two lines: ``conv 3×3``, ``64 /2``; ``max pool``, ``2×2 /2``."""
    if node.operation.startswith("adaptive"):
        name = node.operation.removeprefix("adaptive ")
        return name, "" if max(
            node.shape[1:]
        ) == 1 else f"to {_times(node.shape[1:])}"
    stride = max(node.settings.get("stride", (1, 1)))
    suffix = f" /{stride}" if stride > 1 else ""
    if node.kind == "pool":
        return node.operation, _times(node.settings["kernel"]) + suffix
    name, _, rest = node.label.partition(", ")
    if (groups := node.settings.get("groups", 1)) > 1:
        suffix += f", {groups} groups"
    return name, rest + suffix


def one_line(node: Operation) -> str:
    """A layer in one line: ``conv 3×3, 64 /2``, ``max pool 2×2 /2``; a grouped
    convolution, which has more to say, by its kernel: ``3×3, 64 /2, 32 groups``."""
    name, rest = short(node)
    if node.settings.get("groups", 1) > 1:
        name = name.removeprefix("conv ")
    return (" " if node.kind == "pool" else ", ").join(filter(None, (name, rest)))


def _times(sides: tuple[int, ...]) -> str:
    return "×".join(map(str, sides))


def column(graph: Graph) -> tuple[list[Operation], list[Shortcut]]:
    """The layers of a network that is one row but for shortcuts, and the shortcuts.

    Of two paths that meet in a sum the one with fewer layers is the shortcut; its
    layers, which fit the shape, are not among the others.

    Raises:
        ValueError: if paths meet in any other way.
    """
    aside: set[str] = set()
    shortcuts: list[Shortcut] = []
    for node in graph:
        if node.kind != "join" or len(node.inputs) < 2:
            continue
        if node.operation != "add" or len(node.inputs) > 2:
            raise ValueError(
                f"{graph.name} is no single column with shortcuts: paths meet at "
                f"{node.name} in a {node.label}; figures.whole() draws it"
            )
        ways = [_way(graph, name) for name in node.inputs]
        fork = next(name for name in ways[0] if name in ways[1])
        ways = [way[: way.index(fork)] for way in ways]
        counts = [sum(is_drawn(graph[name], graph) for name in way) for way in ways]
        short_way, long_way = sorted(ways, key=lambda way: counts[ways.index(way)])
        aside.update(short_way)
        changed = any(graph[name].kind != "same" for name in short_way)
        shortcuts.append(
            Shortcut(_layer(graph, fork), _layer(graph, long_way[0]), changed)
        )
    layers = [
        node for node in graph if is_drawn(node, graph) and node.name not in aside
    ]
    return layers, shortcuts


def _way(graph: Graph, name: str) -> list[str]:
    """The steps from `name` back to the input; at a sum along its first operand."""
    way = [name]
    while graph[name].inputs:
        name = graph[name].inputs[0]
        way.append(name)
    return way


def _layer(graph: Graph, name: str) -> str:
    """The last layer at or before a step on the main path."""
    while graph[name].inputs and not is_drawn(graph[name], graph):
        name = graph[name].inputs[0]
    return name


def lanes(graph: Graph) -> list[Node]:
    """The layers and joins of any network, each with what it reads; first the
    image. Norms, activations and dropout are not drawn."""
    found: dict[str, Node] = {}
    after = graph.readers()
    for node in graph:
        inputs = [found[name] for name in node.inputs]
        if node.kind == "input":
            found[node.name] = Node(
                "image", "input", shape=node.shape, name=node.name
            )
        elif node.operation == "response norm" and after[node.name]:
            found[node.name] = Node(
                "response norm",
                "norm",
                inputs,
                shape=inputs[0].shape,
                name=node.name,
            )
        elif is_drawn(node, graph) or (node.kind == "join" and len(inputs) > 1):
            text, rest = short(node)
            kind = node.kind if node.kind in LAYERS else "join"
            found[node.name] = Node(
                text,
                kind,
                inputs,
                [rest] * bool(rest),
                shape=node.shape,
                block=node.block,
                name=node.name,
            )
        else:
            found[node.name] = inputs[0]
    return list(dict.fromkeys(found.values()))


def box(
    ax: Axes,
    node: Operation,
    corner: tuple[float, float],
    size: tuple[float, float],
    image: int,
) -> str:
    """The box of a layer in the colour of its grid, empty if it pools.

    Returns the colour of the letters in it.
    """
    full = node.kind != "pool"
    ax.add_patch(
        Rectangle(
            corner,
            *size,
            fill=full,
            facecolor=grid_color(node.shape, image),
            edgecolor=TEXT,
            lw=0.7,
            zorder=2,
        )
    )
    return INK if full else TEXT
