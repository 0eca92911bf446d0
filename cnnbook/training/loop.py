"""The training loop, in the order in which it happens."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from cnnbook._arguments import check_flags
from cnnbook.data import ImageSet, ImageStream
from cnnbook.training import distributed
from cnnbook.training.check import (
    check_fit,
    check_images,
    enough_memory,
    is_shortage,
    room_for_all,
)
from cnnbook.training.checkpoint import Checkpoints, RandomState, identity_of
from cnnbook.training.device import (
    autocast,
    device_name,
    find_device,
)
from cnnbook.training.images import (
    Normalise,
    Resident,
    Streamed,
    reader,
)
from cnnbook.training.recipe import (
    Recipe,
    main_logits,
    make_augment,
    make_average,
    make_criterion,
    make_normalise,
    make_optimizer,
    make_schedule,
    resolve_precision,
)
from cnnbook.training.run import (
    Run,
    check_log,
    history_columns,
    history_log,
    progress_bar,
)

EVALUATION_BATCH = 256


class Evaluation(NamedTuple):
    """How a network did on images: mean cross-entropy, accuracy, and each image
    right or wrong."""

    loss: float
    accuracy: float
    correct: Tensor


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

    It ends in evaluation mode, on the device, its convolutions in the layout
    ``channels_last``.

    Validation images (the set's own, or a share that the recipe holds out) are
    measured after each epoch; the test images once, at the end. On the CPU the same
    recipe from the same weights gives the same run, bit for bit, also if it was
    stopped and went on. The caller's random number generators are left as they
    were.

    Args:
        model: a network for N × C × H × W images of the set's C channels, giving
            N × classes. In training it may give a tuple of these, auxiliary
            classifiers after the main one.
        train, test: as `cnnbook.data.load` returns them.
        recipe: how to train; by default `Recipe()`.
        device: "auto" (a GPU where there is one) or a torch device.
        progress: show a progress bar.
        checkpoint: a folder in which the run is saved after each epoch. If it holds
            the same run, that goes on; it is the caller's `model` that then takes
            its weights.
        resume: whether a run in `checkpoint` goes on; otherwise it is started anew.
        log: a folder for TensorBoard, to which the history is written after each
            epoch.

    Raises:
        ValueError: before any training, if the device is unknown, if network,
            images and recipe do not fit together, if `checkpoint` holds another
            run, or if `log` is given and the package tensorboard is missing. While
            training, a DataError, which is one too, if an image of a stream cannot
            be read.
        FloatingPointError: if the loss of a step is not a finite number.
        OSError: if the checkpoint or the log cannot be written; checkpoints written
            before stay.
    """
    check_flags(progress=progress, resume=resume)
    recipe = Recipe() if recipe is None else recipe
    # The network inside, if it was compiled already.
    given, model = model, getattr(model, "_orig_mod", model)
    device = find_device(device)
    check_log(log)
    train, validation = check_fit(model, train, test, recipe)
    fixed = (
        train.subset(range(recipe.fixed_images)) if recipe.fixed_images else None
    )
    precision = resolve_precision(recipe.precision, device)
    mixed = autocast(device, precision)
    normalise = make_normalise(train, recipe, device)
    check_images(model, normalise, train, validation, test)
    with room_for_all(model, train, device):
        model.to(device).to(memory_format=normalise.layout)
        source = reader(train, device)
        optimizer = make_optimizer(model, recipe)
        schedule = make_schedule(
            optimizer, recipe, math.ceil(len(train) / recipe.batch_size)
        )
        averaged = make_average(model, optimizer, recipe)
    criterion, augment = make_criterion(model, recipe), make_augment(recipe)
    result = model if averaged is None else averaged.module
    compiled: Any = given
    if recipe.compile and given is model:
        compiled = torch.compile(model)
    step = distributed.parallel(compiled)

    mine = distributed.share(source.labels)
    random = RandomState(recipe.seed, device)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    parts |= {"random": random} | ({"averaged": averaged} if averaged else {})
    identity = identity_of(model, train, recipe, device, precision)
    checkpoints = Checkpoints(checkpoint, parts, identity)
    with (
        random.seeded(),
        progress_bar(progress and distributed.is_first()) as bar,
        checkpoints.say_how_to_go_on(),
        ExitStack() as files,
    ):
        done = checkpoints.resume(anew=not resume)
        history = done["history"]
        source.waited = done.get("waited", 0.0)
        start = time.perf_counter() - done["seconds"]
        process_start = time.process_time() - done.get("process_seconds", 0.0)
        bar.reset(recipe.epochs * len(mine))
        bar.update(len(history) * len(mine))
        write_log = files.enter_context(history_log(log, len(history)))
        for epoch in range(len(history) + 1, recipe.epochs + 1):
            random.begin(len(history) + 1)
            lr, began = optimizer.param_groups[0]["lr"], time.perf_counter()
            epoch_batches = batches(
                source, recipe.batch_size, augment, random.generator
            )
            with enough_memory(
                model, normalise.sizes(train.input_size), recipe.batch_size, mixed
            ):
                loss, accuracy = train_epoch(
                    step,
                    epoch_batches,
                    normalise,
                    mixed,
                    optimizer,
                    schedule,
                    criterion,
                    bar,
                )
            seconds = time.perf_counter() - began
            distributed.agree(model, result)
            validated = evaluate(result, validation, normalise, mixed)
            row = {
                "epoch": epoch,
                "lr": lr,
                "train_loss": loss,
                "train_accuracy": accuracy,
                "validation_loss": validated.loss,
                "validation_accuracy": validated.accuracy,
                "seconds": seconds,
                "images_per_second": len(train) / seconds,
            }
            if fixed is not None:
                known = evaluate(result, fixed, normalise, mixed)
                row |= {"fixed_loss": known.loss, "fixed_accuracy": known.accuracy}
            history.append(row)
            write_log(row)
            checkpoints.save(
                {
                    "history": history,
                    "seconds": time.perf_counter() - start,
                    "process_seconds": time.process_time() - process_start,
                    "waited": source.waited,
                }
            )
            bar.set_postfix_str(
                f"loss {loss:.3f}, validation {validated.accuracy:.1%}"
            )
        model.load_state_dict(result.state_dict())
        tested = None if test is None else evaluate(model, test, normalise, mixed)
    seconds = time.perf_counter() - start
    process_seconds = time.process_time() - process_start
    history = pd.DataFrame(history, columns=history_columns(fixed is not None))
    waiting = source.waited / history.seconds.sum()
    return Run(
        model.eval(),
        normalise,
        recipe,
        train.name,
        device_name(device),
        history,
        tested and tested.loss,
        tested and tested.accuracy,
        tested and tested.correct,
        precision,
        seconds,
        process_seconds,
        waiting,
    )


def batches(
    source: Resident | Streamed,
    batch_size: int,
    augment: Callable[[Tensor, torch.Generator], Tensor],
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Every image once, in a new order, augmented: uint8 N × C × H × W, labels N
    and a weight.

    Several processes share each batch. The weight makes the mean of their gradients
    the batch's.
    """
    processes = distributed.world()[1]
    order = source.order(generator)
    # Batches of almost one size: a last one of a single image would break batch
    # normalisation.
    parts = order.tensor_split(math.ceil(len(order) / batch_size))
    for chosen, batch in zip(parts, source.read(parts), strict=True):
        mine = distributed.share(augment(batch, generator))
        yield (
            mine,
            distributed.share(source.labels[chosen]),
            processes * len(mine) / len(batch),
        )


def train_epoch(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor, float]],
    normalise: Normalise,
    mixed: torch.autocast,
    optimizer: Optimizer,
    schedule: LRScheduler,
    criterion: Callable[[Any, Tensor], Tensor],
    bar: tqdm,
) -> tuple[float, float]:
    """Take a step on each batch; the mean loss and the accuracy over all of
    them."""
    model.train()
    # What is counted stays on the device: reading it would make the CPU wait for
    # the GPU.
    sizes, rates, losses, correct = [], [], [], []
    for images, labels, weight in batches:
        with mixed:
            outputs = model(normalise(images))
        loss = criterion(outputs, labels)
        optimizer.zero_grad()
        (weight * loss).backward()
        optimizer.step()
        rates.append(schedule.get_last_lr()[0])
        schedule.step()
        sizes.append(len(labels))
        losses.append(loss.detach())
        correct.append((main_logits(outputs).argmax(1) == labels).sum())
        bar.update(len(labels))
    return means(losses, sizes, correct, rates, schedule.last_epoch - len(losses))


def means(
    losses: list[Tensor],
    sizes: list[int],
    correct: list[Tensor],
    rates: Sequence[float | Tensor],
    steps_before: int,
) -> tuple[float, float]:
    """Mean loss and accuracy of an epoch's steps, over the images of all
    processes."""
    steps = len(losses)
    mine = torch.tensor(sizes, dtype=torch.float64)
    right = torch.stack(correct).sum().cpu().double()
    sums = torch.cat([torch.stack(losses).cpu() * mine, mine, right[None]])
    loss_sums, images, (right,) = distributed.total(sums).split([steps, steps, 1])
    check_finite((loss_sums / images).tolist(), rates, steps_before)
    return (loss_sums.sum() / images.sum()).item(), (right / images.sum()).item()


def check_finite(
    losses: list[float], rates: Sequence[float | Tensor], steps_before: int
) -> None:
    """Raise a FloatingPointError that names the first step whose loss is no finite
    number."""
    for step, (loss, rate) in enumerate(
        zip(losses, rates, strict=True), start=steps_before + 1
    ):
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the training loss became {loss} at step {step}, with learning "
                f"rate {rate:g}; try a lower lr"
            )


@torch.no_grad()
def evaluate(
    model: nn.Module,
    imageset: ImageSet | ImageStream,
    normalise: Normalise,
    mixed: torch.autocast,
) -> Evaluation:
    """How `model` does on an image set, in evaluation mode."""
    model.eval()
    mine = distributed.share(torch.arange(len(imageset)))
    loss_sum = torch.zeros((), device=normalise.device)
    right = [torch.zeros(0, dtype=torch.bool, device=normalise.device)]
    parts = mine.split(EVALUATION_BATCH)
    for chosen, images in zip(parts, imageset.read(parts), strict=True):
        labels = imageset.labels[chosen].to(normalise.device)
        logits = _logits(model, images, normalise, mixed)
        loss_sum += F.cross_entropy(logits, labels, reduction="sum")
        right.append(logits.argmax(1) == labels)
    sums = torch.zeros(1 + len(imageset), dtype=torch.float64)
    sums[0] = loss_sum.cpu()
    sums[1 + mine] = torch.cat(right).cpu().double()
    loss, correct = distributed.total(sums).split([1, len(imageset)])
    return Evaluation(
        loss.item() / len(imageset), correct.mean().item(), correct.bool()
    )


def _logits(
    model: nn.Module, images: Tensor, normalise: Normalise, mixed: torch.autocast
) -> Tensor:
    """Of images, in halves where memory does not suffice for all at once: no
    setting of the caller's would make it suffice."""
    try:
        with mixed:
            return main_logits(
                model(normalise(images.to(normalise.device)))
            ).float()
    except Exception as error:
        if not is_shortage(error) or len(images) == 1:
            raise
    # Outside of `except`, whose error keeps all that was allocated when it came up.
    return torch.cat(
        [_logits(model, half, normalise, mixed) for half in images.chunk(2)]
    )
