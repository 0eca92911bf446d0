"""Everything that decides how a network is trained, in one place: a recipe, and the
precision, the loss, the optimiser and the schedule that it names."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    SequentialLR,
)
from torch.optim.swa_utils import AveragedModel

from cnnbook._arguments import check_flags, near, short
from cnnbook.data import ImageSet, ImageStream
from cnnbook.training.device import computes_in_bf16, device_name, full_name
from cnnbook.training.images import AUGMENTATIONS, Normalise, augmented

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
        check_flags(
            nesterov=self.nesterov, normalise=self.normalise, compile=self.compile
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
        raise ValueError(f"unknown {field} {short(name)}; {near(name, known)}")


def resolve_precision(precision: str, device: torch.device) -> str:
    """ "fp32" or "bf16": what a recipe's `precision` means on this device.

    "auto" is bf16 on a GPU that computes in it, elsewhere fp32. One warning where
    bf16 is asked for and only emulated.
    """
    if precision == "auto":
        return (
            "bf16" if device.type == "cuda" and computes_in_bf16(device) else "fp32"
        )
    if precision == "bf16" and not computes_in_bf16(device):
        warnings.warn(
            f"{full_name(device_name(device))} has no instructions for bf16: "
            "emulated, it is several times slower than fp32",
            stacklevel=2,
        )
    return precision


AUX_WEIGHT = 0.3  # GoogLeNet: Szegedy et al. 2015, section 5


def parts_of(
    outputs: Tensor | Sequence[Tensor | None] | Mapping[str, Tensor],
) -> list:
    """The logits, then those of auxiliary heads, of whatever form a network's
    output has.

    A mapping, such as Hugging Face's models give, has them under ``logits``; its
    other entries are no heads.

    Raises:
        ValueError: if there are no logits in it.
    """
    if isinstance(outputs, Tensor):
        return [outputs]
    found: list[Any]
    if isinstance(outputs, Mapping):
        found = [outputs.get("logits")]
    elif isinstance(outputs, Sequence) and not isinstance(outputs, str):
        found = list(outputs)
    else:
        found = [getattr(outputs, "logits", None)]
    if not found or not isinstance(found[0], Tensor):
        raise ValueError(
            "a network must give logits N × classes: a tensor, a tuple that begins "
            "with it, or a mapping that has it under 'logits'; got "
            f"{type(outputs).__name__}"
        )
    return found


def main_logits(
    outputs: Tensor | Sequence[Tensor | None] | Mapping[str, Tensor],
) -> Tensor:
    """The logits N × classes."""
    return parts_of(outputs)[0]


def loss_of(
    model: nn.Module,
    outputs: Tensor | Sequence[Tensor | None] | Mapping[str, Tensor],
    labels: Tensor,
    label_smoothing: float,
) -> Tensor:
    """Mean cross-entropy, plus that of each auxiliary head × ``model.aux_weight``
    (or else 0.3)."""
    logits, *aux = parts_of(outputs)
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
    weight = getattr(model, "aux_weight", AUX_WEIGHT)
    for extra in aux:
        if extra is not None:
            loss = loss + weight * F.cross_entropy(
                extra.float(), labels, label_smoothing=label_smoothing
            )
    return loss


def make_criterion(
    model: nn.Module, recipe: Recipe
) -> Callable[[Any, Tensor], Tensor]:
    """The recipe's loss of what `model` gives and the labels: see
    :func:`loss_of`."""
    return partial(loss_of, model, label_smoothing=recipe.label_smoothing)


# For torch's one-cycle schedule: with fewer its rise has hardly a step.
FEWEST_STEPS = 10


def make_normalise(
    train: ImageSet | ImageStream, recipe: Recipe, device: torch.device | str
) -> Normalise:
    """What images pass on their way to the network: by the training images' own
    mean and deviation, or only to [0, 1] if the recipe says."""
    channels = train.input_size[0]
    zero, one = torch.zeros(channels), torch.ones(channels)
    mean, std = train.mean_std() if recipe.normalise else (zero, one)
    return Normalise(mean, std, recipe.image_size, device)


def make_augment(recipe: Recipe) -> Callable[[Tensor, torch.Generator], Tensor]:
    """The recipe's augmentations of a batch, one after the other."""
    return partial(augmented, recipe.augment)


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser; weight decay acts on weights, not on biases and
    normalisation."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    # Biases and the parameters of normalisation are vectors.
    kernels: dict[str, Any] = {"params": [p for p in parameters if p.dim() > 2]}
    matrices: dict[str, Any] = {"params": [p for p in parameters if p.dim() == 2]}
    vectors: dict[str, Any] = {
        "params": [p for p in parameters if p.dim() < 2],
        "weight_decay": 0.0,
    }
    groups = [group for group in (kernels, matrices, vectors) if group["params"]]
    settings: dict[str, Any] = {
        "lr": recipe.lr,
        "weight_decay": recipe.weight_decay,
        "fused": True,
    }
    if recipe.optimizer == "adamw":
        return AdamW(groups, **settings)
    # On a CPU the fused step first copies kernels whose channels lie side by side
    # (channels_last): for ResNet-18 that takes longer than the step. Both give the
    # same bits.
    kernels["fused"] = all(p.device.type != "cpu" for p in kernels["params"])
    nesterov = recipe.nesterov and recipe.momentum > 0
    return SGD(groups, momentum=recipe.momentum, nesterov=nesterov, **settings)


def make_schedule(
    optimizer: Optimizer, recipe: Recipe, steps_per_epoch: int
) -> LRScheduler:
    """The recipe's learning rate, to be stepped after each batch."""
    steps = recipe.epochs * steps_per_epoch
    if recipe.schedule == "one-cycle":
        if steps < FEWEST_STEPS:
            return LambdaLR(optimizer, partial(_short_cycle, steps=steps))
        # The momentum stays as the recipe says.
        return OneCycleLR(
            optimizer, recipe.lr, total_steps=steps, cycle_momentum=False
        )
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    after: LRScheduler
    if recipe.schedule == "cosine":
        after = CosineAnnealingLR(optimizer, T_max=max(1, steps - warmup))
    else:
        after = ConstantLR(optimizer, factor=1.0)
    if not warmup:
        return after
    before = LinearLR(optimizer, start_factor=0.01, total_iters=warmup)
    return SequentialLR(optimizer, [before, after], milestones=[warmup])


def make_average(
    model: nn.Module, optimizer: Optimizer, recipe: Recipe
) -> AveragedModel | None:
    """A network that follows `model` after each step as the recipe's moving
    average, if it has one.

    The statistics of batch normalisation are averaged as the weights are; what it
    counts in whole numbers, such as batches, is as in `model`.
    """
    if not recipe.ema:
        return None
    follow = partial(_follow, decay=recipe.ema)
    average = AveragedModel(model, multi_avg_fn=follow, use_buffers=True)
    optimizer.register_step_post_hook(lambda *_: average.update_parameters(model))
    return average


@torch.no_grad()
def _follow(
    averaged: list[Tensor], current: list[Tensor], _steps, decay: float
) -> None:
    """Move tensors of one type towards the current ones, or onto them if they are
    no fractions."""
    if averaged[0].is_floating_point() or averaged[0].is_complex():
        torch._foreach_lerp_(averaged, current, 1 - decay)
    else:
        for old, new in zip(averaged, current, strict=True):
            old.copy_(new)


def _short_cycle(step: int, steps: int) -> float:
    """One cycle of so few steps that torch's has no rise, or one of no length.

    At least one step is at the top, and before it the rate rises in a straight line
    from a 25th.
    """
    top = max(0, round(0.3 * steps) - 1)
    if step < top:
        return 0.04 + 0.96 * step / top
    return 0.5 * (1 + math.cos(math.pi * min(1, (step - top) / (steps - top))))
