"""One convolution and one pooling, number by number."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from cnnbook.figures._cells import cells, frame, short_number, word
from cnnbook.figures._style import (
    GREEN,
    LEGIBLE,
    PURPLE,
    WIDTH,
    canvas,
    styled,
)

TITLE = 0.34  # inches above a grid
LINE = 14  # characters of a sum beside a grid
LARGEST = 9  # cells along a side that can still be read on a phone


@styled
def convolution(
    image: Tensor,
    kernel: Tensor,
    stride: int = 1,
    padding: int = 0,
    position: tuple[int, int] = (0, 0),
    bias: float = 0.0,
) -> Figure:
    """A kernel over a padded input: one window's products, their sum, and the whole
    output.

    Args:
        image: rows × columns of numbers, 9 at most with their padding.
        kernel: K × K.
        stride, padding: of the convolution; padding is drawn as dashed zeros.
        position: row and column of the output that is worked out.
        bias: added to the sum.

    Raises:
        ValueError: if the numbers are too many to be read, or there is no such
            position.
    """
    _check(image, kernel.shape[0], padding)
    k = kernel.shape[0]
    image, kernel = image.float(), kernel.float()
    padded = F.pad(image, (padding,) * 4)
    output = F.conv2d(
        image[None, None], kernel[None, None], stride=stride, padding=padding
    )
    output = output[0, 0] + bias
    row, column = position
    if not (0 <= row < output.shape[0] and 0 <= column < output.shape[1]):
        raise ValueError(
            f"the output has {'×'.join(map(str, output.shape))}, not {position}"
        )
    top, left = row * stride, column * stride
    products = padded[top : top + k, left : left + k] * kernel

    gap = 0.3
    cell = min(
        0.36, (WIDTH - 2 * gap - 0.1) / (padded.shape[1] + k + output.shape[1])
    )
    # The lower row of grids.
    second = 2 * TITLE + cell * max(k, output.shape[0]) + 0.16
    figure, ax = canvas(
        max(second + cell * k, TITLE + cell * padded.shape[0]) + 0.08
    )
    x = 0.05
    _titled(ax, padded, (x, TITLE), cell, "input", _outside(image, padding))
    frame(
        ax, (x + left * cell, TITLE + top * cell), (k * cell, k * cell), ec=PURPLE
    )
    x += padded.shape[1] * cell + gap
    word(ax, x - gap / 2, TITLE + cell * k / 2, "∗")
    _titled(ax, kernel, (x, TITLE), cell, "kernel")
    frame(ax, (x, TITLE), (k * cell, k * cell), ec=PURPLE)
    _titled(
        ax,
        products,
        (x, second),
        cell,
        "products",
        largest=float(products.abs().max()),
    )
    x += k * cell + gap
    word(ax, x - gap / 2, TITLE + cell * k / 2, "=")
    _titled(ax, output, (x, TITLE), cell, "output")
    frame(ax, (x + column * cell, TITLE + row * cell), (cell, cell), ec=GREEN)
    terms = " + ".join(
        _term(value) for value in products.flatten().tolist() if value
    )
    lines = _wrapped(f"{terms or '0'} = {short_number(float(products.sum()))}")
    if bias:
        lines.append(
            f"+ bias {_term(bias)} = {short_number(float(output[row, column]))}"
        )
    middle = second + cell * k / 2
    for i, line in enumerate(lines):
        y = middle + (i - (len(lines) - 1) / 2) * 0.22
        color = GREEN if i == len(lines) - 1 else None
        ax.text(
            x - gap / 2,
            y,
            line,
            va="center_baseline",
            fontsize=LEGIBLE,
            color=color,
        )
    return figure


@styled
def pooling(image: Tensor, size: int = 2, stride: int = 2) -> Figure:
    """A max pool and an average pool of the same input, the largest of each window
    framed.

    Args:
        image: rows × columns of numbers, 9 at most.
        size, stride: of the windows.

    Raises:
        ValueError: if the numbers are too many to be read, or no window fits.
    """
    _check(image, size, 0)
    image = image.float()
    largest, places = F.max_pool2d(
        image[None, None], size, stride, return_indices=True
    )
    means = F.avg_pool2d(image[None, None], size, stride)[0, 0]
    gap = 0.4
    columns = image.shape[1] + 2 * means.shape[1]
    cell = min(0.42, (WIDTH - 2 * gap - 0.1) / columns)
    figure, ax = canvas(TITLE + cell * image.shape[0] + 0.08)
    _titled(ax, image, (0.05, TITLE), cell, "input")
    most = float(image.abs().max())
    if stride >= size:  # windows that overlap would hide each other's frames
        for top in range(0, image.shape[0] - size + 1, stride):
            for left in range(0, image.shape[1] - size + 1, stride):
                corner = (0.05 + left * cell, TITLE + top * cell)
                frame(ax, corner, (size * cell, size * cell), ec=PURPLE, lw=1.6)
    for place in places.flatten().tolist():
        row, column = divmod(place, image.shape[1])
        frame(
            ax, (0.05 + column * cell, TITLE + row * cell), (cell, cell), ec=GREEN
        )
    x = 0.05 + image.shape[1] * cell + gap
    for values, title in ((largest[0, 0], "maximum"), (means, "average")):
        middle = TITLE + cell * image.shape[0] / 2 - cell * values.shape[0] / 2
        _titled(ax, values, (x, middle), cell, title, largest=most)
        x += values.shape[1] * cell + gap
    return figure


def _check(image: Tensor, size: int, padding: int) -> None:
    if image.dim() != 2:
        raise ValueError(
            f"one map of rows × columns is drawn, got {image.dim()} dimensions"
        )
    sides = [side + 2 * padding for side in image.shape]
    if max(sides) > LARGEST:
        raise ValueError(
            f"at most {LARGEST}×{LARGEST} numbers can be read, "
            f"got {sides[0]}×{sides[1]}"
        )
    if min(sides) < size:
        raise ValueError(
            f"a window of {size}×{size} does not fit into {sides[0]}×{sides[1]}"
        )


def _titled(ax, values, corner, cell, title, missing=None, largest=None) -> None:
    x, y = corner
    word(ax, x + values.shape[1] * cell / 2, y - 0.16, title, fontweight="bold")
    cells(ax, values, corner, cell, largest, missing=missing)


def _outside(image: Tensor, padding: int) -> Tensor:
    return F.pad(torch.zeros(image.shape), (padding,) * 4, value=1.0).bool()


def _term(value: float) -> str:
    text = short_number(value)
    return f"({text})" if value < 0 else text


def _wrapped(text: str) -> list[str]:
    """Lines of at most `LINE` characters, broken before a plus or an equals
    sign."""
    lines = [""]
    for part in text.replace(" = ", " §= ").replace(" + ", " §+ ").split("§"):
        if len(lines[-1]) + len(part) > LINE:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]
