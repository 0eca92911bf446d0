"""The one form in which every data set of the book reaches training: two tensors and names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
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
                f"images must be non-empty, N×C×H×W and uint8, got {_describe(images)}"
            )
        if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
            raise ValueError(
                f"labels must be {len(images)} int64 values, one an image, got {_describe(labels)}"
            )
        if not isinstance(classes, tuple) or not classes or len(set(classes)) < len(classes):
            raise ValueError(f"classes must be a tuple of different names, got {classes!r}")
        outside = ((labels < 0) | (labels >= len(classes))).nonzero()
        if len(outside):
            first = int(outside[0])
            raise ValueError(
                f"label {int(labels[first])} of image {first} is outside 0 … {len(classes) - 1}"
            )
        if (part := self.validation) is not None and (
            part.classes != classes or part.input_size != self.input_size
        ):
            raise ValueError(
                "the validation part must have the classes and the image size of its set, "
                f"got {part!r} for {self!r}"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_classes(self) -> int:
        """The number of classes, those without an image included."""
        return len(self.classes)

    @property
    def input_size(self) -> tuple[int, int, int]:
        """The size of one image, (C, H, W)."""
        return tuple(self.images.shape[1:])

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the images' bytes followed by the labels'; names this very data."""
        digest = hashlib.sha256()
        for tensor in (self.images, self.labels):
            digest.update(tensor.cpu().contiguous().numpy())
        return digest.hexdigest()

    def counts(self) -> pd.Series:
        """The number of images of each class, indexed by class name."""
        import pandas as pd

        counts = torch.bincount(self.labels, minlength=self.num_classes)
        return pd.Series(counts.tolist(), index=pd.Index(self.classes, name="class"), name="images")

    def mean_std(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel over all pixels, in [0, 1]; two tensors C."""
        # Counting the 256 grey levels is exact and needs no copy of the images as floats.
        levels = torch.arange(256, dtype=torch.float64) / 255
        means, stds = [], []
        for channel in self.images.cpu().unbind(dim=1):
            share = torch.bincount(channel.reshape(-1), minlength=256).double() / channel.numel()
            means.append((share * levels).sum())
            stds.append((share * (levels - means[-1]) ** 2).sum().sqrt())
        return torch.stack(means).float(), torch.stack(stds).float()

    def subset(self, indices: Sequence[int] | Tensor) -> ImageSet:
        """The images at `indices`, in that order; name, classes and validation part stay.

        Raises:
            ValueError: if `indices` is empty, or not of integers in 0 … N-1.
        """
        indices = torch.as_tensor(indices, device=self.images.device)
        if indices.dim() != 1 or indices.is_floating_point() or indices.dtype == torch.bool:
            raise ValueError(f"indices must be a list of integers, got {_describe(indices)}")
        if not len(indices):
            raise ValueError("indices must name at least one image")
        indices = indices.long()
        if indices.min() < 0 or indices.max() >= len(self):
            raise ValueError(
                f"indices must be in 0 … {len(self) - 1}, "
                f"got {int(indices.min())} … {int(indices.max())}"
            )
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def split(self, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
        """Set `fraction` of each class aside, by chance but repeatably; the order is kept.

        Args:
            fraction: the share of each class that goes to the validation part, in (0, 1).
            seed: the same seed gives the same parts, whatever the versions of torch and numpy.

        Returns:
            The training part and the validation part; neither has a predefined one of its own.

        Raises:
            ValueError: if a class that has images would have none in one of the parts.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
        labels = self.labels.cpu().numpy()
        chance = np.random.RandomState(seed)  # numpy promises that this stream never changes
        aside = np.zeros(len(labels), dtype=bool)
        for label in np.unique(labels):
            members = chance.permutation(np.flatnonzero(labels == label))
            size = round(fraction * len(members))
            if not 0 < size < len(members):
                raise ValueError(
                    f"a fraction of {fraction} leaves one part without images of class "
                    f"{self.classes[label]!r}, which has {len(members)} in all"
                )
            aside[members[:size]] = True
        whole = replace(self, validation=None)
        return whole.subset(np.flatnonzero(~aside)), whole.subset(np.flatnonzero(aside))

    def __repr__(self) -> str:
        channels, height, width = self.input_size
        words = f"{self.name}: {len(self):,} images {channels}×{height}×{width}"
        if self.validation is not None:
            words += f" and {len(self.validation):,} for validation"
        shown = self.classes if self.num_classes <= 10 else (*self.classes[:9], "…")
        return f"<ImageSet {words}, {self.num_classes} classes: {', '.join(shown)}>"


def _describe(tensor: Tensor) -> str:
    shape = "×".join(map(str, tensor.shape)) or "a single value"
    return f"{shape}, {str(tensor.dtype).removeprefix('torch.')}"
