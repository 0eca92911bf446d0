"""Pictures over the image's own pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from cnnbook.figures._style import INK, NARROW, SMALL, new_figure, styled


@styled
def variants(rows: Mapping[str, Sequence[Tensor]]) -> Figure:
    """Pictures in rows, by the rows' titles: uint8, 3 × H × W, all of one size."""
    count = max(map(len, rows.values()))
    height, width = next(iter(rows.values()))[0].shape[1:]
    figure = new_figure(len(rows) * (NARROW / count * height / width + 0.32))
    for part, (title, pictures) in zip(
        figure.subfigures(len(rows), squeeze=False)[:, 0], rows.items(), strict=True
    ):
        part.suptitle(title, x=0.01, ha="left", fontsize=SMALL)
        axes = part.subplots(1, count, squeeze=False)[0]
        for ax, picture in zip(axes, pictures, strict=False):
            ax.imshow(picture.permute(1, 2, 0).numpy())
        for ax in axes:
            ax.axis("off")
    return figure


@styled
def gradient(map: Tensor, side: int) -> Figure:
    """A gradient map H × W, relative to its largest value, framed by a square of
    `side`."""
    figure = new_figure(3.4, 4.2)
    ax = figure.subplots()
    picture = ax.imshow((map / map.max()).numpy(), cmap="viridis")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    rows, columns = (map > 0).any(1).nonzero(), (map > 0).any(0).nonzero()
    corner = (float(columns.min()) - 0.5, float(rows.min()) - 0.5)
    ax.add_patch(Rectangle(corner, side, side, fill=False, edgecolor="white", lw=2))
    ax.annotate(
        f"{side} px",
        corner,
        xytext=(0, 3),
        textcoords="offset points",
        color="white",
        va="bottom",
        bbox={"facecolor": INK, "edgecolor": "none", "pad": 1.5},
    )
    ax.set(xlabel="pixel", ylabel="pixel")
    figure.colorbar(
        picture, label="gradient, relative", shrink=0.85
    ).outline.set_visible(False)
    return figure
