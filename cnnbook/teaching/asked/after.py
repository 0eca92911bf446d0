"""Questions on what came after 2017."""

from __future__ import annotations

import math

import torchvision
from torch import nn

from cnnbook import models
from cnnbook.models.densenet import dense_block
from cnnbook.models.se_resnet import SqueezeExcitation
from cnnbook.profiling import profile
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Number, Order, question


@question("after/dense-channels")
def dense_channels() -> list[Number]:
    found = []
    for depth, reads, growth in ((6, 64, 32), (12, 128, 32), (4, 24, 12)):
        block = models.on_meta(dense_block, depth, reads, growth)
        answer = reads + sum(
            layer.output[0]
            for layer in profile(block, (reads, 8, 8)).layers
            if layer.name.endswith("conv2")
        )
        found.append(
            Number(
                f"A dense block of {depth} layers reads {reads} channels, and each "
                f"layer adds {growth}. How many channels does it give?",
                answer,
                f"{reads} + {depth} · {growth} = {answer}: everything is kept.",
                "channels",
                {
                    reads + growth: f"Each of the {depth} layers adds as many.",
                    depth * growth: "What the block reads is kept too.",
                    reads + (depth - 1) * growth: (
                        "That is what the last layer reads."
                    ),
                },
                tolerance=0,
            )
        )
    return found


@question("after/se-params")
def se_params() -> list[Number]:
    found = []
    for channels, squeezed in ((256, 16), (512, 32), (2048, 128)):
        gate = models.on_meta(SqueezeExcitation, channels, squeezed)
        answer = profile(gate, (channels, 7, 7)).total.params
        found.append(
            Number(
                f"Squeeze and excitation of {channels:,} channels, with {squeezed} "
                "between its two layers, which have biases. How many parameters "
                "has it?",
                answer,
                f"{channels:,} · {squeezed} + {squeezed} + "
                f"{squeezed} · {channels:,} + {channels:,} = {answer:,}.",
                "parameters",
                layers.other_than(
                    answer,
                    {
                        2 * channels * squeezed: "Forgot the biases? "
                        f"{squeezed} + {channels:,} more.",
                        channels * squeezed + squeezed: (
                            "There and back: two layers."
                        ),
                        2 * channels**2: (
                            "Between the two there are fewer channels."
                        ),
                    },
                ),
            )
        )
    return found


@question("after/separable-flops")
def separable_flops() -> list[Number]:
    found = []
    for channels, out, side in ((32, 64, 112), (128, 128, 56), (512, 512, 14)):
        pair = nn.Sequential(
            layers.conv(
                channels, channels, 3, padding=1, groups=channels, bias=False
            ),
            layers.conv(channels, out, 1, bias=False),
        )
        first, second = profile(pair, (channels, side, side)).layers
        full = layers.one(
            layers.conv(channels, out, 3, padding=1, bias=False),
            (channels, side, side),
        )
        answer = first.flops + second.flops
        found.append(
            Number(
                f"A depthwise 3 × 3 of {channels} channels, then a 1 × 1 to {out}, "
                f"at {side} × {side} positions. How many multiply-adds do the two "
                "do?",
                answer,
                f"9 · {channels} · {side}² = {first.flops:,}, and "
                f"{channels} · {out} · {side}² = {second.flops:,}; together "
                f"{answer:,}, {full.flops / answer:.1f} times fewer than a full "
                "3 × 3.",
                "multiply-adds",
                layers.other_than(
                    answer,
                    {
                        full.flops: (
                            "That is a full 3 × 3. A depthwise kernel reads one "
                            "channel."
                        ),
                        second.flops: "Looking around has a cost, too.",
                        first.flops: "And the mixing?",
                        2 * answer: (
                            "A multiplication and its addition count as one here."
                        ),
                    },
                ),
            )
        )
    return found


@question("after/separable-share")
def separable_share() -> list[Number]:
    found = []
    for out, kernel in ((128, 3), (1024, 3), (64, 5)):
        pair = nn.Sequential(
            layers.conv(64, 64, kernel, padding=kernel // 2, groups=64, bias=False),
            layers.conv(64, out, 1, bias=False),
        )
        full = layers.conv(64, out, kernel, padding=kernel // 2, bias=False)
        size = (64, 14, 14)
        answer = (
            100 * profile(pair, size).total.flops / layers.one(full, size).flops
        )
        found.append(
            Number(
                f"A depthwise {kernel} × {kernel} and a 1 × 1 to {out} channels: "
                "which share of a full convolution's multiply-adds is that, in "
                "percent?",
                answer,
                f"1 / {out} + 1 / {kernel}² = {answer:.1f} %, however many "
                "channels are read.",
                "%",
                {
                    100 / kernel**2: f"Nearly: the depthwise part adds 1 / {out}.",
                    100 / out: (
                        f"That is the depthwise part; the 1 × 1 has 1 / {kernel}² "
                        "of the work."
                    ),
                    answer / 100: "In percent: times 100.",
                },
                tolerance=0.02,
            )
        )
    return found


@question("after/compound")
def compound() -> list[Number]:
    found = []
    for d, w, r in ((1.2, 1.1, 1.15), (1.8, 1.4, 1.7), (3.1, 2.0, 2.68)):
        answer = round(d * w**2 * r**2, 6)
        found.append(
            Number(
                f"A network of full convolutions gets {d:g} times the blocks, "
                f"{w:g} times the channels and {r:g} times the side of the image. "
                "By how many times do its multiply-adds grow?",
                answer,
                f"{d:g} · {w:g}² · {r:g}² = {answer:.3g}.",
                "times",
                layers.other_than(
                    answer,
                    {
                        d * w * r: (
                            "Channels count twice, as those read and those "
                            "written, and so does the side."
                        ),
                        d**2 * w**2 * r**2: "Depth counts once.",
                        d + w + r: "They multiply.",
                    },
                ),
            )
        )
    return found


@question("after/patches")
def patches() -> list[Number]:
    networks: dict[str, nn.Conv2d] = {
        "A ViT-B/16": models.on_meta(torchvision.models.vit_b_16).conv_proj,
        "ConvNeXt-T": next(
            m
            for m in models.on_meta(models.convnext_tiny).modules()
            if isinstance(m, nn.Conv2d)
        ),
    }
    found = []
    for name, stem in networks.items():
        row = layers.one(stem, (3, 224, 224))
        answer = math.prod(row.output[1:])
        size = stem.kernel_size[0]
        found.append(
            Number(
                f"{name} cuts an image of 224 pixels a side into squares of "
                f"{size} × {size}. How many are there?",
                answer,
                f"(224 / {size})² = {row.output[1]}² = {answer:,}.",
                "patches",
                {
                    224 / size: "That is one side.",
                    3 * answer: "A patch has all three colours.",
                },
                tolerance=0,
            )
        )
    return found


@question("after/order-flops", lead="Predict, then run")
def order_flops() -> list[Order]:
    names = {
        "EfficientNet-B0": "efficientnet_b0",
        "ConvNeXt-T": "convnext_tiny",
        "MobileNetV2": "mobilenet_v2",
        "DenseNet-121": "densenet121",
    }
    return [layers.by_flops(names)]
