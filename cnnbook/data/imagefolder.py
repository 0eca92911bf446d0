"""The reader's own images: a folder a class, below train/ and test/ (or val/)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from cnnbook.data.errors import DataError, one_line
from cnnbook.data.imageset import ImageSet

PREFIX = "imagefolder:"


def load(name: str, *, image_size: int, progress: bool) -> tuple[ImageSet, ImageSet]:
    """Read ``PATH/train/CLASS/*`` and ``PATH/test/CLASS/*`` into memory.

    With ``val/`` beside both, it becomes the training set's `validation`; without ``test/``,
    ``val/`` is the test set. Every image is made RGB, its shorter side is resized to `image_size`,
    and the centre is cropped.

    Args:
        name: ``imagefolder:PATH``.
        image_size: height and width of the result, in pixels.
        progress: whether progress bars are shown.

    Raises:
        DataError: if a folder is missing or empty, the parts have different classes, or an image
            cannot be read.
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
    train, test, *validation = (_read(name, each, image_size, progress) for each in datasets)
    return replace(train, validation=validation[0] if validation else None), test


def _list(folder: Path):
    from torchvision.datasets import ImageFolder

    try:
        return ImageFolder(folder)
    except FileNotFoundError as error:
        raise DataError(f"{folder}: {one_line(error)}") from error


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
