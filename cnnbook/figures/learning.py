"""Pictures of learning: the images, the curves, the filters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from torch import Tensor

from cnnbook.figures._style import BLUE, GREEN, NARROW, ORANGE, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd

    from cnnbook.data import ImageSet


@styled
def images(imageset: ImageSet, each: int = 6) -> Figure:
    """The first `each` images of every class, a row a class."""
    figure = new_figure(0.42 * imageset.num_classes, NARROW * 0.8)
    for row, name in enumerate(imageset.classes):
        chosen = (imageset.labels == row).nonzero()[:each, 0]
        for column, index in enumerate(chosen):
            ax = figure.add_subplot(
                imageset.num_classes, each, row * each + column + 1
            )
            ax.imshow(
                imageset.images[index].permute(1, 2, 0).squeeze(-1).numpy(),
                cmap="gray",
            )
            ax.axis("off")
            if column == 0:
                ax.text(
                    -0.25,
                    0.5,
                    name,
                    ha="right",
                    va="center",
                    transform=ax.transAxes,
                )
    return figure


@styled
def curves(history: pd.DataFrame) -> Figure:
    """Loss and accuracy by epoch, on the training and the validation images."""
    figure = new_figure(2.5)
    loss, accuracy = figure.subplots(1, 2)
    for ax, measure in ((loss, "loss"), (accuracy, "accuracy")):
        factor = 100 if measure == "accuracy" else 1
        ends = {}
        for part, color in (("train", BLUE), ("validation", ORANGE)):
            values = factor * history[f"{part}_{measure}"]
            ax.plot(history["epoch"], values, "o-", color=color, ms=4)
            ends[part] = values.iloc[-1]
        ax.margins(y=0.15)
        low, high = ax.get_ylim()
        close = abs(ends["train"] - ends["validation"]) < 0.14 * (high - low)
        for part, color in (("train", BLUE), ("validation", ORANGE)):
            above = ends[part] == max(ends.values())
            ax.annotate(
                "training" if part == "train" else part,
                (history["epoch"].iloc[-1], ends[part]),
                xytext=(7, (6 if above else -6) if close else 0),
                textcoords="offset points",
                va="center",
                color=color,
            )
        ax.set(title=f"{measure} (%)" if factor > 1 else measure, xlabel="epoch")
        ax.set_xticks(history["epoch"][:: max(1, len(history) // 5)])
    return figure


@styled
def runs(table: pd.DataFrame) -> Figure:
    """Every run by what it cost and what it reached, in the colour of its scale.

    Args:
        table: a row a run, with columns ``scale``, ``minutes`` and ``accuracy``
            (0 … 1).
    """
    figure = new_figure(3.2)
    ax = figure.subplots()
    groups = table.groupby("scale", sort=False)
    for (scale, rows), color in zip(groups, (BLUE, ORANGE, GREEN), strict=False):
        label = f"{scale} ({len(rows)})"
        ax.scatter(
            rows["minutes"],
            100 * rows["accuracy"],
            s=12,
            color=color,
            label=label,
            lw=0,
        )
    ax.set(xlabel="minutes a run", ylabel="test accuracy (%)", xscale="log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(labelcolor="linecolor", frameon=False, handletextpad=0.2)
    return figure


@styled
def filters(weight: Tensor, columns: int = 16) -> Figure:
    """The kernels of a first layer, C' × C × K × K with C 1 or 3, each scaled to
    its own range."""
    kernels = weight.detach().cpu().float()
    low, high = (
        kernels.amin((1, 2, 3), keepdim=True),
        kernels.amax((1, 2, 3), keepdim=True),
    )
    kernels = (kernels - low) / (high - low).clamp(min=1e-12)
    rows = math.ceil(len(kernels) / columns)
    figure = new_figure(NARROW * rows / columns)
    for i, kernel in enumerate(kernels):
        ax = figure.add_subplot(rows, columns, i + 1)
        ax.imshow(
            kernel.permute(1, 2, 0).squeeze(-1).numpy(),
            cmap="gray",
            interpolation="nearest",
        )
        ax.axis("off")
    return figure
