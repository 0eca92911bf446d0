"""Whole networks side by side, layer by layer, as the ResNet paper's figure 3."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from torch import nn

from cnnbook.figures._steps import (
    Operation,
    Shortcut,
    box,
    column,
    one_line,
    traced,
)
from cnnbook.figures._style import (
    LEGIBLE,
    NO_GAP,
    TEXT,
    WIDTH,
    halvings,
    styled,
)

ROW, BOX = 0.285, 0.225  # inches
# In inches: of the sides in pixels, and of a column's shortcuts.
LEFT, ARCS = 0.42, 0.24
GAP = 0.55  # rows of air between two resolutions
TOP = 0.95  # rows of the titles


@styled
def aligned(
    networks: Mapping[str, nn.Module],
    input_size: tuple[int, int, int] = (3, 224, 224),
) -> Figure:
    """Networks of one column each, layers of one resolution beginning at one
    height.

    A full box is a convolution or a linear layer, an empty one a pool; its colour
    is that of its resolution. ``/2`` is a stride. A shortcut is a line at the right
    of what it passes, dashed where the shape changes on the way.

    Args:
        networks: by their titles; networks without branches but for shortcuts. Only
            read.
        input_size: (C, H, W) of an image.

    Raises:
        ValueError: if a network branches in another way, or the images do not fit
            it.
    """
    columns = {
        name: column(traced(net, input_size)) for name, net in networks.items()
    }
    side = max(input_size[1:])
    parts = {  # the layers of each resolution
        name: [
            (grid, list(nodes))
            for grid, nodes in groupby(layers, lambda node: _grid(node, side))
        ]
        for name, (layers, _) in columns.items()
    }
    most: dict[int, int] = {}
    for groups in parts.values():
        for grid, nodes in groups:
            most[grid] = max(most.get(grid, 0), len(nodes))
    tops, y = {}, TOP
    for grid in sorted(most):
        tops[grid] = y
        y += most[grid] + GAP
    height = y - GAP + 0.1
    figure = Figure(figsize=(WIDTH, ROW * height))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, WIDTH), ylim=(height - 0.5, -0.5))
    ax.axis("off")
    width = (WIDTH - LEFT) / len(columns)
    for grid, top in tops.items():
        nodes = [
            node
            for groups in parts.values()
            for g, part in groups
            if g == grid
            for node in part
        ]
        shape = nodes[0].shape
        text = str(shape[-1]) if len(shape) == 3 and shape[-1] > 1 else "1"
        ax.text(
            LEFT - 0.1,
            top,
            text,
            ha="right",
            va="center_baseline",
            fontsize=LEGIBLE,
        )
    ax.text(LEFT - 0.1, 0, "px", ha="right", va="center_baseline", fontsize=LEGIBLE)
    for i, (name, (_, shortcuts)) in enumerate(columns.items()):
        left = LEFT + i * width
        middle = left + (width - ARCS) / 2
        ax.text(
            middle,
            0,
            name,
            ha="center",
            va="center_baseline",
            fontsize=LEGIBLE + 0.8,
            fontweight="bold",
        )
        places = {
            node.name: (tops[grid] + row, node)
            for grid, nodes in parts[name]
            for row, node in enumerate(nodes)
        }
        _column(ax, middle, width - ARCS, places, side)
        for shortcut in shortcuts:
            _shortcut(ax, left + width - ARCS, places, shortcut)
    return figure


def _grid(node: Operation, image: int) -> int:
    vector = len(node.shape) < 3 or max(node.shape[1:]) == 1
    return 99 if vector else halvings(max(node.shape[1:]), image)


def _column(ax: Axes, x: float, width: float, places: dict, image: int) -> None:
    half = BOX / ROW / 2
    before = None
    for y, node in places.values():
        if before is not None:
            ax.plot((x, x), (before + half, y - half), color=TEXT, lw=1, zorder=0)
        before = y
        ink = box(ax, node, (x - width / 2, y - half), (width, 2 * half), image)
        ax.text(
            x,
            y,
            one_line(node),
            ha="center",
            va="center_baseline",
            fontsize=LEGIBLE,
            color=ink,
        )


def _shortcut(ax: Axes, x: float, places: dict, shortcut: Shortcut) -> None:
    """Out of the line behind one layer, down at the right, into that of another."""
    start, end = places[shortcut.start][0] + 0.56, places[shortcut.end][0] + 0.44
    out, turn = x + 0.6 * ARCS, 0.1
    path = Path(
        [
            (x - 0.1, start),
            (out - turn, start),
            (out, start),
            (out, start + turn / ROW),
            (out, end - turn / ROW),
            (out, end),
            (out - turn, end),
            (x + 0.02, end),
        ],
        [
            Path.MOVETO,
            Path.LINETO,
            Path.CURVE3,
            Path.CURVE3,
            Path.LINETO,
            Path.CURVE3,
            Path.CURVE3,
            Path.LINETO,
        ],
    )
    line = (0, (2.5, 1.5)) if shortcut.changed else "-"
    ax.add_patch(PathPatch(path, fill=False, ec=TEXT, lw=1.3, ls=line))
    head = {"arrowstyle": "-|>", "color": TEXT, "lw": 1.1, "mutation_scale": 7}
    ax.annotate("", (x - 0.08, end), (x + 0.05, end), arrowprops=head | NO_GAP)
