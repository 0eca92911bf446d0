"""14,000 images of Fashion-MNIST that come with the package: the book needs no
download.

``fashion_mnist_mini.npy.xz`` is one array, 14,000 × 28 × 28: 10,000 training, 2,000
validation and 2,000 test images. ``scripts/make_fashion_mnist_mini.py`` draws them
from the full data set. The classes take turns (image *k* is of class *k* mod 10),
so the labels need no file and every run of ten images is balanced. The licence of
the images is in ``fashion_mnist_mini.LICENSE.txt``.
"""

from __future__ import annotations

import hashlib
import io
import lzma
from pathlib import Path

import numpy as np
import torch

from cnnbook.data.errors import DataError
from cnnbook.data.fashion_mnist import CLASSES
from cnnbook.data.imageset import ImageSet

NAME = "fashion-mnist-mini"
SIZES = {"train": 10_000, "validation": 2_000, "test": 2_000}
PATH = Path(__file__).with_name("fashion_mnist_mini.npy.xz")
SHA256 = "1a820d37f42e6bc91206e7efd45dfe9a45a46dc6748c1f6663204e11ca327e66"


def load() -> tuple[ImageSet, ImageSet]:
    """The training images, with the validation images as their `validation`, and
    the test images.

    Raises:
        DataError: if the embedded file is missing or damaged.
    """
    try:
        packed = PATH.read_bytes()
    except OSError as error:
        raise DataError(
            f"{PATH} cannot be read ({error.strerror}); reinstall cnnbook"
        ) from error
    if hashlib.sha256(packed).hexdigest() != SHA256:
        raise DataError(
            f"{PATH} is damaged (its SHA-256 is wrong); reinstall cnnbook"
        )
    array = np.load(io.BytesIO(lzma.decompress(packed)))
    train, validation, test = (
        ImageSet(
            images.unsqueeze(1),
            torch.arange(len(images)) % len(CLASSES),
            CLASSES,
            NAME,
        )
        for images in torch.from_numpy(array).split(tuple(SIZES.values()))
    )
    return ImageSet(train.images, train.labels, CLASSES, NAME, validation), test
