"""The form in which a data set that fits into memory reaches training: two tensors
and names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from cnnbook.data.labelled import Labelled, describe


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet(Labelled):
    """Labelled images, all of one size, in memory.

    Attributes:
        images: N × C × H × W, uint8.
        labels: N, int64; indices into `classes`.
        classes: the name of each class.
        name: the data set's name, as ``data.load`` takes it.
        validation: the validation images that come with the data set, or None.

    Raises:
        ValueError: if the parts do not fit together.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str
    validation: ImageSet | None = None

    def __post_init__(self) -> None:
        images, labels, classes = self.images, self.labels, self.classes
        if not isinstance(images, Tensor) or not isinstance(labels, Tensor):
            raise ValueError(
                "images and labels must be tensors, "
                f"got {type(images).__name__} and {type(labels).__name__}"
            )
        if images.dim() != 4 or images.dtype != torch.uint8 or 0 in images.shape:
            raise ValueError(
                "images must be non-empty, N×C×H×W and uint8, got "
                f"{describe(images)}"
            )
        if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
            raise ValueError(
                f"labels must be {len(images)} int64 values, one an image, got "
                f"{describe(labels)}"
            )
        if (
            not isinstance(classes, tuple)
            or not classes
            or len(set(classes)) < len(classes)
        ):
            raise ValueError(
                f"classes must be a tuple of different names, got {classes!r}"
            )
        outside = ((labels < 0) | (labels >= len(classes))).nonzero()
        if len(outside):
            first = int(outside[0])
            raise ValueError(
                f"label {int(labels[first])} of image {first} is outside 0 … "
                f"{len(classes) - 1}"
            )
        if (part := self.validation) is not None and (
            part.classes != classes or part.input_size != self.input_size
        ):
            raise ValueError(
                "the validation part must have the classes and the image size of "
                f"its set, got {part!r} for {self!r}"
            )

    @property
    def input_size(self) -> tuple[int, int, int]:
        """The size of one image, (C, H, W)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the images' bytes followed by the labels'; names this very
        data."""
        digest = hashlib.sha256()
        for tensor in (self.images, self.labels):
            digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def mean_std(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel over all pixels, in [0, 1];
        two tensors C."""
        # Counting the 256 grey levels is exact and needs no copy of the images as
        # floats.
        levels = torch.arange(256, dtype=torch.float64) / 255
        means, stds = [], []
        for channel in self.images.cpu().unbind(dim=1):
            share = (
                torch.bincount(channel.reshape(-1), minlength=256).double()
                / channel.numel()
            )
            means.append((share * levels).sum())
            stds.append((share * (levels - means[-1]) ** 2).sum().sqrt())
        return torch.stack(means).float(), torch.stack(stds).float()

    def take(self, indices: Tensor) -> Tensor:
        """The images at `indices`, uint8, n × C × H × W."""
        return self.images[indices]

    def read(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """The images at each batch of indices, one batch after the other."""
        return map(self.take, batches)

    def subset(self, indices: Sequence[int] | Tensor) -> Self:
        """The images at `indices`, in that order; name, classes and validation part
        stay.

        Raises:
            ValueError: if `indices` is empty, or not of integers in 0 … N-1.
        """
        indices = self._checked(indices)
        return replace(
            self, images=self.images[indices], labels=self.labels[indices]
        )
