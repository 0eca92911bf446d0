"""Questions on the loop, the recipe, many devices and data beyond memory."""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F

from cnnbook import models
from cnnbook.profiling import Profile, profile
from cnnbook.profiling.training import Training
from cnnbook.teaching import descent
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, number, question
from cnnbook.training import Recipe
from cnnbook.training.recipe import make_optimizer


@cache
def _training(name: str, optimizer: str = "momentum") -> tuple[Profile, Training]:
    net = models.on_meta(models.create, name)
    found = profile(net, training=True, optimizer=optimizer)
    if found.training is None:
        raise ValueError(f"{name} was not profiled as in training")
    return found, found.training


@question("training/steps")
def steps() -> list[Number]:
    found = []
    for images, size in ((9000, 128), (50000, 128), (1281167, 256)):
        answer = math.ceil(images / size)
        found.append(
            Number(
                f"How many steps has an epoch of {images:,} images in batches of "
                f"at most {size}?",
                answer,
                f"{images:,} / {size} = {images / size:,.2f}, rounded up: "
                f"{answer:,}.",
                "steps",
                layers.other_than(
                    answer,
                    {
                        images // size: "The rest of the images are a step, too.",
                        images: "That is a step for each image.",
                    },
                ),
                tolerance=0,
            )
        )
    return found


@question("training/warm-up")
def warm_up() -> list[Number]:
    rates = descent.rates(
        epochs=10, steps_per_epoch=100, schedule="constant", warmup_epochs=2
    )
    found = []
    for epochs in (1, 0.5, 1.5):
        answer = round(0.4 * rates[int(100 * epochs)], 4)
        found.append(
            Number(
                "The rate rises in a straight line to 0.4 over two epochs. What is "
                f"it after {epochs:g} epoch{'s' if epochs > 1 else ''}?",
                answer,
                f"About {epochs:g} / 2 of 0.4 = {0.4 * epochs / 2:g} ({answer:g}, "
                "as it begins at a hundredth).",
                "",
                layers.other_than(
                    answer,
                    {
                        0.4: "Then it is still rising.",
                        0.4 - answer: "From the other end.",
                    },
                ),
                tolerance=0.04,
            )
        )
    return found


@question("training/smoothing")
def smoothing() -> list[Number]:
    found = []
    for share, classes in ((0.1, 10), (0.1, 1000), (0.2, 5)):
        scores = torch.zeros(1, classes, dtype=torch.double, requires_grad=True)
        loss = F.cross_entropy(scores, torch.tensor([0]), label_smoothing=share)
        # The gradient is p − target.
        (gradient,) = torch.autograd.grad(loss, scores)
        answer = round(1 / classes - gradient[0, 0].item(), 9)
        found.append(
            Number(
                f"Label smoothing of {share:g}, {classes:,} classes. What is the "
                "target of the right class?",
                answer,
                f"1 − {share:g} + {share:g} / {classes:,} = {answer:g}.",
                "",
                {
                    1 - share: (
                        "The share is spread over all classes, the right one too."
                    ),
                    share / classes: "That is the target of each other class.",
                },
                tolerance=1e-4,
            )
        )
    return found


@question("training/optimizer-memory")
def optimizer_memory() -> list[Number]:
    found = []
    for name, words in (
        ("adam", "Adam"),
        ("momentum", "SGD with momentum"),
        ("sgd", "Plain SGD"),
    ):
        _, of = _training("resnet50", name)
        answer = of.optimizer_kb / of.weights_kb
        why = {
            "adam": (
                "Adam keeps two for each: a mean of the gradients and one of their "
                "squares."
            ),
            "momentum": "The decaying sum of the gradients: one for each.",
            "sgd": "Nothing: the step needs the gradient alone.",
        }[name]
        found.append(
            Number(
                f"{words} trains a network. How many numbers does it keep for each "
                "weight, besides the weight and its gradient?",
                answer,
                f"{why} For ResNet-50 that is {of.optimizer_kb / 1024:.0f} MB "
                f"beside {of.weights_kb / 1024:.0f} MB of weights.",
                "numbers",
                layers.other_than(
                    answer,
                    {
                        answer + 1: "The gradient does not count here.",
                        answer + 2: "Weight and gradient do not count here.",
                    },
                ),
                tolerance=0,
            )
        )
    return found


@question("training/gradient-bytes")
def gradient_bytes() -> list[Number]:
    found = []
    for name in ("resnet50", "alexnet", "vgg16"):
        p, of = _training(name)
        answer = of.gradients_kb
        found.append(
            Number(
                f"{models.title(name)} has {p.total.params:,} parameters. How many "
                "KB do the gradients take that each device shares in every step, "
                "in numbers of four bytes? (MB will do: write the unit.)",
                answer,
                f"{p.total.params:,} · 4 / 1,024 = {answer:,.0f} KB, "
                f"{answer / 1024:.0f} MB.",
                "KB",
                {
                    p.total.params / 1024: "Each takes four bytes.",
                    p.total.params * 4: "Those are the bytes.",
                    answer / 1024: "That would be MB: write the unit.",
                },
                tolerance=0.03,
            )
        )
    return found


@question("training/shares")
def shares() -> list[Number]:
    found = []
    for batch, devices in ((256, 8), (8192, 256), (1024, 4)):
        answer = len(torch.empty(batch).chunk(devices)[0])
        found.append(
            Number(
                f"A step takes {batch:,} images on {devices} devices. From how "
                "many images does each compute its gradient?",
                answer,
                f"{batch:,} / {devices} = {answer}: the mean of the {devices} "
                "gradients is that of the whole batch.",
                "images",
                layers.other_than(
                    answer,
                    {
                        batch: "The devices share the batch.",
                        devices: "So many devices there are.",
                    },
                ),
                tolerance=0,
            )
        )
    return found


@question("training/decays")
def decays() -> list[Choice]:
    net = models.on_meta(models.resnet18)
    groups = make_optimizer(net, Recipe()).param_groups
    kept = {id(p) for g in groups if g["weight_decay"] for p in g["params"]}
    examples = {
        "The scale of a normalisation": net.bn1.weight,
        "The bias of the linear layer": net.fc.bias,
        "The kernels of a convolution": net.conv1.weight,
    }
    (right,) = (name for name, p in examples.items() if id(p) in kept)
    return [
        Choice(
            "Which of these does weight decay pull towards zero in this book's "
            "recipes?",
            {
                "The scale of a normalisation": (
                    "A smaller scale makes no simpler network."
                ),
                "The bias of the linear layer": "A bias only shifts.",
                "The kernels of a convolution": "",
            },
            right,
            f"{len(kept)} of ResNet-18's {sum(len(g['params']) for g in groups)} "
            "tensors decay: weights do, vectors do not.",
        )
    ]


@question("training/imagenet")
def imagenet() -> list[Number]:
    images = 1_281_167  # of training, Russakovsky et al. 2015, table 2
    found = []
    for side in (224, 32, 64):
        answer = images * 3 * side * side / 2**30
        found.append(
            Number(
                f"ImageNet has {images:,} training images. How many GiB are they "
                f"at 3 × {side} × {side}, a byte for each number?",
                answer,
                f"{images:,} · 3 · {side} · {side} / "
                f"2³⁰ = {number(round(answer, 1))} GiB.",
                "GiB",
                {
                    4 * answer: "A byte for each number, once decoded: not four.",
                    answer / 3: "Three colours.",
                },
                tolerance=0.08,
            )
        )
    return found
