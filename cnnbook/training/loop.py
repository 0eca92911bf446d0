"""The training loop, in the order in which it happens."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from cnnbook.data import ImageSet
from cnnbook.training.check import check_fit
from cnnbook.training.device import autocast, device_name, find_device, seeded
from cnnbook.training.images import AUGMENTATIONS, Normalise
from cnnbook.training.optimisation import make_optimizer, make_schedule
from cnnbook.training.outputs import loss_of, main_logits
from cnnbook.training.progress import progress_bar
from cnnbook.training.recipe import Recipe
from cnnbook.training.run import Run

EVALUATION_BATCH = 256


def fit(
    model: nn.Module,
    train: ImageSet,
    test: ImageSet | None = None,
    recipe: Recipe | None = None,
    *,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> Run:
    """Train `model` in place on the images of `train`.

    It ends in evaluation mode, on the device, its convolutions in the layout ``channels_last``.

    Validation images (the set's own, or a share that the recipe holds out) are measured after each
    epoch; the test images once, at the end. On the CPU the same recipe from the same weights gives
    the same run, bit for bit. The caller's random number generators are left as they were.

    Args:
        model: a network for N × C × H × W images of the set's C channels, giving N × classes. In
            training it may give a tuple of these, auxiliary classifiers after the main one.
        train, test: as `cnnbook.data.load` returns them.
        recipe: how to train; by default `Recipe()`.
        device: "auto" (a GPU where there is one) or a torch device.
        progress: show a progress bar.

    Raises:
        ValueError: before any training, if the device is unknown, or if network, images and recipe
            do not fit together.
        FloatingPointError: if the loss of an epoch is not a finite number.
    """
    recipe = recipe or Recipe()
    device = find_device(device)
    train, validation = check_fit(model, train, test, recipe)
    normalise = Normalise(*train.mean_std(), recipe.image_size, device)
    model.to(device, memory_format=normalise.layout)
    images, labels = train.images.to(device), train.labels.to(device)
    optimizer = make_optimizer(model, recipe)
    schedule = make_schedule(optimizer, recipe, math.ceil(len(train) / recipe.batch_size))
    generator = torch.Generator(device).manual_seed(recipe.seed)

    start, history = time.perf_counter(), []
    with (
        seeded(recipe.seed, device),
        progress_bar(recipe.epochs * len(train), progress) as bar,
    ):
        for epoch in range(1, recipe.epochs + 1):
            began, lr = time.perf_counter(), schedule.get_last_lr()[0]
            shuffled = batches(images, labels, recipe, generator)
            loss, accuracy = train_epoch(
                model, shuffled, normalise, optimizer, schedule, recipe.label_smoothing, bar
            )
            seconds = time.perf_counter() - began
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the training loss became {loss} in epoch {epoch}, which began with learning "
                    f"rate {lr:g}; try an lr below {recipe.lr:g}"
                )
            validation_loss, validation_accuracy = evaluate(model, validation, normalise)
            history.append(
                {
                    "epoch": epoch,
                    "lr": lr,
                    "train_loss": loss,
                    "train_accuracy": accuracy,
                    "validation_loss": validation_loss,
                    "validation_accuracy": validation_accuracy,
                    "seconds": seconds,
                    "images_per_second": len(train) / seconds,
                }
            )
            bar.set_postfix_str(f"loss {loss:.3f}, validation {validation_accuracy:.1%}")
        tested = (None, None) if test is None else evaluate(model, test, normalise)
    seconds = time.perf_counter() - start
    history = pd.DataFrame(history)
    return Run(model, recipe, train.name, device_name(device), history, *tested, seconds)


def batches(
    images: Tensor, labels: Tensor, recipe: Recipe, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every image once, in a new order, augmented: uint8 N × C × H × W and labels N."""
    order = torch.randperm(len(images), generator=generator, device=images.device)
    # Batches of almost one size: a last one of a single image would break batch normalisation.
    for chosen in order.tensor_split(math.ceil(len(order) / recipe.batch_size)):
        batch = images[chosen]
        for name in recipe.augment:
            batch = AUGMENTATIONS[name](batch, generator)
        yield batch, labels[chosen]


def train_epoch(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    normalise: Normalise,
    optimizer: Optimizer,
    schedule: LRScheduler,
    label_smoothing: float,
    bar: tqdm,
) -> tuple[float, float]:
    """Take a step on each batch; the mean loss and the accuracy over all of them."""
    model.train()
    # Sums stay on the device: reading one would make the CPU wait for the GPU.
    total, loss_sum, correct = 0, 0.0, 0
    for images, labels in batches:
        with autocast(images.device):
            outputs = model(normalise(images))
        loss = loss_of(model, outputs, labels, label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += len(labels)
        loss_sum += loss.detach() * len(labels)
        correct += (main_logits(outputs).argmax(1) == labels).sum()
        bar.update(len(labels))
    return loss_sum.item() / total, correct.item() / total


@torch.no_grad()
def evaluate(model: nn.Module, imageset: ImageSet, normalise: Normalise) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of `model` on an image set, in evaluation mode."""
    model.eval()
    loss_sum, correct = 0.0, 0
    parts = (part.split(EVALUATION_BATCH) for part in (imageset.images, imageset.labels))
    for images, labels in zip(*parts, strict=True):
        images, labels = images.to(normalise.device), labels.to(normalise.device)
        with autocast(images.device):
            logits = main_logits(model(normalise(images))).float()
        loss_sum += F.cross_entropy(logits, labels, reduction="sum")
        correct += (logits.argmax(1) == labels).sum()
    return loss_sum.item() / len(imageset), correct.item() / len(imageset)
