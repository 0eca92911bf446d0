"""From stored bytes to what a network reads: batched, on the device, from its
memory or from files that workers decode."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnbook.data import ImageSet, ImageStream
from cnnbook.training import distributed


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


def augmented(
    names: Sequence[str], images: Tensor, generator: torch.Generator
) -> Tensor:
    """`images` after these augmentations, one after the other."""
    for name in names:
        images = AUGMENTATIONS[name](images, generator)
    return images


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

    def on(self, device: torch.device) -> Normalise:
        """The same for images on another device."""
        side = None if self.size is None else self.size[0]
        return Normalise(self.mean, self.std, side, device)

    def sizes(self, stored: tuple[int, int, int]) -> tuple[int, int, int]:
        """(C, H, W) of the result, of images that are stored as C × H × W."""
        return (stored[0], *(self.size or stored[1:]))


class Resident:
    """Images that are on the device from the start to the end.

    Attributes:
        labels: N, on the device.
        waited: seconds in which the training waited for images.
    """

    waited = 0.0

    def __init__(self, train: ImageSet, device: torch.device):
        self.images, self.labels = train.images.to(device), train.labels.to(device)

    def order(self, generator: torch.Generator) -> Tensor:
        """The indices of all images in a random order, on the device."""
        return torch.randperm(
            len(self.labels), generator=generator, device=self.labels.device
        )

    def read(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """The images at each batch of indices, on the device."""
        return (self.images[batch] for batch in batches)


class Streamed:
    """Images that come to the device batch by batch; attributes and methods as of
    `Resident`."""

    def __init__(self, train: ImageStream, device: torch.device):
        self.stream, self.labels, self.waited = train, train.labels.to(device), 0.0
        self.order = train.order

    def read(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """The images at each batch of indices; those of other processes' shares are
        black.

        So every process draws the same augmentation, as for images in memory, and
        reads its share.
        """
        device = self.labels.device
        read = self.stream.read(
            [distributed.share(batch).cpu() for batch in batches]
        )
        for batch in batches:
            began = time.perf_counter()
            mine = next(read)
            self.waited += time.perf_counter() - began
            mine = mine.to(device, non_blocking=True)
            if len(mine) < len(batch):
                images = mine.new_zeros(len(batch), *mine.shape[1:])
                distributed.share(images).copy_(mine)
                yield images
            else:
                yield mine


def reader(
    train: ImageSet | ImageStream, device: torch.device
) -> Resident | Streamed:
    """What reads the training images for this device."""
    if isinstance(train, ImageStream):
        return Streamed(train, device)
    return Resident(train, device)
