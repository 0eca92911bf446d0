"""Questions on VGG: stacks of small kernels, and where its measures are."""

from __future__ import annotations

from functools import cache

from torch import nn

from cnnbook import models
from cnnbook.models.stacks import stack
from cnnbook.profiling import Profile, profile
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, Order, number, question


@cache
def _vgg16() -> tuple[models.VGG, Profile, dict[str, str]]:
    """The network, its profile, and the layers' names in the paper ("conv3_1") by
    our own."""
    net = models.on_meta(models.vgg16)
    names, stage, place = {}, 1, 1
    for i, layer in enumerate(net.features):
        if isinstance(layer, nn.Conv2d):
            names[f"conv{stage}_{place}"] = f"features.{i}"
            place += 1
        elif isinstance(layer, nn.MaxPool2d):
            stage, place = stage + 1, 1
    return net, profile(net), names


ORDINALS = ("first", "second", "third")


def _place(name: str) -> tuple[str, str]:
    """conv3_1 → ("first", "stage 3")."""
    stage, place = name.removeprefix("conv").split("_")
    return ORDINALS[int(place) - 1], f"stage {stage}"


def _called(name: str) -> str:
    """conv3_1 → "conv 3×3, 256 (the first of stage 3)": as its row of the profile
    is called, and which of those it is."""
    _, p, names = _vgg16()
    place, stage = _place(name)
    return f"{p.labels[names[name]]} (the {place} of {stage})"


def _stack(kernel: int, depth: int, channels: int = 64) -> Profile:
    return profile(
        models.on_meta(stack, channels, kernel, depth), (channels, 64, 64)
    )


@question("vgg/conv-params")
def conv_params() -> list[Number]:
    net, p, names = _vgg16()
    found = []
    for name in ("conv3_1", "conv1_1", "conv4_2", "conv2_1"):
        layer = layers.part(net, names[name], nn.Conv2d)
        size = layers.inputs_of(p, names[name])
        prompt = (
            f"How many parameters has VGG-16's {_called(name)}? It reads {size[0]} "
            f"channels and has {layer.out_channels} kernels of 3 × 3 with biases."
        )
        found.append(layers.params(prompt, layer, size))
    return found


@question("vgg/conv-flops")
def conv_flops() -> list[Number]:
    net, p, names = _vgg16()
    found = []
    for name in ("conv1_2", "conv3_2", "conv5_1"):
        layer = layers.part(net, names[name], nn.Conv2d)
        size = layers.inputs_of(p, names[name])
        prompt = (
            f"How many multiply-adds does VGG-16's {_called(name)} do? It reads "
            f"{layers.shown(size)} numbers and has {layers.words(layer)}."
        )
        found.append(layers.flops(prompt, layer, size))
    return found


@question("vgg/fc6-params")
def fc6_params() -> list[Number]:
    net = _vgg16()[0]
    layer = next(m for m in net.classifier if isinstance(m, nn.Linear))
    found = layers.params(
        "The first linear layer reads 512 × 7 × 7 numbers and gives 4,096. How "
        "many parameters has it?",
        layer,
        (layer.in_features,),
    )
    flat = 512 * 4096 + 4096
    slips = {
        **found.slips,
        flat: "It reads every position: 512 · 7 · 7 numbers, not 512.",
    }
    return [Number(found.prompt, found.answer, found.why, found.unit, slips)]


@question("vgg/stack-field")
def stack_field() -> list[Number]:
    found = []
    for depth in (2, 3, 5, 10):
        answer = layers.sees(_stack(3, depth).layers[-1])
        found.append(
            Number(
                f"How many pixels on a side does an output see through {depth} "
                "convolutions of 3 × 3 with stride 1?",
                answer,
                f"1 + {depth} · 2 = {answer}: each adds 3 − 1.",
                "pixels",
                layers.other_than(
                    answer,
                    {
                        3 * depth: "Windows overlap: a kernel of 3 adds 2, not 3.",
                        2 * depth: "A pixel sees itself: begin with 1.",
                    },
                ),
                tolerance=0,
            )
        )
    return found


@question("vgg/stack-saves")
def stack_saves() -> list[Number]:
    found = []
    for kernel in (5, 7, 11):
        depth = (kernel - 1) // 2
        small, large = (_stack(*of).total.flops for of in ((3, depth), (kernel, 1)))
        answer = 100 * (1 - small / large)
        found.append(
            Number(
                f"{depth} convolutions of 3 × 3 in place of one of "
                f"{kernel} × {kernel}, all with as many channels: how many percent "
                "of the multiply-adds are saved?",
                answer,
                f"{depth} · 9 = {9 * depth} against {kernel**2} for each output "
                "and channel: "
                f"1 − {9 * depth} / {kernel**2} = {answer:.1f} %.",
                "%",
                layers.other_than(
                    answer,
                    {
                        100 - answer: "That is what is still to be done.",
                        100 * (1 - 9 / kernel**2): (
                            f"That is one 3 × 3. There are {depth}."
                        ),
                        100 * (large / small - 1): (
                            "Of the larger, not of the smaller one."
                        ),
                    },
                ),
                tolerance=0.02,
            )
        )
    return found


@question("vgg/most-memory", lead="Predict, then run")
def most_memory() -> list[Choice]:
    _, p, names = _vgg16()
    by_stage: dict[str, float] = {}
    for name, row in names.items():
        stage = f"Stage {name[4]}"
        by_stage[stage] = by_stage.get(stage, 0) + float(p.table.memory_kb[row])
    right = max(by_stage, key=by_stage.__getitem__)
    return [
        Choice(
            "In which of VGG-16's stages do the convolutions write most memory?",
            {
                "Stage 1": "",
                "Stage 3": (
                    "It has one convolution more and four times the channels, but "
                    "a sixteenth of the positions."
                ),
                "Stage 5": "512 channels, but only 14 × 14 positions.",
            },
            right,
            "; ".join(
                f"{s.lower()} {kb / 1024:.1f} MB" for s, kb in by_stage.items()
            )
            + ".",
        )
    ]


@question("vgg/equal-compute")
def equal_compute() -> list[Number]:
    _, p, names = _vgg16()
    cases = (("conv3_2", "conv4_2"), ("conv4_2", "conv5_2"), ("conv3_2", "conv3_1"))
    found = []
    for first, second in cases:
        a, b = (p.table.loc[names[name]] for name in (first, second))
        answer = b.flops / a.flops
        (place, stage), (place_b, stage_b) = map(_place, (first, second))
        found.append(
            Number(
                f"In VGG-16 the {place} convolution of {stage} gives "
                f"{layers.shown(a.output)} numbers, and the {place_b} of {stage_b} "
                f"gives {layers.shown(b.output)}. "
                + (
                    "Both read as many channels as they give."
                    if place_b == "second"
                    else "The former reads as many channels as it gives, the "
                    "latter half as many."
                )
                + " How many times as many multiply-adds as the former does the "
                "latter do?",
                answer,
                f"{b.flops / 1e6:,.0f} / {a.flops / 1e6:,.0f} "
                f"million = {number(answer)}.",
                "times",
                layers.other_than(
                    answer,
                    {
                        4.0: (
                            "Count the weights, and then the positions at which "
                            "they are used."
                        ),
                        2.0: (
                            "Of the channels, both those that are read and those "
                            "that are given count; and so do the positions."
                        ),
                        1 / answer: "The other way round.",
                    },
                ),
            )
        )
    return found


@question("vgg/order-params", lead="Predict, then run")
def order_params() -> list[Order]:
    _, p, names = _vgg16()
    rows = {
        "third convolution of stage 5": names["conv5_3"],
        "first linear layer": "classifier.0",
        "second convolution of stage 1": names["conv1_2"],
        "last linear layer": "classifier.6",
    }
    values = {name: int(p.table.params[row]) for name, row in rows.items()}
    return [
        Order(
            "Put these layers of VGG-16 in order, the one with the most parameters "
            "first.",
            values,
            "; ".join(f"{name}: {value:,}" for name, value in values.items()) + ".",
        )
    ]
