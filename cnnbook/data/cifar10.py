"""CIFAR-10: 50,000 training and 10,000 test images, 3×32×32, ten classes.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Read by
torchvision, which checks the MD5 of every file before it unpickles one.
"""

from __future__ import annotations

from pathlib import Path

import torch

from cnnbook.data import storage
from cnnbook.data.errors import DataError
from cnnbook.data.imageset import ImageSet

NAME = "cifar10"


def load(
    root: Path, *, download: bool, progress: bool
) -> tuple[ImageSet, ImageSet]:
    """The 50,000 training and the 10,000 test images, downloaded to `root` if they
    are not there.

    Raises:
        DataError: if the files are missing, damaged, or cannot be downloaded.
    """
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    folder = root / CIFAR10.base_folder
    md5s = dict([*CIFAR10.train_list, *CIFAR10.test_list])
    md5s[CIFAR10.meta["filename"]] = CIFAR10.meta["md5"]
    if not all((folder / name).is_file() for name in md5s):
        if not download:
            raise DataError(
                f"{NAME} is not in {folder}; allow the download, or set root=… or "
                "$CNNBOOK_DATA to the folder that has it"
            )
        storage.fetch(NAME, _download, CIFAR10.base_folder, root, progress=progress)
    for name, md5 in md5s.items():
        if not check_integrity(folder / name, md5):
            raise DataError(
                f"{folder / name} is damaged (its MD5 is wrong); delete it and run "
                "again"
            )
    return _image_set(CIFAR10(root, train=True)), _image_set(
        CIFAR10(root, train=False)
    )


def _download(folder: Path) -> None:
    from torchvision.datasets import CIFAR10

    CIFAR10(folder, download=True)


def _image_set(dataset) -> ImageSet:
    images = torch.from_numpy(dataset.data).permute(0, 3, 1, 2).contiguous()
    return ImageSet(
        images, torch.tensor(dataset.targets), tuple(dataset.classes), NAME
    )
