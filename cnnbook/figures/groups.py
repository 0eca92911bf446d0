"""Pictures of grouped convolutions, and of runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from torch import Tensor

from cnnbook.figures._style import (
    BLUE,
    COLORS,
    ORANGE,
    TEXT,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd


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


@styled
def by_arm(accuracy: pd.Series) -> Figure:
    """Every run as a dot, the mean of each arm as a line and in words.

    Args:
        accuracy: in [0, 1], a value per run, indexed by arm.
    """
    arms = list(dict.fromkeys(accuracy.index))
    figure = new_figure(0.42 * len(arms) + 0.7)
    ax = figure.subplots()
    low, high = accuracy.min(), accuracy.max()
    room = max(high - low, 0.01)
    for y, arm in enumerate(arms):
        values = accuracy.loc[[arm]]
        ax.plot(values, [y] * len(values), "o", color=BLUE, ms=7, mfc="none")
        ax.plot([values.mean()] * 2, [y - 0.28, y + 0.28], color=ORANGE)
        ax.text(high + 0.12 * room, y, f"mean {values.mean():.1%}", va="center")
    ax.set_yticks(range(len(arms)), arms)
    ax.set(xlabel="test accuracy", xlim=(low - 0.1 * room, high + 0.65 * room))
    ax.set_xticks(
        [
            tick
            for tick in ax.get_xticks()
            if low - 0.1 * room <= tick <= high + 1e-9
        ]
    )
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    ax.set_ylim(len(arms) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    return figure
