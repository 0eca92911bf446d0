"""The form of a data set that does not fit into memory: where each image is, and
its label."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor

from cnnbook.data.decode import fit_to, read_rgb
from cnnbook.data.errors import DataError, one_line
from cnnbook.data.imageset import ImageSet
from cnnbook.data.labelled import Labelled

SAMPLE = 1000  # images from which mean and deviation are estimated
OPEN_FILES = 16  # shards that are read from at a time


@dataclass(frozen=True, eq=False, repr=False)
class ImageStream(Labelled):
    """Labelled images in files, read and decoded by worker processes when they are
    needed.

    It is used as an `ImageSet` is, and trains to the same bits as one of the same
    images. Each becomes RGB, as `cnnbook.data.decode` says; its shorter side is
    resized to `image_size` and the centre is cropped.

    Attributes:
        root: the folder of all files.
        files: the name of each file below `root`, as bytes.
        places: N × 3, int64: for each image the file's index, its first byte there,
            its length.
        labels: N, int64; indices into `classes`.
        classes: the name of each class.
        name: the data set's name, as ``data.load`` takes it.
        image_size: height and width of the images, in pixels.
        validation: the validation images that come with the data set, or None.
        workers: decode processes; 0: none, this process decodes. None: one a core,
            the cores of a machine shared among the processes that torchrun started
            there.
    """

    root: Path
    files: np.ndarray
    places: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str
    image_size: int
    validation: ImageStream | None = None
    workers: int | None = None

    @property
    def input_size(self) -> tuple[int, int, int]:
        """The size of one image, (C, H, W)."""
        return 3, self.image_size, self.image_size

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of file names, places and lengths, labels and image size.

        The images themselves are not read for it: it would take as long as an
        epoch.
        """
        digest = hashlib.sha256(f"{self.image_size}\n".encode())
        digest.update(b"\n".join(self.files.tolist()))
        for tensor in (self.places, self.labels):
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()

    def mean_std(self) -> tuple[Tensor, Tensor]:
        """As ``ImageSet.mean_std``, of 1,000 images evenly spaced over the set, or
        of all."""
        sample = (
            torch.linspace(0, len(self) - 1, min(SAMPLE, len(self))).round().long()
        )
        images = torch.cat(list(self.read(sample.split(50))))
        return ImageSet(
            images, self.labels[sample], self.classes, self.name
        ).mean_std()

    def subset(self, indices: Sequence[int] | Tensor) -> Self:
        """The images at `indices`, in that order; name, classes and validation part
        stay.

        Raises:
            ValueError: if `indices` is empty, or not of integers in 0 … N-1.
        """
        indices = self._checked(indices)
        return replace(
            self, places=self.places[indices], labels=self.labels[indices]
        )

    def order(self, generator: torch.Generator) -> Tensor:
        """The indices of all images in a random order.

        Images in shards are shuffled within 16 shards at a time, which take turns
        in a random order: a disk then reads few files, again and again, rather than
        all of them.
        """
        order = torch.randperm(
            len(self), generator=generator, device=generator.device
        )
        # Few files, or one image in each.
        if len(self.files) <= OPEN_FILES or not self.places[:, 1].any():
            return order
        turns = torch.randperm(
            len(self.files), generator=generator, device=generator.device
        )
        turn = turns[self.places[:, 0].to(order.device)] // OPEN_FILES
        return order[turn[order].argsort(stable=True)]

    def take(self, indices: Tensor) -> Tensor:
        """The images at `indices`, uint8, n × 3 × H × W, decoded by this process.

        Raises:
            DataError: if one cannot be read; it names the file.
        """
        return torch.stack(
            [self._decode(*place) for place in self.places[indices].tolist()]
        )

    def read(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """The images at each batch of indices, decoded ahead by the workers.

        Raises:
            DataError: if an image cannot be read, or a worker was killed.
        """
        from torch.utils.data import DataLoader

        workers = default_workers() if self.workers is None else self.workers
        # torch's types know neither batches of indices that are tensors nor a set
        # that gives whole batches.
        loader: DataLoader[Any] = DataLoader(
            cast(Any, _Batches(self)),
            batch_sampler=cast(Any, batches),
            num_workers=min(workers, len(batches)),
            collate_fn=cast(Any, _as_it_is),
            pin_memory=torch.cuda.is_available(),
            # Of its own, so that dropout's random numbers are those of a run in
            # memory.
            generator=torch.Generator(),
        )
        found = iter(loader)
        while True:
            try:
                images = next(found)
            except StopIteration:
                return
            # Out of shared memory, or killed: what breaks then depends on what it
            # was sending.
            except (RuntimeError, OSError, EOFError) as error:
                raise DataError(
                    f"{self.name}: {_failed_worker(found, error)}"
                ) from error
            if isinstance(images, DataError):
                raise images
            yield images

    def _decode(self, file: int, start: int, length: int) -> Tensor:
        path = self.root / os.fsdecode(self.files[file])
        try:
            with path.open("rb") as opened:
                opened.seek(start)
                content = opened.read(length)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror})") from error
        if len(content) < length:
            raise DataError(
                f"{path} ends {length - len(content):,} bytes too early; it was "
                "changed since it was indexed: load the set anew"
            )
        try:
            return read_rgb(io.BytesIO(content), self._fit)
        except Exception as error:
            # A decoder of damaged bytes raises whatever it trips over.
            what = path if start == 0 else f"{_member(path, start)} in {path}"
            raise DataError(
                f"{what} cannot be read as an image ({one_line(error)}); replace "
                "or delete it"
            ) from error

    @cached_property
    def _fit(self) -> Callable:
        return fit_to(self.image_size)


def _failed_worker(loader, error: Exception) -> str:
    """Which decode worker died, and of what."""
    for worker in getattr(loader, "_workers", ()):
        # torch raises it wherever it hears of the worker's end.
        with suppress(RuntimeError):
            worker.join(1)  # a process that is gone may not be known to be yet
        if code := worker.exitcode:
            how = (
                f"was killed by signal {-code}"
                if code < 0
                else f"ended with status {code}"
            )
            return (
                f"decode worker {worker.pid} {how}; try fewer workers, which take "
                "less memory"
            )
    return f"a decode worker failed ({one_line(error)})"


def default_workers() -> int:
    """The cores that this process may use, shared with the others that torchrun
    started here."""
    # Not everywhere can a process be bound to some of the cores.
    bound = getattr(os, "sched_getaffinity", None)
    cores = len(bound(0)) if bound else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


class _Batches:
    """What a worker does: a batch of images, or the error that names the file."""

    def __init__(self, stream: ImageStream):
        self.stream = stream

    def __getitems__(self, indices: Tensor) -> Tensor | DataError:
        try:
            return self.stream.take(indices)
        except DataError as error:
            # Raised here, it would reach the reader as a page of traceback.
            return DataError(str(error))


def _as_it_is(images: Tensor | DataError) -> Tensor | DataError:
    return images


def _member(path: Path, start: int) -> str:
    """The name of the tar member whose content begins at this byte: its header
    comes before."""
    with path.open("rb") as shard:
        shard.seek(start - tarfile.BLOCKSIZE)
        header = shard.read(tarfile.BLOCKSIZE)
    try:
        return tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape").name
    except tarfile.TarError:  # the shard was changed since it was indexed
        return f"byte {start}"
