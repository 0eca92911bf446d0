"""Questions on one layer, that of a real network or one made for the question.

Right answers are read from a profile of the layer; wrong ones are the slips that
people make with the same figures. Each function takes the words that name the layer
in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import nn

from cnnbook import models
from cnnbook.profiling import Layer, Profile, profile
from cnnbook.teaching.asking import Number, Order, number

Shape = tuple[int, ...]
Net = TypeVar("Net", bound=nn.Module)
Value = TypeVar("Value", bound=float)


def shown(shape: Shape) -> str:
    """(64, 56, 56) → "64 × 56 × 56"."""
    return " × ".join(f"{size}" for size in shape)


def other_than(answer: float, slips: Mapping[Value, str]) -> dict[float, str]:
    """The slips that lead to another number than the right one."""
    return {
        value: reply
        for value, reply in slips.items()
        if abs(value - answer) > 1e-7 * max(abs(answer), 1)
    }


def by_flops(networks: Mapping[str, str]) -> Order:
    """Architectures, by what the reader calls them, to be put in order of their
    multiply-adds."""
    values = {
        words: float(profile(models.on_meta(models.create, name)).total.flops)
        for words, name in networks.items()
    }
    return Order(
        "Put these networks in order, the one that does most multiply-adds an "
        "image first.",
        values,
        "In billions: "
        + ", ".join(f"{n} {v / 1e9:.2f}" for n, v in values.items())
        + ".",
    )


def one(layer: nn.Module, size: Shape) -> Layer:
    """The only row of a layer's profile on an input of `size`."""
    if isinstance(layer, nn.Linear):
        size = (layer.in_features, 1, 1)
        layer = nn.Sequential(nn.Flatten(), layer)
    network = layer if isinstance(layer, nn.Sequential) else nn.Sequential(layer)
    channels, height, width = size
    (row,) = profile(network, (channels, height, width)).layers
    return row


def part(net: nn.Module, name: str, kind: type[Net]) -> Net:
    """The layer `name` of a network. TypeError if it is of another kind."""
    layer = net.get_submodule(name)
    if not isinstance(layer, kind):
        raise TypeError(f"{name} is a {type(layer).__name__}, no {kind.__name__}")
    return layer


def sees(layer: Layer) -> int:
    """How many pixels on a side an output depends on. TypeError if it is no
    square."""
    field = layer.receptive_field
    if not isinstance(field, int):
        raise TypeError(f"{layer.name} sees {field}, which is no square")
    return field


def inputs_of(p: Profile, name: str) -> Shape:
    """What the layer `name` of a network without branches reads."""
    names = [layer.name for layer in p.layers]
    place = names.index(name)
    return p.layers[place - 1].output if place else p.input_size


def conv(
    c_in: int, c_out: int, kernel: int, stride=1, padding=0, groups=1, bias=True
) -> nn.Conv2d:
    """A convolution without weights."""
    return models.on_meta(
        nn.Conv2d, c_in, c_out, kernel, stride, padding, groups=groups, bias=bias
    )


def channels(number: int) -> str:
    return f"{number} channel{'' if number == 1 else 's'}"


def words(layer: nn.Conv2d, biases: bool = False) -> str:
    """ "64 kernels of 11 × 11, stride 4, padding 2", and whether there are biases
    if it matters."""
    text = (
        f"{layer.out_channels} kernels of {shown(layer.kernel_size)}, stride "
        f"{layer.stride[0]}, "
    )
    text += f"padding {layer.padding[0]}"
    if layer.groups > 1:
        text += f", in {layer.groups} groups"
    if not biases:
        return text
    return text + (
        ", with biases" if layer.bias is not None else ", without biases"
    )


def params(prompt: str, layer: nn.Conv2d | nn.Linear, size: Shape) -> Number:
    """How many parameters the layer has."""
    answer = one(layer, size).params
    if isinstance(layer, nn.Linear):
        out, into = layer.out_features, layer.in_features
        slips = {
            out * into: (
                f"Those are the weights alone: {into:,} · {out:,}. Each of the "
                f"{out:,} outputs has a bias too."
            ),
            out: (
                "That is one number an output. Each output has a weight for every "
                "input."
            ),
        }
        why = f"{into:,} · {out:,} weights + {out:,} biases = {answer:,}."
        return Number(prompt, answer, why, "parameters", other_than(answer, slips))
    out, into = layer.out_channels, layer.in_channels
    side, read = layer.kernel_size[0], layer.in_channels // layer.groups
    area = side * layer.kernel_size[1]
    biases = out if layer.bias is not None else 0
    slips = {
        out * read * area + out * (not biases): (
            f"Forgot the bias? Each kernel has one: {out:,} more."
            if biases
            else "That counts a bias for each kernel. This convolution has none."
        ),
        out * area + biases: (
            f"A kernel is not {side} × {side}: it reads {read} channels, so it has "
            f"{read} · {side} · {side} weights."
        ),
        out * into * area + biases: (
            f"In {layer.groups} groups a kernel reads only {into} / "
            f"{layer.groups} = {read} of the channels."
        ),
        out * max(1, read // layer.groups) * area + biases: (
            f"The groups were taken twice. Each of all {out} kernels reads "
            f"{channels(read)}."
        ),
        out * read * side + biases: (
            f"A kernel is {side} wide and {side} high: {side} · {side}."
        ),
    }
    why = f"{out} kernels · {channels(read)} · {side} · {side}"
    why += (
        f" + {out} biases = {answer:,}."
        if biases
        else f" = {answer:,}, and no biases."
    )
    return Number(prompt, answer, why, "parameters", other_than(answer, slips))


def flops(prompt: str, layer: nn.Conv2d | nn.Linear, size: Shape) -> Number:
    """How many multiply-adds the layer does."""
    row = one(layer, size)
    answer = row.flops
    if isinstance(layer, nn.Linear):
        return Number(
            prompt,
            answer,
            f"{layer.in_features:,} · {layer.out_features:,} = {answer:,}: each "
            "weight is used once.",
            "multiply-adds",
            {
                2 * answer: (
                    "A multiplication and its addition count as one here: half of "
                    "that."
                )
            },
        )
    out, height, width = row.output
    side, read = layer.kernel_size[0], layer.in_channels // layer.groups
    each = read * side * layer.kernel_size[1]
    positions = size[1] * size[2]
    slips = {
        2 * answer: (
            "A multiplication and its addition count as one here: half of that."
        ),
        each * out: (
            f"Those are the weights. Each is used at {height} · {width} positions."
        ),
        positions * each * out: (
            f"Count the {height} · {width} positions of the output, not those "
            "of the input."
        ),
        answer * layer.groups: (
            f"In {layer.groups} groups an output reads only {channels(read)}."
        ),
        out * height * width * side * layer.kernel_size[1]: (
            f"Each output reads {channels(read)}, not one."
        ),
    }
    why = (
        f"{out} · {height} · {width} outputs · {read} · {side} · {side} "
        f"multiply-adds each = {answer:,}."
    )
    return Number(prompt, answer, why, "multiply-adds", other_than(answer, slips))


def memory(prompt: str, layer: nn.Module, size: Shape) -> Number:
    """How many KB the layer's output takes."""
    row = one(layer, size)
    answer, elements = row.memory_kb, row.memory_kb * 1024 / 4
    slips = {
        elements: (
            "That is the number of outputs. Each takes 4 bytes, and a KB is 1,024 "
            "bytes."
        ),
        elements * 4: "Those are the bytes. A KB is 1,024 of them.",
        elements / 1024: "An output of 32 bits takes 4 bytes.",
        elements * 4 / 1000: "A KB is 1,024 bytes here, not 1,000.",
        torch.Size(size).numel() * 4 / 1024: (
            "That is the input. The measure counts the output."
        ),
    }
    why = f"{shown(row.output)} · 4 bytes / 1,024 = {number(answer)} KB."
    return Number(
        prompt, answer, why, "KB", other_than(answer, slips), tolerance=0.005
    )


def side(prompt: str, layer: nn.Conv2d | nn.MaxPool2d, size: Shape) -> Number:
    """How many positions the layer's output has on a side."""
    answer = one(layer, size).output[-1]
    kernel, stride, padding = (
        value if isinstance(value, int) else int(value[0])
        for value in (layer.kernel_size, layer.stride, layer.padding)
    )
    slips = {
        (size[1] - kernel) // stride + 1: f"Padding adds {padding} on both sides.",
        (size[1] + padding - kernel) // stride + 1: (
            f"Padding adds {padding} on both sides, not on one."
        ),
        (size[1] + 2 * padding - kernel) // stride: (
            "The first position counts too: one more."
        ),
        -(-(size[1] + 2 * padding - kernel) // stride) + 1: (
            "A last step that does not fit is not taken: round down."
        ),
    }
    why = f"⌊({size[1]} + 2 · {padding} − {kernel}) / {stride}⌋ + 1 = {answer}."
    return Number(
        prompt, answer, why, "positions", other_than(answer, slips), tolerance=0
    )
