"""A picture of training on many GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from cnnbook import models
from cnnbook.figures._style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    TEXT,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd


@styled
def scaling(table: pd.DataFrame) -> Figure:
    """Efficiency against the number of GPUs, a line a network, at most five.

    Args:
        table: as `cnnbook.scaling_efficiency` returns it: ``network``, ``gpus``,
            ``efficiency``.

    Raises:
        ValueError: if there are more than five networks.
    """
    networks = table["network"].unique()
    styles = list(
        zip(
            (PURPLE, ORANGE, GREEN, BLUE, TEXT),
            ("-", "--", "-.", ":", "-"),
            "osD^v",
            strict=True,
        )
    )
    if len(networks) > len(styles):
        raise ValueError(
            f"at most {len(styles)} networks can be told apart, got {len(networks)}"
        )
    figure = new_figure(3.2)
    ax = figure.subplots()
    # Marks and dashes tell apart what lies on top of each other, without colour
    # too.
    for name, (color, dashes, mark) in zip(networks, styles, strict=False):
        rows = table[table["network"] == name]
        ax.plot(
            rows["gpus"],
            100 * rows["efficiency"],
            dashes,
            color=color,
            marker=mark,
            label=models.title(name),
        )
    ax.set(xscale="log", xlabel="GPUs", ylabel="efficiency (%)", ylim=(0, 105))
    ax.set_xticks(table["gpus"].unique())
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    figure.legend(
        loc="outside upper center", ncols=3, labelcolor="linecolor", frameon=False
    )
    return figure
