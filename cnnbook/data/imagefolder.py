"""The reader's own images: a folder a class, below train/ and test/ (or val/)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cnnbook.data.errors import DataError, one_line
from cnnbook.data.imageset import ImageSet
from cnnbook.data.imagestream import ImageStream

PREFIX = "imagefolder:"


def load(
    name: str,
    *,
    image_size: int,
    progress: bool,
    stream: bool = False,
    workers: int | None = None,
) -> tuple[ImageSet, ImageSet] | tuple[ImageStream, ImageStream]:
    """Read ``PATH/train/CLASS/*`` and ``PATH/test/CLASS/*`` into memory, or find the files only.

    With ``val/`` beside both, it becomes the training set's `validation`; without ``test/``,
    ``val/`` is the test set. Every image is made RGB, its shorter side is resized to `image_size`,
    and the centre is cropped.

    Args:
        name: ``imagefolder:PATH``.
        image_size: height and width of the result, in pixels.
        progress: whether progress bars are shown.
        stream: whether images are read when they are needed, rather than into memory.
        workers: decode processes of a stream, as `ImageStream` has them.

    Raises:
        DataError: if a folder is missing or empty, the parts have different classes, an image
            cannot be read, or the images need more than half of the memory that is available.
    """
    path = Path(name.removeprefix(PREFIX)).expanduser()
    folders = [path / part for part in ("train", "test", "val") if (path / part).is_dir()]
    if not (path / "train").is_dir() or len(folders) < 2:
        raise DataError(
            f"{path} must have the folders train and test (or val), each with a folder a class"
        )
    datasets = [_list(folder) for folder in folders]
    for folder, dataset in zip(folders[1:], datasets[1:], strict=True):
        if odd := set(dataset.classes) ^ set(datasets[0].classes):
            raise DataError(
                f"{folder} and {folders[0]} must have the same class folders; "
                f"only one of them has {', '.join(sorted(odd)[:5])}"
            )
    if stream:
        parts = [_find(name, each, image_size, workers) for each in datasets]
    else:
        _check_memory(name, sum(map(len, datasets)), image_size)
        parts = [_read(name, each, image_size, progress) for each in datasets]
    train, test, *validation = parts
    return replace(train, validation=validation[0] if validation else None), test


def _list(folder: Path):
    from torchvision.datasets import ImageFolder

    try:
        return ImageFolder(folder)
    except FileNotFoundError as error:
        raise DataError(f"{folder}: {one_line(error)}") from error


def _find(name: str, dataset, image_size: int, workers: int | None) -> ImageStream:
    root = Path(dataset.root)
    paths = [path for path, _ in dataset.samples]
    sizes = [os.path.getsize(path) for path in paths]
    return ImageStream(
        root=root,
        files=np.array([os.fsencode(os.path.relpath(path, root)) for path in paths]),
        places=torch.tensor([(file, 0, size) for file, size in enumerate(sizes)]),
        labels=torch.tensor(dataset.targets),
        classes=tuple(dataset.classes),
        name=name,
        image_size=image_size,
        workers=workers,
    )


def _check_memory(name: str, images: int, image_size: int) -> None:
    """DataError if the decoded images need more than half of the memory that is available."""
    needed, available = images * 3 * image_size**2, available_memory()
    # Holding images out for validation makes a second copy for a moment.
    if available is not None and needed > available / 2:
        raise DataError(
            f"the {images:,} images of {name} take {needed / 2**30:,.1f} GiB in memory, of which "
            f"{available / 2**30:,.1f} GiB are free; stream them: stream=True, or --stream"
        )


def available_memory() -> int | None:
    """Bytes that the system can still give; None where it does not say (no Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    sizes = dict(line.split(":") for line in lines)
    return int(sizes["MemAvailable"].split()[0]) * 1024


def _read(name: str, dataset, image_size: int, progress: bool) -> ImageSet:
    from torchvision.transforms import CenterCrop, Compose, PILToTensor, Resize
    from tqdm import tqdm

    to_tensor = Compose([Resize(image_size), CenterCrop(image_size), PILToTensor()])
    images = torch.empty(len(dataset), 3, image_size, image_size, dtype=torch.uint8)
    paths = [path for path, _ in dataset.samples]
    # Decoding and resizing release Python's lock, so threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        decoded = threads.map(lambda path: _decode(path, dataset.loader, to_tensor), paths)
        bar = tqdm(decoded, Path(dataset.root).name, len(paths), disable=not progress, unit="image")
        for i, image in enumerate(bar):
            images[i] = image
    return ImageSet(images, torch.tensor(dataset.targets), tuple(dataset.classes), name)


def _decode(path: str, open_rgb: Callable, to_tensor: Callable[..., Tensor]) -> Tensor:
    try:
        return to_tensor(open_rgb(path))
    except Exception as error:  # a decoder of damaged bytes raises whatever it trips over
        raise DataError(
            f"{path} cannot be read as an image ({one_line(error)}); replace or delete it"
        ) from error
