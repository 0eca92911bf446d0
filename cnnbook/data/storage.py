"""Where downloaded data sets live, and how they get there: whole or not at all."""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cnnbook.data.errors import DataError, one_line

# Seconds without a single byte from the host after which a download is given up.
TIMEOUT = 20.0
PREFIX = ".download-"
# A download of this age that nobody finished was left by a machine that lost its
# power.
FORGOTTEN = 7 * 24 * 3600.0
# What a child does: wait until its parent is gone, by whatever death, and clear up
# after it.
GUARD = (
    "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], "
    "ignore_errors=True)"
)


def default_root() -> Path:
    """The folder of downloaded data sets: $CNNBOOK_DATA, or else cnnbook in the
    user's cache."""
    if chosen := os.environ.get("CNNBOOK_DATA"):
        return Path(os.path.expanduser(chosen))
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(cache)) / "cnnbook"


def fetch(
    name: str,
    downloader: Callable[[Path], object],
    folder: str,
    root: Path,
    *,
    progress: bool,
) -> None:
    """Download into a temporary folder beside the target, then move the finished
    files there.

    Args:
        name: the data set's name, for the messages.
        downloader: called with the temporary folder; leaves the data in its
            subfolder `folder`.
        folder: the subfolder, as torchvision lays it out.
        root: where `folder` is wanted; made if need be.
        progress: whether torchvision's progress bar is shown.

    Raises:
        DataError: if `root` cannot be written or the download fails. No part of a
            file is left, nor is one when this process is killed.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        _clear_forgotten(root)
        staging = tempfile.TemporaryDirectory(prefix=PREFIX, dir=root)
    except OSError as error:
        reason = "a file, not a folder" if root.is_file() else error.strerror
        raise DataError(
            f"{root}: cannot store {name} there ({reason}); "
            "choose another folder with root=… or $CNNBOOK_DATA"
        ) from error
    with staging, _removed_if_killed(staging.name):
        try:
            with _timeout(TIMEOUT), _quiet(not progress):
                downloader(Path(staging.name))
        except (
            OSError,
            RuntimeError,
            EOFError,
            http.client.HTTPException,
        ) as error:
            raise DataError(
                f"{name} could not be downloaded ({one_line(error)}); try again "
                "later, or set root=… or $CNNBOOK_DATA to a folder that has it"
            ) from error
        for file in sorted((Path(staging.name) / folder).iterdir()):
            target = root / folder / file.name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, target)
            except OSError as error:
                raise DataError(
                    f"{target}: cannot be written ({error.strerror}); delete it "
                    "and run again"
                ) from error


@contextlib.contextmanager
def _removed_if_killed(folder: str) -> Iterator[None]:
    # In a session of its own, or what kills a whole group of processes kills it
    # too.
    command = [sys.executable, "-I", "-S", "-c", GUARD, folder]
    try:
        guard = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:  # no more processes: then without
        yield
        return
    try:
        yield
    finally:
        # Not by the closed pipe, which would have it remove the folder in its own
        # time.
        guard.kill()
        guard.communicate()


def _clear_forgotten(root: Path) -> None:
    for folder in root.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    # torchvision's download takes no timeout: without one, a silent host hangs it
    # for ever.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _quiet(really: bool) -> contextlib.AbstractContextManager:
    # torchvision has no switch for its progress bar, which goes to stderr.
    return (
        contextlib.redirect_stderr(io.StringIO())
        if really
        else contextlib.nullcontext()
    )
