"""AlexNet as its paper draws it: two halves, one a GPU, and where they meet."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from cnnbook.figures._cells import word
from cnnbook.figures._steps import Operation, box, column, short, traced
from cnnbook.figures._style import (
    LEGIBLE,
    NO_GAP,
    ORANGE,
    TEXT,
    canvas,
    styled,
)

ROW, HALF = 0.66, 0.22  # inches: from layer to layer, half a box
CENTRES, BOX = (1.1, 3.15), 1.5  # inches


@styled
def two_gpus(
    model: nn.Module, input_size: tuple[int, int, int] = (3, 224, 224)
) -> Figure:
    """The layers of each GPU in a column; an arrow across is a layer that reads the
    other GPU.

    A convolution in two groups reads the maps of its own half, any other layer
    those of both. Pools and response norms work on each map, so on each half, by
    itself.

    Args:
        model: the 2012 AlexNet (``models.alexnet(variant="paper")``); only read.
        input_size: (C, H, W) of an image.

    Raises:
        ValueError: if no layer of the network has two groups.
    """
    graph = traced(model, input_size)
    layers, _ = column(graph)
    if not any(node.settings.get("groups", 1) == 2 for node in layers):
        raise ValueError(
            f"{graph.name} has no layer of two groups, so it has no halves; "
            'models.alexnet(variant="paper") has'
        )
    followed = {  # what is written into a layer: the norm behind it
        _before(graph, node, layers): "LRN"
        for node in graph
        if node.operation == "response norm"
    }
    side = max(input_size[1:])
    height = (len(layers) + 1) * ROW - 0.1
    figure, ax = canvas(height)
    middle = sum(CENTRES) / 2
    word(ax, middle, 0.2, " × ".join(map(str, input_size)), fontweight="bold")
    for x, name, side_of in zip(
        CENTRES, ("GPU 1", "GPU 2"), ("left", "right"), strict=True
    ):
        edge = x - BOX / 2 if side_of == "left" else x + BOX / 2
        word(ax, edge, 0.2, name, ha=side_of, fontweight="bold")
    for i, node in enumerate(layers, 1):
        y = 0.28 + i * ROW - 0.12
        for x in CENTRES:
            _box(ax, x, y, node, side, followed.get(node.name))
            if i > 1:
                _arrow(ax, (x, y - ROW + HALF), (x, y - HALF), TEXT)
            else:
                inner = middle + (x - middle) * 0.3
                _arrow(ax, (inner, 0.3), (x - (x - middle) * 0.35, y - HALF), TEXT)
        if i > 1 and _crosses(node):
            for x, other in (CENTRES, CENTRES[::-1]):
                inward = 0.5 * BOX if x < other else -0.5 * BOX
                _arrow(
                    ax,
                    (x + inward, y - ROW + 0.4 * HALF),
                    (other - inward, y - 0.4 * HALF),
                    ORANGE,
                )
        shape = node.shape if len(node.shape) == 3 else node.shape[:1]
        text = " × ".join(map(str, shape))
        ax.text(
            CENTRES[1] + BOX / 2 + 0.14,
            y,
            text,
            va="center_baseline",
            fontsize=LEGIBLE,
        )
    return figure


def _crosses(node: Operation) -> bool:
    return node.kind == "linear" or (
        node.kind == "conv" and node.settings["groups"] != 2
    )


def _before(graph, node: Operation, layers: list[Operation]) -> str:
    names = {layer.name for layer in layers}
    while node.name not in names:
        node = graph[node.inputs[0]]
    return node.name


def _box(
    ax: Axes, x: float, y: float, node: Operation, image: int, norm: str | None
) -> None:
    ink = box(ax, node, (x - BOX / 2, y - HALF), (BOX, 2 * HALF), image)
    name, rest = short(node)
    if node.kind != "pool":  # a half of the outputs
        rest = rest.removesuffix(", 2 groups")
        rest = rest.replace(str(node.shape[0]), str(node.shape[0] // 2), 1)
    if norm:
        rest += f", {norm}"
    word(ax, x, y - 0.09, name, color=ink)
    word(ax, x, y + 0.1, rest, color=ink)


def _arrow(ax: Axes, start, end, color) -> None:
    style = {
        "arrowstyle": "-|>",
        "color": color,
        "lw": 1.3,
        "mutation_scale": 9,
    } | NO_GAP
    ax.annotate("", end, start, arrowprops=style, zorder=1)
