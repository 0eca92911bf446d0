"""Pictures of depth: how training goes, and what reaches the first layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnbook.figures._style import (
    COLORS,
    name_lines,
    new_figure,
    styled,
)
from cnnbook.records import interval

if TYPE_CHECKING:
    import pandas as pd


@styled
def by_depth(runs: pd.DataFrame, measures: Mapping[str, str]) -> Figure:
    """Where runs of several depths ended, a panel per measure: a dot a run, the
    means of a kind joined, with their 95 % intervals over the seeds.

    Args:
        runs: a row per run: ``kind`` (of network), ``layers`` and a column per
            measure.
        measures: what a panel's axis is called, by the column that it shows.
    """
    figure = new_figure(2.9)
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    kinds = list(dict.fromkeys(runs["kind"]))
    for ax, (measure, label) in zip(panels, measures.items(), strict=True):
        for kind, color in zip(kinds, COLORS, strict=False):
            _depths(ax, runs[runs["kind"] == kind], measure, color)
            ends = runs[
                (runs["kind"] == kind) & (runs["layers"] == max(runs.layers))
            ]
            ax.annotate(
                kind,
                (max(runs.layers), ends[measure].mean()),
                (-8, 10),
                textcoords="offset points",
                ha="right",
                color=color,
            )
        ax.set(xlabel="layers", ylabel=label)
        ax.set_ylim(bottom=0)
        ax.set_xticks(sorted(set(runs["layers"])))
    return figure


def _depths(ax: Axes, runs: pd.DataFrame, measure: str, color: str) -> None:
    """The runs of one kind. Dots stand beside the mean, so that both are seen."""
    depths = sorted(set(runs["layers"]))
    aside = 0.03 * (depths[-1] - depths[0])
    found = [
        interval(runs.loc[runs["layers"] == each, measure], measure)
        for each in depths
    ]
    ax.plot(
        runs["layers"] - aside,
        runs[measure],
        "o",
        color=color,
        ms=4,
        mfc="none",
    )
    means = [each.mean for each in found]
    reach = [
        [each.mean - each.low for each in found],
        [each.high - each.mean for each in found],
    ]
    ax.errorbar(depths, means, reach, color=color, capsize=3)


@styled
def degradation(errors: pd.DataFrame, kinds: Mapping[str, Sequence[str]]) -> Figure:
    """Training error by epoch, a panel per kind of network: a line the mean of an
    arm, its ground from the lowest run to the highest.

    Args:
        errors: a row per run and epoch: ``arm``, ``epoch``, ``error`` in %.
        kinds: up to four arms, from the shallow network to the deep one, by the
            panel's title.
    """
    figure = new_figure(2.7)
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for ax, (kind, arms) in zip(panels, kinds.items(), strict=True):
        for arm, color in zip(arms, COLORS, strict=False):
            runs = errors[errors["arm"] == arm].groupby("epoch")["error"]
            mean = runs.mean()
            ax.fill_between(
                mean.index, runs.min(), runs.max(), color=color, alpha=0.2, lw=0
            )
            ax.plot(mean, color=color, label=arm)
        _name_lines(ax, at=-1)
        ax.set(title=kind, xlabel="epoch")
    panels[0].set(ylabel="training error (%)", ylim=(0, None))
    return figure


@styled
def through_layers(
    sizes: Mapping[str, Mapping[str, Sequence[float]]], ylabel: str
) -> Figure:
    """A quantity of each layer on a logarithmic scale: a panel each, up to four
    lines in it.

    Lines that are the same in all panels are named once, beside the last.

    Args:
        sizes: by the panel's title, by the line's name: a number per layer, in
            order.
        ylabel: what the numbers are.
    """
    figure = new_figure(2.7)
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    shared = len({tuple(series) for series in sizes.values()}) == 1
    for ax, (title, series) in zip(panels, sizes.items(), strict=True):
        for (name, values), color in zip(series.items(), COLORS, strict=False):
            ax.plot(range(1, len(values) + 1), values, color=color, label=name)
        ax.set(title=title, xlabel="layer", yscale="log")
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if not shared:
            _name_lines(ax, at=0)
    if shared:
        name_lines(
            panels[-1], loc="center left", bbox_to_anchor=(1, 0.5), reverse=True
        )
    panels[0].set(ylabel=ylabel)
    return figure


def _name_lines(ax: Axes, at: int) -> None:
    """The names of the labelled lines, in their colours and in the order of their
    values `at`."""
    lines = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    lines.sort(key=lambda line: -float(np.asarray(line.get_ydata())[at]))
    name_lines(ax, lines, loc="upper right")
