"""What limits each network on a device: arithmetic, or the way to memory."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cnnbook.figures._style import (
    TEXT,
    new_figure,
    plain_ticks,
    styled,
)
from cnnbook.figures.comparison import _family_color, _label

if TYPE_CHECKING:
    import pandas as pd


@styled
def roofline(
    table: pd.DataFrame, peak_operations: float, peak_bandwidth: float
) -> Figure:
    """Speed against arithmetic intensity under a device's roof, a line a network.

    A line goes from its smallest batch, an open disc, to its largest, a full one.

    Args:
        table: a row per network and batch, with ``network``, ``batch_size``,
            ``intensity`` (operations a byte) and ``operations_per_second``; a
            multiply and its add are two.
        peak_operations: operations a second at most: the flat part of the roof.
        peak_bandwidth: bytes a second at most: the slope of its other part.
    """
    ridge = peak_operations / peak_bandwidth
    figure = new_figure(4.2)
    ax = figure.subplots()
    lines = {
        name: rows.sort_values("batch_size")
        for name, rows in table.groupby("network")
    }
    for name, rows in lines.items():
        x, y, color = (
            rows["intensity"],
            rows["operations_per_second"] / 1e9,
            _family_color(name),
        )
        ax.plot(x, y, color=color, lw=1, zorder=2)
        ends = [
            color if end else "none" for end in [False] * (len(rows) - 1) + [True]
        ]
        ax.scatter(x, y, s=24, facecolors=ends, edgecolors=color, lw=1.2, zorder=3)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="operations for each byte of memory traffic",
        ylabel="billion operations a second",
    )
    left = 0.4 * min(table["intensity"].min(), ridge)
    right = 2.6 * max(table["intensity"].max(), ridge)
    low = 0.6 * table["operations_per_second"].min() / 1e9
    high = 1.7 * max(peak_operations, table["operations_per_second"].max()) / 1e9
    ax.set(xlim=(left, right), ylim=(low, high))
    peak = peak_operations / 1e9
    start = max(left, low / peak_bandwidth * 1e9)
    roof = [start * peak_bandwidth / 1e9, peak, peak]
    ax.plot([start, ridge, right], roof, color=TEXT, lw=1.6, zorder=1, gid="roof")
    ax.axvline(ridge, color=TEXT, lw=0.8, ls=":", zorder=0)
    ax.text(
        0.97 * right,
        1.04 * peak,
        "most operations a second",
        ha="right",
        va="bottom",
    )
    ax.text(1.06 * ridge, 1.06 * low, "ridge", va="bottom")
    for axis in (ax.xaxis, ax.yaxis):
        plain_ticks(axis)
    last = [rows.iloc[-1] for rows in lines.values()]
    xs = [row["intensity"] for row in last]
    ys = [row["operations_per_second"] / 1e9 for row in last]
    along = [point for rows in lines.values() for point in _along(rows)]
    _label(figure, ax, list(lines), xs, ys, [3] * len(last), along)
    return figure


def _along(rows: pd.DataFrame) -> list[tuple[float, float]]:
    """Points close together on a network's line, for the names to keep clear of."""
    x, y = rows["intensity"], rows["operations_per_second"] / 1e9
    corners = list(zip(x, y, strict=True))
    return [
        # Straight on these axes.
        (a[0] ** (1 - t) * b[0] ** t, a[1] ** (1 - t) * b[1] ** t)
        for a, b in pairwise(corners)
        for t in (0, 0.2, 0.4, 0.6, 0.8)
    ]
