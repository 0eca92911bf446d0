"""Questions on the three measures and the receptive field."""

from __future__ import annotations

from torch import nn

from cnnbook import models
from cnnbook.profiling import profile
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, number, question

# Input, and a convolution on it: the variants of the questions on one layer.
CASES = (
    ((64, 56, 56), layers.conv(64, 128, 3, 2, 1)),
    ((3, 32, 32), layers.conv(3, 16, 5, 1, 2)),
    ((16, 28, 28), layers.conv(16, 32, 3, 1, 0)),
    ((96, 27, 27), layers.conv(96, 256, 5, 1, 2)),
)


def _each(what: str, ask, biases: bool = False) -> list[Number]:
    return [
        ask(
            f"A convolution reads {layers.shown(size)} numbers and has "
            f"{layers.words(conv, biases)}. {what}",
            conv,
            size,
        )
        for size, conv in CASES
    ]


@question("measuring/output-side")
def output_side() -> list[Number]:
    return _each("How many positions does its output have on a side?", layers.side)


@question("measuring/memory")
def memory() -> list[Number]:
    return _each("How many KB does its output take?", layers.memory)


@question("measuring/params")
def params() -> list[Number]:
    return _each("How many parameters has it?", layers.params, biases=True)


@question("measuring/flops")
def flops() -> list[Number]:
    return _each("How many multiply-adds does it do for an image?", layers.flops)


@question("measuring/grouped-params")
def grouped_params() -> list[Number]:
    cases = ((128, 128, 3, 4), (256, 256, 3, 32), (96, 256, 5, 2), (64, 64, 7, 64))
    found = []
    for c_in, c_out, kernel, groups in cases:
        layer = layers.conv(c_in, c_out, kernel, 1, kernel // 2, groups)
        prompt = (
            f"With `groups={groups}` each kernel of a convolution reads only one "
            f"of {groups} equal parts of the channels. How many parameters has "
            f"`nn.Conv2d({c_in}, {c_out}, {kernel}, groups={groups})`?"
        )
        found.append(layers.params(prompt, layer, (c_in, 14, 14)))
    return found


@question("measuring/linear-params")
def linear_params() -> list[Number]:
    sizes = ((512, 10), (256 * 6 * 6, 4096), (784, 100), (2048, 1000))
    return [
        layers.params(
            f"A linear layer reads {into:,} numbers and gives {out:,}. How many "
            "parameters has it?",
            models.on_meta(nn.Linear, into, out),
            (into,),
        )
        for into, out in sizes
    ]


@question("measuring/twice-as-wide", lead="Predict, then run")
def twice_as_wide() -> list[Choice]:
    layer = layers.conv(16, 16, 3, padding=1)
    small, large = (layers.one(layer, (16, side, side)) for side in (32, 64))
    factors = {
        measure: getattr(large, measure) / getattr(small, measure)
        for measure in ("memory_kb", "params", "flops")
    }
    same = {name for name, factor in factors.items() if factor == 1}
    options = {
        "None of them": ("memory_kb", "flops", "params"),
        "Its memory only": ("params", "flops"),
        "Its parameters only": ("memory_kb", "flops"),
        "Its parameters and its operations": ("memory_kb",),
    }
    replies = {
        "None of them": (
            "Does a kernel change when it is moved over a larger image?"
        ),
        "Its memory only": (
            "The output has as many positions as the input: it grows with it."
        ),
        "Its parameters only": "",
        "Its parameters and its operations": (
            "Each position costs the same, and there are four times as many."
        ),
    }
    right = next(
        name for name, grow in options.items() if set(factors) - set(grow) == same
    )
    return [
        Choice(
            "An image becomes twice as wide and twice as high. Which measures of a "
            "3×3 convolution with padding 1 stay as they were?",
            replies,
            right,
            f"From 32 to 64 pixels its memory grows by {factors['memory_kb']:g}, "
            f"its operations by {factors['flops']:g}, its parameters by "
            f"{factors['params']:g}. A kernel does not know how large the image "
            "is.",
        )
    ]


@question("measuring/receptive-field")
def receptive_field() -> list[Number]:
    stacks = (
        ((3, 1), (3, 1), (3, 1)),
        ((7, 2), (3, 2), (3, 1)),
        ((11, 4), (3, 2), (5, 1)),
        ((5, 1), (2, 2), (5, 1)),
    )
    found = []
    for stack in stacks:
        net = models.on_meta(
            lambda stack=stack: nn.Sequential(
                *(nn.Conv2d(1, 1, k, s) for k, s in stack)
            )
        )
        answer = layers.sees(profile(net, (1, 128, 128)).layers[-1])
        listed = ", ".join(f"{k} × {k} with stride {s}" for k, s in stack)
        steps, jump, terms = 1, 1, ["1"]
        for k, s in stack:
            terms.append(f"{k - 1} · {jump}")
            steps, jump = steps + (k - 1) * jump, jump * s
        no_jump = 1 + sum(k - 1 for k, _ in stack)
        slips = {
            no_jump: (
                "After a stride the outputs lie further apart: each later kernel's "
                "steps count the strides before it."
            ),
            sum(k for k, _ in stack): (
                "Windows overlap. A kernel of K adds K − 1, not K."
            ),
            max(k for k, _ in stack): (
                "That is what one layer sees. The others widen it."
            ),
        }
        found.append(
            Number(
                f"Convolutions one after another: {listed}. How many pixels on a "
                "side does an output of the last one see?",
                answer,
                f"{' + '.join(terms)} = {number(answer)}: each kernel adds K − 1 "
                "steps, as long as the strides before it, multiplied.",
                "pixels",
                layers.other_than(answer, slips),
                tolerance=0,
            )
        )
    return found
