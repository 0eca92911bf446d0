"""Questions on batch normalisation: what is averaged, what is learned, what is
folded."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from cnnbook import models
from cnnbook.interpret import normalisation
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, number, question


@question("batchnorm/averaged")
def averaged() -> list[Number]:
    found = []
    for shape in ((32, 64, 28, 28), (16, 8, 14, 14), (256, 512, 7, 7)):
        n, c, h, w = shape
        x = torch.empty(shape, device="meta")
        answer = x.numel() // nn.BatchNorm2d(c).num_features
        found.append(
            Number(
                f"Batch normalisation reads {layers.shown(shape)} numbers. Over "
                "how many of them is each mean taken?",
                answer,
                f"{n} images · {h} · {w} positions = {answer:,}, for each of {c} "
                "channels.",
                "numbers",
                layers.other_than(
                    answer,
                    {
                        n: "Over the positions too.",
                        h * w: "Over the images of the batch too.",
                        n * c * h * w: "Each channel has a mean of its own.",
                        c * h * w: "That is layer normalisation.",
                    },
                ),
                tolerance=0,
            )
        )
    return found


@question("batchnorm/learned")
def learned() -> list[Number]:
    found = []
    for channels in (64, 256, 2048):
        norm = nn.BatchNorm2d(channels)
        answer = sum(p.numel() for p in norm.parameters())
        found.append(
            Number(
                f"How many numbers does the batch normalisation of {channels:,} "
                "channels learn?",
                answer,
                "A scale and a shift for each channel: "
                f"2 · {channels:,} = {answer:,}. Mean and variance are kept, not "
                "learned.",
                "numbers",
                {
                    2 * answer: (
                        "Mean and variance are kept, but no gradient moves them."
                    ),
                    channels: "A scale and a shift: two.",
                },
                tolerance=0,
            )
        )
    return found


@question("batchnorm/normalise")
def normalise() -> list[Number]:
    found = []
    cases = (
        (5.0, 2.0, 9.0, 2.0, 1.0),
        (0.0, 3.0, 4.0, 1.0, 0.5),
        (7.0, 4.0, 2.25, 3.0, 1.0),
    )
    for x, mean, variance, scale, shift in cases:
        numbers = torch.tensor([mean, variance, scale, shift], dtype=torch.double)
        of, spread, gain, offset = numbers.split(1)
        image = torch.tensor([[x]], dtype=torch.double)
        value = F.batch_norm(image, of, spread, gain, offset, eps=0).item()
        deviation = variance**0.5
        found.append(
            Number(
                f"A channel has mean {mean:g} and variance {variance:g}, a scale "
                f"of {scale:g} and a shift of {shift:g}. What becomes of the "
                f"number {x:g}?",
                round(value, 6),
                f"({x:g} − {mean:g}) / {deviation:g} · {scale:g} + {shift:g} = "
                f"{number(round(value, 6))}.",
                "",
                layers.other_than(
                    value,
                    {
                        (x - mean) / variance * scale + shift: (
                            "Divide by the deviation, the root of the variance."
                        ),
                        (x - mean) / deviation: "And then scale and shift.",
                    },
                ),
            )
        )
    return found


@question("batchnorm/folded")
def folded() -> list[Number]:
    found = []
    for weight, scale, variance in (
        (0.6, 2.0, 9.0),
        (1.5, 0.5, 0.25),
        (0.2, 3.0, 4.0),
    ):
        conv = nn.Conv2d(1, 1, 1, bias=False).double().eval()
        norm = nn.BatchNorm2d(1, eps=0).double().eval()
        with torch.no_grad():
            conv.weight.fill_(weight)
            norm.weight.fill_(scale)
            norm.get_buffer("running_var").fill_(variance)
        answer = round(normalisation.fold(conv, norm).weight.item(), 6)
        found.append(
            Number(
                f"A kernel has a weight of {weight:g}; its channel's scale is "
                f"{scale:g} and its variance {variance:g}. What does the weight "
                "become when the normalisation is folded into it?",
                answer,
                f"{weight:g} · {scale:g} / √{variance:g} = {number(answer)}.",
                "",
                layers.other_than(
                    answer,
                    {
                        weight * scale / variance: (
                            "Divide by the root of the variance."
                        ),
                        weight * scale: "And divide by the deviation.",
                        weight * variance**0.5 / scale: "The other way round.",
                    },
                ),
            )
        )
    return found


@question("batchnorm/bias")
def bias() -> list[Choice]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        norm, x = (
            nn.BatchNorm2d(4).double(),
            torch.randn(8, 4, 5, 5, dtype=torch.double),
        )
        moved = (norm(x + 7) - norm(x)).abs().max().item()
    options = {
        "Nothing": "",
        "They shift by what was added": (
            "The mean shifts by as much, and is taken off."
        ),
        "They are scaled": "A shift of all numbers changes no deviation.",
    }
    right = "Nothing" if moved < 1e-9 else "They shift by what was added"
    return [
        Choice(
            "In training a convolution's bias adds 7 to each number of a channel "
            "before it is normalised. What happens to the outputs of the "
            "normalisation?",
            options,
            right,
            "The mean grows by 7 as well and is taken off: only rounding moves "
            "them. So the convolution needs no bias.",
        )
    ]


@question("batchnorm/group")
def group() -> list[Number]:
    found = []
    for channels, groups, side in ((64, 32, 14), (256, 32, 7), (64, 1, 14)):
        x = torch.empty(1, channels, side, side)
        answer = x[0].numel() // nn.GroupNorm(groups, channels).num_groups
        found.append(
            Number(
                f"Group normalisation with {groups} "
                f"group{'s' if groups > 1 else ''} reads {channels} channels of "
                f"{side} × {side} positions. Over how many numbers is each mean "
                "taken?",
                answer,
                f"{channels} / {groups} channels · {side} · {side} = {answer:,}, "
                "of one image.",
                "numbers",
                layers.other_than(
                    answer,
                    {
                        side * side: "Over the channels of the group too.",
                        channels * side * side: (
                            "That is one group, layer normalisation."
                        ),
                        channels // groups: "Over the positions too.",
                    },
                ),
                tolerance=0,
            )
        )
    return found


@question("batchnorm/share")
def share() -> list[Number]:
    found = []
    for name, words in (
        ("resnet50", "ResNet-50"),
        ("vgg16_bn", "VGG-16 with normalisation"),
    ):
        net = models.on_meta(models.create, name)
        total = sum(p.numel() for p in net.parameters())
        norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
        channels = sum(m.num_features for m in norms)
        answer = 100 * sum(p.numel() for m in norms for p in m.parameters()) / total
        found.append(
            Number(
                f"The {len(norms)} normalisations of {words} have {channels:,} "
                f"channels in all, the network {total:,} parameters. Which share "
                "of them is learned by normalisations, in percent?",
                answer,
                f"2 · {channels:,} / {total:,} = {answer:.2g} %.",
                "%",
                {
                    answer / 2: "A scale and a shift: two for each channel.",
                    answer / 100: "In percent: times 100.",
                    answer * 2: "Mean and variance are kept, not learned.",
                },
                tolerance=0.03,
            )
        )
    return found
