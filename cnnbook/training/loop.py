"""The training loop, in the order in which it happens."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, SequentialLR

from cnnbook.training.images import AUGMENT, Normalise
from cnnbook.training.progress import progress_bar
from cnnbook.training.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from cnnbook.data import ImageSet

EVALUATION_BATCH = 256
AUX_WEIGHT = 0.3  # of GoogLeNet's auxiliary classifiers; Szegedy et al. 2015, section 5


@dataclass(frozen=True)
class Run:
    """What `fit` did.

    Attributes:
        model: the trained network, in evaluation mode, on `device`.
        recipe: how it was trained.
        data: the image set's name.
        device: where it was trained.
        history: a row per epoch: epoch, lr (at its end), train_loss, train_accuracy,
            validation_loss, validation_accuracy, seconds, images_per_second.
        test_loss, test_accuracy: on the test images, looked at once, at the end; or None.
        seconds: of the whole run.
    """

    model: nn.Module
    recipe: Recipe
    data: str
    device: str
    history: pd.DataFrame
    test_loss: float | None
    test_accuracy: float | None
    seconds: float

    def __repr__(self) -> str:
        test = "" if self.test_accuracy is None else f"test accuracy {self.test_accuracy:.1%}, "
        validation = self.history["validation_accuracy"].iloc[-1]
        return (
            f"<Run of {type(self.model).__name__} on {self.data}: {len(self.history)} epochs in "
            f"{self.seconds:.1f} s on {self.device}, {test}validation accuracy {validation:.1%}>"
        )


def fit(
    model: nn.Module,
    train: ImageSet,
    test: ImageSet | None = None,
    recipe: Recipe | None = None,
    *,
    device: str = "auto",
    progress: bool = True,
) -> Run:
    """Train `model` in place on the images of `train`.

    Validation images (the set's own, or a share that the recipe holds out) are measured after each
    epoch; the test images once, at the end. On the CPU the same recipe from the same weights gives
    the same run, bit for bit. The caller's random number generators are left as they were.

    Args:
        model: a network for N × C × H × W images of the set's C channels, giving N × classes.
        train, test: as `cnnbook.data.load` returns them.
        recipe: how to train; the default is `Recipe()`.
        device: "auto" (a GPU where there is one) or a torch device.
        progress: show a progress bar.

    Raises:
        ValueError: if the device is unknown, or images, classes and network do not fit together.
        FloatingPointError: if the loss is no longer a finite number.
    """
    import pandas as pd

    recipe = recipe or Recipe()
    device = find_device(device)
    train, validation = train_and_validation(train, recipe)
    normalise = Normalise(*train.mean_std(), recipe.image_size, device)
    check_fit(model.to(device), train, test, recipe, normalise)
    if device.type == "cuda":
        model.to(memory_format=torch.channels_last)
    images, labels = train.images.to(device), train.labels.to(device)
    steps = math.ceil(len(train) / recipe.batch_size)
    optimizer = make_optimizer(model, recipe)
    schedule = make_schedule(optimizer, recipe, steps)
    generator = torch.Generator().manual_seed(recipe.seed)

    start, history = time.perf_counter(), []
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        progress_bar(recipe.epochs * len(train), progress) as bar,
    ):
        torch.manual_seed(recipe.seed)  # dropout draws from the global generator
        for epoch in range(1, recipe.epochs + 1):
            began = time.perf_counter()
            model.train()
            loss_sum, correct = torch.zeros((), device=device), torch.zeros((), device=device)
            for batch, target in batches(images, labels, recipe, generator):
                with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                    outputs = model(normalise(batch))
                    loss = loss_of(outputs, target, recipe.label_smoothing)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                # Sums stay on the device: reading one would make the CPU wait for the GPU.
                loss_sum += loss.detach() * len(target)
                correct += (main_logits(outputs).argmax(1) == target).sum()
                bar.update(len(target))
            train_loss = loss_sum.item() / len(train)
            lr = schedule.get_last_lr()[0]
            if not math.isfinite(train_loss):
                raise FloatingPointError(
                    f"the training loss is {train_loss} in epoch {epoch} (learning rate {lr:g} at "
                    f"its end); try a smaller lr than {recipe.lr:g}"
                )
            seconds = time.perf_counter() - began
            validation_loss, validation_accuracy = evaluate(model, validation, normalise)
            history.append(
                {
                    "epoch": epoch,
                    "lr": lr,
                    "train_loss": train_loss,
                    "train_accuracy": correct.item() / len(train),
                    "validation_loss": validation_loss,
                    "validation_accuracy": validation_accuracy,
                    "seconds": seconds,
                    "images_per_second": len(train) / seconds,
                }
            )
            bar.set_postfix_str(f"loss {train_loss:.3f}, validation {validation_accuracy:.1%}")
        model.eval()
        tested = (None, None) if test is None else evaluate(model, test, normalise)
    seconds = time.perf_counter() - start
    frame = pd.DataFrame(history)
    return Run(model, recipe, train.name, device_name(device), frame, *tested, seconds)


def batches(
    images: Tensor, labels: Tensor, recipe: Recipe, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every image once, in a new order, augmented: uint8 N × C × H × W and labels N."""
    order = torch.randperm(len(images), generator=generator).to(images.device)
    for chosen in order.split(recipe.batch_size):
        batch = images[chosen]
        for name in recipe.augment:
            batch = AUGMENT[name](batch, generator)
        yield batch, labels[chosen]


def main_logits(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The logits N × classes, first among the outputs of a network with auxiliary classifiers."""
    return outputs if isinstance(outputs, Tensor) else outputs[0]


def loss_of(
    outputs: Tensor | tuple[Tensor, ...], labels: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy; auxiliary classifiers in `outputs` add theirs, weighted by 0.3."""
    logits, *aux = (outputs,) if isinstance(outputs, Tensor) else outputs
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
    for extra in aux:
        if extra is not None:
            loss = loss + AUX_WEIGHT * F.cross_entropy(
                extra.float(), labels, label_smoothing=label_smoothing
            )
    return loss


@torch.no_grad()
def evaluate(model: nn.Module, imageset: ImageSet, normalise: Normalise) -> tuple[float, float]:
    """Mean loss and accuracy of `model` on the images of a set, in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    loss_sum, correct = torch.zeros((), device=device), torch.zeros((), device=device)
    pairs = zip(
        imageset.images.split(EVALUATION_BATCH),
        imageset.labels.split(EVALUATION_BATCH),
        strict=True,
    )
    for images, labels in pairs:
        labels = labels.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = main_logits(model(normalise(images.to(device)))).float()
        loss_sum += F.cross_entropy(logits, labels, reduction="sum")
        correct += (logits.argmax(1) == labels).sum()
    return loss_sum.item() / len(imageset), correct.item() / len(imageset)


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser; weight decay on weights, not on biases and normalisation."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    nesterov = recipe.nesterov and recipe.momentum > 0
    return torch.optim.SGD(
        groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=True
    )


def make_schedule(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The recipe's learning rate, step by step: a linear warm-up, then the schedule."""
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    rest = max(1, recipe.epochs * steps_per_epoch - warmup)
    if recipe.schedule == "cosine":
        after = CosineAnnealingLR(optimizer, T_max=rest)
    else:
        after = ConstantLR(optimizer, factor=1.0)
    if not warmup:
        return after
    before = LinearLR(optimizer, start_factor=0.01, total_iters=warmup)
    return SequentialLR(optimizer, [before, after], milestones=[warmup])


def find_device(device: str | torch.device) -> torch.device:
    """"auto" → a GPU where there is one, else the CPU; else that device, if torch can use it."""
    if str(device) == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
        if found.type == "meta":
            raise RuntimeError
    except (RuntimeError, AssertionError):
        raise ValueError(f"no device {str(device)!r} here; there is auto, cpu, cuda:N, mps") from None
    return found


def device_name(device: torch.device) -> str:
    """The device as people call it, such as "NVIDIA H100 80GB HBM3"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def train_and_validation(train: ImageSet, recipe: Recipe) -> tuple[ImageSet, ImageSet]:
    """The set's own validation images, or a share held out of the training images."""
    if train.validation is not None:
        return train, train.validation
    return train.split(recipe.validation, recipe.seed)


def check_fit(
    model: nn.Module, train: ImageSet, test: ImageSet | None, recipe: Recipe, normalise: Normalise
) -> None:
    """Raise a one-line ValueError unless network, images and recipe fit together."""
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(f"{type(model).__name__} has no parameters to train")
    if len(train) < recipe.batch_size:
        raise ValueError(
            f"batch_size {recipe.batch_size} is more than the {len(train)} training images"
        )
    if test is not None and (test.input_size[0], test.classes) != (
        train.input_size[0],
        train.classes,
    ):
        raise ValueError("the test images have other channels or classes than the training images")
    was_training = model.training
    device = next(model.parameters()).device
    with torch.no_grad():
        logits = main_logits(model.eval()(normalise(train.images[:1].to(device))))
    model.train(was_training)
    if logits.shape != (1, train.num_classes):
        raise ValueError(
            f"{train.name} has {train.num_classes} classes, but the network gives "
            f"{tuple(logits.shape[1:])} values an image; build it with "
            f"num_classes={train.num_classes}"
        )
