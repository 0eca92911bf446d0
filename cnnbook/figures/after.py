"""Pictures of the networks after 2017: what each gained, what each idea costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from cnnbook.figures._style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    TEXT,
    new_figure,
    plain_ticks,
    styled,
)
from cnnbook.figures.comparison import _label

if TYPE_CHECKING:
    import pandas as pd


@styled
def newcomers(table: pd.DataFrame) -> Figure:
    """Accuracy against operations: known networks grey, new ones in colour.

    Args:
        table: a row per network, with ``flops``, ``params``, ``accuracy`` (%) and
            ``new``. The area of a disc is the number of parameters.
    """
    figure = new_figure(4.1)
    ax = figure.subplots()
    x, y, sizes = table.flops / 1e9, table.accuracy, 5 * table.params / 1e6
    colors = [BLUE if new else TEXT for new in table.new]
    ax.scatter(x, y, s=sizes, c=colors, lw=0)
    ax.set(xscale="log", xlabel="billion multiply-adds an image")
    ax.set_ylabel("ImageNet top-1 accuracy (%)")
    ax.margins(x=0.18, y=0.12)
    plain_ticks(ax.xaxis)
    _label(figure, ax, table.index, x, y, sizes**0.5 / 2)
    for text, new in zip(ax.texts, table.new, strict=True):
        text.set_color(BLUE if new else TEXT)
    return figure


@styled
def ladder(table: pd.DataFrame) -> Figure:
    """A row per step: its accuracy as a dot, and its three measures as bars.

    Args:
        table: a row per step, with ``accuracy`` (%), ``flops``, ``params`` and
            ``memory_kb``.
    """
    figure = new_figure(0.3 * len(table) + 0.9)
    first, *others = figure.subplots(
        1, 4, sharey=True, gridspec_kw={"width_ratios": (1.75, 1, 1, 1)}
    )
    rows = range(len(table))
    first.plot(table.accuracy, rows, "o-", color=BLUE, ms=6, lw=1.5, mew=0)
    low, high = table.accuracy.min(), table.accuracy.max()
    for y, value in zip(rows, table.accuracy, strict=True):
        first.text(
            value + 0.1 * (high - low),
            y,
            f"{value:.1f}",
            va="center",
            fontsize=8.5,
        )
    first.set(
        title="top-1 (%)",
        xlim=(low - 0.1 * (high - low), high + 0.32 * (high - low)),
    )
    measures = {
        "flops": ("flops\n(10⁹)", 1e9, ORANGE),
        "params": ("params\n(10⁶)", 1e6, GREEN),
        "memory_kb": ("memory\n(MB)", 1024, PURPLE),
    }
    for ax, measure in zip(others, measures, strict=True):
        title, unit, color = measures[measure]
        values = table[measure] / unit
        ax.barh(rows, values, color=color, height=0.62)
        for y, value in zip(rows, values, strict=True):
            ax.text(
                value + 0.04 * values.max(),
                y,
                f"{value:.3g}",
                va="center",
                fontsize=8.5,
            )
        ax.set(title=title, xlim=(0, 1.5 * values.max()))
    for ax in (first, *others):
        ax.set_xticks([])
        ax.spines[["bottom"]].set_visible(False)
        ax.tick_params(length=0)
        ax.title.set_fontsize(8.5)
    first.set_yticks(rows, table.index, fontsize=8.5)
    first.invert_yaxis()
    return figure


@styled
def separable(table: pd.DataFrame, kernel: int = 3) -> Figure:
    """How many times cheaper two steps are than a full convolution.

    Args:
        table: a row per pair of layers, with ``C'`` and ``factor``.
        kernel: side of the kernel; the line is K² C' / (K² + C').
    """
    figure = new_figure(2.9)
    ax = figure.subplots()
    channels, area = np.arange(1, 1.3 * table["C'"].max()), kernel**2
    ax.plot(channels, area * channels / (area + channels), color=TEXT, zorder=0)
    ax.axhline(area, color=TEXT, lw=1, ls=":")
    ax.text(4.3, area, f"K² = {area}", va="bottom")
    found = table.groupby(["C'", "factor"]).size().reset_index(name="blocks")
    sizes = 32 * found.blocks
    ax.scatter(found["C'"], found.factor, s=sizes, color=BLUE, lw=0)
    ax.set(xlabel="channels written (C′)", ylabel="times fewer multiply-adds")
    ax.set(xscale="log", xlim=(4, channels[-1]), ylim=(0, area + 1.2))
    plain_ticks(ax.xaxis)
    names = [f"{n} block{'s' * (n > 1)}" for n in found.blocks]
    _label(figure, ax, names, found["C'"], found.factor, sizes**0.5 / 2)
    return figure


@styled
def compound(table: pd.DataFrame) -> Figure:
    """How the multiply-adds of a family grow, beside two forecasts.

    Args:
        table: a row per network; each column is a factor on the first one's; its
            name stands in the legend.
    """
    figure = new_figure(3.0)
    ax = figure.subplots()
    rows = range(len(table))
    styles = {0: ("o-", BLUE, 2), 1: ("--", ORANGE, 1.5), 2: (":", TEXT, 2)}
    for i, column in enumerate(table):
        style, color, width = styles[i % len(styles)]
        ax.plot(
            rows, table[column], style, label=column, color=color, lw=width, ms=5
        )
    ax.set(yscale="log", ylabel=f"times {table.index[0]}'s multiply-adds")
    ax.set_xticks(rows, table.index)
    plain_ticks(ax.yaxis)
    ax.legend(frameon=False, labelcolor=TEXT, loc="upper left")
    return figure


@styled
def transfer(table: pd.DataFrame) -> Figure:
    """Every run as a dot and each arm's mean, by the number of images a class.

    Args:
        table: a row per run: ``arm``, ``images`` a class, ``accuracy`` in [0, 1].
    """
    figure = new_figure(3.0)
    ax = figure.subplots()
    sizes = sorted(table.images.unique())
    colors = (BLUE, GREEN, ORANGE)
    ends = {}
    arms = table.groupby("arm", sort=False)
    for color, (arm, runs) in zip(colors, arms, strict=True):
        places = [sizes.index(n) for n in runs.images]
        ax.plot(places, 100 * runs.accuracy, "o", color=color, ms=5, mfc="none")
        means = 100 * runs.groupby("images").accuracy.mean()
        ax.plot(range(len(sizes)), means, color=color)
        ends[arm] = means.iloc[-1], color
    gap, last = 0.055 * (ax.get_ylim()[1] - ax.get_ylim()[0]), float("inf")
    for arm, (end, color) in sorted(ends.items(), key=lambda pair: -pair[1][0]):
        last = min(end, last - 1.3 * gap)
        ax.text(len(sizes) - 0.93, last, arm, color=color, va="center")
    ax.set_xticks(range(len(sizes)), sizes)
    ax.set(xlabel="images of each new class", ylabel="test accuracy (%)")
    ax.set_xlim(-0.2, len(sizes) - 0.3)
    return figure
