"""Pictures of a comparison: every run of every condition, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cnnbook import models
from cnnbook.figures._style import (
    BLUE,
    FAINT,
    ORANGE,
    TEXT,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd


@styled
def ranking(
    runs: pd.DataFrame,
    measure: str = "test_accuracy",
    marked: Mapping[str, str] | None = None,
) -> Figure:
    """A row per arm, highest mean on top: a dot per run, a bar at the mean of
    several.

    Args:
        runs: a row per run, with ``arm`` and `measure` (a share of 0 … 1, drawn in
            percent).
        marked: arms to point out, by arm: what to call them.
    """
    marked = marked or {}
    means = runs.groupby("arm")[measure].mean().sort_values(ascending=False) * 100
    figure = new_figure(0.24 * len(means) + 0.5)
    ax = figure.subplots()
    for y, (arm, mean) in enumerate(means.items()):
        color = ORANGE if arm in marked else BLUE
        values = runs.loc[runs["arm"] == arm, measure] * 100
        ax.axhline(y, color=FAINT, lw=0.6, zorder=0)
        ax.plot(values, [y] * len(values), "o", color=color, ms=4)
        if len(values) > 1:
            ax.plot([mean, mean], [y - 0.34, y + 0.34], color=color, lw=2.5)
    ax.set_yticks(range(len(means)), [_named(arm, marked) for arm in means.index])
    for tick, arm in zip(ax.get_yticklabels(), means.index, strict=True):
        tick.set_color(ORANGE if arm in marked else TEXT)
    ax.set(xlabel=f"{measure.replace('_', ' ')} (%)", ylim=(len(means) - 0.4, -0.6))
    ax.tick_params(axis="y", length=0)
    return figure


def _named(arm: str, marked: Mapping[str, str]) -> str:
    return f"{marked[arm]}: {arm}" if arm in marked else models.title(arm)
