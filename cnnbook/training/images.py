"""From stored bytes to what a network reads: batched, on the images' own device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnbook.data import ImageSet, ImageStream

if TYPE_CHECKING:
    from cnnbook.training.recipe import Recipe


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image of N × C × H × W left to right, or not, with equal
    chance."""
    mirrored = (
        torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device)
        < 0.5
    )
    return torch.where(mirrored, images.flip(-1), images)


def crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image of N × C × H × W by up to an eighth of its side; what comes
    in is zero.

    It is the crop of He et al. 2016, section 4.2: images of 32 pixels, padded by 4.
    """
    n, _, height, width = images.shape
    margin = max(1, min(height, width) // 8)
    padded = F.pad(images, (margin,) * 4).permute(0, 2, 3, 1)  # N × H' × W' × C
    device = images.device
    top, left = torch.randint(
        2 * margin + 1, (2, n, 1), generator=generator, device=device
    )
    rows = top + torch.arange(height, device=device)  # N × H
    columns = left + torch.arange(width, device=device)  # N × W
    image = torch.arange(n, device=device)
    # N × H × W × C
    cut = padded[image[:, None, None], rows[:, :, None], columns[:, None, :]]
    return cut.permute(0, 3, 1, 2)


AUGMENTATIONS = {"flip": flip, "crop": crop}


class Normalise:
    """uint8 N × C × H × W → float of zero mean and unit deviation a channel,
    resized if asked.

    Args:
        mean, std: of each channel, C, in [0, 1]; attributes, too.
        image_size: side in pixels of the result (bilinear, antialiased); None: as
            it comes.
        device: where the images will be.
    """

    def __init__(
        self,
        mean: Tensor,
        std: Tensor,
        image_size: int | None,
        device: torch.device | str,
    ):
        self.device = torch.device(device)
        # A channel of a single grey level has no deviation to divide by.
        std = std.clamp(min=1 / 255)
        self.mean, self.std = mean, std
        self.shift = (255 * mean).view(-1, 1, 1).to(self.device)
        self.scale = (1 / (255 * std)).view(-1, 1, 1).to(self.device)
        self.size = None if image_size is None else (image_size, image_size)
        # A GPU's tensor cores and a CPU's vector units read the channels of a pixel
        # side by side: on a CPU GoogLeNet takes two thirds of the time so, AlexNet
        # and ResNet-18 about the same. MPS's kernels expect the contiguous layout.
        mps = self.device.type == "mps"
        self.layout = torch.contiguous_format if mps else torch.channels_last

    def __call__(self, images: Tensor) -> Tensor:
        images = (images.float() - self.shift) * self.scale
        if self.size is not None and images.shape[-2:] != self.size:
            images = F.interpolate(
                images, self.size, mode="bilinear", antialias=True
            )
        return images.contiguous(memory_format=self.layout)

    def sizes(self, stored: tuple[int, int, int]) -> tuple[int, int, int]:
        """(C, H, W) of the result, of images that are stored as C × H × W."""
        return (stored[0], *(self.size or stored[1:]))

    @classmethod
    def as_recipe(
        cls,
        train: ImageSet | ImageStream,
        recipe: Recipe,
        device: torch.device | str,
    ) -> Normalise:
        """By the training images' own mean and deviation, or only to [0, 1] if the
        recipe says."""
        channels = train.input_size[0]
        zero, one = torch.zeros(channels), torch.ones(channels)
        mean, std = train.mean_std() if recipe.normalise else (zero, one)
        return cls(mean, std, recipe.image_size, device)
