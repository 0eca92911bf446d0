"""A whole network with its branches and heads, from the image to the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import nn

from cnnbook.figures._cells import word
from cnnbook.figures._graph import Node, _place, _with_skips, readers
from cnnbook.figures._steps import lanes, traced
from cnnbook.figures._style import (
    FAINT,
    INK,
    LEGIBLE,
    TEXT,
    WIDTH,
    canvas,
    grid_color,
    styled,
)

# Inches: heights by kind, the air below a row, and the margin at the left.
HEIGHTS = {
    "conv": 0.41,
    "linear": 0.41,
    "pool": 0.41,
    "join": 0.25,
    "norm": 0.25,
    "input": 0.25,
}
AIR, MARGIN = 0.17, 0.36
FULL = ("conv", "linear")


@styled
def whole(
    model: nn.Module,
    input_size: tuple[int, int, int] = (3, 224, 224),
    heads: Mapping[str, nn.Module] | None = None,
) -> Figure:
    """Every layer of a network from top to bottom, parallel branches side by side.

    A full box is a convolution or a linear layer with its outputs, an empty one a
    pool; ``/2`` is a stride. The colour is that of the resolution. Blocks have
    their name at the left. Norms, activations and dropout are not drawn.

    Args:
        model: any network; it is only read.
        input_size: (C, H, W) of an image.
        heads: auxiliary classifiers, which do not run in inference, by the name of
            the module whose output they read.

    Raises:
        ValueError: if the images do not fit the network, or it has no such module.
    """
    graph = traced(model, input_size)
    nodes = _place(_with_skips(lanes(graph)))
    attached = []
    for name, head in (heads or {}).items():
        try:
            step = graph[name]
        except KeyError:
            raise ValueError(
                f"{graph.name} has no module {name!r} for a head"
            ) from None
        start = next(node for node in nodes if node.name == step.name)
        channels, height, width = step.shape
        steps = lanes(traced(head, (channels, height, width)))
        attached.append((start, steps[1:]))
    picture = _Picture(nodes, attached, max(input_size[1:]))
    return picture.figure


class _Picture:
    """Where everything stands, in inches, and how it is drawn."""

    def __init__(self, nodes: Sequence[Node], heads: list, image: int):
        self.image = image
        self.left = min(node.x for node in nodes) - 0.5
        right = max(node.x for node in nodes) + 0.5 + (1 if heads else 0)
        self.lane = min(1.5, (WIDTH - MARGIN) / (right - self.left))
        self.tops = self._rows(nodes)
        self.figure, ax = canvas(self.tops[-1])
        self._blocks(ax, nodes)
        after = readers(nodes)
        for node in nodes:
            for each in after[node]:
                self._connect(
                    ax, self._at(node), self._at(each), len(each.inputs) > 1
                )
        single = {
            row
            for row in {node.row for node in nodes}
            if sum(node.row == row for node in nodes) == 1
        }
        for node in nodes:
            self._draw(ax, node, *self._at(node), alone=node.row in single)
        for start, steps in heads:
            self._head(ax, start, steps, right - 0.5)

    def _rows(self, nodes: Sequence[Node]) -> list[float]:
        """The middle of each row, and at the end the height of all."""
        count = max(node.row for node in nodes) + 1
        heights = [
            max(HEIGHTS.get(node.kind, 0) for node in nodes if node.row == row)
            for row in range(count)
        ]
        tops, y = [], 0.04
        for height in heights:
            tops.append(y + height / 2)
            y += height + AIR
        return [*tops, y - AIR + 0.04]

    def _x(self, x: float) -> float:
        return MARGIN + (x - self.left) * self.lane

    def _at(self, node: Node) -> tuple[float, float, float]:
        """Middle and half the height of a node."""
        half = HEIGHTS.get(node.kind, 0) / 2
        return self._x(node.x), self.tops[node.row], half

    def _blocks(self, ax: Axes, nodes: Sequence[Node]) -> None:
        """A frame around each block of several lanes, and its name."""
        blocks: dict[str, list[Node]] = {}
        for node in nodes:
            if node.block:
                blocks.setdefault(node.block, []).append(node)
        for name, members in blocks.items():
            xs = {node.x for node in members}
            if len(xs) < 3:
                continue
            top = (
                min(self._at(node)[1] - self._at(node)[2] for node in members)
                - AIR * 0.35
            )
            bottom = (
                max(self._at(node)[1] + self._at(node)[2] for node in members)
                + AIR * 0.25
            )
            left, right = self._x(min(xs) - 0.5), self._x(max(xs) + 0.5)
            ax.add_patch(
                FancyBboxPatch(
                    (left, top),
                    right - left,
                    bottom - top,
                    lw=0,
                    facecolor=FAINT,
                    alpha=0.16,
                    boxstyle="round,pad=0,rounding_size=0.06",
                    zorder=0,
                )
            )
            ax.text(
                left - 0.06,
                (top + bottom) / 2,
                _spoken(name),
                ha="right",
                va="center",
                rotation=90,
                fontsize=LEGIBLE,
            )

    def _connect(self, ax: Axes, start, end, joins: bool) -> None:
        (x0, y0, h0), (x1, y1, h1) = start, end
        # Lanes part right below the fork and meet right above the join.
        turn = y1 - h1 - AIR / 2 if joins and x0 != x1 else y0 + h0 + AIR / 2
        ax.plot(
            (x0, x0, x1, x1),
            (y0 + h0, turn, turn, y1 - h1),
            color=TEXT,
            lw=1,
            zorder=1,
            solid_joinstyle="round",
        )

    def _draw(
        self, ax: Axes, node: Node, x: float, y: float, half: float, alone: bool
    ) -> None:
        if node.kind == "skip":
            return
        if node.kind == "input":
            word(ax, x, y, " × ".join(map(str, node.shape)), fontweight="bold")
            return
        width = 0.9 * self.lane
        if node.text == "concat":
            width = self._x(max(each.x for each in node.inputs) + 0.45) - self._x(
                min(each.x for each in node.inputs) - 0.45
            )
        self._box(ax, node, x, y, half, width)
        if node.text == "concat":
            word(ax, x, y, f"concat, {' × '.join(map(str, node.shape))}", color=INK)
        elif alone and node.kind != "norm":
            text = " × ".join(
                map(
                    str,
                    node.shape
                    if max(node.shape[1:], default=1) > 1
                    else node.shape[:1],
                )
            )
            ax.text(
                x + width / 2 + 0.1, y, text, va="center_baseline", fontsize=LEGIBLE
            )

    def _box(
        self, ax: Axes, node: Node, x: float, y: float, half: float, width: float
    ) -> None:
        color = grid_color(node.shape, self.image)
        full = node.kind in FULL or node.text == "concat"
        box: dict[str, Any] = {
            "facecolor": color,
            "edgecolor": TEXT,  # a grid's colour alone is faint on white
            "lw": 0.7,
            "fill": full,
        }
        ax.add_patch(
            Rectangle((x - width / 2, y - half), width, 2 * half, zorder=2, **box)
        )
        if node.text == "concat":
            return
        ink = INK if full else TEXT
        texts = [{"response norm": "LRN"}.get(node.text, node.text), *node.notes]
        for text, dy in zip(
            texts, (0.0,) if len(texts) == 1 else (-0.085, 0.095), strict=False
        ):
            word(ax, x, y + dy, text, color=ink)

    def _head(
        self, ax: Axes, start: Node, steps: Sequence[Node], lane: float
    ) -> None:
        """A row of layers down the outermost lane, from the right of `start`."""
        x, (_, y, half) = self._x(lane), self._at(start)
        edge = self._x(max(each.x for each in start.inputs or [start]) + 0.45)
        before = y
        ax.plot((edge, x), (y, y), color=TEXT, lw=1, zorder=1)
        word(ax, x, y - 0.12, "head", fontweight="bold")
        y += half + AIR
        for step in steps:
            half = HEIGHTS[step.kind] / 2
            y += half
            ax.plot((x, x), (before, y - half), color=TEXT, lw=1, zorder=1)
            self._box(ax, step, x, y, half, 0.9 * self.lane)
            before = y + half
            y += half + AIR


def _spoken(name: str) -> str:
    """``inception3a`` → 3a, as the paper says; other names as they are."""
    return name.removeprefix("inception")
