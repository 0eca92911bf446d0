"""Everything that decides how a network is trained, in one place."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from numbers import Real

from cnnbook._arguments import short
from cnnbook.training.images import AUGMENTATIONS

OPTIMIZERS = ("sgd", "adamw")
PRECISIONS = ("auto", "fp32", "bf16")
SCHEDULES = ("cosine", "constant", "one-cycle")


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run. Two runs of one recipe from one start are the
    same run.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step, at most; the batches of an epoch differ by one
            image or none.
        optimizer: "sgd" (with momentum) or "adamw".
        lr: the highest learning rate.
        momentum: of SGD, in [0, 1).
        nesterov: Nesterov's momentum, for SGD.
        weight_decay: L2 penalty (AdamW: decoupled); on weights only, not on biases
            and normalisation.
        schedule: of the learning rate, step by step: "cosine" (to zero at the end),
            "constant", or "one-cycle" (up from a 25th over the first 30 % of the
            steps, then down to zero).
        warmup_epochs: epochs in which the rate first rises linearly from a
            hundredth of `lr`; may be a fraction. "one-cycle" has its own rise and
            takes none.
        label_smoothing: probability spread evenly over all classes, in [0, 1).
        augment: any of "flip" (left to right) and "crop" (shift by up to an eighth
            of the side), in the order in which they apply.
        image_size: side in pixels to which images are resized on the device; None:
            as stored.
        normalise: bring each channel to zero mean and unit deviation; otherwise
            pixels are in [0, 1].
        ema: decay a step of the exponential moving average of the weights, in [0,
            1); 0: none. The averaged network is what is validated, tested and left
            behind.
        precision: "fp32"; "bf16": what torch.autocast has in bfloat16 is computed
            in it; or "auto": bf16 on a GPU that computes in it, elsewhere fp32.
        compile: compile the training step with torch.compile; slow to start, faster
            afterwards.
        validation: share of the training images held out, class by class, where the
            set has no validation images of its own; in (0, 1).
        fixed_images: so many of the training images, the first ones, are also
            measured after each epoch as test images are: in evaluation mode, not
            augmented; 0: none.
        seed: of the order of images, the augmentation, the held-out share and
            dropout.

    Raises:
        ValueError: if a setting is outside its range, or a name is unknown.
    """

    epochs: int = 10
    batch_size: int = 128
    optimizer: str = "sgd"
    lr: float = 0.05
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    label_smoothing: float = 0.0
    augment: tuple[str, ...] = ()
    image_size: int | None = None
    normalise: bool = True
    ema: float = 0.0
    precision: str = "auto"
    compile: bool = False
    validation: float = 0.1
    fixed_images: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        def require(name: str, kind: type, good, what: str) -> None:
            value = getattr(self, name)
            is_number = isinstance(value, kind) and not isinstance(value, bool)
            if not (is_number and abs(value) <= sys.float_info.max and good(value)):
                raise ValueError(f"{name} must be {what}, got {short(value)}")

        require("epochs", int, lambda v: v >= 1, "a positive integer")
        require("batch_size", int, lambda v: v >= 1, "a positive integer")
        require("lr", Real, lambda v: v > 0, "a positive number")
        require(
            "momentum",
            Real,
            lambda v: 0 <= v < 1,
            "a number of at least 0 and below 1",
        )
        require("weight_decay", Real, lambda v: v >= 0, "zero or a positive number")
        require(
            "label_smoothing",
            Real,
            lambda v: 0 <= v < 1,
            "a number of at least 0 and below 1",
        )
        require(
            "warmup_epochs",
            Real,
            lambda v: 0 <= v <= self.epochs,
            f"a number between 0 and the {self.epochs} epochs",
        )
        require("validation", Real, lambda v: 0 < v < 1, "a number between 0 and 1")
        require("fixed_images", int, lambda v: v >= 0, "zero or a positive integer")
        require("seed", int, lambda v: 0 <= v < 2**32, "an integer of 0 … 2³² - 1")
        if self.image_size is not None:
            require(
                "image_size", int, lambda v: v >= 1, "a positive integer or None"
            )
        require(
            "ema", Real, lambda v: 0 <= v < 1, "a number of at least 0 and below 1"
        )
        for name in ("nesterov", "normalise", "compile"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(
                    f"{name} must be True or False, got "
                    f"{short(getattr(self, name))}"
                )
        _require_known("optimizer", self.optimizer, OPTIMIZERS)
        _require_known("schedule", self.schedule, SCHEDULES)
        _require_known("precision", self.precision, PRECISIONS)
        if self.schedule == "one-cycle" and self.warmup_epochs:
            raise ValueError(
                "the one-cycle schedule has a rise of its own; leave out "
                f"warmup_epochs={self.warmup_epochs!r}"
            )
        if not isinstance(self.augment, (tuple, list)):
            raise ValueError(
                'augment must be a tuple such as ("flip",), got '
                f"{short(self.augment)}"
            )
        # JSON knows lists only.
        object.__setattr__(self, "augment", tuple(self.augment))
        for name in self.augment:
            _require_known("augment", name, tuple(AUGMENTATIONS))


def _require_known(field: str, name: str, known: tuple[str, ...]) -> None:
    if not isinstance(name, str) or name not in known:
        near = difflib.get_close_matches(str(name).lower(), known, n=1)
        hint = (
            f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}"
        )
        raise ValueError(f"unknown {field} {short(name)}; {hint}")
