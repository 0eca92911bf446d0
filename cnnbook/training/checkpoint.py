"""What a run must keep to go on after it was stopped: whole files, checked when
they are read."""

from __future__ import annotations

import hashlib
import io
import os
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import torch

from cnnbook._files import write_whole
from cnnbook.data import ImageSet, ImageStream
from cnnbook.training import distributed
from cnnbook.training.recipe import Recipe

FORMAT = 2
KEPT = 2  # the newest, and the one before it in case that is damaged


class Checkpoints:
    """The checkpoints of one run in a folder, ``epoch-<n>.pt`` after n epochs.

    Args:
        folder: made if need be; None: nothing is kept.
        parts: what changes while training; each has `state_dict` and
            `load_state_dict`.
        identity: what must be the same for a run to go on, such as the recipe's
            fields.
    """

    def __init__(
        self, folder: str | os.PathLike | None, parts: dict, identity: dict
    ):
        if folder is not None and not os.fspath(folder):
            raise ValueError(
                "the name of the checkpoints' folder must not be empty"
            )
        self.folder = None if folder is None else Path(folder)
        self.ours: set[Path] = set()  # what a run of ours wrote, and no one else
        self.parts, self.identity = parts, identity

    def resume(self, anew: bool) -> dict:
        """Bring the parts to the newest whole checkpoint and return what else was
        saved with it.

        Without one, or `anew`, save the beginning, with which a folder that cannot
        be written shows before any training.

        Raises:
            ValueError: in one line, if the checkpoint is of another run, or none
                can be read.
            OSError: if the folder cannot be written.
        """
        progress = {"history": [], "seconds": 0.0}
        if self.folder is None:
            return progress
        older, first = _paths(self.folder), _path(self.folder, 0)
        for path in older:
            # A pipe would be waited for, and a folder be in the way of a later one.
            if not path.is_file():
                raise ValueError(
                    f"{path} is no plain file; move it away, or choose another "
                    "folder"
                )
        distributed.wait()  # until all have looked
        if older and not anew:
            state = self._newest(older)
            for path in older[:-1] if distributed.is_first() else ():
                with suppress(ValueError):  # damaged, or someone else's: it stays
                    self._claim(path)
            for name, part in self.parts.items():
                part.load_state_dict(state["parts"][name])
            return state["progress"]
        if distributed.is_first():
            for path in older:
                self._claim(path)
        self.save(progress)
        if distributed.is_first():
            for path in self.ours - {first}:
                path.unlink(missing_ok=True)
            self.ours = {first}
        return progress

    def save(self, progress: dict) -> None:
        """Save the parts and `progress`, whose history has an entry per epoch done.

        Raises:
            OSError: if the folder cannot be written or is full; older checkpoints
                stay.
        """
        if self.folder is None or not distributed.is_first():
            return
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        # Through memory: torch reports a full disk as an internal error of its own.
        buffer = io.BytesIO()
        saved = {
            "format": FORMAT,
            "identity": self.identity,
            "parts": parts,
            "progress": progress,
        }
        torch.save(saved, buffer)
        path = _path(self.folder, len(progress["history"]))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, lambda part: part.write_bytes(buffer.getbuffer()))
        except OSError as error:
            reason = error.strerror or error
            raise OSError(f"cannot write the checkpoint {path}: {reason}") from None
        self.ours.add(path)
        for old in sorted(self.ours, key=_epoch)[:-KEPT]:
            old.unlink(missing_ok=True)
            self.ours.remove(old)

    @contextmanager
    def say_how_to_go_on(self) -> Iterator[None]:
        """Give a KeyboardInterrupt a message that says where the run can go on."""
        try:
            yield
        except KeyboardInterrupt:
            if self.folder is None:
                raise
            whole = _paths(self.folder)
            if not whole:
                raise KeyboardInterrupt(
                    "stopped before the first checkpoint was written"
                ) from None
            raise KeyboardInterrupt(
                f"stopped; {whole[-1]} is whole, and the same call goes on from "
                "there"
            ) from None

    def _claim(self, path: Path) -> None:
        """Take `path` for ours, to be replaced. ValueError if no run of ours wrote
        it."""
        try:
            _read(path)
        except ValueError as error:
            raise ValueError(
                f"{path} was not written by a run of this package, or is damaged "
                f"({error}); move it away, or choose another folder"
            ) from None
        self.ours.add(path)

    def _newest(self, paths: list[Path]) -> dict:
        for path in reversed(paths):
            try:
                state = _read(path)
            except ValueError as error:
                # Out of the way of the two that are kept.
                warnings.warn(
                    f"{path} is damaged ({error}); looking further back",
                    stacklevel=3,
                )
                continue
            self._check(path, state)
            self.ours.add(path)
            return state
        raise ValueError(
            f"no checkpoint in {self.folder} can be read; delete it to start anew"
        )

    def _check(self, path: Path, state: dict) -> None:
        was = state["identity"]
        for name, value in self.identity.items():
            if was.get(name) != value:
                raise ValueError(
                    f"{path} is of a run with {name} {was.get(name)!r}, this one "
                    f"has {value!r}; choose another folder, or start anew there"
                )


def _path(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:04d}.pt"


def _paths(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first."""
    return sorted(filter(_has_name, folder.glob("epoch-*.pt")), key=_epoch)


def _has_name(path: Path) -> bool:
    return re.fullmatch(r"epoch-\d+\.pt", path.name, re.ASCII) is not None


def is_checkpoint(path: Path, folder: Path) -> bool:
    """Whether `path` has the place and the name of a checkpoint of a run in
    `folder`."""
    path = Path(os.path.realpath(path))
    return path.parent == Path(os.path.realpath(folder)) and _has_name(path)


def _epoch(path: Path) -> int:
    return int(path.stem.partition("-")[2])


class RandomState:
    """The random numbers of a run.

    Attributes:
        generator: those of order and augmentation, on the device. Dropout draws
            from the global generators.
    """

    def __init__(self, seed: int, device: torch.device):
        self.seed = seed
        self.generator = torch.Generator(device).manual_seed(seed)

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """Seed the global generators; put them back afterwards."""
        device, cuda = self.generator.device, self.generator.device.type == "cuda"
        with torch.random.fork_rng(devices=[device] if cuda else []):
            # `torch.manual_seed` would also seed the GPUs that take no part.
            torch.default_generator.manual_seed(self.seed)
            if cuda:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(self.seed)
            yield

    def begin(self, epoch: int) -> None:
        """Where there are several processes, let each draw a dropout of its own in
        this epoch.

        It depends on nothing before the epoch, so a run may go on with another
        number of processes.
        """
        rank, size = distributed.world()
        if size > 1:
            torch.manual_seed((self.seed * 100_003 + epoch) * 100_003 + rank)

    def state_dict(self) -> dict:
        state = {
            "generator": self.generator.get_state(),
            "cpu": torch.get_rng_state(),
        }
        if self.generator.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.generator.device)
        return state

    def load_state_dict(self, state: dict) -> None:
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["cpu"])
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.generator.device)


def identity_of(
    model: torch.nn.Module,
    train: ImageSet | ImageStream,
    recipe: Recipe,
    device: torch.device,
    precision: str,
) -> dict:
    """What a run that goes on must have in common with the one that was stopped."""
    shapes = {
        name: tuple(value.shape) for name, value in model.state_dict().items()
    }
    digest = hashlib.sha256(repr(shapes).encode()).hexdigest()
    return {
        **asdict(recipe),
        "images": f"{len(train):,} of {train.name}, SHA-256 {train.checksum[:12]}",
        "network": (
            f"{type(model).__name__}, {len(shapes)} tensors, SHA-256 {digest[:12]}"
        ),
        "device": device.type,
        # As resolved, so that "auto" goes on as what it meant.
        "precision": precision,
    }


def _read(path: Path) -> dict:
    """ValueError if the file is not what `save` wrote."""
    try:
        # torch does not look at the check sums that its files have.
        with zipfile.ZipFile(path) as file:
            if (damaged := file.testzip()) is not None:
                raise ValueError(f"wrong check sum of {damaged}")
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["format"]
    except ValueError:
        raise
    except Exception as error:  # whatever a damaged file makes of the readers
        raise ValueError(
            f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
        ) from None
    if found != FORMAT:
        raise ValueError(f"format {found!r} is not {FORMAT}")
    return state
