"""Pictures of a network: its layers, where its costs sit, what its outputs see."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnbook.figures._style import (
    LEGIBLE,
    TEXT,
    grid_color,
    in_words,
    kind_color,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd

    from cnnbook.profiling import Profile


@styled
def architecture(profile: Profile) -> Figure:
    """The layers from image to logits: a bar's width is the output's side, its
    height the channels.

    Its colour is that of the output's resolution; a pool's bar is empty.
    """
    rows = [("image", profile.input_size, "image")]
    rows += [
        (profile.labels[layer.name], layer.output, layer.kind)
        for layer in profile.layers
    ]
    figure = new_figure(0.36 * len(rows) + 0.1)
    ax = figure.subplots()
    largest = max(shape[-1] for _, shape, _ in rows if len(shape) == 3)
    widest = max(shape[0] for _, shape, _ in rows)
    for y, (text, shape, kind) in enumerate(rows):
        side = shape[-1] if len(shape) == 3 else 1
        width = 0.04 + 0.96 * math.sqrt(side / largest)
        height = 0.12 + 0.7 * math.log(shape[0]) / math.log(widest)
        color = TEXT if kind == "image" else grid_color(shape, largest)
        box = Rectangle(
            (-width / 2, y - height / 2), width, height, fc=color, ec=TEXT, lw=0.8
        )
        box.set_fill(kind != "pool")
        ax.add_patch(box)
        ax.text(-0.54, y, text, ha="right", va="center", fontsize=LEGIBLE)
        ax.text(0.54, y, " × ".join(map(str, shape)), va="center", fontsize=LEGIBLE)
    ax.set(xlim=(-1.35, 1.15), ylim=(len(rows) - 0.4, -0.6))
    ax.axis("off")
    return figure


@styled
def shares(table: pd.DataFrame) -> Figure:
    """Where the three measures sit: each layer's share of each, in execution
    order."""
    figure = new_figure(0.27 * len(table) + 0.5)
    panels = figure.subplots(1, 3, sharey=True)
    titles = {"memory_kb": "memory", "params": "params", "flops": "flops"}
    colors = [kind_color(kind) for kind in table["kind"]]
    for ax, (measure, title) in zip(panels, titles.items(), strict=True):
        share = table[measure] / table[measure].sum()
        ax.barh(range(len(table)), share, color=colors, height=0.75)
        for y, value in enumerate(share):
            if value >= 0.005:
                ax.text(value + 0.02 * share.max(), y, f"{value:.0%}", va="center")
        ax.set(title=title, xlim=(0, share.max() * 1.38), xticks=[])
        ax.spines[["bottom"]].set_visible(False)
        ax.tick_params(length=0)
    panels[0].set_yticks(range(len(table)), in_words(table))
    panels[0].invert_yaxis()
    for tick, color in zip(panels[0].get_yticklabels(), colors, strict=True):
        tick.set_color(color)
    return figure


@styled
def receptive_field(table: pd.DataFrame, image: int) -> Figure:
    """The receptive field of each layer, against the `image`'s side in pixels."""
    known = table[table["receptive_field"].notna()]
    sides = [int(side) for side in known["receptive_field"]]
    figure = new_figure(0.27 * len(known) + 0.7)
    ax = figure.subplots()
    ax.barh(
        range(len(known)),
        sides,
        color=[kind_color(k) for k in known["kind"]],
        height=0.7,
    )
    for y, side in enumerate(sides):
        if 0.8 * image < side < image:  # beside the bar is the image's edge
            ax.text(
                side - max(sides) * 0.01,
                y,
                str(side),
                va="center",
                ha="right",
                color="white",
            )
        else:
            ax.text(side + max(sides) * 0.01, y, str(side), va="center")
    ax.axvline(image, color=TEXT, lw=1, ls="--")
    ax.text(image, -0.9, f"the image: {image} px", ha="center", va="bottom")
    ax.set_yticks(range(len(known)), in_words(known))
    ax.set(xlabel="receptive field (pixels)", xlim=(0, max(sides) * 1.12))
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    return figure
