"""Blocks under each other, drawn as equals: the three forms of a ResNeXt block."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn

from cnnbook.figures._graph import Node, _place, _shorten, _with_skips, readers
from cnnbook.figures._steps import lanes, traced
from cnnbook.figures._style import GRIDS, INK, LEGIBLE, TEXT, WIDTH, styled

ROW, HALF = 0.56, 0.19  # inches
HALVES = {"input": 0.13, "join": 0.13, "skip": 0.0, "dots": 0.0}


@styled
def forms(
    blocks: Mapping[str, nn.Module], input_size: tuple[int, int, int]
) -> Figure:
    """Blocks of one input and output, one under the other, each with its title.

    Norms and activations are left out; ``… 32 in all …`` stands for paths that are
    alike. A line without boxes is the shortcut.

    Args:
        blocks: by their titles; only read.
        input_size: (C, H, W) of their input.
    """
    drawn = {
        title: _place(_with_skips(_shorten(lanes(traced(block, input_size)))))
        for title, block in blocks.items()
    }
    heights = {title: nodes[-1].row * ROW + 0.75 for title, nodes in drawn.items()}
    whole = sum(heights.values())
    figure, bottom = Figure(figsize=(WIDTH, whole)), whole
    for title, nodes in drawn.items():
        bottom -= heights[title]
        ax = figure.add_axes((0, bottom / whole, 1, heights[title] / whole))
        ax.set(xlim=(0, WIDTH), ylim=(heights[title], 0))
        ax.axis("off")
        ax.text(
            0.04,
            0.2,
            title,
            va="center_baseline",
            fontweight="bold",
            fontsize=LEGIBLE,
        )
        _block(ax, nodes)
    return figure


def _block(ax: Axes, nodes: list[Node]) -> None:
    left = min(node.x for node in nodes) - 0.5
    right = max(node.x + (0.15 if node.kind == "skip" else 0.5) for node in nodes)
    lane = min(1.4, (WIDTH - 0.1) / (right - left))
    shift = (WIDTH - lane * (right - left)) / 2

    def at(node: Node) -> tuple[float, float]:
        return shift + (node.x - left) * lane, 0.45 + node.row * ROW

    after = readers(nodes)
    for node in nodes:
        for each in after[node]:
            if "dots" not in (node.kind, each.kind):
                _connect(ax, node, each, at, lane)
        _draw(ax, node, *at(node), lane)


def _half(node: Node) -> float:
    return HALVES.get(node.kind, HALF)


def _connect(ax: Axes, start: Node, end: Node, at, lane: float) -> None:
    (x0, y0), (x1, y1) = at(start), at(end)
    if start.kind == "skip":  # into the join from its side
        side = 0.44 * lane if end.text == "concat" else 0.13
        corners = [(x0, y0), (x0, y1), (x1 + side, y1)]
    else:
        joins = len(end.inputs) > 1 and x0 != x1
        top, bottom = y1 - _half(end), y0 + _half(start)
        turn = top - 0.09 if joins else bottom + 0.09
        corners = [(x0, bottom), (x0, turn), (x1, turn), (x1, top)]
    ax.plot(*zip(*corners, strict=True), color=TEXT, lw=1.1, zorder=1)


def _draw(ax: Axes, node: Node, x: float, y: float, lane: float) -> None:
    def write(text: str, dy: float = 0.0, **style) -> None:
        ax.text(
            x,
            y + dy,
            text,
            ha="center",
            va="center_baseline",
            zorder=3,
            fontsize=LEGIBLE,
            **style,
        )

    if node.kind == "skip":
        return
    if node.kind == "input":
        write(" × ".join(map(str, node.shape)), fontweight="bold")
    elif node.kind == "dots":
        write(node.text)
    elif node.text == "+":
        ax.plot(x, y, "o", ms=17, mfc="none", mec=TEXT, mew=1.2)
        write("+")
    else:
        half, full = _half(node), node.kind != "join"
        width = 0.9 * lane
        box = Rectangle(
            (x - width / 2, y - half), width, 2 * half, fill=full, lw=0, zorder=2
        )
        box.set(facecolor=GRIDS[2]) if full else box.set(
            edgecolor=TEXT, linewidth=1.1
        )
        ax.add_patch(box)
        ink = INK if full else TEXT
        lines = [node.text, *node.notes]
        for text, dy in zip(
            lines, (-0.085, 0.095) if node.notes else (0.0,), strict=True
        ):
            write(text, dy, color=ink)
