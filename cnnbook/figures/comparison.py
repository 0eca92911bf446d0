"""Pictures that set many networks side by side."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from cnnbook import models
from cnnbook.figures._style import (
    BLUE,
    COLORS,
    GREEN,
    ORANGE,
    PURPLE,
    TEXT,
    new_figure,
    plain_ticks,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd

FAMILIES = {
    "alexnet": PURPLE,
    "zfnet": PURPLE,
    "vgg": ORANGE,
    "googlenet": GREEN,
    "resnet": BLUE,
    "resnext": TEXT,
    "densenet": PURPLE,
    "se_resnet": BLUE,
    "mobilenet": ORANGE,
    "efficientnet": GREEN,
    "convnext": TEXT,
}


def _family_color(name: str) -> str:
    return next(
        color for family, color in FAMILIES.items() if name.startswith(family)
    )


@styled
def trade_off(table: pd.DataFrame) -> Figure:
    """Accuracy against operations, a disc a network, its area the number of
    parameters.

    Args:
        table: a row per network, with ``flops``, ``params`` and ``accuracy`` in
            percent.
    """
    figure = new_figure(3.9)
    ax = figure.subplots()
    ax.set(
        xscale="log",
        xlabel="billion multiply-adds an image",
        ylabel="ImageNet top-1 accuracy (%)",
    )
    ax.margins(x=0.2, y=0.14)
    x, y = table["flops"] / 1e9, table["accuracy"]
    colors = [_family_color(name) for name in table.index]
    radii = _discs(figure, ax, x, y, table["params"], colors)
    plain_ticks(ax.xaxis)
    _label(figure, ax, table.index, x, y, radii)
    return figure


def _discs(figure: Figure, ax: Axes, x, y, params, colors) -> list[float]:
    """Discs whose area is the number of parameters, as large as they can be without
    overlap.

    The axes must have their scales and margins. Returns the radii in points.
    """
    marks = ax.scatter(x, y, c=colors, lw=0)
    figure.draw_without_rendering()  # lays it out, so that points have a place
    places = ax.transData.transform(list(zip(x, y, strict=True))) * 72 / figure.dpi
    radii = [1.12 * math.sqrt(n / 1e6) for n in params]
    pairs = list(zip(places, radii, strict=True))
    room = min(
        (math.dist(a, b) / (r + s) for (a, r), (b, s) in combinations(pairs, 2)),
        default=1.0,
    )
    radii = [r * max(0.3, min(1.0, room)) for r in radii]
    marks.set_sizes([4 * r * r for r in radii])
    return radii


@styled
def seconds(table: pd.DataFrame) -> Figure:
    """Measured time against operations, and lines along which both grow alike.

    Args:
        table: a row per network, with ``flops`` and ``seconds``, both of an image.
    """
    x, y = table["flops"] / 1e9, 1e3 * table["seconds"]
    figure = new_figure(3.9)
    ax = figure.subplots()
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="billion multiply-adds an image",
        ylabel="milliseconds an image",
    )
    ax.scatter(x, y, c=[_family_color(name) for name in table.index], s=36, lw=0)
    ax.margins(0.16)
    rates = x / y * 1e3  # billion multiply-adds a second
    low, high = ax.get_xlim()
    ax.set(xlim=(low, high), ylim=ax.get_ylim())
    plain_ticks(ax.xaxis)
    plain_ticks(ax.yaxis)
    for rate in (rates.min(), rates.max()):
        ax.plot(
            [low, high],
            [low / rate * 1e3, high / rate * 1e3],
            color=TEXT,
            lw=0.8,
            zorder=0,
        )
    _label(figure, ax, table.index, x, y, [3] * len(table))
    return figure


@styled
def winners(table: pd.DataFrame) -> Figure:
    """The winners of a challenge year by year, a bar each.

    Args:
        table: a row per entry, with ``year``, ``entry``, ``top5_error`` in percent,
            and ``deep``.
    """
    figure = new_figure(0.36 * len(table) + 0.6)
    ax = figure.subplots()
    colors = [BLUE if deep else TEXT for deep in table["deep"]]
    ax.barh(range(len(table)), table["top5_error"], color=colors, height=0.7)
    for y, error in enumerate(table["top5_error"]):
        ax.text(error + 0.4, y, f"{error:g}", va="center")
    ax.set_yticks(
        range(len(table)),
        [f"{e}  {y}" for y, e in zip(table["year"], table["entry"], strict=True)],
    )
    ax.set(xlabel="top-5 error (%)", xlim=(0, table["top5_error"].max() * 1.1))
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    return figure


def _label(figure: Figure, ax: Axes, names, xs, ys, radii, kept_free=()) -> None:
    """Write each name beside its disc, where it covers neither a name nor a disc if
    it can.

    `radii` of the discs are in points; `kept_free` are other points (x, y) not to
    be covered.
    """
    names = [models.title(name) for name in names]
    figure.draw_without_rendering()  # lays it out, so that points have a place
    renderer = FigureCanvasAgg(figure).get_renderer()
    points = ax.transData.transform(list(zip(xs, ys, strict=True)))
    # A box within the disc.
    pixels = [0.8 * radius * figure.dpi / 72 for radius in radii]
    taken = [
        Bbox([(x - r, y - r), (x + r, y + r)])
        for (x, y), r in zip(points, pixels, strict=True)
    ]
    taken += [text.get_window_extent(renderer) for text in ax.texts]
    taken += [Bbox([p - 2, p + 2]) for p in map(ax.transData.transform, kept_free)]
    places = [
        ((1, 0), "left", "center"),
        ((-1, 0), "right", "center"),
        ((0, 1), "center", "bottom"),
        ((0, -1), "center", "top"),
        ((0.8, 0.8), "left", "bottom"),
        ((0.8, -0.8), "left", "top"),
        ((-0.8, 0.8), "right", "bottom"),
        ((-0.8, -0.8), "right", "top"),
    ]
    for name, x, y, radius in zip(names, xs, ys, radii, strict=True):
        crowding = {}
        for distance in (radius + 3, radius + 8, radius + 14, radius + 22):
            for (dx, dy), horizontal, vertical in places:
                place = {
                    "xytext": (dx * distance, dy * distance),
                    "ha": horizontal,
                    "va": vertical,
                }
                text = _name(ax, name, (x, y), place)
                box = text.get_window_extent(renderer)
                inside = ax.bbox.contains(*box.min) and ax.bbox.contains(*box.max)
                nearest = min(
                    range(len(points)),
                    key=lambda i: _gap(box, points[i]) - pixels[i],
                )
                misleading = names[nearest] != name
                cost = (
                    box.count_overlaps(taken)
                    + 0.5 * misleading
                    + 100 * (not inside)
                )
                crowding[distance, dx, dy] = cost, place
                text.remove()
        _, place = min(crowding.values(), key=lambda pair: pair[0])
        taken.append(_name(ax, name, (x, y), place).get_window_extent(renderer))


def _gap(box: Bbox, point: np.ndarray) -> float:
    """Pixels between a box and a point outside it."""
    x, y = point
    return math.hypot(
        max(box.x0 - x, 0, x - box.x1), max(box.y0 - y, 0, y - box.y1)
    )


def _name(
    ax: Axes, name: str, point: tuple[float, float], place: dict
) -> Annotation:
    return ax.annotate(name, point, textcoords="offset points", **place)


@styled
def factors(table: pd.DataFrame) -> Figure:
    """How many times more each step needs, on a logarithmic axis: right of 1 is
    more.

    Args:
        table: a row for each step, a column of factors for each measure.
    """
    figure = new_figure(0.42 * len(table) + 1.1)
    ax = figure.subplots()
    ax.axvline(1, color=TEXT, lw=1.2)
    shifts = [0.24 * (n - (table.shape[1] - 1) / 2) for n in range(table.shape[1])]
    for (name, values), shift, color in zip(
        table.items(), shifts, COLORS, strict=False
    ):
        rows = [row + shift for row in range(len(table))]
        ax.hlines(rows, 1, values, color=color, lw=3)
        ax.plot(values, rows, "o", color=color, ms=6, label=name)
    ax.set(xscale="log", xlabel="times as much")
    plain_ticks(ax.xaxis, subs=(1,))
    ax.set_yticks(range(len(table)), table.index)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.legend(
        labelcolor="linecolor", frameon=False, ncols=table.shape[1],
        handletextpad=0.1, loc="lower left", bbox_to_anchor=(0, 1),
    )  # fmt: skip
    return figure
