"""Picture of grouped convolutions."""

from __future__ import annotations

from matplotlib.figure import Figure
from torch import Tensor

from cnnbook.figures._style import (
    COLORS,
    TEXT,
    new_figure,
    styled,
)


@styled
def connections(reads: dict[str, Tensor]) -> Figure:
    """Which input channels each output channel reads, a panel a layer.

    Args:
        reads: by title, C' × C, true where an output channel depends on an input
            channel. Outputs that read the same channels have the same colour.
    """
    figure = new_figure(1.75 * len(reads))
    for ax, (title, matrix) in zip(
        figure.subplots(len(reads), squeeze=False)[:, 0], reads.items(), strict=True
    ):
        rows = [tuple(row) for row in matrix.tolist()]
        patterns = list(dict.fromkeys(rows))
        columns = range(matrix.shape[1])
        for x, row in enumerate(rows):
            color = COLORS[patterns.index(row) % len(COLORS)]
            for source in columns:
                if row[source]:
                    ax.plot((source, x), (1, 0), color=color, lw=1.3, zorder=1)
            ax.plot(x, 0, "o", color=color, ms=10, zorder=2)
        ax.plot(columns, [1] * len(columns), "o", color=TEXT, ms=10, zorder=2)
        for y, name in ((1, "inputs"), (0, "outputs")):
            ax.text(-0.6, y, name, ha="right", va="center")
        ax.set(title=title, xlim=(-2.2, len(columns) - 0.5), ylim=(-0.25, 1.25))
        ax.axis("off")
    return figure
