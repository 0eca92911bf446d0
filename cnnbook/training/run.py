"""What training shows and leaves: a bar of progress, a log for TensorBoard, and a
run."""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
from torch import Tensor, nn
from tqdm import tqdm

from cnnbook._files import check_folder
from cnnbook.training import distributed
from cnnbook.training.images import Normalise
from cnnbook.training.recipe import Recipe

# The columns of a run's history.
HISTORY = (
    "epoch",
    "lr",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "seconds",
    "images_per_second",
)


# And those of a recipe with fixed images.
FIXED = ("fixed_loss", "fixed_accuracy")


def history_columns(fixed: bool) -> list[str]:
    """The columns of the history of a run, with fixed images or without."""
    return [*HISTORY, *(FIXED if fixed else ())]


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """What `fit` did.

    Attributes:
        model: the trained network, in evaluation mode, on the device.
        prepare: what makes of stored images, uint8 N × C × H × W, those that it
            reads.
        recipe: how it was trained.
        data: the image set's name.
        device: where it was trained, such as "cpu" or "NVIDIA H100 80GB HBM3".
        history: a row per epoch: epoch, lr (of its first step), train_loss,
            train_accuracy (both while training: augmented images, dropout),
            validation_loss, validation_accuracy, seconds (of training alone),
            images_per_second; with fixed images also fixed_loss and fixed_accuracy.
            Accuracies are in [0, 1].
        test_loss, test_accuracy: on the test images, looked at once, at the end;
            None without them.
        test_correct: of each test image, whether its class was found; N, bool, or
            None.
        precision: in which it was computed: "fp32" or "bf16".
        seconds: of the whole run, validation and test included.
        process_seconds: the same as the processor counts them, over all threads.
        waiting: the share of the training's seconds, in [0, 1], in which this
            process waited for images of a stream; 0 for images in memory.
    """

    model: nn.Module
    prepare: Normalise
    recipe: Recipe
    data: str
    device: str
    history: pd.DataFrame
    test_loss: float | None
    test_accuracy: float | None
    test_correct: Tensor | None
    precision: str
    seconds: float
    process_seconds: float
    waiting: float = 0.0

    def summary(self) -> str:
        """The run in two lines."""
        last = self.history.iloc[-1]
        epochs = f"{last.epoch:.0f} epoch{'' if last.epoch == 1 else 's'}"
        results = f"validation accuracy {last.validation_accuracy:.1%}"
        if self.test_accuracy is not None:
            results = f"test accuracy {self.test_accuracy:.1%}, {results}"
        waiting = (
            f", {self.waiting:.0%} of the time waiting for data"
            if self.waiting
            else ""
        )
        return (
            f"{type(self.model).__name__} on {self.data}: {epochs}"
            f" in {self.seconds:.1f} s on {self.device},"
            f" {self.history.images_per_second.median():,.0f} images/s{waiting}\n"
            f"{results}"
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Run {'; '.join(self.summary().splitlines())}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.summary()).replace(chr(10), '<br>')}</p>"


class _NotebookLine:
    """A file that shows the last line written to it in a notebook's output, and
    keeps only that.

    A notebook's standard error keeps every state of the bar, and tqdm's own
    notebook bar needs ipywidgets in the kernel and in the page.
    """

    encoding = "utf-8"  # by which tqdm knows that it may draw with blocks

    handle: Any = None  # of the output, once there is something to show

    def write(self, text: str) -> None:
        from IPython.display import display

        if not (line := text.strip()):
            return
        if self.handle is None:
            self.handle = display({"text/plain": line}, raw=True, display_id=True)
        else:
            self.handle.update({"text/plain": line}, raw=True)

    def flush(self) -> None:
        pass


# Seconds until a bar is drawn: not before it knows its length.
SOON = 1e-3


def progress_bar(shown: bool) -> tqdm:
    """A bar over images, once `reset` tells it of how many: the share done, time
    left, images a second.

    In a terminal it is drawn on standard error, in a notebook as one line of
    output; a log file or a pipe gets none.
    """
    # A notebook's shell has a kernel; a terminal's IPython has none.
    shell = (
        sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    )
    if shown and getattr(shell, "kernel", None) is not None:
        return tqdm(
            unit=" images",
            mininterval=0.5,
            delay=SOON,
            file=_NotebookLine(),
            ncols=80,
        )
    # tqdm draws nothing where disable=None and standard error is no terminal.
    disable = None if shown else True
    return tqdm(
        unit=" images",
        mininterval=0.5,
        delay=SOON,
        dynamic_ncols=True,
        disable=disable,
    )


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
