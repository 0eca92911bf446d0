"""Questions on ResNeXt: what groups read, cost and keep."""

from __future__ import annotations

from torch import nn

from cnnbook import models
from cnnbook.profiling import profile
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, Order, question

# Of the 3×3 convolutions in ResNeXt-50's stages: channels, side.
GROUPED = ((128, 56, 32), (256, 28, 32), (512, 14, 32))


@question("resnext/reads")
def reads() -> list[Number]:
    found = []
    for channels, _, groups in GROUPED:
        layer = layers.conv(
            channels, channels, 3, padding=1, groups=groups, bias=False
        )
        answer = layer.weight.shape[1]
        found.append(
            Number(
                f"A convolution of {channels} channels has {groups} groups. How "
                "many channels does each of its outputs read?",
                answer,
                f"{channels} / {groups} = {answer}; its weights have the shape "
                f"{layers.shown(tuple(layer.weight.shape))}.",
                "channels",
                {
                    channels: "Without groups it would.",
                    groups: "So many groups there are.",
                },
                tolerance=0,
            )
        )
    return found


@question("resnext/grouped-params")
def grouped_params() -> list[Number]:
    return [
        layers.params(
            f"How many parameters has a 3 × 3 convolution from {channels} to "
            f"{channels} channels in {groups} groups, without biases?",
            layers.conv(
                channels, channels, 3, padding=1, groups=groups, bias=False
            ),
            (channels, side, side),
        )
        for channels, side, groups in GROUPED
    ]


@question("resnext/grouped-flops")
def grouped_flops() -> list[Number]:
    return [
        layers.flops(
            f"A 3 × 3 convolution of {channels} channels in {groups} groups reads "
            f"and gives {channels} × {side} × {side} numbers. How many "
            "multiply-adds does it do?",
            layers.conv(
                channels, channels, 3, padding=1, groups=groups, bias=False
            ),
            (channels, side, side),
        )
        for channels, side, groups in GROUPED
    ]


@question("resnext/what-stays", lead="Predict, then run")
def what_stays() -> list[Choice]:
    one, many = (
        layers.one(
            layers.conv(128, 128, 3, padding=1, groups=g, bias=False), (128, 56, 56)
        )
        for g in (1, 32)
    )
    factors = {
        "Memory": one.memory_kb / many.memory_kb,
        "Parameters": one.params / many.params,
        "Operations": one.flops / many.flops,
    }
    (right,) = (name for name, factor in factors.items() if factor == 1)
    return [
        Choice(
            "A 3 × 3 convolution of 128 channels gets 32 groups. Which of its "
            "measures stays?",
            {
                "Memory": "",
                "Parameters": "Each kernel reads a 32nd of the channels.",
                "Operations": "Each output is a sum over a 32nd of the channels.",
            },
            right,
            "; ".join(
                f"{n.lower()} {f:g} times less"
                for n, f in factors.items()
                if f != 1
            )
            + ". It writes as many outputs as before.",
        )
    ]


@question("resnext/block-params")
def block_params() -> list[Number]:
    block = models.on_meta(models.ResNeXtBlock, 256, 64, cardinality=32, width=4)
    p = profile(block, (256, 56, 56))
    convs = [layer for layer in p.layers if layer.kind == "conv"]
    answer = sum(layer.params for layer in convs)
    listed = " + ".join(f"{layer.params:,}" for layer in convs)
    full = sum(
        m.in_channels * m.out_channels * m.kernel_size[0] ** 2
        for m in block.modules()
        if isinstance(m, nn.Conv2d)
    )
    bottleneck = profile(models.on_meta(models.Bottleneck, 256, 64), (256, 56, 56))
    its = sum(layer.params for layer in bottleneck.layers if layer.kind == "conv")
    return [
        Number(
            "A ResNeXt block: 1 × 1 from 256 to 128 channels, 3 × 3 of 128 in 32 "
            "groups, 1 × 1 back to 256, without biases. How many weights has it?",
            answer,
            f"{listed} = {answer:,}, beside {its:,} of ResNet's bottleneck.",
            "weights",
            {
                full: "In 32 groups a 3 × 3 kernel reads 4 channels.",
                its: "That is ResNet's bottleneck of 64 channels.",
                answer - convs[-1].params: "Two of the three are 1 × 1.",
            },
            tolerance=0.005,
        )
    ]


@question("resnext/beside-resnet")
def beside_resnet() -> list[Number]:
    a, b = (
        profile(models.on_meta(models.create, name)).total
        for name in ("resnet50", "resnext50_32x4d")
    )
    found = []
    for measure, words in (("params", "parameters"), ("flops", "multiply-adds")):
        old, new = getattr(a, measure), getattr(b, measure)
        answer = 100 * (new / old - 1)
        found.append(
            Number(
                f"ResNet-50 has {old:,} {words}, ResNeXt-50 (32×4d) {new:,}. By "
                "how many percent do they differ, with a minus if ResNeXt-50 has "
                "fewer?",
                answer,
                f"{new:,} / {old:,} − 1 = {answer:+.1f} %.",
                "%",
                {
                    -answer: "Mind the sign.",
                    100 + answer: "That is the share; take 100 % off.",
                },
                tolerance=0.05,
            )
        )
    return found


@question("resnext/order-groups", lead="Predict, then run")
def order_groups() -> list[Order]:
    values = {
        f"{width} channels in {groups} group{'' if groups == 1 else 's'}": float(
            layers.one(
                layers.conv(width, width, 3, padding=1, groups=groups, bias=False),
                (width, 14, 14),
            ).params
        )
        for width, groups in ((128, 32), (64, 1), (128, 128), (128, 1))
    }
    return [
        Order(
            "Put these 3 × 3 convolutions in order, the one with the most weights "
            "first.",
            values,
            ", ".join(f"{name}: {value:,.0f}" for name, value in values.items())
            + ".",
        )
    ]
