"""Images in WebDataset's shards: tar files in which image and label are files of
one name.

The format is that of Aizman, Maltby and Breuel, "High Performance I/O For Large
Scale Deep Learning", 2019, arXiv:2001.01858: ``000017.jpg`` and ``000017.cls`` are
an image and its label, a number. Any tar files of that form will do, such as
webdataset's ShardWriter writes. Names may have dots: the last one begins the
ending, and ``a.left.jpg`` has the label ``a.left.cls`` or ``a.cls``.

Images are read in place, so shards are not compressed. An index beside them,
``sizes.json`` or wids' ``*.json`` with a ``shardlist``, says how many samples each
must have.
"""

from __future__ import annotations

import codecs
import json
import math
import os
import re
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cnnbook._arguments import short
from cnnbook.data.errors import DataError, one_line
from cnnbook.data.imagestream import ImageStream
from cnnbook.data.labelled import in_parts
from cnnbook.data.listing import is_metadata, plain_size

PREFIX = "webdataset:"
IMAGES = ("jpg", "jpeg", "png", "webp")  # the extensions of images
# A larger one is no class, but the number of something else.
LARGEST_LABEL = 999_999
# More classes than that, and than images, are not meant unless they are named.
UNNAMED = 1_000
DIGITS = 18  # of a shard's number: more than there are shards
LABEL_BYTES = 100  # more than a number has
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
COMPRESSED = "is compressed, unpack it: images are read in place"
MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")  # of these formats
RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)(?:\.\.-?(\d+))?\}")


def load(
    name: str, *, image_size: int, workers: int | None, progress: bool
) -> tuple[ImageStream, ImageStream]:
    """Find the images of the shards; they are read when they are needed.

    The headers of all shards are read once, to know how many images there are and
    where. The names of the classes are the lines of ``classes.txt`` beside the
    shards, or else 0, 1, ….

    Args:
        name: ``webdataset:PATTERN``. The pattern names the training shards, such as
            ``PATH/train-{000000..000146}.tar``; a folder stands for its
            ``train*.tar``. The test and the validation shards have ``test`` or
            ``val`` in place of ``train``, and any numbers. Without test shards,
            those of ``val`` are the test set.
        image_size: height and width of the images, in pixels.
        workers: decode processes, as `ImageStream` has them.
        progress: whether progress bars are shown.

    Raises:
        DataError: if a shard is missing, damaged or compressed, a label or an image
            is missing, or the package webdataset is.
    """
    path = Path(os.path.expanduser(name.removeprefix(PREFIX)))
    folder = path if os.path.isdir(path) else path.parent
    try:
        present = set(os.listdir(folder))
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror})") from error
    counts = _promised(folder, present)
    train, start = _train_shards(path, folder, present, counts)
    parts = [train]
    for part in ("test", "val"):
        if found := _shards(folder, present, start.replace("train", part), counts):
            parts.append(found)
    if len(parts) < 2:
        raise DataError(
            f"{folder} has no test or validation shards, test*.tar or val*.tar"
        )
    streams = [
        _index(name, shards, counts, image_size, workers, progress)
        for shards in parts
    ]
    classes = _classes(folder, streams[0])
    for stream in streams:
        if (largest := int(stream.labels.max())) >= len(classes):
            raise DataError(
                f"{_shard_of(stream, largest)} has the label {largest}, there are "
                f"{len(classes)} classes: 0 … {len(classes) - 1}"
            )
    return in_parts(replace(stream, classes=classes) for stream in streams)


def _train_shards(
    path: Path, folder: Path, present: set[str], counts: dict[str, int]
) -> tuple[list[Path], str]:
    """The training shards, and how their names start."""
    try:
        from webdataset.shardlists import expand_urls
    except ImportError as error:
        raise DataError(
            "WebDataset shards need the package webdataset: pip install webdataset"
        ) from error

    if path == folder:
        shards = _shards(folder, present, "train", counts)
        if not shards:
            raise DataError(
                f"{folder} has no training shards, train*.tar{_packed(present)}"
            )
        return shards, "train"
    start = path.name.partition("{")[0].removesuffix(".tar").rstrip("0123456789")
    if "train" not in start:
        raise DataError(
            f"the name of the training shards must have train in it, got {path}"
        )
    ranges = RANGE.findall(path.name)
    if any(len(number) > DIGITS for found in ranges for number in found):
        raise DataError(
            f"the numbers of shards have at most {DIGITS} digits, got "
            f"{short(path.name)}"
        )
    # The names of millions of shards that are not there would take minutes to spell
    # out.
    meant = math.prod(
        abs(int(last) - int(first)) // max(1, int(step or 1)) + 1
        for first, last, step in ranges
    )
    if meant > max(len(present), 100_000):
        raise DataError(
            f"{path} names {meant:,} shards, {folder} has {len(present):,} files"
        )
    try:
        shards = [path.with_name(name) for name in expand_urls(path.name)]
    except ValueError as error:
        raise DataError(f"{path}: {one_line(error)}") from error
    for shard in shards:
        if shard.name not in present:
            raise DataError(f"there is no shard {shard}{_packed(present)}")
        plain_size(shard)
    return shards, start


def _shards(
    folder: Path, present: set[str], start: str, counts: dict[str, int]
) -> list[Path]:
    """The shards in `folder` whose names start so.

    DataError if one of them is no plain file, is compressed, or is in the index
    alone.
    """
    names = sorted(name for name in present if name.startswith(start))
    for name in names:
        packed = next(filter(name.endswith, PACKED), None)
        if packed and f"{name.removesuffix(packed)}.tar" not in present:
            raise DataError(f"{folder / name} {COMPRESSED}")
    for name, count in counts.items():
        if name.startswith(start) and name.endswith(".tar") and name not in present:
            raise DataError(
                f"there is no shard {folder / name}, of which the index beside it "
                f"says that it has {count:,} samples; fetch it, or replace the "
                "index"
            )
    shards = [folder / name for name in names if name.endswith(".tar")]
    for shard in shards:
        plain_size(shard)
    return shards


def _packed(present: set[str]) -> str:
    """What to do about compressed shards, if there are some."""
    found = sorted(name for name in present if name.endswith(PACKED))
    return f"; {found[0]} {COMPRESSED}" if found else ""


def _index(
    name: str,
    shards: list[Path],
    counts: dict[str, int],
    image_size: int,
    workers: int | None,
    progress: bool,
) -> ImageStream:
    from tqdm import tqdm

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = threads.map(_scan, shards)
        # None: not in a log file or a pipe.
        hidden = None if progress else True
        scanned = list(
            tqdm(found, "index", len(shards), disable=hidden, unit=" shards")
        )
    for shard, found in zip(shards, scanned, strict=True):
        if (promised := counts.get(shard.name, len(found))) != len(found):
            raise DataError(
                f"{shard} has {len(found):,} samples, the index beside it says "
                f"{promised:,}; replace it, or the index"
            )
    places = [
        (file, *place) for file, found in enumerate(scanned) for *place, _ in found
    ]
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
    places: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                key, dot, extension = member.name.rpartition(".")
                hidden = any(
                    map(is_metadata, member.name.removeprefix("./").split("/"))
                )
                if not member.isreg() or not key or not dot or hidden:
                    continue
                if extension.lower() in IMAGES:
                    if key in places:
                        raise DataError(f"{shard} has two images named {key}")
                    places[key] = member.offset_data, member.size
                elif extension.lower() == "cls":
                    if key in labels:
                        raise DataError(f"{shard} has two labels named {key}")
                    labels[key] = _label(shard, tar, member)
                # They would keep every header; typeshed does not know them.
                tar.members.clear()  # type: ignore[attr-defined]
            _check_end(tar)
    except OSError as error:
        raise DataError(f"{shard} cannot be read ({error.strerror})") from error
    except (tarfile.TarError, EOFError) as error:
        with shard.open("rb") as file:
            packed = file.read(8).startswith(MAGICS)
        if packed:
            raise DataError(
                f"{shard} is compressed; unpack it: images are read in place"
            ) from error
        raise DataError(
            f"{shard} is damaged ({one_line(error)}); replace it"
        ) from error
    if not places:
        raise DataError(f"{shard} holds no images ({', '.join(IMAGES)})")
    return _matched(shard, places, labels)


def _check_end(tar: tarfile.TarFile) -> None:
    """tarfile takes a damaged header, and a file that was cut off, for the end."""
    tar.fileobj.seek(tar.offset)
    rest = tar.fileobj.read(2 * tarfile.BLOCKSIZE)
    if rest[: tarfile.BLOCKSIZE] != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"no header and no end at byte {tar.offset}")
    if rest != bytes(2 * tarfile.BLOCKSIZE):
        raise tarfile.ReadError(
            f"it is cut off in its end marker, at byte {tar.offset}"
        )
    while rest := tar.fileobj.read(1 << 20):
        if rest.strip(b"\0"):
            raise tarfile.ReadError(
                f"it goes on after its end marker at byte {tar.offset}"
            )


def _matched(
    shard: Path, places: dict[str, tuple[int, int]], labels: dict[str, int]
) -> list[tuple[int, int, int]]:
    """Each image's place with its label, of the same name or of that up to its
    first dot."""
    found, used = [], set()
    for key, place in places.items():
        folder, slash, file = key.rpartition("/")
        short = f"{folder}{slash}{file.partition('.')[0]}"
        name = key if key in labels else short
        if name not in labels:
            raise DataError(f"{shard} has an image {key} without label (.cls)")
        if name in used:
            raise DataError(f"{shard} has two images named {name}")
        used.add(name)
        found.append((*place, labels[name]))
    for key in labels:
        if key not in used:
            raise DataError(f"{shard} has a label {key} without image")
    return found


def _label(shard: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> int:
    file = tar.extractfile(member)
    text = file.read(LABEL_BYTES + 1) if file else b""
    shown = repr(text[:20]) + (" …" if len(text) > 20 else "")
    if len(text) > LABEL_BYTES or not text.strip().isdigit():
        raise DataError(
            f"{member.name} in {shard} must be a class's number, got {shown}"
        )
    if (label := int(text)) > LARGEST_LABEL:
        raise DataError(
            f"{member.name} in {shard} must be a class's number, 0 … "
            f"{LARGEST_LABEL:,}, got {label}"
        )
    return label


def _promised(folder: Path, present: set[str]) -> dict[str, int]:
    """How many samples each shard has, by the indices in `folder`; of most, none
    says it."""
    counts: dict[str, Any] = {}
    for name in sorted(present):
        path = folder / name
        # A pipe would be waited for.
        if path.suffix != ".json" or not path.is_file():
            continue
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue  # not ours to judge
        if name == "sizes.json" and isinstance(found, dict):
            counts |= found
        elif isinstance(found, dict) and isinstance(found.get("shardlist"), list):
            for shard in found["shardlist"]:
                if isinstance(shard, dict) and isinstance(shard.get("url"), str):
                    counts[shard["url"].rpartition("/")[2]] = shard.get("nsamples")
    return {name: count for name, count in counts.items() if type(count) is int}


def _shard_of(stream: ImageStream, label: int) -> Path:
    """The first shard with an image of this label."""
    file = int(stream.places[(stream.labels == label).nonzero()[0, 0], 0])
    return stream.root / os.fsdecode(stream.files[file])


def _classes(folder: Path, train: ImageStream) -> tuple[str, ...]:
    file = folder / "classes.txt"
    if not os.path.lexists(file):
        largest = int(train.labels.max())
        if largest >= max(UNNAMED, len(train)):
            raise DataError(
                f"{_shard_of(train, largest)} has the label {largest:,}, there are "
                f"{len(train):,} training images; if it is a class's number, name "
                f"the classes in {file}, a line each"
            )
        return tuple(map(str, range(largest + 1)))
    plain_size(file)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror})") from error
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} must be text in UTF-8 ({one_line(error)})"
        ) from error
    # Not splitlines, for which more than an end of line ends a line.
    names = tuple(
        line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()
    )
    if not names or len(set(names)) < len(names) or "\0" in text:
        raise DataError(f"{file} must name each class once, a line each")
    return names
