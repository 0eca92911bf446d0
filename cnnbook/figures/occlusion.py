"""Pictures of what a network looks at."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from cnnbook.figures._style import NARROW, new_figure, styled


@styled
def occlusion(images: Tensor, maps: Tensor, names: Sequence[str]) -> Figure:
    """Each image above its map of the class's probability: dark where covering
    hurts it most.

    Args:
        images: N × 1 × H × W, grey.
        maps: N × rows × columns, probabilities of 0 … 1.
        names: a title for each.
    """
    columns = len(images)
    figure = new_figure(2.05 * NARROW / columns + 0.75)
    grid = figure.subplots(2, columns, squeeze=False)
    for column, (image, seen, name) in enumerate(
        zip(images, maps, names, strict=True)
    ):
        grid[0, column].imshow(image[0].numpy(), cmap="gray")
        grid[0, column].set_title(name)
        drawn = grid[1, column].imshow(seen.numpy(), cmap="viridis", vmin=0, vmax=1)
    for ax in grid.flat:
        ax.axis("off")
    bar = figure.colorbar(
        drawn, ax=grid[1], orientation="horizontal", shrink=0.6, aspect=30
    )
    bar.set_label("probability of the class, with a square there covered")
    bar.outline.set_visible(False)
    return figure
