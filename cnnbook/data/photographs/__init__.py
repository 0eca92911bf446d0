"""Four photographs that come with the package, free of copyright, in colour.

Sources and licences are in ``LICENSE.txt`` beside the files, which
``scripts/make_photographs.py`` encodes from those of scikit-image.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cnnbook._arguments import near
from cnnbook.data.errors import DataError

FOLDER = Path(__file__).parent
# By name, the SHA-256 of its file.
SHA256 = {
    "astronaut": "9de5c39dfaeb3423b4b3af1fee0f22f0b71c4609a9b265c3aa043becee53a156",
    "chelsea": "e122579f313cec2886ad083a33a81b11fd680174baa053e943829ed9010b4cbd",
    "coffee": "6617a0e734c95d078544d16ed7a510e4b5edae901495798864d4988a090f2e5d",
    "rocket": "d804895ae026ee2c0021635f084912e84b1af99e2e53307cb9123a8f62dbfe1d",
}


def photograph_names() -> tuple[str, ...]:
    """The name of every photograph that comes with the package."""
    return tuple(SHA256)


def photograph(name: str) -> Tensor:
    """A photograph in colour: uint8, 3 × H × W, about 500 × 400 pixels.

    Args:
        name: one of :func:`photograph_names`: an astronaut, a cat (``"chelsea"``),
            a cup of coffee, the start of a rocket. ``photographs/LICENSE.txt`` has
            sources and licences.

    Raises:
        ValueError: if no photograph has this name (near names are offered).
        DataError: if the embedded file is missing or damaged.
    """
    if name not in SHA256:
        raise ValueError(f"unknown photograph {name!r}; {near(name, SHA256)}")
    path = FOLDER / f"{name}.jpg"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); reinstall cnnbook"
        ) from error
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise DataError(
            f"{path} is damaged (its SHA-256 is wrong); reinstall cnnbook"
        )
    from PIL import Image  # of torchvision's requirements; slow to import

    with Image.open(io.BytesIO(content)) as picture:
        pixels = np.array(picture.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
