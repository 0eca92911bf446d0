"""What a set of images can do that needs only its labels, wherever the images
are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from cnnbook._arguments import short

if TYPE_CHECKING:
    import pandas as pd


class Labelled(ABC):
    """The common part of `ImageSet` and `ImageStream`, dataclasses with these
    attributes.

    Attributes:
        labels: N, int64; indices into `classes`.
        classes: the name of each class.
        name: the data set's name, as ``data.load`` takes it.
        validation: the validation images that come with the data set, or None.
    """

    labels: Tensor
    classes: tuple[str, ...]
    name: str
    validation: Labelled | None
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    @abstractmethod
    def input_size(self) -> tuple[int, int, int]:
        """The size of one image, (C, H, W)."""

    @abstractmethod
    def subset(self, indices: Sequence[int] | Tensor) -> Self:
        """The images at `indices`, in that order; name, classes and validation part
        stay.

        Raises:
            ValueError: if `indices` is empty, or not of integers in 0 … N-1.
        """

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """The number of classes, those without an image included."""
        return len(self.classes)

    def counts(self) -> pd.Series:
        """The number of images of each class, indexed by class name."""
        import pandas as pd

        counts = torch.bincount(self.labels, minlength=self.num_classes)
        return pd.Series(
            counts.tolist(),
            index=pd.Index(self.classes, name="class"),
            name="images",
        )

    def split(self, fraction: float, seed: int) -> tuple[Self, Self]:
        """Set `fraction` of each class aside, by chance but repeatably; the order
        is kept.

        Args:
            fraction: the share of each class that goes to the validation part, in
                (0, 1).
            seed: the same seed gives the same parts, whatever the versions of torch
                and numpy.

        Returns:
            The training part and the validation part; neither has a predefined one
            of its own.

        Raises:
            ValueError: if a class that has images would have none in one of the
                parts, or an argument is outside its range.
        """
        if not (isinstance(fraction, Real) and 0 < fraction < 1):
            raise ValueError(
                f"fraction must be between 0 and 1, got {short(fraction)}"
            )
        if not (isinstance(seed, Integral) and 0 <= seed < 2**32):
            raise ValueError(
                f"seed must be an integer of 0 … 2³² - 1, got {short(seed)}"
            )
        labels = self.labels.cpu().numpy()
        # NumPy promises that this stream never changes.
        chance = np.random.RandomState(seed)
        aside = np.zeros(len(labels), dtype=bool)
        for label in np.unique(labels):
            members = chance.permutation(np.flatnonzero(labels == label))
            size = round(fraction * len(members))
            if not 0 < size < len(members):
                raise ValueError(
                    f"a fraction of {fraction} leaves one part without images of "
                    f"class {self.classes[label]!r}, which has {len(members)} in "
                    "all"
                )
            aside[members[:size]] = True
        whole = replace(self, validation=None)
        kept, held = (
            whole.subset(torch.from_numpy(np.flatnonzero(which)))
            for which in (~aside, aside)
        )
        return kept, held

    def __repr__(self) -> str:
        channels, height, width = self.input_size
        words = f"{self.name}: {len(self):,} images {channels}×{height}×{width}"
        if self.validation is not None:
            words += f" and {len(self.validation):,} for validation"
        shown = self.classes if self.num_classes <= 10 else (*self.classes[:9], "…")
        return (
            f"<{type(self).__name__} {words}, {self.num_classes} classes: "
            f"{', '.join(shown)}>"
        )

    def _checked(self, indices: Sequence[int] | Tensor) -> Tensor:
        """`indices` as a tensor. ValueError if it is empty, or not of integers in
        0 … N-1."""
        given = indices
        try:
            indices = torch.as_tensor(given, device=self.labels.device)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            raise ValueError(
                f"indices must be a list of integers, got {short(given)}"
            ) from None
        if (
            indices.dim() != 1
            or indices.is_floating_point()
            or indices.dtype == torch.bool
        ):
            raise ValueError(
                f"indices must be a list of integers, got {describe(indices)}"
            )
        if not len(indices):
            raise ValueError("indices must name at least one image")
        indices = indices.long()
        if indices.min() < 0 or indices.max() >= len(self):
            raise ValueError(
                f"indices must be in 0 … {len(self) - 1}, "
                f"got {int(indices.min())} … {int(indices.max())}"
            )
        return indices


Part = TypeVar("Part", bound=Labelled)


def in_parts(found: Iterable[Part]) -> tuple[Part, Part]:
    """Training and test images; of three parts the last are the training set's
    validation images."""
    train, test, *validation = found
    return replace(train, validation=validation[0] if validation else None), test


def describe(tensor: Tensor) -> str:
    """Shape and type of a tensor, for messages."""
    shape = "×".join(map(str, tensor.shape)) or "a single value"
    return f"{shape}, {str(tensor.dtype).removeprefix('torch.')}"
