"""What training leaves behind."""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd
from torch import Tensor, nn

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


def history_columns(recipe: Recipe) -> list[str]:
    """The columns of the history of a run by this recipe."""
    return [*HISTORY, *(FIXED if recipe.fixed_images else ())]


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
