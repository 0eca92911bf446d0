"""Images in WebDataset's shards: tar files in which image and label are files of one name.

The format is that of Aizman, Maltby and Breuel, "High Performance I/O For Large Scale Deep
Learning", 2019, arXiv:2001.01858: ``000017.jpg`` and ``000017.cls`` are an image and its label, a
number. Any tar files of that form will do, such as webdataset's ShardWriter writes.
"""

from __future__ import annotations

import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cnnbook.data.errors import DataError, one_line
from cnnbook.data.imagestream import ImageStream

PREFIX = "webdataset:"
IMAGES = ("jpg", "jpeg", "png", "webp")  # the extensions of images


def load(
    name: str, *, image_size: int, workers: int | None, progress: bool
) -> tuple[ImageStream, ImageStream]:
    """Find the images of the shards; they are read when they are needed.

    The headers of all shards are read once, to know how many images there are and where. The
    names of the classes are the lines of ``classes.txt`` beside the shards, or else 0, 1, ….

    Args:
        name: ``webdataset:PATTERN``. The pattern names the training shards, such as
            ``PATH/train-{000000..000146}.tar``; a folder stands for its ``train*.tar``. The test
            and the validation shards have ``test`` or ``val`` in place of ``train``, and any
            numbers. Without test shards, those of ``val`` are the test set.
        image_size: height and width of the images, in pixels.
        workers: decode processes, as `ImageStream` has them.
        progress: whether progress bars are shown.

    Raises:
        DataError: if a shard is missing or damaged, a label or an image is missing, or the package
            webdataset is.
    """
    train, start = _train_shards(name.removeprefix(PREFIX))
    folder = train[0].parent
    parts = [train]
    for part in ("test", "val"):
        if found := sorted(folder.glob(f"{start.replace('train', part)}*.tar")):
            parts.append(found)
    if len(parts) < 2:
        raise DataError(f"{folder} has no test or validation shards, test*.tar or val*.tar")
    found = [_index(name, shards, image_size, workers, progress) for shards in parts]
    classes = _classes(folder, found[0])
    for stream in found:
        if (largest := int(stream.labels.max())) >= len(classes):
            first = int(stream.places[stream.labels.argmax(), 0])
            raise DataError(
                f"{folder / os.fsdecode(stream.files[first])} has the label {largest}, "
                f"there are {len(classes)} classes: 0 … {len(classes) - 1}"
            )
    train, test, *validation = (replace(stream, classes=classes) for stream in found)
    return replace(train, validation=validation[0] if validation else None), test


def _train_shards(pattern: str) -> tuple[list[Path], str]:
    """The training shards, and how their names start."""
    try:
        from webdataset.shardlists import expand_urls
    except ImportError as error:
        raise DataError(
            "WebDataset shards need the package webdataset: pip install webdataset"
        ) from error

    path = Path(pattern).expanduser()
    if path.is_dir():
        shards, start = sorted(path.glob("train*.tar")), "train"
        if not shards:
            raise DataError(f"{path} has no training shards, train*.tar")
        return shards, start
    start = path.name.partition("{")[0].removesuffix(".tar").rstrip("0123456789")
    if "train" not in start:
        raise DataError(f"the name of the training shards must have train in it, got {path}")
    shards = [Path(shard) for shard in expand_urls(str(path))]
    for shard in shards:
        if not shard.is_file():
            raise DataError(f"there is no shard {shard}")
    return shards, start


def _index(
    name: str, shards: list[Path], image_size: int, workers: int | None, progress: bool
) -> ImageStream:
    from tqdm import tqdm

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = threads.map(_scan, shards)
        # None: not in a log file or a pipe.
        hidden = None if progress else True
        scanned = list(tqdm(found, "index", len(shards), disable=hidden, unit=" shards"))
    places = [(file, *place) for file, found in enumerate(scanned) for *place, _ in found]
    return ImageStream(
        root=shards[0].parent,
        files=np.array([os.fsencode(shard.name) for shard in shards]),
        places=torch.tensor(places),
        labels=torch.tensor([label for found in scanned for *_, label in found]),
        classes=(),
        name=name,
        image_size=image_size,
        workers=workers,
    )


def _scan(shard: Path) -> list[tuple[int, int, int]]:
    """First byte, length and label of each image."""
    from webdataset.tariterators import base_plus_ext

    places, labels = {}, {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                key, extension = base_plus_ext(member.name)
                if not member.isreg() or key is None:
                    continue
                if extension.lower() in IMAGES:
                    if key in places:
                        raise DataError(f"{shard} has two images named {key}")
                    places[key] = member.offset_data, member.size
                elif extension.lower() == "cls":
                    labels[key] = _label(shard, member.name, tar.extractfile(member).read())
                tar.members.clear()  # which would keep every header
            # tarfile takes a damaged header for the end; the true end is a block of zeros.
            tar.fileobj.seek(tar.offset)
            if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError(f"no header and no end at byte {tar.offset}")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{shard} is damaged ({one_line(error)}); replace it") from error
    if not places:
        raise DataError(f"{shard} holds no images ({', '.join(IMAGES)})")
    for key in places.keys() ^ labels.keys():
        has, lacks = ("an image", "label (.cls)") if key in places else ("a label", "image")
        raise DataError(f"{shard} has {has} {key} without {lacks}")
    return [(*place, labels[key]) for key, place in places.items()]


def _label(shard: Path, member: str, text: bytes) -> int:
    if not text.strip().isdigit():
        raise DataError(f"{member} in {shard} must be a class's number, got {text[:20]!r}")
    return int(text)


def _classes(folder: Path, train: ImageStream) -> tuple[str, ...]:
    file = folder / "classes.txt"
    if not file.is_file():
        return tuple(map(str, range(int(train.labels.max()) + 1)))
    names = tuple(line.strip() for line in file.read_text("utf-8").splitlines() if line.strip())
    if not names or len(set(names)) < len(names):
        raise DataError(f"{file} must name each class once, a line each")
    return names
