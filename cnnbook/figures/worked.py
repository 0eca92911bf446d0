"""One activation of a trained network, from the numbers it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnbook.figures._cells import cells, short_number, word
from cnnbook.figures._style import (
    GREEN,
    LEGIBLE,
    TEXT,
    canvas,
    styled,
)

if TYPE_CHECKING:
    from cnnbook.interpret import Worked

# In inches: a grid's side, between grids, above the first.
GRID, GAP, TOP = 1.17, 0.26, 0.42
WRITTEN = 3  # the largest kernel whose numbers are written out
LINE = 0.25


@styled
def worked(unit: Worked, channels: int = 3) -> Figure:
    """A window of the input, times the kernel, makes products; their sum; and what
    follows.

    Args:
        unit: of `cnnbook.interpret.worked`.
        channels: how many input channels are drawn, those whose sums weigh most;
            the sum below is over all of them.
    """
    order = unit.sums.abs().argsort(descending=True)[:channels].tolist()
    k = max(unit.kernel.shape[1:])
    size = GRID / k
    text = short_number if k <= WRITTEN else None
    largest = [
        float(part.abs().max())
        for part in (unit.inputs, unit.kernel, unit.products)
    ]
    lines = _lines(unit, len(order))
    height = TOP + len(order) * (GRID + 0.16) + 0.1 + LINE * len(lines) + 0.05
    figure, ax = canvas(height)
    start = 0.42
    lefts = [start + i * (GRID + GAP) for i in range(3)]
    for x, title in zip(lefts, ("input", "kernel", "products"), strict=True):
        word(ax, x + GRID / 2, 0.2, title, fontweight="bold")
    word(ax, lefts[2] + GRID + 0.36, 0.2, "sum", fontweight="bold")
    for row, channel in enumerate(order):
        y = TOP + row * (GRID + 0.16)
        middle = y + GRID / 2
        word(ax, 0.2, middle, f"map {channel}", rotation=90, va="center")
        parts = (unit.inputs, unit.kernel, unit.products)
        for x, part, most in zip(lefts, parts, largest, strict=True):
            missing = unit.missing if x == lefts[0] else None
            cells(ax, part[channel], (x, y), size, most, text, missing)
        for x, sign in zip(lefts, "×=", strict=False):
            word(ax, x + GRID + GAP / 2, middle, sign)
        word(ax, lefts[2] + GRID + 0.36, middle, _number(float(unit.sums[channel])))
    y = TOP + len(order) * (GRID + 0.16) + 0.12
    for i, (name, value) in enumerate(lines):
        _line(ax, y + i * LINE, name, value, last=i == len(lines) - 1)
    return figure


def _lines(unit: Worked, drawn: int) -> list[tuple[str, float]]:
    """What is added and what follows: a name, and the value behind it."""
    several = len(unit.sums)
    total = float(unit.sums.sum())
    lines = [(f"sum over {'all ' * (several > drawn)}{several} input maps", total)]
    if several == 1:
        lines = []
    if unit.bias:
        lines.append((f"plus the bias {_number(unit.bias)}", unit.output))
    return [*lines, *((f"behind the {name}", value) for name, value in unit.steps)]


def _line(ax: Axes, y: float, name: str, value: float, last: bool) -> None:
    color, weight = (GREEN, "bold") if last else (TEXT, "normal")
    right = 0.42 + 3 * GRID + 2 * GAP
    for x, text, side in (
        (right, name, "right"),
        (right + 0.36, _number(value), "center"),
    ):
        ax.text(
            x,
            y,
            text,
            ha=side,
            va="center_baseline",
            fontsize=LEGIBLE,
            color=color,
            fontweight=weight,
        )


def _number(value: float) -> str:
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")
