"""What does a network look at? Cover a part of the image and see what it says.

Zeiler, Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014,
section 4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def occlusion_map(
    model: nn.Module,
    image: Tensor,
    label: int,
    size: int,
    stride: int,
    value: float = 0.0,
) -> Tensor:
    """The probability of `label` while a square covers the image, for each place of
    the square.

    Args:
        model: a classifier giving logits; it is called in its present mode.
        image: as `model` takes it, without the batch dimension: C × H × W.
        label: the class.
        size: side of the square, in pixels.
        stride: pixels between places.
        value: what the square is filled with; 0 is the mean of normalised images.

    Returns:
        rows × columns, from the square in the upper left corner to the one in the
        lower right.

    Raises:
        ValueError: if the image has no three dimensions, or the square does not fit
            into it or does not move.
    """
    if image.dim() != 3:
        raise ValueError(f"image must be C × H × W, got {image.dim()} dimensions")
    _, height, width = image.shape
    if not 1 <= size <= min(height, width):
        raise ValueError(
            f"a square of {size} pixels does not fit into {height}×{width}"
        )
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    tops, lefts = (
        range(0, height - size + 1, stride),
        range(0, width - size + 1, stride),
    )
    covered = image.repeat(len(tops) * len(lefts), 1, 1, 1)
    places = [(top, left) for top in tops for left in lefts]
    for one, (top, left) in zip(covered, places, strict=True):
        one[:, top : top + size, left : left + size] = value
    probabilities = [
        model(part).softmax(1)[:, label] for part in covered.split(128)
    ]
    return torch.cat(probabilities).view(len(tops), len(lefts))
