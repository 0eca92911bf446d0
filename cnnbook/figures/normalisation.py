"""Pictures of normalisation: what is averaged, which rates it admits, what it needs
of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from cnnbook.figures._style import (
    BLUE,
    GREEN,
    ORANGE,
    SMALL,
    TEXT,
    name_lines,
    new_figure,
    plain_ticks,
    styled,
)

BY_PANEL = (ORANGE, BLUE, GREEN)
IMAGES, CHANNELS = 4, 6
# Which images and channels share a mean with those of the first.
SHARED = {
    "batch": (range(IMAGES), range(1)),
    "layer": (range(1), range(CHANNELS)),
    "group": (range(1), range(CHANNELS // 2)),
    "instance": (range(1), range(1)),
}


@styled
def axes() -> Figure:
    """Four ways to normalise: a grid of images × channels each, what shares a mean
    in blue."""
    figure = new_figure(1.45)
    for ax, (name, (images, channels)) in zip(
        figure.subplots(1, len(SHARED)), SHARED.items(), strict=True
    ):
        for image in range(IMAGES):
            for channel in range(CHANNELS):
                inside = image in images and channel in channels
                ax.add_patch(
                    Rectangle(
                        (channel, image),
                        0.88,
                        0.88,
                        facecolor=BLUE if inside else "none",
                        edgecolor=TEXT,
                        lw=0.7,
                    )
                )
        ax.set(
            xlim=(-0.1, CHANNELS),
            ylim=(IMAGES, -0.1),
            xticks=[],
            yticks=[],
            aspect="equal",
        )
        ax.set_title(name)
        ax.set_xlabel("channels")
        ax.spines[:].set_visible(False)
        if name == "batch":
            ax.set_ylabel("images")
    return figure


@styled
def by_rate(
    losses: Mapping[str, Mapping[float, Sequence[float]]], xlabel: str, ylabel: str
) -> Figure:
    """A loss against the learning rate: a dot a run, a line through the means of
    finite ones.

    Args:
        losses: by name, by rate: a loss for each seed; an infinite one is a cross
            at the top.
        xlabel, ylabel: the axes.
    """
    figure = new_figure(3.0)
    ax = figure.subplots()
    finite = [
        one
        for found in losses.values()
        for each in found.values()
        for one in each
        if math.isfinite(one)
    ]
    top = 1.12 * min(max(finite), 4.0)
    for (name, found), color, shift in zip(
        losses.items(), (ORANGE, BLUE), (0.94, 1.06), strict=True
    ):
        means = {}
        for rate, each in found.items():
            ok = [one for one in each if one < top]
            broken = len(each) - len(ok)
            ax.plot(
                [rate * shift] * len(ok), ok, "o", color=color, ms=4, mfc="none"
            )
            if broken:
                ax.plot(
                    [rate * shift], [top], "x", color=color, ms=7, clip_on=False
                )
            if len(ok) == len(each):
                means[rate] = sum(ok) / len(ok)
        ax.plot(
            [rate * shift for rate in means],
            list(means.values()),
            color=color,
            label=name,
        )
    ax.set(xscale="log", xlabel=xlabel, ylabel=ylabel, ylim=(None, top))
    name_lines(ax, loc="lower left")
    return figure


@styled
def by_batch(accuracy: Mapping[int, float], usual: float) -> Figure:
    """Accuracy against the size of the batch that is normalised by itself; dashed:
    as usual."""
    figure = new_figure(2.6)
    ax = figure.subplots()
    ax.plot(
        list(accuracy),
        [100 * one for one in accuracy.values()],
        "o-",
        color=BLUE,
        ms=5,
    )
    ax.axhline(100 * usual, color=TEXT, ls="--", lw=1.2)
    ax.annotate(
        "running statistics",
        (1, 100 * usual),
        (0, 4),
        textcoords="offset points",
        va="bottom",
        color=TEXT,
    )
    ax.set(xscale="log", xlabel="images in the batch", ylabel="accuracy (%)")
    ax.set_xticks(list(accuracy), [str(size) for size in accuracy])
    ax.minorticks_off()
    ax.margins(y=0.15)
    return figure


@styled
def histograms(values: Mapping[str, Sequence[float]], xlabel: str) -> Figure:
    """How often each value occurs, a panel each on one axis; dashed: the mean.

    Args:
        values: by the panel's title, any number of values.
        xlabel: what they are.
    """
    figure = new_figure(3.0)
    panels = figure.subplots(1, len(values), sharex=True, squeeze=False)[0]
    for ax, (title, found), color in zip(
        panels, values.items(), BY_PANEL, strict=False
    ):
        ax.hist(found, bins=40, color=color)
        mean = sum(found) / len(found)
        ax.axvline(mean, color=TEXT, ls="--", lw=1.2)
        deviation = math.sqrt(sum((one - mean) ** 2 for one in found) / len(found))
        ax.set_title(title, color=color)
        ax.set(xlabel=f"{mean:z.1f} ± {deviation:.1f}".replace("-", "−"), yticks=[])
        ax.spines["left"].set_visible(False)
    figure.supxlabel(xlabel, color=TEXT, fontsize=SMALL)
    return figure


@styled
def bands(
    ranges: Mapping[str, Sequence[tuple[float, float]]], xlabel: str, ylabel: str
) -> Figure:
    """A band from the lowest to the highest value at each step, on a logarithmic
    scale.

    Args:
        ranges: by the panel's title, (lowest, highest) for each step.
        xlabel, ylabel: the axes.
    """
    figure = new_figure(3.3)
    panels = figure.subplots(1, len(ranges), sharey=True, squeeze=False)[0]
    for ax, (name, found), color in zip(
        panels, ranges.items(), BY_PANEL, strict=False
    ):
        low, high = zip(*found, strict=True)
        steps = range(1, len(found) + 1)
        ax.fill_between(steps, low, high, color=color, alpha=0.5, lw=0)
        ax.plot(steps, low, color=color, lw=1)
        ax.plot(steps, high, color=color, lw=1)
        ax.set_title(name, color=color)
        ax.set(xlabel=xlabel, yscale="log")
        plain_ticks(ax.yaxis)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panels[0].set(ylabel=ylabel)
    return figure


@styled
def by_class(
    panels: Mapping[str, Sequence[Sequence[float]]],
    classes: Sequence[str],
    xlabel: str,
) -> Figure:
    """A number of each image, a dot, in a row for its class; a panel for each
    title.

    Args:
        panels: by title, for each class its images' numbers.
        classes: their names.
        xlabel: what the numbers are.
    """
    figure = new_figure(0.29 * len(classes) + 0.8)
    drawn = figure.subplots(
        1, len(panels), sharex=True, sharey=True, squeeze=False
    )[0]
    for ax, (title, found), color in zip(
        drawn, panels.items(), BY_PANEL, strict=False
    ):
        for row, values in enumerate(found):
            ax.plot(values, [row] * len(values), "o", color=color, ms=4, mfc="none")
        ax.set_title(title, color=color)
        ax.set(xlabel=xlabel)
        ax.grid(axis="y")
        ax.tick_params(axis="y", length=0)
    drawn[0].set_yticks(range(len(classes)), classes)
    drawn[0].invert_yaxis()
    return figure
