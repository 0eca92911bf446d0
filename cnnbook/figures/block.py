"""A block drawn from its code: what runs, in which order, and where paths part and
meet."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn

from cnnbook.figures._graph import LAYERS, Node, graph, readers
from cnnbook.figures._style import TEXT, WIDTH, kind_color, styled

INK = "#ffffff"  # on the palette's colours its contrast is at least 5:1
LANE, ROW = 1.32, 0.62  # inches: the widest lane, the distance of two rows
HALF_HEIGHTS = {
    "shape": 0.17,
    "join": 0.19,
    "follower": 0.2,
    "skip": 0.0,
    "dots": 0.0,
}


@styled
def block(module: nn.Module, input_size: tuple[int, int, int]) -> Figure:
    """The layers of a block from top to bottom, its parallel paths side by side.

    A box is a convolution (with its output channels), a pooling or a linear layer;
    normalisation and activation stand under the layer they follow. Paths meet in a
    sum or a concatenation. Of more than four parallel paths that are alike, three
    are drawn and the number is written.

    Args:
        module: any block that runs on one image: one input, one output, no
            branching on values. It is only read.
        input_size: (C, H, W) of its input.
    """
    nodes = graph(module, input_size)
    after = readers(nodes)
    left = min(node.x for node in nodes) - 0.5
    right = max(node.x + (0.1 if node.kind == "skip" else 0.5) for node in nodes)
    rows = nodes[-1].row
    lane = min(LANE, WIDTH / (right - left))
    figure = Figure(figsize=(lane * (right - left), ROW * (rows + 0.6)))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(left, right), ylim=(rows + 0.3, -0.3))
    ax.axis("off")
    for node in nodes:
        for each in after[node]:
            if "dots" not in (node.kind, each.kind):
                _connect(ax, node, each)
        _draw(ax, node)
    return figure


def _half_height(node: Node) -> float:
    return HALF_HEIGHTS.get(node.kind, 0.29 if node.notes else 0.21)


def _connect(ax: Axes, start: Node, end: Node) -> None:
    """A line of right angles, with an arrow's head unless it goes on."""
    corners: list[tuple[float, float]]
    if start.kind == "skip":  # into the join from its side
        side = 0.09 if end.text == "+" else 0.46
        corners = [
            (start.x, start.row),
            (start.x, end.row),
            (end.x + side, end.row),
        ]
    else:
        turn = end.row - 0.48 if len(end.inputs) > 1 else start.row + 0.48
        bottom, top = start.row + _half_height(start), end.row - _half_height(end)
        corners = [(start.x, bottom), (start.x, turn), (end.x, turn), (end.x, top)]
    ax.plot(
        *zip(*corners, strict=True),
        color=TEXT,
        lw=1.2,
        solid_joinstyle="round",
        zorder=1,
    )
    if end.kind != "skip":
        style = {
            "arrowstyle": "-|>",
            "color": TEXT,
            "lw": 1.2,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        ax.annotate(
            "", xy=corners[-1], xytext=corners[-2], arrowprops=style, zorder=1
        )


def _draw(ax: Axes, node: Node) -> None:
    def write(text: str, dy: float = 0.0, **style) -> None:
        # On its box a text is centred by its letters, not by its line.
        ax.text(
            node.x, node.row + dy, text, ha="center", va="center_baseline", **style
        )

    if node.kind == "skip":
        return
    if node.kind in ("shape", "dots"):
        write(node.text, fontweight="bold", fontsize=9)
        return
    if node.text == "+":
        ax.plot(node.x, node.row, "o", ms=16, mfc="none", mec=TEXT, mew=1.2)
        write("+", fontsize=12)
        return
    half = _half_height(node)
    box = Rectangle(
        (node.x - 0.46, node.row - half),
        0.92,
        2 * half,
        fill=False,
        ec=TEXT,
        lw=1.2,
    )
    ax.add_patch(box)
    if node.kind not in LAYERS:
        write(", ".join((node.text, *node.notes)), fontsize=9)
        return
    box.set(fill=True, facecolor=kind_color(node.kind), linewidth=0)
    write(node.text, -0.11 if node.notes else 0.0, color=INK, fontsize=9)
    if node.notes:
        notes = ", ".join(node.notes)
        write(notes, 0.13, color=INK, fontsize=8.5 if len(notes) < 18 else 7.8)
