"""AlexNet's change of colours: a random tint of the whole image.

Krizhevsky, Sutskever, Hinton, NeurIPS 2012, section 4.1: the red, green and blue of
all pixels have a covariance matrix; a multiple of each of its eigenvectors, in
proportion to its eigenvalue, is added to every pixel of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

DEVIATION = 0.1  # of the random factors, in the paper


@dataclass(frozen=True, eq=False)
class Colours:
    """The main directions of some images' colours.

    Attributes:
        directions: 3 × 3, a column each: red, green, blue; the longest first.
        variances: along them, of colours in 0 … 1.
    """

    directions: Tensor
    variances: Tensor

    @classmethod
    def of(cls, images: Sequence[Tensor]) -> Colours:
        """Those of all pixels of images, uint8, 3 × H × W each."""
        pixels = torch.cat([image.flatten(1) for image in images], 1).double() / 255
        variances, directions = torch.linalg.eigh(pixels.cov())
        return cls(directions.flip(1), variances.flip(0))

    def tinted(self, image: Tensor, factors: Tensor) -> Tensor:
        """The image, uint8 3 × H × W, with a tint of three factors, one a
        direction."""
        tint = self.directions @ (factors.double() * self.variances)
        return (
            (image / 255 + tint[:, None, None]).clamp(0, 1).mul(255).round().byte()
        )
