"""Fashion-MNIST, all 70,000 images: 28×28, one channel, ten classes.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
Machine Learning Algorithms", 2017, arXiv:1708.07747. The files are in the idx
format of MNIST: four bytes of magic (two zeros, 8 for uint8, the number of
dimensions), each dimension as a big-endian 32-bit number, then the values.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from cnnbook.data import storage
from cnnbook.data.errors import DataError, one_line
from cnnbook.data.imageset import ImageSet

NAME = "fashion-mnist"
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# SHA-256 of the four files, uncompressed.
SHA256 = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}
LARGEST = 60_000 * 28 * 28  # values in one file
TORCHVISION_FOLDER = "FashionMNIST/raw"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
DEBIAN_PACKAGE = "dataset-fashion-mnist"


def load(
    root: Path, *, download: bool, progress: bool
) -> tuple[ImageSet, ImageSet]:
    """The 60,000 training and the 10,000 test images.

    Looked for in torchvision's layout below `root`, then where Debian's package
    puts it; else downloaded to `root`.

    Raises:
        DataError: if the files are missing, damaged, or cannot be downloaded.
    """
    found = find(root)
    if not found:
        if not download:
            raise DataError(
                f"{NAME} is neither in {root / TORCHVISION_FOLDER} nor in "
                f"{DEBIAN_FOLDER}; allow the download, or apt-get install "
                f"{DEBIAN_PACKAGE}"
            )
        storage.fetch(NAME, _download, TORCHVISION_FOLDER, root, progress=progress)
        found = find(root)
    return _read_part(found, "train"), _read_part(found, "t10k")


def find(root: Path) -> dict[str, Path]:
    """The path of each of the four files, plain or gzipped; empty if they are
    nowhere."""
    for folder in (root / TORCHVISION_FOLDER, DEBIAN_FOLDER):
        paths: dict[str, Path] = {}
        for name in SHA256:
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    paths.setdefault(name, path)
        if len(paths) == len(SHA256):
            return paths
    return {}


def read_idx(path: Path, dims: int, sha256: str) -> Tensor:
    """Read an idx file of uint8 values, gzipped if its name ends in .gz.

    Args:
        path: the file.
        dims: the number of dimensions that the values must have.
        sha256: the checksum that the uncompressed file must have.

    Raises:
        DataError: if the file is damaged.
    """
    header = 4 + 4 * dims
    try:
        # As much as the header says and a byte more: a damaged archive may hold
        # anything.
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read(header)
            shape = struct.unpack(f">{dims}I", content[4:].ljust(4 * dims, b"\0"))
            wanted = math.prod(shape)
            if wanted <= LARGEST:
                content += file.read(wanted + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, one_line(error)) from error
    magic = bytes((0, 0, 8, dims))
    if content[:4] != magic:
        raise _damaged(
            path, f"it begins with {content[:4].hex()}, not {magic.hex()}"
        )
    if len(content) < header:
        raise _damaged(path, f"its header has {len(content)} bytes, not {header}")
    if wanted > LARGEST:
        raise _damaged(
            path, f"its header says {wanted:,} values, {LARGEST:,} are the most"
        )
    if (found := len(content) - header) != wanted:
        holds = f"more than {wanted}" if found > wanted else found
        raise _damaged(path, f"it holds {holds} values, its header says {wanted}")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _damaged(path, "its SHA-256 is wrong")
    return torch.frombuffer(
        bytearray(content), dtype=torch.uint8, offset=header
    ).view(shape)


def _read_part(paths: dict[str, Path], part: str) -> ImageSet:
    names = (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    images, labels = (
        read_idx(paths[name], dims, SHA256[name])
        for name, dims in zip(names, (3, 1), strict=True)
    )
    try:
        return ImageSet(images.unsqueeze(1), labels.long(), CLASSES, NAME)
    except ValueError as error:
        raise _damaged(paths[names[1]], one_line(error)) from error


def _damaged(path: Path, why: str) -> DataError:
    if path.parent == DEBIAN_FOLDER:
        remedy = f"apt-get install --reinstall {DEBIAN_PACKAGE}"
    else:
        remedy = "delete it and run again"
    return DataError(f"{path} is damaged ({why}); {remedy}")


def _download(folder: Path) -> None:
    from torchvision.datasets import FashionMNIST

    FashionMNIST(folder, download=True)
    # torchvision keeps each archive beside its content; the content is all that is
    # read.
    for archive in (folder / TORCHVISION_FOLDER).glob("*.gz"):
        archive.unlink()
