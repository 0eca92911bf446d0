"""What a trained network makes of an image: maps, kernels, pixels behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.patheffects as effects
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from cnnbook.figures._cells import STRONG, word
from cnnbook.figures._style import (
    BLUE,
    GRIDS,
    NARROW,
    ORANGE,
    PURPLE,
    canvas,
    halvings,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd

    from cnnbook.interpret import Projection

HEAD = 0.3  # inches of a line of words
GAP = 0.06


class Sheet:
    """Axes in inches over a whole figure, on which pictures are laid out."""

    def __init__(self, height: float):
        self.height = height
        self.figure, self.ax = canvas(height, NARROW)

    def picture(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes without marks for a picture, its upper left corner at (x, y)."""
        ax = self.figure.add_axes(
            (
                x / NARROW,
                1 - (y + height) / self.height,
                width / NARROW,
                height / self.height,
            )
        )
        ax.axis("off")
        return ax

    def left(self, x: float, y: float, text: str, **style) -> None:
        word(self.ax, x, y, text, ha="left", **style)


def to_pixels(image: Tensor) -> Tensor:
    """An image C × H × W of any range as H × W × C or H × W of 0 … 1."""
    if image.dim() != 3 or image.shape[0] not in (1, 3):
        raise ValueError(
            f"an image is 1×H×W or 3×H×W, got {'×'.join(map(str, image.shape))}"
        )
    pixels = image.detach().cpu().float()
    if image.dtype == torch.uint8:
        pixels = pixels / 255
    else:
        low, high = pixels.min(), pixels.max()
        pixels = (pixels - low) / (high - low).clamp(min=1e-12)
    return pixels.permute(1, 2, 0).squeeze(-1)


def _show(ax: Axes, image: Tensor) -> None:
    ax.imshow(to_pixels(image).numpy(), cmap="gray", vmin=0, vmax=1, aspect="auto")


def _map(ax: Axes, values: Tensor, largest: float) -> None:
    ax.imshow(
        values.detach().cpu().numpy(),
        cmap=STRONG,
        vmin=-largest,
        vmax=largest,
        aspect="auto",
        interpolation="nearest",
    )


@styled
def feature_maps(
    image: Tensor,
    layers: Mapping[str, Tensor],
    columns: int = 8,
    caption: str = "input",
    scores: Mapping[str, float] | None = None,
) -> Figure:
    """An image and, layer by layer, the maps that a network makes of it.

    Zero is white; above it is orange, below it blue, to the layer's largest
    absolute value, which is written beside its name. Of a layer with more maps the
    strongest are drawn, those with the largest absolute value, in the network's
    order.

    Args:
        image: 1 or 3 × H × W.
        layers: by title, channels × rows × columns, as `interpret.activations` has
            them.
        columns: maps in a row.
        caption: what the image is.
        scores: the probability of each class; the five largest are drawn beside the
            image.

    Raises:
        ValueError: if a layer has no maps.
    """
    for title, maps in layers.items():
        if maps.dim() != 3:
            raise ValueError(f"{title} has no maps but {maps.dim()} dimension(s)")
    side = (NARROW - (columns - 1) * GAP) / columns
    first = 1.25
    sheet = Sheet(HEAD + first + len(layers) * (HEAD + side + 0.08))
    sheet.left(0, HEAD / 2, caption, fontweight="bold")
    height, width = image.shape[1:]
    _show(sheet.picture(0, HEAD, first * width / height, first), image)
    if scores:
        _scores(sheet, scores, first * width / height + 0.3, first)
    y = HEAD + first + 0.04
    for title, maps in layers.items():
        largest = max(float(maps.abs().max()), 1e-12)
        chosen = maps.flatten(1).abs().amax(1).topk(min(columns, len(maps))).indices
        shape = " × ".join(map(str, maps.shape))
        sheet.left(0, y + HEAD / 2, title, fontweight="bold")
        word(
            sheet.ax, NARROW, y + HEAD / 2, f"{shape}, ± {largest:.2g}", ha="right"
        )
        for i, channel in enumerate(sorted(chosen.tolist())):
            place = (i * (side + GAP), y + HEAD, side, side)
            _map(sheet.picture(*place), maps[channel], largest)
        y += HEAD + side + 0.08
    return sheet.figure


def _scores(
    sheet: Sheet, scores: Mapping[str, float], x: float, height: float
) -> None:
    """A bar for each of the five most probable classes, right of the image."""
    best = sorted(scores.items(), key=lambda item: -item[1])[:5]
    step, start = height / len(best), x + 1.3
    longest = NARROW - start - 0.6
    for i, (name, share) in enumerate(best):
        y = HEAD + (i + 0.5) * step
        word(sheet.ax, start - 0.1, y, name, ha="right")
        bar = Rectangle(
            (start, y - 0.07), max(0.02, longest * share), 0.14, color=BLUE, lw=0
        )
        sheet.ax.add_patch(bar)
        text = "<1%" if 0 < share < 0.005 else f"{share:.0%}"
        sheet.left(start + longest * share + 0.1, y, text)


@styled
def kernels_and_maps(
    image: Tensor, weight: Tensor, maps: Tensor, chosen: Sequence[int]
) -> Figure:
    """Some kernels of a first layer, each above the map that it makes of the image.

    Kernels and maps of one input channel: zero is white, above it orange, below it
    blue. A kernel of three channels has its own colours, scaled to its range.

    Args:
        image: 1 or 3 × H × W.
        weight: C' × C × K × K, C 1 or 3.
        maps: C' × rows × columns.
        chosen: which of the kernels.

    Raises:
        ValueError: if there are not as many maps as kernels.
    """
    if weight.shape[0] != len(maps):
        raise ValueError(f"{weight.shape[0]} kernels make no {len(maps)} maps")
    weight, maps = weight.detach(), maps.detach()
    columns = len(chosen)
    side = (NARROW - (columns - 1) * GAP) / columns
    ratio = maps.shape[1] / maps.shape[2]
    first = min(2.0, NARROW * image.shape[1] / image.shape[2])
    sheet = Sheet(first + 0.12 + side * 0.6 + 0.1 + side * ratio)
    width = first * image.shape[2] / image.shape[1]
    _show(sheet.picture((NARROW - width) / 2, 0, width, first), image)
    largest = max(float(maps[list(chosen)].abs().max()), 1e-12)
    for i, channel in enumerate(chosen):
        x, y = i * (side + GAP), first + 0.12
        ax = sheet.picture(x + 0.2 * side, y, 0.6 * side, 0.6 * side)
        kernel = weight[channel]
        if len(kernel) == 3:
            ax.imshow(
                to_pixels(kernel).numpy(), interpolation="nearest", aspect="auto"
            )
        else:
            _map(ax, kernel[0], max(float(kernel.abs().max()), 1e-12))
        _map(
            sheet.picture(x, y + 0.6 * side + 0.1, side, side * ratio),
            maps[channel],
            largest,
        )
    return sheet.figure


@styled
def fields(
    picture: Tensor, table: pd.DataFrame, image: int, most: int = 6
) -> Figure:
    """What the middle output of each layer sees of a photograph: squares that grow.

    Args:
        picture: 3 × side × side; it stands for the network's image.
        table: of a profile, with ``receptive_field``; layers that see more than the
            image are left out, and so are those that see no more than the one
            before.
        image: the side of the network's image in pixels.
        most: how many layers are drawn, spread over the network.

    Raises:
        ValueError: if no layer's receptive field is smaller than the image.
    """
    seen: dict[int, tuple[str, tuple[int, ...]]] = {}
    counts: dict[str, int] = {}
    for kind, output, field in zip(
        table["kind"], table["output"], table["receptive_field"], strict=True
    ):
        counts[kind] = counts.get(kind, 0) + 1
        if field == field and field <= image:  # not a number: unknown
            seen.setdefault(int(field), (f"{kind} {counts[kind]}", output))
    if not seen:
        raise ValueError(f"no layer sees less than the image of {image} pixels")
    sizes = sorted(seen)
    if len(sizes) > most:
        sizes = [
            sizes[round(i * (len(sizes) - 1) / (most - 1))] for i in range(most)
        ]
    side, right = 3.2, 3.34
    sheet = Sheet(side)
    ax = sheet.picture(0, 0, side, side)
    _show(ax, picture)
    scale = picture.shape[-1] / image
    step = side / (len(sizes) + 0.5)
    for i, size in enumerate(reversed(sizes)):
        name, output = seen[size]
        color = GRIDS[min(halvings(output[-1], image), len(GRIDS) - 1)]
        low = (image - size) / 2 * scale
        ax.add_patch(
            Rectangle(
                (low - 0.5, low - 0.5),
                size * scale,
                size * scale,
                fill=False,
                ec=color,
                lw=2.2,
                path_effects=[
                    effects.withStroke(linewidth=3.8, foreground="#0d1117a0")
                ],
            )
        )
        y = 0.3 + i * step
        sheet.ax.plot(
            (right, right + 0.22), (y, y), color=color, lw=4, solid_capstyle="butt"
        )
        sheet.left(right + 0.32, y, f"{name}: {size} px")
    return sheet.figure


@styled
def top_nine(features: Mapping[str, Sequence[tuple[Projection, Tensor]]]) -> Figure:
    """Features, each by the nine images that excite it most and the pixels that did
    it.

    At the left what the deconvnet brings down to the pixels, each scaled to its own
    largest absolute value: zero is white, brighter than the mean is orange, darker
    blue. At the right the same window of the images.

    Args:
        features: by title, pairs of a projection and its image, nine at most.
    """
    across, between, apart = 2, 0.28, 0.1
    small = (NARROW - between - 2 * apart - 8 * 0.04) / 12
    block = 3 * small + 2 * 0.04
    rows = math.ceil(len(features) / across)
    sheet = Sheet(rows * (HEAD + block + 0.12))
    for i, (title, pairs) in enumerate(features.items()):
        x = i % across * (2 * block + apart + between)
        y = i // across * (HEAD + block + 0.12)
        sheet.left(x, y + HEAD / 2, title, fontweight="bold")
        for j, (projection, image) in enumerate(pairs[:9]):
            row, column = divmod(j, 3)
            place = (x + column * (small + 0.04), y + HEAD + row * (small + 0.04))
            pixels = projection.crop(projection.pixels)
            ax = sheet.picture(*place, small, small)
            if len(pixels) == 3:
                ax.imshow(_around_grey(pixels).numpy(), aspect="auto")
            else:
                _map(ax, pixels[0], max(float(pixels.abs().max()), 1e-12))
            ax = sheet.picture(place[0] + block + apart, place[1], small, small)
            _show(ax, projection.crop(image))
    return sheet.figure


def _around_grey(pixels: Tensor) -> Tensor:
    """Signed values of three channels as colours around a middle grey."""
    return (0.5 + 0.5 * pixels / pixels.abs().max().clamp(min=1e-12)).permute(
        1, 2, 0
    )


@styled
def explanations(
    rows: Sequence[tuple[Tensor, str, Mapping[str, Tensor]]],
    kinds: Mapping[str, str] | None = None,
) -> Figure:
    """Images and, beside each, what maps say of where its class is.

    Args:
        rows: of each image 1 or 3 × H × W, what it is taken for, and its maps by
            title, the same titles in each row; a map is stretched over the image.
            Bright is much.
        kinds: by title, a word under it.
    """
    titles = list(rows[0][2])
    columns = 1 + len(titles)
    side = (NARROW - (columns - 1) * GAP) / columns
    head = HEAD + (0.2 if kinds else 0)
    sheet = Sheet(head + len(rows) * (side + HEAD))
    for i, title in enumerate(["image", *titles]):
        x = i * (side + GAP) + side / 2
        word(sheet.ax, x, HEAD / 2, title, fontweight="bold")
        if kinds and title in kinds:
            word(sheet.ax, x, HEAD / 2 + 0.2, kinds[title])
    for row, (image, name, maps) in enumerate(rows):
        y = head + row * (side + HEAD)
        _show(sheet.picture(0, y, side, side), image)
        sheet.left(0, y + side + 0.14, name)
        for i, title in enumerate(titles, 1):
            ax = sheet.picture(i * (side + GAP), y, side, side)
            extent = (0, 1, 1, 0)
            gray = to_pixels(image).float()
            gray = gray.mean(-1) if gray.dim() == 3 else gray
            ax.imshow(gray.numpy(), cmap="gray", extent=extent, aspect="auto")
            seen = maps[title].detach().cpu().numpy()
            ax.imshow(
                seen,
                cmap="magma",
                extent=extent,
                aspect="auto",
                alpha=0.72,
                interpolation="bilinear",
            )
            ax.set(xlim=(0, 1), ylim=(1, 0))
    return sheet.figure


@styled
def stems(
    tables: Mapping[str, tuple[Tensor, pd.DataFrame]], columns: int = 12
) -> Figure:
    """The kernels of first layers, sorted from coarse to fine, those that alias or
    are dead framed.

    Args:
        tables: by title, a layer's weight C' × C × K × K, C 1 or 3, and its
            `interpret.kernel_table`.
        columns: kernels in a row.
    """
    side = (NARROW - (columns - 1) * GAP) / columns
    heights = [
        HEAD + math.ceil(len(t) / columns) * (side + GAP) + HEAD
        for _, t in tables.values()
    ]
    sheet = Sheet(sum(heights))
    y = 0.0
    for (title, (weight, table)), height in zip(
        tables.items(), heights, strict=True
    ):
        sheet.left(0, y + HEAD / 2, title, fontweight="bold")
        weight, order = weight.detach(), table["aliased"].argsort().tolist()
        for i, channel in enumerate(order):
            row, column = divmod(i, columns)
            place = (column * (side + GAP), y + HEAD + row * (side + GAP))
            ax = sheet.picture(*place, side, side)
            kernel = weight[channel]
            if len(kernel) == 3:
                ax.imshow(
                    to_pixels(kernel).numpy(),
                    interpolation="nearest",
                    aspect="auto",
                )
            else:
                _map(ax, kernel[0], float(weight.abs().max()))
            mark = (
                PURPLE
                if table["dead"].iloc[channel]
                else (ORANGE if table["aliased"].iloc[channel] > 0.5 else None)
            )
            if mark:
                sheet.ax.add_patch(
                    Rectangle(
                        place, side, side, fill=False, ec=mark, lw=2, zorder=10
                    )
                )
        dead, aliased = (
            int(table["dead"].sum()),
            int((table["aliased"] > 0.5).sum()),
        )
        sheet.left(
            0,
            y + height - HEAD / 2 - 0.06,
            f"{dead} of {len(table)} dead (purple), "
            f"{aliased} mostly aliased (orange)",
        )
        y += height
    sheet.ax.set_zorder(5)
    return sheet.figure
