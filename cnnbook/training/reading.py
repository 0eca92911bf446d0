"""Where the batches of an epoch come from: the device's memory, or files that
workers decode."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from cnnbook.data import ImageSet, ImageStream
from cnnbook.training import distributed


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
