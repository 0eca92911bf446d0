"""Which files below a folder are images, and of which class: what systems leave
there is neither.

Photo servers, archivers and notebooks add folders and files of their own, such as
``@eaDir``, ``__MACOSX``, ``.ipynb_checkpoints`` and ``._x.jpg``. Links are
followed, but no folder twice.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cnnbook.data.decode import SUFFIXES
from cnnbook.data.errors import DataError

# Besides all whose names begin with a dot.
METADATA = {
    "$RECYCLE.BIN", "#recycle", "@Recycle", "@eaDir", "__MACOSX", "__pycache__",
    "lost+found", "System Volume Information", "Thumbs.db", "desktop.ini",
}  # fmt: skip
# Images that Pillow does not read, or not everywhere. Left out silently they would
# be missed.
UNREAD = (".avif", ".exr", ".hdr", ".heic", ".heif", ".jxl")


@dataclass(frozen=True)
class Listing:
    """The images of one part of a data set, in the order of classes and names.

    Attributes:
        root: the folder, with a folder a class.
        classes: the names of these folders, sorted.
        paths: the path of each image.
        labels: the number of its class.
        sizes: bytes of each image's file.
    """

    root: Path
    classes: tuple[str, ...]
    paths: list[str]
    labels: list[int]
    sizes: list[int]


def is_metadata(name: str) -> bool:
    """Whether a file or folder of this name was left by a system, and is no one's
    image."""
    return name.startswith(".") or name in METADATA


def list_images(root: Path) -> Listing:
    """Every image below the class folders of `root`.

    A link from a class to a folder above it, or to one that the class has already,
    is left out.

    Raises:
        DataError: if there is no class folder or one without images, a folder
            cannot be read, two classes share a folder, a link leads nowhere, an
            image is no plain file, or of a format that is not read.
    """
    above = {_identity(folder) for folder in (root, *root.resolve().parents)}
    classes = [
        entry.name
        for entry in _entries(str(root))
        if _is_folder(entry) and _identity(entry.path) not in above
    ]
    if not classes:
        raise DataError(f"{root}: Couldn't find any class folder")
    owners: dict[tuple, str] = {}
    paths, labels, sizes, empty = [], [], [], []
    for label, name in enumerate(classes):
        found = _below(os.path.join(root, name), name, owners, above)
        if not found:
            empty.append(name)
        paths += [path for path, _ in found]
        sizes += [size for _, size in found]
        labels += [label] * len(found)
    if empty:
        raise DataError(
            f"{root}: Found no valid file for the classes {', '.join(empty)}; an "
            f"image's name ends in {', '.join(SUFFIXES)}"
        )
    return Listing(root, tuple(classes), paths, labels, sizes)


def _below(folder: str, owner: str, owners: dict[tuple, str], above: set) -> list:
    """Path and size of each image in `folder` and below, in the order of the
    folders' paths."""
    identity = _identity(folder)
    if identity in above or owners.get(identity) == owner:
        return []
    if (other := owners.setdefault(identity, owner)) != owner:
        raise DataError(
            f"{folder} is the same folder as one of class {other!r}; remove one"
        )
    images, folders = [], []
    for entry in _entries(folder):
        if _is_folder(entry):
            folders.append(entry.path)
        elif entry.name.lower().endswith(SUFFIXES):
            images.append((entry.path, plain_size(entry.path)))
        elif entry.name.lower().endswith(UNREAD):
            raise DataError(
                f"{entry.path} is of a format that is not read; save it as PNG, or "
                "remove it"
            )
    return images + [
        image for each in folders for image in _below(each, owner, owners, above)
    ]


def _entries(folder: str) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as found:
            kept = [entry for entry in found if not is_metadata(entry.name)]
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror})") from error
    return sorted(kept, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry) -> bool:
    """DataError for a link that leads nowhere: it may have been to a folder of
    images."""
    try:
        if entry.is_dir():
            return True
    except OSError:  # a link to itself
        pass
    if entry.is_symlink():
        status_of(entry.path)
    return False


def plain_size(path: str | Path) -> int:
    """Bytes of a plain file; DataError if it cannot be reached or is something
    else."""
    status = status_of(path)
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path} is no plain file; replace or remove it")
    return status.st_size


def status_of(path: str | Path) -> os.stat_result:
    """What the system knows of `path`; DataError if it cannot be reached."""
    try:
        return os.stat(path)
    except OSError as error:
        if os.path.islink(path):
            raise DataError(
                f"{path} is a link to {os.readlink(path)}, which cannot be reached "
                f"({error.strerror})"
            ) from error
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def _identity(folder: str | Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
