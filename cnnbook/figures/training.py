"""Pictures of training: a step in time, gradients in a ring, what is kept and
reached."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Patch
from torch import Tensor

from cnnbook.figures._cells import cells, frame, word
from cnnbook.figures._style import (
    BLUE,
    COLORS,
    FAINT,
    TEXT,
    canvas,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd

RING = 5.05  # inches; with text of the size LEGIBLE, a phone shows it whole


@styled
def bars(values: Mapping[str, float], xlabel: str, form: str = ",.0f") -> Figure:
    """A bar for each name, with its value.

    Args:
        values: a number of at least 0 by its name, from the top.
        xlabel: what is measured, with its unit.
        form: how Python writes a value.
    """
    figure = new_figure(0.3 * len(values) + 0.5)
    ax = figure.subplots()
    largest = max(values.values())
    ax.barh(range(len(values)), list(values.values()), color=BLUE, height=0.62)
    for y, value in enumerate(values.values()):
        ax.text(value + 0.015 * largest, y, f"{value:{form}}", va="center")
    ax.set_yticks(range(len(values)), values)
    ax.set(xlabel=xlabel, xlim=(0, 1.16 * largest), xticks=[])
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    return figure


@styled
def dots(table: pd.DataFrame, xlabel: str, form: str = ".1f") -> Figure:
    """A dot for each number, a row of them for each row, the columns told by colour
    and shape.

    Args:
        table: a column of numbers each for up to four things to tell apart; what
            there is no number of is NaN.
        xlabel: what is measured, with its unit.
        form: how Python writes a number.

    Raises:
        ValueError: if there are more than four columns.
    """
    if len(table.columns) > len(COLORS):
        raise ValueError(
            f"at most {len(COLORS)} columns can be told apart, "
            f"got {len(table.columns)}"
        )
    figure = new_figure(0.46 * len(table) + 0.9)
    ax = figure.subplots()
    for y in range(len(table)):
        ax.axhline(y, color=FAINT, lw=0.8, zorder=0)
    for column, (name, values) in enumerate(table.items()):
        color, below = COLORS[column], column % 2
        ax.plot(values, range(len(table)), "osD^"[column], color=color, label=name)
        # Two dots can be near to each other: their numbers are above and below.
        for y, value in enumerate(values):
            if value == value:  # a number
                ax.annotate(
                    f"{value:{form}}",
                    (value, y),
                    (0, -5 if below else 4),
                    color=color,
                    ha="center",
                    va="top" if below else "bottom",
                    textcoords="offset points",
                )
    ax.set_yticks(range(len(table)), table.index)
    ax.set(xlabel=xlabel, ylim=(len(table) - 0.4, -0.7))
    ax.margins(x=0.08)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    figure.legend(
        loc="outside upper center",
        ncols=len(table.columns),
        labelcolor="linecolor",
        frameon=False,
        handletextpad=0.1,
    )
    return figure


@styled
def timeline(
    rows: Mapping[str, Mapping[str, Sequence[float]]],
    xlabel: str,
    idle: Collection[str] = (),
) -> Figure:
    """What is done from when to when; what goes on at once lies one below the
    other.

    Args:
        rows: by the row's name, by what is done: when it begins and ends. What does
            not last is not drawn. At most four kinds of things can be told apart,
            and those that are `idle`.
        xlabel: the unit of time.
        idle: what is no work but waiting; its bars are hollow.

    Raises:
        ValueError: if there are more than four kinds that are not idle.
    """
    kinds = list(dict.fromkeys(kind for row in rows.values() for kind in row))
    busy = [kind for kind in kinds if kind not in idle]
    if len(busy) > len(COLORS):
        raise ValueError(
            f"at most {len(COLORS)} kinds can be told apart, got {len(busy)}"
        )
    looks: dict[str, dict[str, Any]] = {
        kind: {"fc": c, "ec": c} for kind, c in zip(busy, COLORS, strict=False)
    }
    looks |= {kind: {"fc": "none", "ec": TEXT, "ls": (0, (2, 2))} for kind in idle}
    stacks = {name: _lanes(row) for name, row in rows.items()}
    height = 0.24 * sum(map(len, stacks.values())) + 0.22 * len(stacks)
    figure = new_figure(height + 0.85)
    ax = figure.subplots()
    top, middles, drawn = 0.0, [], set()
    for lanes in stacks.values():
        middles.append(top + len(lanes) / 2)
        for number, lane in enumerate(lanes):
            for kind, (begin, end) in lane.items():
                if end > begin:
                    drawn.add(kind)
                    ax.barh(
                        top + number + 0.5,
                        end - begin,
                        left=begin,
                        height=0.8,
                        lw=1,
                        **looks[kind],
                    )
        top += len(lanes) + 0.9
    ax.set_yticks(middles, rows)
    ax.set(xlabel=xlabel, ylim=(top - 0.4, -0.4))
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.02)
    figure.legend(
        handles=[
            Patch(label=kind, **looks[kind]) for kind in kinds if kind in drawn
        ],
        loc="outside upper center",
        ncols=4,
        frameon=False,
        handlelength=1.2,
        columnspacing=1.2,
        handletextpad=0.5,
    )
    return figure


def _lanes(row: Mapping[str, Sequence[float]]) -> list[dict[str, Sequence[float]]]:
    """What is done, each in the first lane that is free by then."""
    lanes: list[dict[str, Sequence[float]]] = []
    for kind, (begin, end) in row.items():
        free = (
            lane
            for lane in lanes
            if all(b >= end or e <= begin for b, e in lane.values())
        )
        lane = next(free, None)
        if lane is None:
            lane = {}
            lanes.append(lane)
        lane[kind] = begin, end
    return lanes


@styled
def ring(counts: Tensor, sends: Tensor) -> Figure:
    """Devices in a ring add up their gradients, part by part: a panel a step.

    Args:
        counts: (steps + 1) × N × N, of how many devices' gradients a device (row)
            has the sum in a part (column), before each step and after the last.
        sends: steps × N × N, true where a device sends a part to the next device in
            the step.

    Raises:
        ValueError: if `counts` has not one table more than `sends`.
    """
    if counts.dim() != 3 or sends.dim() != 3 or len(counts) != len(sends) + 1:
        raise ValueError(
            f"counts must have a table more than sends, got the shapes "
            f"{tuple(counts.shape)} and {tuple(sends.shape)}"
        )
    steps, devices, parts = sends.shape
    size, gap, columns = 0.24, 0.17, 4
    wide = RING / columns
    high = 0.6 + devices * (size + gap) + gap
    rows = -(-(steps + 2) // columns)
    figure, ax = canvas(rows * high, RING)
    _circle_of(ax, devices, (wide / 2 + 0.05, high / 2 + 0.1), 0.34 * wide)
    for number, table in enumerate(counts, start=1):
        row, column = divmod(number, columns)
        left = column * wide + 0.28
        top = row * high + 0.5 + gap
        ends = number > steps
        title = "at the end" if ends else f"step {number}"
        word(
            ax, left + parts * size / 2, top - gap - 0.36, title, fontweight="bold"
        )
        for part in range(parts):
            x = left + (part + 0.5) * size
            word(ax, x, top - gap - 0.1, chr(ord("a") + part))
        for device in range(devices):
            y = top + device * (size + gap)
            word(ax, left - 0.12, y + size / 2, str(device + 1))
            line = table[device : device + 1]
            cells(ax, line, (left, y), size, largest=devices, text="{:.0f}".format)
            for part in range(0 if ends else parts):
                if sends[number - 1, device, part]:
                    x = left + part * size
                    frame(ax, (x, y), (size, size), ec=BLUE, lw=1.8)
                    _pass_on(ax, x + size / 2, y + size, gap)
                    if device == devices - 1:  # and comes in at the first
                        _pass_on(ax, x + size / 2, top - gap, gap)
    return figure


def _pass_on(ax: Axes, x: float, y: float, length: float) -> None:
    style: dict[str, Any] = {
        "arrowstyle": "-|>",
        "mutation_scale": 8,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    ax.add_patch(
        FancyArrowPatch((x, y), (x, y + length), color=BLUE, lw=1.4, **style)
    )


def _circle_of(
    ax: Axes, devices: int, middle: tuple[float, float], radius: float
) -> None:
    """Numbered devices on a circle, an arrow from each to the next."""
    import numpy as np

    angles = 2 * np.pi * np.arange(devices) / devices - np.pi / 2
    places = np.stack([np.cos(angles), np.sin(angles)], 1) * radius + np.array(
        middle
    )
    for number, place in enumerate(places, start=1):
        ax.add_patch(Circle(place, 0.14, fc="none", ec=BLUE, lw=1.5))
        x, y = place
        word(ax, x, y, str(number))
        style: dict[str, Any] = {
            "arrowstyle": "-|>",
            "mutation_scale": 9,
            "shrinkA": 13,
            "shrinkB": 13,
        }
        curve: dict[str, Any] = {
            "connectionstyle": f"arc3,rad={-0.8 / devices}",
            "color": TEXT,
            "lw": 1.2,
        }
        after = places[number % devices]
        if devices > 1:
            ax.add_patch(FancyArrowPatch(place, after, **style, **curve))
