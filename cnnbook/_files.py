"""Files that are there whole or not at all, and the check beforehand that they can
be written."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:
    # Windows, where a file that another process writes cannot be renamed anyway.
    fcntl = None  # type: ignore[assignment]  # a module that may be missing


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` write a hidden file beside `path`, and rename it once it is on
    the disk.

    Whatever happens on the way, `path` holds either what it held before or all that
    is new. A link stays a link: what it leads to is written. So stays a device or a
    pipe, which is written to. Of two processes that write the same file at once,
    one waits for the other.

    Raises:
        OSError: of `path`, if the folder cannot be written or is full.
    """
    path = Path(path)
    if _is_stream(path):
        _write_stream(path, write)
        return
    target = Path(os.path.realpath(path))
    part = _part(target)
    with _named(path), _held(part):
        try:
            write(part)
            # Windows flushes only what may be written.
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, part)
            part.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def said(path: str | os.PathLike, what: str = "cannot write") -> Iterator[None]:
    """Turn an OSError into a ValueError of one line that names `path`."""
    try:
        yield
    except OSError as error:  # also of a name that is too long to ask for
        raise ValueError(f"{what} {path}: {error.strerror or error}") from None


def check_file(path: str | os.PathLike, size: int = 1) -> None:
    """Raise an error now if `write_whole` could not write `size` bytes to `path`
    later.

    Raises:
        ValueError: in one line: it is a folder, a device or another special file,
            read-only, or in a folder that is none, cannot be written or has no
            room.
    """
    path = Path(path)
    with said(path):
        if why := _no_file(path, Path(os.path.realpath(path)), size):
            raise ValueError(f"cannot write {path}: {why}")


def _no_file(path: Path, target: Path, size: int) -> str | None:
    if path.is_dir():
        return "it is a folder"
    if _is_stream(path) or (path.exists() and not path.is_file()):
        return "it is a device or a pipe, not a file"
    if not target.parent.is_dir():
        return f"{target.parent} is no folder"
    if target.exists() and not target.stat().st_mode & 0o222:
        return "it is read-only"
    if len(os.fsencode(target.name)) > 255:
        return "File name too long"
    _probe(target.parent, size)
    return None


def check_folder(path: str | os.PathLike) -> None:
    """Raise an error now if no file could be written in the folder `path`.

    The folder itself need not be there, and is not made.

    Raises:
        ValueError: in one line.
    """
    if not str(path):
        raise ValueError("the name of a folder must not be empty")
    path = Path(path)
    there = Path(os.path.realpath(path))
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise ValueError(f"cannot write into {path}: {there} is no folder")
    with said(path, "cannot write into"):
        _probe(there)


def is_within(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    """Whether `path` is `folder` or below it, once links are followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _probe(folder: Path, size: int = 1) -> None:
    """OSError unless a file of `size` bytes can be written there; it is removed."""
    part = folder / ".part-of-nothing"  # one name: killed here, one is left at most
    try:
        with part.open("wb") as file:
            file.write(b"\0")
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
    finally:
        part.unlink(missing_ok=True)


def _is_at(file: BinaryIO, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


@contextlib.contextmanager
def _held(part: Path) -> Iterator[None]:
    """Have `part` for this writer alone; what a killed one held is free, and
    written over."""
    if fcntl is None:
        yield
        return
    while True:
        with part.open("ab") as file:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            # Who held it renamed or removed it, and another may have begun the
            # next.
            if _is_at(file, part):
                yield
                return


def _part(target: Path) -> Path:
    # One name a target, so that a process killed while writing leaves one such file
    # at most. It keeps the ending, by which some writers choose a format, and is
    # short where `target` is long.
    name = f".part-{target.name}"
    if len(os.fsencode(name)) > 200:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
        name = f".part-{digest}{target.suffix[:40]}"
    return target.with_name(name)


def _is_stream(path: Path) -> bool:
    """Whether it is a device, a pipe or a socket, or leads to one of this process's
    streams."""
    if str(path).startswith(("/dev/", "/proc/")):
        return path.exists()
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _write_stream(path: Path, write: Callable[[Path], object]) -> None:
    with _named(path):
        mode = path.stat().st_mode
        if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
            raise OSError(None, "it is a disk or a socket, not a file")
        write(path)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file that was asked for in an error, not the one beside it."""
    try:
        yield
    except OSError as error:
        raise type(error)(
            error.errno, error.strerror or str(error), str(path)
        ) from None
