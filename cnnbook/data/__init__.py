"""Named sets of images, each as a training and a test :class:`ImageSet` in memory."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from cnnbook.data import cifar10, fashion_mnist, fashion_mnist_mini, imagefolder
from cnnbook.data.errors import DataError
from cnnbook.data.imageset import ImageSet
from cnnbook.data.storage import default_root

__all__ = ["DataError", "ImageSet", "load", "names"]

_DOWNLOADED = {fashion_mnist.NAME: fashion_mnist, cifar10.NAME: cifar10}


def names() -> tuple[str, ...]:
    """The name of every data set; PATH stands for a folder of the reader's own images."""
    return (fashion_mnist_mini.NAME, *_DOWNLOADED, imagefolder.PREFIX + "PATH")


def load(
    name: str,
    *,
    root: str | os.PathLike | None = None,
    image_size: int | None = None,
    download: bool = True,
    progress: bool = True,
) -> tuple[ImageSet, ImageSet]:
    """The training and the test images of a data set.

    Args:
        name: one of :func:`names`.
        root: the folder of downloaded data sets, laid out as torchvision's; by default
            $CNNBOOK_DATA, or else ``cnnbook`` in the user's cache. ``fashion-mnist-mini`` comes
            with the package and needs none.
        image_size: height and width in pixels of the images of an ``imagefolder:PATH``, by
            default 64. The other sets have a size of their own.
        download: whether a set that is not in `root` is downloaded.
        progress: whether progress bars are shown.

    Raises:
        ValueError: if no data set has this name (near names are offered), or `image_size` is not
            a size that this set can have.
        DataError: a ValueError; if files are missing or damaged, or a download fails.
    """
    if name.startswith(imagefolder.PREFIX):
        size = 64 if image_size is None else image_size
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"image_size must be a positive number of pixels, got {size!r}")
        return imagefolder.load(name, image_size=size, progress=progress)
    if name not in names():
        near = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(names())}"
        raise ValueError(f"unknown data set {name!r}; {hint}")
    if image_size is not None:
        raise ValueError(f"the images of {name} have a fixed size; leave out image_size")
    if name == fashion_mnist_mini.NAME:
        return fashion_mnist_mini.load()
    folder = default_root() if root is None else Path(root).expanduser()
    return _DOWNLOADED[name].load(folder, download=download, progress=progress)
