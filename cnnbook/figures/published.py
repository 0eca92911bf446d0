"""Pictures of published figures, and of what a network confuses."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from cnnbook.figures._style import BLUE, FAINT, ORANGE, TEXT, new_figure, styled

BLUES = colormaps["Blues"]


@styled
def errors(
    values: Mapping[str, float], xlabel: str, marked: Collection[str] = ()
) -> Figure:
    """A dot for each published error, in the given order; `marked` ones in orange.

    Args:
        values: an error in percent by its name.
        xlabel: which error, on which images.
        marked: names of those to point out.
    """
    figure = new_figure(0.27 * len(values) + 0.7)
    ax = figure.subplots()
    digits = max(len(f"{value:g}".partition(".")[2]) for value in values.values())
    spread = max(values.values()) - min(values.values())
    for y, (name, value) in enumerate(values.items()):
        color = ORANGE if name in marked else BLUE
        ax.plot([value], [y], "o", color=color, ms=6)
        ax.text(
            value + 0.035 * spread,
            y,
            f"{value:.{digits}f}",
            va="center",
            color=color,
        )
    ax.set_yticks(range(len(values)), values)
    ax.margins(x=0.12)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
    start, _ = ax.get_xlim()
    ax.hlines(range(len(values)), start, list(values.values()), color=FAINT, lw=0.8)
    ax.set(xlabel=xlabel, xlim=(start, None), ylim=(len(values) - 0.4, -0.6))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return figure


@styled
def confusions(counts: Tensor, classes: Sequence[str]) -> Figure:
    """What each class was taken for, in percent of its images: a row a true class.

    Args:
        counts: true class × answer.
        classes: their names.
    """
    shares = 100 * counts.double() / counts.sum(1, keepdim=True)
    figure = new_figure(4.6)
    ax = figure.subplots()
    for row in range(len(classes)):
        for column in range(len(classes)):
            share = shares[row, column].item()
            if share >= 1:  # what is empty has the page's ground
                color = BLUES(0.1 + 0.9 * share / 100)
                ax.add_patch(
                    Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=color)
                )
                letters = "white" if share > 68 else "black"
                ax.text(
                    column,
                    row,
                    str(math.floor(share + 0.5)),
                    ha="center",
                    va="center",
                    color=letters,
                )
    ax.set(xlim=(-0.5, len(classes) - 0.5), ylim=(len(classes) - 0.5, -0.5))
    ax.set_yticks(range(len(classes)), classes)
    ax.set_xticks(range(len(classes)), classes, rotation=55, ha="right")
    ax.set(xlabel="taken for", ylabel="is")
    ax.tick_params(length=0, colors=TEXT)
    ax.spines[:].set_visible(False)
    return figure
