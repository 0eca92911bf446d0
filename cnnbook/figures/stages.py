"""Pictures of big networks, stage by stage, and of a family of networks side by
side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnbook.figures._style import (
    BLUE,
    in_words,
    kind_color,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd


def _by_resolution(
    table: pd.DataFrame, end_with_pool: bool = False
) -> list[tuple[tuple[int, ...], pd.DataFrame]]:
    """Consecutive rows at one height and width; a vector and a map of 1×1 are the
    same.

    A pool counts with its output, or with `end_with_pool` as the last layer of what
    it reads.
    """
    sides = [
        output[1:] if len(output) == 3 else (1, 1) for output in table["output"]
    ]
    if end_with_pool:
        before = [sides[0], *sides]
        kinds = zip(table["kind"], sides, before, strict=False)
        sides = [was if kind == "pool" else side for kind, side, was in kinds]
    return [
        (side, table.iloc[[i for i, _ in group]])
        for side, group in groupby(enumerate(sides), key=lambda pair: pair[1])
    ]


def _compact(value: float) -> str:
    """Three digits at most and a suffix: 1.85 G, 138 M, 75.8 k."""
    for size, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}" if value >= 0.1 or not value else "< 0.1"


def _counts(kinds: list[str]) -> str:
    """What a stage consists of: 2 conv, 1 pool."""
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def _panels(labels: Sequence[str], sums: pd.DataFrame) -> Figure:
    """A row per label: bars of the three measures, each to its own scale and with
    its value."""
    lines = max(label.count("\n") for label in labels) + 1
    figure = new_figure((0.16 + 0.14 * lines) * len(labels) + 0.5)
    panels = figure.subplots(1, 3, sharey=True)
    titles = {"memory_kb": "memory (MB)", "params": "params", "flops": "flops"}
    for ax, (measure, title) in zip(panels, titles.items(), strict=True):
        values = [
            value / (1024 if measure == "memory_kb" else 1)
            for value in sums[measure]
        ]
        largest = max(values)
        ax.barh(range(len(values)), values, color=BLUE, height=0.62)
        for y, value in enumerate(values):
            if value:
                ax.text(value + 0.03 * largest, y, _compact(value), va="center")
        ax.set(title=title, xlim=(0, 1.62 * largest), xticks=[])
        ax.spines[["bottom"]].set_visible(False)
        ax.tick_params(length=0)
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].invert_yaxis()
    return figure


@styled
def stages(table: pd.DataFrame) -> Figure:
    """The three measures by stage: consecutive layers whose outputs have one height
    and width.

    Args:
        table: of a profile. A pool, or a convolution with a stride, counts with its
            output: it is the first layer of the next stage.
    """
    import pandas as pd

    rows = _by_resolution(table)
    sums = pd.DataFrame(
        [part[["memory_kb", "params", "flops"]].sum() for _, part in rows]
    )
    labels = [
        f"{side[0]} × {side[1]}\n{_counts(list(part['kind']))}"
        for side, part in rows
    ]
    return _panels(labels, sums)


@styled
def measures(table: pd.DataFrame) -> Figure:
    """The three measures, a bar for each row in each.

    Args:
        table: ``memory_kb``, ``params`` and ``flops`` of each network, or part of
            one.
    """
    return _panels(in_words(table), table)


@styled
def columns(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Networks side by side, a block for each layer with its number of output
    channels.

    Layers of one resolution start at the same height in every column; a pool ends
    its stage.

    Args:
        tables: a profile's table by the network's name.
    """
    stacks = {name: _by_resolution(table, True) for name, table in tables.items()}
    heights: dict[tuple[int, ...], int] = {}
    for stack in stacks.values():
        for side, rows in stack:
            heights[side] = max(heights.get(side, 0), len(rows))
    tops, top = {}, 0
    for side in sorted(heights, reverse=True):
        tops[side] = top
        top += heights[side] + 1  # a row of air below each stage
    figure = new_figure(0.235 * top + 0.3)
    ax = figure.subplots()
    for x, (name, stack) in enumerate(stacks.items()):
        ax.text(x, -0.75, name, ha="center", va="bottom", fontweight="bold")
        for side, rows in stack:
            for y, row in enumerate(rows.itertuples(), start=tops[side]):
                ax.add_patch(
                    Rectangle(
                        (x - 0.42, y - 0.42),
                        0.84,
                        0.84,
                        color=kind_color(row.kind),
                        lw=0,
                    )
                )
                text = f"{row.kind} {row.output[0]}"
                ax.text(x, y, text, ha="center", va="center", color="white")
    for side, y in tops.items():
        ax.text(-0.6, y, f"{side[0]} × {side[1]}", ha="right", va="center")
    ax.set(xlim=(-1.25, len(stacks) - 0.5), ylim=(top - 1.5, -1.6))
    ax.axis("off")
    return figure
