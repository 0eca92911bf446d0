"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` write a hidden file beside `path`, and rename it once it is on the disk.

    Whatever happens on the way, `path` holds either what it held before or all that is new.

    Raises:
        OSError: if the folder cannot be written or is full.
    """
    # One name, so that a process killed while writing leaves one such file at most. It keeps the
    # ending, by which some writers choose a format.
    part = path.with_name(f".part-{path.name}")
    try:
        write(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
