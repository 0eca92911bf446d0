"""Named sets of images, each as a training and a test part.

A part is an :class:`ImageSet` in memory, or an :class:`ImageStream` that is read
from files, by worker processes, while it trains. `fit` takes both. Besides, there
are four photographs to look at.
"""

from __future__ import annotations

import os
from pathlib import Path

from cnnbook._arguments import near, short
from cnnbook.data import (
    cifar10,
    fashion_mnist,
    fashion_mnist_mini,
    imagefolder,
    webdataset,
)
from cnnbook.data.errors import DataError
from cnnbook.data.imageset import ImageSet
from cnnbook.data.imagestream import ImageStream
from cnnbook.data.photographs import photograph, photograph_names
from cnnbook.data.storage import default_root

__all__ = [
    "DataError",
    "ImageSet",
    "ImageStream",
    "load",
    "names",
    "photograph",
    "photograph_names",
]

LARGEST_SIZE = 16_384  # pixels; an image takes 768 MiB then
MOST_WORKERS = 1_024

_DOWNLOADED = {fashion_mnist.NAME: fashion_mnist, cifar10.NAME: cifar10}


def names() -> tuple[str, ...]:
    """The name of every data set; PATH and PATTERN stand for the reader's own
    images.

    PATH is a folder laid out as ImageNet's: ``train/CLASS/*``, and ``val/`` or
    ``test/`` beside. PATTERN names WebDataset's shards of training images, such as
    ``PATH/train-{000000..000146}.tar`` with ``val-*.tar`` beside, or a folder that
    has such files.
    """
    own = (imagefolder.PREFIX + "PATH", webdataset.PREFIX + "PATTERN")
    return (fashion_mnist_mini.NAME, *_DOWNLOADED, *own)


def has_own_size(name: str) -> bool:
    """Whether the images of this data set have a size that cannot be chosen."""
    return not name.startswith((imagefolder.PREFIX, webdataset.PREFIX))


def load(
    name: str,
    *,
    root: str | os.PathLike | None = None,
    image_size: int | None = None,
    download: bool = True,
    progress: bool = True,
    stream: bool = False,
    workers: int | None = None,
) -> tuple[ImageSet, ImageSet] | tuple[ImageStream, ImageStream]:
    """The training and the test images of a data set.

    The reader's own images become RGB of eight bits, in memory and in a stream
    alike. Grey of 9 … 16 bits keeps its upper eight. What is transparent (RGBA,
    grey with alpha, an entry of a palette) shows white behind it. A photograph is
    turned as its EXIF data say it was held. Of an animation or a file of several
    pages, the first picture is read. CMYK and other colour spaces are converted
    without colour profiles. Values without a known range (float, signed, 32-bit)
    are an error. The shorter side is then resized and the centre cropped.

    Args:
        name: one of :func:`names`.
        root: the folder of downloaded data sets, laid out as torchvision's; by
            default $CNNBOOK_DATA, or else ``cnnbook`` in the user's cache.
            ``fashion-mnist-mini`` comes with the package and needs none.
        image_size: height and width in pixels of the images of ``imagefolder:PATH``
            and ``webdataset:PATTERN``, by default 64. The other sets have a size of
            their own.
        download: whether a set that is not in `root` is downloaded.
        progress: whether progress bars are shown.
        stream: read the images of an ``imagefolder:PATH`` while training, rather
            than into memory at once. Those of a ``webdataset:PATTERN`` are always
            streamed, the others never.
        workers: processes that decode a stream; 0: none. By default one a core.

    Raises:
        ValueError: if no data set has this name (near names are offered), or
            `image_size` is not a size that this set can have, or `stream` or
            `workers` do not apply to it.
        DataError: a ValueError; if files are missing or damaged, or a download
            fails.
    """
    if not isinstance(name, str):
        raise TypeError(
            f"the name of a data set must be a string, got {short(name)}"
        )
    for option, value in (
        ("download", download),
        ("progress", progress),
        ("stream", stream),
    ):
        if not isinstance(value, bool):
            raise TypeError(f"{option} must be True or False, got {short(value)}")
    if root is not None and not isinstance(root, (str, os.PathLike)):
        raise TypeError(f"root must be a path or None, got {short(root)}")
    if workers is not None and (
        type(workers) is not int or not 0 <= workers <= MOST_WORKERS
    ):
        raise ValueError(
            f"workers must be 0 or a positive integer of at most {MOST_WORKERS:,}, "
            f"got {short(workers)}"
        )
    if not has_own_size(name):
        size = 64 if image_size is None else image_size
        if type(size) is not int or not 1 <= size <= LARGEST_SIZE:
            raise ValueError(
                "image_size must be a positive number of pixels, got "
                f"{short(size)}; {LARGEST_SIZE:,} are the most"
            )
        if name.startswith(webdataset.PREFIX):
            return webdataset.load(
                name, image_size=size, workers=workers, progress=progress
            )
        return imagefolder.load(
            name,
            image_size=size,
            workers=workers,
            progress=progress,
            stream=stream,
        )
    if name not in names():
        raise ValueError(f"unknown data set {name!r}; {near(name, names())}")
    if image_size is not None:
        raise ValueError(
            f"the images of {name} have a fixed size; leave out image_size"
        )
    if stream:
        raise ValueError(f"{name} is always read into memory; leave out stream")
    if name == fashion_mnist_mini.NAME:
        return fashion_mnist_mini.load()
    folder = default_root() if root is None else Path(os.path.expanduser(root))
    return _DOWNLOADED[name].load(folder, download=download, progress=progress)
