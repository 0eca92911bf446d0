"""The picture that the book begins with: what networks got wrong, and what an image
cost them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cnnbook.figures._style import (
    BLUE,
    WIDTH,
    new_figure,
    plain_ticks,
    styled,
)
from cnnbook.figures.comparison import _discs, _family_color, _label

if TYPE_CHECKING:
    import pandas as pd

WIDE, NARROW = (9.4, 3.2), (WIDTH, 3.9)  # inches: of a desktop and of a phone


@styled
def error_against_cost(table: pd.DataFrame, wide: bool = True) -> Figure:
    """Top-1 error against multiply-adds, a disc a network, its area the number of
    parameters.

    Args:
        table: a row per network, with ``label``, ``year``, ``flops`` and
            ``params``, ``error`` in percent, and ``url``, where the network's name
            leads in the SVG.
        wide: for a desktop's page; else for a phone's.
    """
    width, height = WIDE if wide else NARROW
    figure = new_figure(height, width)
    ax = figure.subplots()
    x, y = table["flops"] / 1e9, table["error"]
    ax.set(xscale="log", xlabel="billion multiply-adds for one image (logarithmic)")
    # The axis is named above it, where a line reads from left to right.
    ax.set_title("top-1 error, %", loc="left", fontweight="normal", fontsize=10)
    ax.margins(x=0.16, y=0.16)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    radii = _discs(
        figure, ax, x, y, table["params"], [_family_color(n) for n in table.index]
    )
    plain_ticks(ax.xaxis)
    names = [f"{row.label} {row.year}" for row in table.itertuples()]
    _label(figure, ax, names, x, y, radii)
    urls = dict(zip(names, table["url"], strict=True))
    for text in ax.texts:
        text.set(url=urls[text.get_text()], color=BLUE)
    return figure
