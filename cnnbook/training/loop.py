"""The training loop, in the order in which it happens."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from cnnbook.data import ImageSet, ImageStream
from cnnbook.training import distributed
from cnnbook.training.check import check_fit
from cnnbook.training.checkpoint import Checkpoints, RandomState, identity_of
from cnnbook.training.device import autocast, device_name, find_device, seeded
from cnnbook.training.images import AUGMENTATIONS, Normalise
from cnnbook.training.log import check_log, history_log
from cnnbook.training.optimisation import make_average, make_optimizer, make_schedule
from cnnbook.training.outputs import loss_of, main_logits
from cnnbook.training.progress import progress_bar
from cnnbook.training.reading import Resident, Streamed, reader
from cnnbook.training.recipe import Recipe
from cnnbook.training.run import HISTORY, Run

EVALUATION_BATCH = 256


def fit(
    model: nn.Module,
    train: ImageSet | ImageStream,
    test: ImageSet | ImageStream | None = None,
    recipe: Recipe | None = None,
    *,
    device: str | torch.device = "auto",
    progress: bool = True,
    checkpoint: str | os.PathLike | None = None,
    resume: bool = True,
    log: str | os.PathLike | None = None,
) -> Run:
    """Train `model` in place on the images of `train`.

    It ends in evaluation mode, on the device, its convolutions in the layout ``channels_last``.

    Validation images (the set's own, or a share that the recipe holds out) are measured after each
    epoch; the test images once, at the end. On the CPU the same recipe from the same weights gives
    the same run, bit for bit, also if it was stopped and went on. The caller's random number
    generators are left as they were.

    Args:
        model: a network for N × C × H × W images of the set's C channels, giving N × classes. In
            training it may give a tuple of these, auxiliary classifiers after the main one.
        train, test: as `cnnbook.data.load` returns them.
        recipe: how to train; by default `Recipe()`.
        device: "auto" (a GPU where there is one) or a torch device.
        progress: show a progress bar.
        checkpoint: a folder in which the run is saved after each epoch. If it holds the same run,
            that goes on; it is the caller's `model` that then takes its weights.
        resume: whether a run in `checkpoint` goes on; otherwise it is started anew.
        log: a folder for TensorBoard, to which the history is written after each epoch.

    Raises:
        ValueError: before any training, if the device is unknown, if network, images and recipe
            do not fit together, if `checkpoint` holds another run, or if `log` is given and the
            package tensorboard is missing. While training, a DataError, which is one too, if an
            image of a stream cannot be read.
        FloatingPointError: if the loss of a step is not a finite number.
        OSError: if the checkpoint or the log cannot be written; checkpoints written before stay.
    """
    recipe = recipe or Recipe()
    device = find_device(device)
    check_log(log)
    train, validation = check_fit(model, train, test, recipe)
    normalise = Normalise.as_recipe(train, recipe, device)
    model.to(device, memory_format=normalise.layout)
    source = reader(train, device)
    optimizer = make_optimizer(model, recipe)
    schedule = make_schedule(optimizer, recipe, math.ceil(len(train) / recipe.batch_size))
    averaged = make_average(model, optimizer, recipe)
    result = model if averaged is None else averaged.module
    step = distributed.parallel(torch.compile(model) if recipe.compile else model)
    generator = torch.Generator(device).manual_seed(recipe.seed)

    mine = distributed.share(source.labels)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    parts |= {"random": RandomState(generator)} | ({"averaged": averaged} if averaged else {})
    checkpoints = Checkpoints(checkpoint, parts, identity_of(model, train, recipe, device))
    with (
        seeded(recipe.seed, device),
        progress_bar(recipe.epochs * len(mine), progress and distributed.is_first()) as bar,
        checkpoints.say_how_to_go_on(),
        ExitStack() as files,
    ):
        done = checkpoints.resume(anew=not resume)
        history = done["history"]
        source.waited = done.get("waited", 0.0)
        start = time.perf_counter() - done["seconds"]
        bar.update(len(history) * len(mine))
        write_log = files.enter_context(history_log(log, len(history)))
        for epoch in range(len(history) + 1, recipe.epochs + 1):
            distributed.reseed(recipe.seed, epoch)
            lr, began = optimizer.param_groups[0]["lr"], time.perf_counter()
            epoch_batches = batches(source, recipe, generator)
            loss, accuracy = train_epoch(
                step, epoch_batches, normalise, optimizer, schedule, recipe.label_smoothing, bar
            )
            seconds = time.perf_counter() - began
            distributed.agree(model, result)
            validation_loss, validation_accuracy = evaluate(result, validation, normalise)
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
            write_log(history[-1])
            seconds = time.perf_counter() - start
            checkpoints.save({"history": history, "seconds": seconds, "waited": source.waited})
            bar.set_postfix_str(f"loss {loss:.3f}, validation {validation_accuracy:.1%}")
        model.load_state_dict(result.state_dict())
        tested = (None, None) if test is None else evaluate(model, test, normalise)
    seconds = time.perf_counter() - start
    history = pd.DataFrame(history, columns=list(HISTORY))
    waiting = source.waited / history.seconds.sum()
    name = device_name(device)
    return Run(model.eval(), recipe, train.name, name, history, *tested, seconds, waiting)


def batches(
    source: Resident | Streamed, recipe: Recipe, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Every image once, in a new order, augmented: uint8 N × C × H × W, labels N and a weight.

    Several processes share each batch. The weight makes the mean of their gradients the batch's.
    """
    processes = distributed.world()[1]
    order = source.order(generator)
    # Batches of almost one size: a last one of a single image would break batch normalisation.
    parts = order.tensor_split(math.ceil(len(order) / recipe.batch_size))
    for chosen, batch in zip(parts, source.read(parts), strict=True):
        for name in recipe.augment:
            batch = AUGMENTATIONS[name](batch, generator)
        mine = distributed.share(batch)
        yield mine, distributed.share(source.labels[chosen]), processes * len(mine) / len(batch)


def train_epoch(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor, float]],
    normalise: Normalise,
    optimizer: Optimizer,
    schedule: LRScheduler,
    label_smoothing: float,
    bar: tqdm,
) -> tuple[float, float]:
    """Take a step on each batch; the mean loss and the accuracy over all of them."""
    model.train()
    # What is counted stays on the device: reading it would make the CPU wait for the GPU.
    sizes, rates, losses, correct = [], [], [], 0
    for images, labels, weight in batches:
        with autocast(images.device):
            outputs = model(normalise(images))
        loss = loss_of(model, outputs, labels, label_smoothing)
        optimizer.zero_grad()
        (weight * loss).backward()
        optimizer.step()
        rates.append(schedule.get_last_lr()[0])
        schedule.step()
        sizes.append(len(labels))
        losses.append(loss.detach())
        correct += (main_logits(outputs).argmax(1) == labels).sum()
        bar.update(len(labels))
    return means(losses, sizes, correct, rates, schedule.last_epoch - len(losses))


def means(
    losses: list[Tensor], sizes: list[int], correct: Tensor, rates: list[float], steps_before: int
) -> tuple[float, float]:
    """Mean loss and accuracy of an epoch's steps, over the images of all processes."""
    steps = len(losses)
    sizes = torch.tensor(sizes, dtype=torch.float64)
    sums = torch.cat([torch.stack(losses).cpu() * sizes, sizes, correct.cpu().double()[None]])
    loss_sums, sizes, (correct,) = distributed.total(sums).split([steps, steps, 1])
    check_finite((loss_sums / sizes).tolist(), rates, steps_before)
    return (loss_sums.sum() / sizes.sum()).item(), (correct / sizes.sum()).item()


def check_finite(losses: list[float], rates: list[float], steps_before: int) -> None:
    """Raise a FloatingPointError that names the first step whose loss is no finite number."""
    for step, (loss, rate) in enumerate(zip(losses, rates, strict=True), start=steps_before + 1):
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the training loss became {loss} at step {step}, with learning rate {rate:g}; "
                "try a lower lr"
            )


@torch.no_grad()
def evaluate(
    model: nn.Module, imageset: ImageSet | ImageStream, normalise: Normalise
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of `model` on an image set, in evaluation mode."""
    model.eval()
    loss_sum, correct = torch.zeros(2, device=normalise.device)
    parts = distributed.share(torch.arange(len(imageset))).split(EVALUATION_BATCH)
    for chosen, images in zip(parts, imageset.read(parts), strict=True):
        images, labels = (part.to(normalise.device) for part in (images, imageset.labels[chosen]))
        with autocast(images.device):
            logits = main_logits(model(normalise(images))).float()
        loss_sum += F.cross_entropy(logits, labels, reduction="sum")
        correct += (logits.argmax(1) == labels).sum()
    sums = distributed.total(torch.stack([loss_sum, correct]).cpu().double()) / len(imageset)
    return sums[0].item(), sums[1].item()
