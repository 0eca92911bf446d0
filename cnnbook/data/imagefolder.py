"""The reader's own images: a folder a class, below train/ and test/ (or val/)."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cnnbook.data.decode import fit_to, read_rgb
from cnnbook.data.errors import DataError, one_line
from cnnbook.data.imageset import ImageSet
from cnnbook.data.imagestream import ImageStream
from cnnbook.data.labelled import in_parts
from cnnbook.data.listing import Listing, list_images, status_of

PREFIX = "imagefolder:"


def load(
    name: str,
    *,
    image_size: int,
    progress: bool,
    stream: bool = False,
    workers: int | None = None,
) -> tuple[ImageSet, ImageSet] | tuple[ImageStream, ImageStream]:
    """Read ``PATH/train/CLASS/*`` and ``PATH/test/CLASS/*`` into memory, or find
    the files only.

    With ``val/`` beside both, it becomes the training set's `validation`; without
    ``test/``, ``val/`` is the test set. Every image is made RGB
    (`cnnbook.data.decode` says how), its shorter side is resized to `image_size`,
    and the centre is cropped. Hidden files and those that systems leave are no
    images (`cnnbook.data.listing`).

    Args:
        name: ``imagefolder:PATH``.
        image_size: height and width of the result, in pixels.
        progress: whether progress bars are shown.
        stream: whether images are read when they are needed, rather than into
            memory.
        workers: decode processes of a stream, as `ImageStream` has them.

    Raises:
        DataError: if a folder is missing or empty, the parts have different
            classes, an image cannot be read, or the images need more than half of
            the memory that is available.
    """
    path = Path(os.path.expanduser(name.removeprefix(PREFIX)))
    folders = [
        path / part
        for part in ("train", "test", "val")
        if os.path.lexists(path / part)
    ]
    for folder in folders:
        if not stat.S_ISDIR(status_of(folder).st_mode):
            raise DataError(f"{folder} must be a folder with a folder a class")
    if path / "train" not in folders or len(folders) < 2:
        raise DataError(
            f"{path} must have the folders train and test (or val), each with a "
            "folder a class"
        )
    listings = [list_images(folder) for folder in folders]
    for folder, listing in zip(folders[1:], listings[1:], strict=True):
        if odd := set(listing.classes) ^ set(listings[0].classes):
            raise DataError(
                f"{folder} and {folders[0]} must have the same class folders; "
                f"only one of them has {', '.join(sorted(odd)[:5])}"
            )
    if stream:
        return in_parts(_find(name, each, image_size, workers) for each in listings)
    _check_memory(name, sum(len(each.paths) for each in listings), image_size)
    return in_parts(_read(name, each, image_size, progress) for each in listings)


def _find(
    name: str, listing: Listing, image_size: int, workers: int | None
) -> ImageStream:
    names = [
        os.fsencode(os.path.relpath(path, listing.root)) for path in listing.paths
    ]
    return ImageStream(
        root=listing.root,
        files=np.array(names),
        places=torch.tensor(
            [(file, 0, size) for file, size in enumerate(listing.sizes)]
        ),
        labels=torch.tensor(listing.labels),
        classes=listing.classes,
        name=name,
        image_size=image_size,
        workers=workers,
    )


def _check_memory(name: str, images: int, image_size: int) -> None:
    """DataError if the decoded images need more than half of the memory that is
    available."""
    needed, available = images * 3 * image_size**2, available_memory()
    # Holding images out for validation makes a second copy for a moment.
    if available is not None and needed > available / 2:
        raise DataError(
            f"the {images:,} images of {name} take {needed / 2**30:,.1f} GiB in "
            f"memory, of which {available / 2**30:,.1f} GiB are free; stream them: "
            "stream=True, or --stream"
        )


def available_memory() -> int | None:
    """Bytes that the system can still give; None where it does not say (no
    Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
    except OSError:
        return None
    sizes = dict(line.split(":") for line in lines)
    return int(sizes["MemAvailable"].split()[0]) * 1024


def _read(name: str, listing: Listing, image_size: int, progress: bool) -> ImageSet:
    from tqdm import tqdm

    fit, paths = fit_to(image_size), listing.paths
    images = torch.empty(len(paths), 3, image_size, image_size, dtype=torch.uint8)
    # Decoding and resizing release Python's lock, so threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        decoded = threads.map(lambda path: _decode(path, fit), paths)
        bar = tqdm(
            decoded,
            listing.root.name,
            len(paths),
            disable=not progress,
            unit="image",
        )
        for i, image in enumerate(bar):
            images[i] = image
    return ImageSet(images, torch.tensor(listing.labels), listing.classes, name)


def _decode(path: str, fit) -> Tensor:
    try:
        return read_rgb(path, fit)
    except Exception as error:
        # A decoder of damaged bytes raises whatever it trips over.
        raise DataError(
            f"{path} cannot be read as an image ({one_line(error)}); replace or "
            "delete it"
        ) from error
