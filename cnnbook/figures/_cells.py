"""Numbers in a grid of coloured cells: below zero blue, above zero orange."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from torch import Tensor

from cnnbook.figures._style import INK, LEGIBLE, TEXT

ZERO, BELOW, ABOVE = "#f3f4f6", "#5b9bd5", "#eb9f45"
# Zero is in the middle; the letters on it are dark, whatever the page's colour.
SIGNED = LinearSegmentedColormap.from_list("signed", [BELOW, ZERO, ABOVE])
# Of the same three, for pictures: stronger at the ends, to tell small things apart.
STRONG = LinearSegmentedColormap.from_list(
    "strong", ["#0b3d66", "#2f87c4", ZERO, "#d98c1f", "#6b3a00"]
)


def short_number(value: float) -> str:
    """In four letters at most, if it can be: 12, −3, 2.5, 1.25, .25, −2.1, 0."""
    for digits in (2, 1, 0):
        text = f"{value:.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        text = text.replace("0.", ".", 1) if abs(value) < 1 else text
        if len(text) <= 4:
            break
    return "0" if text in ("-0", "0", "-", "") else text.replace("-", "−")


def cells(
    ax: Axes,
    values: Tensor,
    corner: tuple[float, float],
    size: float,
    largest: float | None = None,
    text: Callable[[float], str] | None = short_number,
    missing: Tensor | None = None,
) -> None:
    """Draw a grid of numbers; the axes are in inches and y grows downwards.

    Args:
        values: rows × columns.
        corner: of the upper left cell, (x, y).
        size: of a cell.
        largest: the absolute value that has the full colour; by default the largest
            there is.
        text: what is written into a cell; None: nothing.
        missing: true where a cell is no number but padding, which is drawn empty.
    """
    array = values.detach().cpu().numpy().astype(float)
    largest = max(largest or float(np.abs(array).max()), 1e-12)
    for (row, column), value in np.ndenumerate(array):
        x, y = corner[0] + column * size, corner[1] + row * size
        padded = missing is not None and bool(missing[row, column])
        color = "none" if padded else SIGNED(0.5 + 0.5 * value / largest)
        style: dict[str, Any] = {"ec": TEXT, "lw": 0.5}
        style["ls"] = (0, (2, 2)) if padded else "-"
        ax.add_patch(Rectangle((x, y), size, size, fc=color, **style, zorder=1))
        if text is not None:
            ax.text(
                x + size / 2,
                y + size / 2,
                text(value),
                ha="center",
                va="center_baseline",
                fontsize=LEGIBLE,
                color=TEXT if padded else INK,
                zorder=3,
            )


def frame(
    ax: Axes, corner: tuple[float, float], size: tuple[float, float], **style
) -> None:
    """A frame of `size` (width, height) around cells."""
    style = {"fill": False, "lw": 2.4, "zorder": 4} | style
    ax.add_patch(Rectangle(corner, *size, **style))


def word(ax: Axes, x: float, y: float, text: str, **style) -> None:
    """A word at its middle."""
    usual: dict[str, Any] = {
        "ha": "center",
        "va": "center_baseline",
        "fontsize": LEGIBLE,
    }
    ax.text(x, y, text, **(usual | style))
