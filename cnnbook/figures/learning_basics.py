"""Pictures of learning, step by step: an answer and its gradient, a valley, a
schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from cnnbook.figures._style import (
    BLUE,
    COLORS,
    ORANGE,
    SMALL,
    TEXT,
    name_lines,
    new_figure,
    plain_ticks,
    styled,
)

# up to so many times the least, a logarithmic axis has room for plain figures
PLAIN = 1e4


@styled
def answer(
    image: Tensor,
    classes: Sequence[str],
    values: Mapping[str, Sequence[float]],
    label: int,
) -> Figure:
    """An image, and below each title a bar for every class; the right class is
    orange.

    Args:
        image: C × H × W, 0 … 255.
        classes: their names.
        values: by the panel's title, a number for each class.
        label: the right class.
    """
    figure = new_figure(3.3)
    grid = figure.add_gridspec(
        1, 1 + len(values), width_ratios=[0.9] + [1.0] * len(values)
    )
    picture = figure.add_subplot(grid[0])
    picture.imshow(image.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray")
    picture.set_title(classes[label])
    picture.axis("off")
    colors = [ORANGE if c == label else BLUE for c in range(len(classes))]
    for number, (title, bars) in enumerate(values.items()):
        ax = figure.add_subplot(grid[number + 1])
        ax.barh(range(len(classes)), bars, color=colors, height=0.7)
        ax.axvline(0, color=TEXT, lw=0.8)
        ax.set(title=title)
        ax.set_yticks(range(len(classes)), classes if number == 0 else [])
        ax.tick_params(axis="y", length=0)
        ax.xaxis.set_major_locator(MaxNLocator(2))
        ax.invert_yaxis()
    return figure


@styled
def maps(
    panels: Mapping[str, Tensor],
    signs: Sequence[str] = (),
    smooth: bool = False,
    lowest: float | None = None,
) -> Figure:
    """Maps H × W in a row, each in its own range.

    Args:
        panels: by their titles.
        signs: what stands between them.
        smooth: leave the scaling to whoever shows the picture; otherwise each
            number is a square.
        lowest: the number that is black in all maps; by default the least of each.
    """
    figure = new_figure(2.0)
    axes = figure.subplots(1, len(panels))
    for number, (ax, (title, values)) in enumerate(
        zip(axes, panels.items(), strict=True)
    ):
        how = "none" if smooth else "nearest"
        ax.imshow(
            values.detach().numpy(), cmap="gray", interpolation=how, vmin=lowest
        )
        ax.set_title(title, fontsize=SMALL, fontweight="normal")
        ax.set(xticks=[], yticks=[])  # a frame: white parts end somewhere
        ax.spines[:].set(visible=True, color=TEXT)
        if number < len(signs):
            ax.text(
                1.12,
                0.5,
                signs[number],
                transform=ax.transAxes,
                va="center",
                ha="center",
                fontsize=14,
            )
    return figure


@styled
def lines(
    series: Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    log: str = "",
    x: Sequence[float] | None = None,
    marker: str = "",
) -> Figure:
    """A line for each name, the names in their colours beside it.

    Args:
        series: numbers by name.
        xlabel, ylabel: the axes.
        log: the axes on a logarithmic scale: "", "x", "y" or "xy".
        x: where the numbers belong; by default 1, 2, ….
        marker: of matplotlib, to mark each number.
    """
    figure = new_figure(2.7)
    ax = figure.subplots()
    for (name, values), color in zip(series.items(), COLORS, strict=False):
        at = range(1, len(values) + 1) if x is None else x
        ax.plot(at, values, color=color, label=name, marker=marker, ms=4)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set(**{f"{axis}scale": "log" for axis in log})
    for name in log:
        axis = getattr(ax, f"{name}axis")
        low, high = axis.get_view_interval()
        if high / low < PLAIN:
            plain_ticks(axis)
    if x is None and "x" not in log:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    # In the order in which they end.
    ends = sorted(
        ax.lines, key=lambda line: -float(np.asarray(line.get_ydata())[-1])
    )
    name_lines(ax, ends, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@styled
def valley(
    paths: Mapping[str, Tensor], heights: Tensor, extent: Sequence[float]
) -> Figure:
    """Paths over a landscape, a panel each.

    Args:
        paths: by name, T × 2 positions.
        heights: rows × columns, the landscape over `extent`.
        extent: left, right, bottom, top.
    """
    figure = new_figure(1.15 * len(paths))
    panels = figure.subplots(
        len(paths), 1, sharex=True, sharey=True, squeeze=False
    )[:, 0]
    left, right, bottom, top = extent
    x = np.linspace(left, right, heights.shape[1])
    y = np.linspace(bottom, top, heights.shape[0])
    levels = np.geomspace(0.05, float(heights.max()), 9)
    for ax, (name, path), color in zip(panels, paths.items(), COLORS, strict=False):
        ax.contour(
            x,
            y,
            heights.numpy(),
            levels=levels,
            colors=TEXT,
            linewidths=0.5,
            alpha=0.6,
        )
        ax.plot(*path.T.numpy(), "o-", color=color, ms=2.5, lw=1.2)
        ax.set(xlim=(left, right), ylim=(bottom, top), yticks=[])
        ax.set_title(name, color=color, fontsize=SMALL, loc="left", pad=2)
    panels[-1].set(xlabel="along the valley")
    return figure


@styled
def spans(
    kept: Mapping[str, tuple[float, float]],
    lost: Mapping[str, tuple[float, float]],
    xlabel: str,
) -> Figure:
    """What was done from where to where, a bar a row from the top; what was lost is
    hollow.

    Args:
        kept: by the row's name, where its bar begins and ends.
        lost: the same of what was done and counts no more, in some of these rows.
        xlabel: what is counted along the bars.
    """
    figure = new_figure(0.9 + 0.4 * len(kept))
    ax = figure.subplots()
    rows = list(kept)
    for spans, colors in (
        (kept, {"color": BLUE}),
        (lost, {"fc": "none", "ec": ORANGE, "lw": 1.5}),
    ):
        for name, (begin, end) in spans.items():
            ax.barh(rows.index(name), end - begin, left=begin, height=0.5, **colors)
    for name, (_, end) in lost.items():
        ax.text(end, rows.index(name), "  lost", color=ORANGE, va="center")
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.set(xlabel=xlabel)
    return figure


@styled
def pictures(rows: Mapping[str, Tensor]) -> Figure:
    """Rows of grey images N × 1 × H × W, each row with its name."""
    count = max(len(images) for images in rows.values())
    figure = new_figure(0.72 * len(rows))
    for row, (name, images) in enumerate(rows.items()):
        for column, image in enumerate(images):
            ax = figure.add_subplot(len(rows), count, row * count + column + 1)
            ax.imshow(image.squeeze(0).numpy(), cmap="gray")
            ax.axis("off")
            if column == 0:
                ax.text(
                    -0.2, 0.5, name, ha="right", va="center", transform=ax.transAxes
                )
    return figure
