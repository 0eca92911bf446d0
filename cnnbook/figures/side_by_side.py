"""Pictures of two or a few things side by side: costs, and conditions of an
experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cnnbook.figures._style import (
    BLUE,
    ORANGE,
    TEXT,
    new_figure,
    styled,
)
from cnnbook.figures.stages import _compact

if TYPE_CHECKING:
    import pandas as pd


@styled
def pairs(table: pd.DataFrame, xlabel: str) -> Figure:
    """A group of two bars for each row, one of each of the two columns.

    Args:
        table: two columns of numbers; their names label the bars of the first row.
        xlabel: what is measured, with its unit.
    """
    figure = new_figure(0.62 * len(table) + 0.5)
    ax = figure.subplots()
    largest = table.to_numpy().max()
    for (name, values), color, shift in zip(
        table.items(), (BLUE, ORANGE), (-0.2, 0.2), strict=True
    ):
        ax.barh(
            [y + shift for y in range(len(table))], values, color=color, height=0.36
        )
        for y, value in enumerate(values):
            text = _compact(value) if y else f"{_compact(value)}  {name}"
            ax.text(
                value + 0.01 * largest, y + shift, text, va="center", color=color
            )
    ax.set_yticks(range(len(table)), table.index)
    ax.set(xlabel=xlabel, xlim=(0, 1.14 * largest), xticks=[])
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    return figure


@styled
def interaction(
    runs: pd.DataFrame, across: str, lines: str, measure: str
) -> Figure:
    """Two conditions at two settings of a third thing: a dot per run, a line
    between the means.

    Args:
        runs: a row per run, with the three columns named by the other arguments.
        across: the column on the horizontal axis; each of its values is written
            under it.
        lines: the column whose two values are the two lines, labelled at their
            right ends.
        measure: a share of 0 … 1, drawn in percent.
    """
    figure = new_figure(2.7, 4.4)
    ax = figure.subplots()
    places = {value: x for x, value in enumerate(dict.fromkeys(runs[across]))}
    ends = {}
    conditions = list(dict.fromkeys(runs[lines]))
    for condition, color, shift in zip(
        conditions, (BLUE, ORANGE), (-0.03, 0.03), strict=True
    ):
        own = runs[runs[lines] == condition]
        x, y = own[across].map(places) + shift, 100 * own[measure]
        ax.plot(x, y, "o", color=color, ms=5, mfc="none", lw=0)
        means = y.groupby(x).mean()
        ax.plot(means.index, means, color=color)
        ends[condition] = (means.iloc[-1], color)
    for (condition, (y, color)), at in zip(
        sorted(ends.items(), key=lambda item: item[1]),
        ("top", "bottom"),
        strict=True,
    ):
        ax.text(len(places) - 0.9, y, condition, color=color, va=at)
    ax.set_xticks(range(len(places)), places)
    ax.set(
        xlim=(-0.4, len(places) - 0.4), ylabel=f"{measure.replace('_', ' ')} (%)"
    )
    ax.tick_params(axis="x", length=0, colors=TEXT)
    return figure
