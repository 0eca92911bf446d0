"""Kernels over one row of pixels: where they stand, and what an output sees."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from cnnbook.figures._style import (
    BLUE,
    FAINT,
    LEGIBLE,
    NARROW,
    ORANGE,
    TEXT,
    canvas,
    styled,
)

CELL = 0.3  # inches, the widest
MOST = 16  # pixels in a row that can still be told apart on a phone


@styled
def kernel_positions(
    size: int, kernel: int, strides: Sequence[int], padding: int = 0
) -> Figure:
    """Every position of a kernel over one padded row of pixels, a panel for each
    stride.

    Padding is dashed. Below the row there is a bar for each output, over the pixels
    that it reads.

    Args:
        size, kernel, padding: pixels along one side, as of a convolution.
        strides: of each panel.

    Raises:
        ValueError: if the padded row has more than 16 pixels, or the kernel does
            not fit.
    """
    padded = size + 2 * padding
    _check(padded, kernel)
    cell = min(CELL, (NARROW - 1.5) / padded)
    counts = {stride: (padded - kernel) // stride + 1 for stride in strides}
    bar = 0.17  # inches from bar to bar
    heights = [0.36 + cell + bar * count + 0.2 for count in counts.values()]
    figure, ax = canvas(sum(heights), NARROW)
    top, left = 0.0, 1.3
    for height, (stride, count) in zip(heights, counts.items(), strict=True):
        row = top + 0.3
        ax.text(
            0,
            row + cell / 2,
            f"stride {stride}",
            va="center_baseline",
            weight="bold",
        )
        for pixel in range(padded):
            outside = pixel < padding or pixel >= padding + size
            _pixel(ax, left + pixel * cell, row, cell, outside)
        for output in range(count):
            y = row + cell + bar * (output + 0.6)
            x = left + output * stride * cell
            color = ORANGE if output % 2 else BLUE
            ax.plot([x + 0.04, x + kernel * cell - 0.04], [y, y], color=color, lw=5,
                    solid_capstyle="butt")  # fmt: skip
        middle = row + cell + bar * (count + 0.2) / 2
        ax.text(
            0, middle, f"{count} outputs", va="center_baseline", fontsize=LEGIBLE
        )
        top += height
    return figure


@styled
def field_of_stack(layers: Sequence[tuple[int, int]]) -> Figure:
    """What one output of several layers sees: rows of pixels from it down to the
    image.

    Args:
        layers: (kernel, stride) of each, in the order of the network.

    Raises:
        ValueError: if it sees more than 16 pixels, or there is no layer.
    """
    if not layers:
        raise ValueError(
            "layers is empty; give (kernel, stride) of each, such as [(3, 1)]"
        )
    jumps, fields = [1], [1]
    for kernel, stride in layers:
        fields.append(fields[-1] + (kernel - 1) * jumps[-1])
        jumps.append(jumps[-1] * stride)
    image = fields[-1] + 2
    _check(image, 1)
    # How many outputs of each grid the last one reads, from the top down.
    read = [1]
    for kernel, stride in reversed(layers):
        read.append((read[-1] - 1) * stride + kernel)
    read.reverse()
    cell = min(CELL, (NARROW - 2.4) / image)  # beside it there is text
    step, left, middle = cell + 0.42, 0.1, image / 2
    figure, ax = canvas(step * len(layers) + cell + 0.2, NARROW)
    names = ["image", *(f"after layer {n + 1}" for n in range(len(layers)))]
    edges = []
    for grid, (count, jump) in enumerate(zip(read, jumps, strict=True)):
        row = step * (len(layers) - grid) + 0.08
        # A grid's outputs stand in the middle of what they see.
        around = int((middle - (count - 1) * jump / 2 - 0.5) // jump)
        for number in range(-around, count + around):
            at = middle + (number - (count - 1) / 2) * jump - 0.5
            if -1e-9 <= at <= image - 1 + 1e-9:
                inside = 0 <= number < count
                _pixel(
                    ax, left + at * cell, row, cell, False, BLUE if inside else None
                )
        first = middle - (count - 1) * jump / 2 - 0.5
        edges.append((left + first * cell, left + (image - first) * cell, row))
        seen = f"sees {fields[grid]}, jump {jump}" if grid else "pixels"
        beside = left + image * cell + 0.15
        text = f"{names[grid]}: {seen}"
        ax.text(
            beside, row + cell / 2, text, va="center_baseline", fontsize=LEGIBLE
        )
    for (low, high, row), (from_, to, above) in zip(edges, edges[1:], strict=False):
        corners = [
            (low, row),
            (high, row),
            (to, above + cell),
            (from_, above + cell),
        ]
        ax.add_patch(Polygon(corners, facecolor=FAINT, edgecolor="none", zorder=0))
    return figure


def _check(padded: int, kernel: int) -> None:
    if padded > MOST:
        raise ValueError(
            f"{padded} pixels in a row are too many to be read; {MOST} at most"
        )
    if not 1 <= kernel <= padded:
        raise ValueError(f"a kernel of {kernel} does not fit into {padded} pixels")


def _pixel(
    ax: Axes,
    x: float,
    y: float,
    cell: float,
    outside: bool,
    fill: str | None = None,
) -> None:
    ax.add_patch(
        Rectangle(
            (x, y),
            cell,
            cell,
            facecolor=fill or "none",
            edgecolor=TEXT,
            lw=0.8,
            ls=":" if outside else "-",
        )  # fmt: skip
    )
