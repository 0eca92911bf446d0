"""A run's history for TensorBoard, written while it trains."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cnnbook._files import check_folder
from cnnbook.training import distributed


def check_log(folder: str | os.PathLike | None) -> None:
    """Raise a ValueError if a log is wanted and cannot be: no TensorBoard, or no
    such folder."""
    if folder is None:
        return
    check_folder(folder)
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "a log for TensorBoard needs the package tensorboard: pip install "
            "tensorboard"
        ) from error


@contextmanager
def history_log(
    folder: str | os.PathLike | None, epochs: int
) -> Iterator[Callable[[dict], None]]:
    """A function that logs a row of the history, a scalar a column, at the step of
    its epoch.

    Args:
        folder: where the log is written, by the first process; None: nowhere.
        epochs: how many epochs the run has behind it. What the folder has of later
            ones is of a run that was stopped before it could save them, and
            TensorBoard will forget it.

    Raises:
        OSError: if the folder cannot be written.
    """
    if folder is None or not distributed.is_first():
        yield lambda row: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(os.fspath(folder), purge_step=epochs + 1) as writer:

        def log(row: dict) -> None:
            for name, value in row.items():
                if name != "epoch":
                    writer.add_scalar(name, value, row["epoch"])
            writer.flush()

        yield log
