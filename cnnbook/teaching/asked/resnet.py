"""Questions on ResNet: blocks and their cost, shortcuts, degradation."""

from __future__ import annotations

import torch
from torch import nn

from cnnbook import models, records
from cnnbook.profiling import profile
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, Order, question


def _convolutions(block: nn.Module) -> list[nn.Conv2d]:
    return [m for m in block.modules() if isinstance(m, nn.Conv2d)]


def _sum(block: nn.Module) -> tuple[int, str]:
    """The weights of a block's convolutions, and how they add up."""
    found = _convolutions(block)
    terms = []
    for m in found:
        kernel = "" if m.kernel_size == (1, 1) else f" · {m.kernel_size[0]}²"
        terms.append(f"{m.in_channels // m.groups} · {m.out_channels}{kernel}")
    total = sum(
        m.out_channels * m.in_channels // m.groups * m.kernel_size[0] ** 2
        for m in found
    )
    return total, " + ".join(terms)


@question("resnet/basic-params")
def basic_params() -> list[Number]:
    found = []
    for channels in (64, 128, 256):
        block = models.on_meta(models.BasicBlock, channels, channels)
        counted = profile(block, (channels, 56, 56))
        answer = sum(
            layer.params for layer in counted.layers if layer.kind == "conv"
        )
        _, terms = _sum(block)
        found.append(
            Number(
                f"A basic block of {channels} channels: two 3 × 3 convolutions "
                "without biases. How many weights have they together?",
                answer,
                f"{terms} = {answer:,}.",
                "weights",
                {
                    answer / 2: "There are two of them.",
                    answer + 2 * channels: (
                        "Normalisation follows each: they have no biases."
                    ),
                    2 * 9 * channels: f"Each kernel reads {channels} channels.",
                },
            )
        )
    return found


@question("resnet/bottleneck-params")
def bottleneck_params() -> list[Number]:
    found = []
    for wide, narrow in ((256, 64), (512, 128), (1024, 256)):
        block = models.on_meta(models.Bottleneck, wide, narrow)
        counted = profile(block, (wide, 28, 28))
        answer = sum(
            layer.params for layer in counted.layers if layer.kind == "conv"
        )
        _, terms = _sum(block)
        found.append(
            Number(
                f"A bottleneck: 1 × 1 from {wide} to {narrow} channels, 3 × 3 of "
                f"{narrow}, 1 × 1 back to {wide}, without biases. How many weights "
                "have the three together?",
                answer,
                f"{terms} = {answer:,}.",
                "weights",
                layers.other_than(
                    answer,
                    {
                        answer - wide * narrow: "Two of the three are 1 × 1.",
                        9 * narrow**2: "That is the 3 × 3 alone.",
                        2 * 9 * wide**2: (
                            "That is a basic block of as many channels."
                        ),
                    },
                ),
            )
        )
    return found


@question("resnet/shortcut-params")
def shortcut_params() -> list[Number]:
    found = []
    cases = ((64, 64, 1), (64, 128, 2), (256, 512, 2))
    for c_in, c_out, stride in cases:
        block = models.on_meta(models.BasicBlock, c_in, c_out, stride=stride)
        inside = [n for n, m in block.named_modules() if isinstance(m, nn.Conv2d)]
        table = profile(block, (c_in, 28, 28)).table
        short = [name for name in inside if "downsample" in name]
        answer = int(table.params[short].sum())
        prompt = (
            f"A basic block reads {c_in} channels and gives {c_out}, with stride "
            f"{stride}. How many weights has the convolution on its shortcut?"
        )
        why = (
            (
                f"None: {c_in} channels and stride 1 leave the shape as it is, so "
                "the shortcut is the input itself."
            )
            if not answer
            else (
                f"A 1 × 1 convolution, {c_in} · {c_out} = {answer:,}, so that the "
                "sum has two equal shapes."
            )
        )
        slips = {
            9 * c_in * c_out: (
                "A shortcut has no 3 × 3, if it has a convolution at all."
            ),
            c_in * c_out: "Here nothing has to change its shape.",
            0: "A sum needs two equal shapes, and here they differ.",
        }
        found.append(
            Number(
                prompt,
                answer,
                why,
                "weights",
                layers.other_than(answer, slips),
                tolerance=0,
            )
        )
    return found


@question("resnet/depth")
def depth() -> list[Number]:
    found = []
    for name in ("resnet50", "resnet18", "resnet34", "resnet101"):
        net = models.on_meta(models.create, name)
        main = [
            n
            for n, m in net.named_modules()
            if isinstance(m, nn.Conv2d | nn.Linear) and "downsample" not in n
        ]
        stages = [
            m for n, m in net.named_children() if isinstance(m, nn.Sequential)
        ]
        counts = [len(stage) for stage in stages]
        each = len([m for m in stages[0][1].modules() if isinstance(m, nn.Conv2d)])
        answer = len(main)
        found.append(
            Number(
                f"A ResNet has stages of {', '.join(map(str, counts))} blocks with "
                f"{each} convolutions each, a stem of one convolution and one "
                "linear layer. By how many layers is it called? (Those on "
                "shortcuts do not count.)",
                answer,
                f"1 + ({' + '.join(map(str, counts))}) · {each} + 1 = {answer}.",
                "layers",
                {
                    sum(counts): "Those are the blocks.",
                    answer - 1: "Stem and linear layer count too.",
                    answer - 2: "Stem and linear layer count too.",
                },
                tolerance=0,
            )
        )
    return found


@question("resnet/zero-weights", lead="Predict, then run")
def zero_weights() -> list[Choice]:
    options = {
        "x": "Is there a ReLU after the sum?",
        "max(x, 0)": "Where does its ReLU stand?",
        "0": "The shortcut passes x on, whatever the weights are.",
    }
    x = torch.linspace(-1, 1, 16).reshape(1, 16, 1, 1).expand(1, 16, 4, 4)
    found = []
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        blocks = {
            "A basic block, with its ReLU after the sum,": models.BasicBlock(
                16, 16
            ),
            "A pre-activation block, with both ReLUs before its convolutions,": (
                models.PreActivationBlock(16, models.preactivation.Basic(16, 16))
            ),
        }
        for words, block in blocks.items():
            for module in block.modules():
                if isinstance(module, nn.Conv2d):
                    module.weight.zero_()
            out = block.eval()(x)
            if torch.equal(out, x):
                right = "x"
            else:
                right = "max(x, 0)" if torch.equal(out, x.relu()) else "0"
            found.append(
                Choice(
                    f"{words} has convolutions of zeros and reads x. What does it "
                    "give?",
                    options,
                    right,
                    f"Computed with this book's block of 16 channels: {right}. "
                    + (
                        "It can be the identity of any x."
                        if right == "x"
                        else "It is the identity only where x is not negative."
                    ),
                )
            )
    return found


@question("resnet/degradation", lead="Predict, then run")
def degradation() -> list[Choice]:
    runs = records.load("degradation")
    table = records.table(runs).groupby("arm").train_error.mean()
    shallow, deep = table["plain20"], table["plain56"]
    right = "higher" if deep > shallow else "lower"
    return [
        Choice(
            "A plain network of 20 layers and one of 56 are trained, each at its "
            "best learning rate. What will be the deeper one's error on the images "
            "that it learns from?",
            {
                "lower": (
                    "It can compute all that the shallow one can. But does "
                    "training find it?"
                ),
                "the same": (
                    "There are weights for which it would be. Does training find "
                    "them?"
                ),
                "higher": "",
            },
            right,
            f"In this book's record it ends at {deep:.1f} %, the shallow one at "
            f"{shallow:.1f} %.",
        )
    ]


@question("resnet/order-flops", lead="Predict, then run")
def order_flops() -> list[Order]:
    names = {
        "ResNet-18": "resnet18",
        "VGG-16": "vgg16",
        "ResNet-152": "resnet152",
        "AlexNet": "alexnet",
    }
    return [layers.by_flops(names)]
