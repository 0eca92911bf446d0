"""A step of `cnnbook.fit` against a plain PyTorch loop and torchvision's reference recipe.

All three train copies of one network on the same images, on the CPU in 32-bit floats, with SGD with
momentum and weight decay. An epoch of each takes a turn; its seconds are divided by its steps. It
is a short one, and there are many turns: what else the machine does then falls on all alike.

ResNet-18 on images of 28 pixels is where the goal is met on some days only: six runs on two cores
gave medians from 0.97 to 1.04. `fit` lays the channels of a pixel side by side, which is what makes
the other networks faster. Here the last kernels, of 512 x 512 x 3 x 3, meet images of one pixel. By
torch's profiler the copy of their gradients into that layout takes 6 ms of 110, and batch
normalisation and pooling save about as much. What `fit` does beside the network takes 0.2 ms.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from benchmarks import _harness
from cnnbook import Recipe, data, models
from cnnbook.training.device import autocast
from cnnbook.training.images import reader
from cnnbook.training.loop import batches, train_epoch
from cnnbook.training.recipe import (
    make_augment,
    make_criterion,
    make_normalise,
    make_optimizer,
    make_schedule,
)

CPU = torch.device("cpu")
BATCH = 128
STEPS = 2
ROUNDS = 21
# name, options, side in pixels
NETWORKS = (
    ("resnet20", {}, 28),
    ("resnet18", {}, 28),
    ("alexnet", {}, 64),
)


def prepare(name: str, options: dict, side: int) -> dict[str, Callable[[], None]]:
    """An epoch of each loop, as a call."""
    train, _ = data.load("fashion-mnist-mini")
    few = train.subset(range(STEPS * BATCH))
    recipe = Recipe(
        epochs=100, batch_size=BATCH, lr=0.01, nesterov=False, image_size=side, warmup_epochs=0
    )
    torch.manual_seed(0)
    start = models.create(name, num_classes=10, in_channels=1, **options)
    normalise = make_normalise(train, recipe, CPU)
    # The peers get their images ready: what `fit` does to a batch counts against it alone.
    ready = [
        (normalise(i).contiguous(), j)
        for i, j in zip(few.images.split(BATCH), few.labels.split(BATCH), strict=True)
    ]
    peers = {"plain PyTorch": plain_epoch, "torchvision's reference": reference_epoch}
    calls = {"fit": fit_epoch(copy.deepcopy(start), few, recipe, normalise)}
    for peer, epoch in peers.items():
        model = copy.deepcopy(start)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        calls[peer] = lambda e=epoch, m=model, o=optimizer: e(m, ready, o)
    return calls


def fit_epoch(model, few, recipe, normalise) -> Callable[[], None]:
    """The very loop that `fit` runs, on its own batches: shuffled, augmented, normalised."""
    model.to(CPU, memory_format=normalise.layout)
    optimizer = make_optimizer(model, recipe)
    schedule = make_schedule(optimizer, recipe, STEPS)
    augment, criterion = make_augment(recipe), make_criterion(model, recipe)
    source, generator = reader(few, CPU), torch.Generator().manual_seed(0)
    bar, mixed = tqdm(disable=True), autocast(torch.device(CPU), "fp32")

    def epoch() -> None:
        drawn = batches(source, recipe.batch_size, augment, generator)
        train_epoch(model, drawn, normalise, mixed, optimizer, schedule, criterion, bar)

    return epoch


def plain_epoch(model: nn.Module, loader, optimizer) -> None:
    """The loop of every introduction: forward, backward, step, and the loss printed in the end."""
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()


def reference_epoch(model: nn.Module, loader, optimizer) -> None:
    """What one epoch of torchvision's references/classification/train.py does, step by step.

    In the order of its train_one_epoch: to the device, forward, loss, zero_grad, backward, step,
    top-1 and top-5 accuracy, each read with ``.item()``, as is the loss; the meters' sums.
    """
    model.train()
    criterion, meters = nn.CrossEntropyLoss(), dict.fromkeys(("loss", "top1", "top5", "speed"), 0.0)
    for images, labels in loader:
        began = time.time()
        images, labels = images.to(CPU, non_blocking=True), labels.to(CPU, non_blocking=True)
        outputs = model(images)
        loss = criterion(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.inference_mode():
            right = outputs.topk(5)[1].eq(labels[:, None])
            top1, top5 = (right[:, :k].sum(dtype=torch.float32) / len(labels) for k in (1, 5))
        meters["loss"] += loss.item()
        meters["top1"] += top1.item() * len(labels)
        meters["top5"] += top5.item() * len(labels)
        meters["speed"] += len(labels) / (time.time() - began)


def measure(report: _harness.Report, quick: bool) -> None:
    worst = []
    for name, options, side in (("resnet20", {}, 8),) if quick else NETWORKS:
        calls = prepare(name, options, side)
        seconds = _harness.take_turns(calls, 2 if quick else ROUNDS)
        for loop, spent in seconds.items():
            share = _harness.ratios(seconds["fit"], spent)
            report.rows.append(
                {
                    "network": name,
                    "pixels": side,
                    "loop": loop,
                    "ms a step": _harness.Spread.of([1e3 * s / STEPS for s in spent]),
                    "fit ÷ it": share,
                }
            )
            if loop.startswith("torchvision"):
                worst.append(share.median)
    report.goal("fit's step to torchvision's reference, largest ratio", max(worst), 1.02)


if __name__ == "__main__":
    _harness.main("step", measure)
