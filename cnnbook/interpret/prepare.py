"""A picture as a trained network of the book takes it."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnbook.models import Weights
from cnnbook.training.images import Normalise

# What each of red, green and blue adds to a grey (ITU-R BT.601), as Pillow has it.
GREY = (0.299, 0.587, 0.114)


def prepare(image: Tensor, weights: Weights, size: int | None = None) -> Tensor:
    """An image made grey, square and normalised, as the network's own training
    images were.

    Args:
        image: uint8, C × H × W or N × C × H × W, C 1 or 3. Of one that is not
            square the middle is taken; colour is turned into grey for a network of
            grey images.
        weights: of ``models.weights(name)["fashion-mnist"]``; they know size, mean
            and deviation.
        size: another side in pixels than the training images', for a look at single
            layers.

    Raises:
        ValueError: if it is no such image, or a grey one for a network of colours.
    """
    if (
        not isinstance(image, Tensor)
        or image.dim() not in (3, 4)
        or image.dtype != torch.uint8
    ):
        got = type(image).__name__
        if isinstance(image, Tensor):
            got = f"{'×'.join(map(str, image.shape))} of {image.dtype}"
        raise ValueError(f"the image must be uint8 and C×H×W or N×C×H×W, got {got}")
    channels, height, width = image.shape[-3:]
    wanted = len(weights.mean)
    if channels not in (1, 3) or channels < wanted:
        allowed = " or ".join(map(str, sorted({wanted, 3})))
        raise ValueError(f"the image must have {allowed} channels, got {channels}")
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels = image[..., top : top + side, left : left + side].float()
    if channels > wanted:
        pixels = (pixels * torch.tensor(GREY).view(3, 1, 1)).sum(-3, keepdim=True)
    mean, std = torch.tensor(weights.mean), torch.tensor(weights.std)
    batch = pixels if image.dim() == 4 else pixels[None]
    ready = Normalise(mean, std, size or weights.image_size, "cpu")(
        batch
    ).contiguous()
    return ready if image.dim() == 4 else ready[0]
