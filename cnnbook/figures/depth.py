"""Pictures of depth: how training goes, and what reaches the first layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnbook.figures._style import BLUE, GREEN, ORANGE, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd


@styled
def degradation(
    errors: pd.DataFrame, kinds: Mapping[str, tuple[str, str]]
) -> Figure:
    """Training error by epoch, a panel per kind of network: thin a run, thick the
    mean of an arm.

    Args:
        errors: a row per run and epoch: ``arm``, ``seed``, ``epoch``, ``error`` in
            %.
        kinds: the arms of the shallow and of the deep network, by the panel's
            title.
    """
    figure = new_figure(2.7)
    panels = figure.subplots(1, len(kinds), sharey=True)
    for ax, (kind, arms) in zip(panels, kinds.items(), strict=True):
        for arm, color in zip(arms, (BLUE, ORANGE), strict=True):
            runs = errors[errors["arm"] == arm].pivot(
                index="epoch", columns="seed", values="error"
            )
            mean = runs.mean(axis=1)
            ax.plot(runs, color=color, lw=0.8, alpha=0.55)
            ax.plot(mean, color=color, label=arm)
        _name_lines(ax, at=-1)
        ax.set(title=kind, xlabel="epoch")
    panels[0].set(ylabel="training error (%)", ylim=(0, None))
    return figure


@styled
def through_depth(
    norms: Mapping[str, Mapping[str, Sequence[float]]], ylabel: str
) -> Figure:
    """A quantity of each layer, on a logarithmic scale: a panel per kind, three
    networks each.

    Args:
        norms: by the panel's title, by the network's name: a number per layer, in
            order.
        ylabel: what the numbers are.
    """
    figure = new_figure(2.7)
    panels = figure.subplots(1, len(norms), sharey=True)
    for ax, (kind, networks) in zip(panels, norms.items(), strict=True):
        for (name, values), color in zip(
            networks.items(), (BLUE, ORANGE, GREEN), strict=True
        ):
            ax.plot(
                range(1, len(values) + 1), values, color=color, lw=1.6, label=name
            )
        _name_lines(ax, at=0)
        ax.set(title=kind, xlabel="layer", yscale="log")
    panels[0].set(ylabel=ylabel)
    return figure


def _name_lines(ax: Axes, at: int) -> None:
    """The names of the labelled lines, in their colours and in the order of their
    values `at`."""
    lines = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    lines.sort(key=lambda line: -float(np.asarray(line.get_ydata())[at]))
    ax.legend(
        handles=lines,
        labelcolor="linecolor",
        handlelength=0,
        frameon=False,
        loc="upper right",
    )
