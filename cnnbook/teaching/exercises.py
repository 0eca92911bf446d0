"""Checks of exercises: an answer is right, or gets a hint; the solution is not
shown.

What is right is computed from the package, as the pages of solutions compute it.
Exercises that ask for words, a change of code or a measurement on one's own machine
have no check.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from numbers import Real
from typing import Any

import torch
from torch import nn

from cnnbook import models
from cnnbook._arguments import near
from cnnbook.models.stacks import stack
from cnnbook.profiling import Profile, profile
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Judgement, Number
from cnnbook.teaching.descent import rates

_CHECKS: dict[str, Callable[[], Sequence[Number]]] = {}
TWICE = "A multiplication and its addition count as one here."


def exercise(id: str):
    """Register the decorated function, which gives the parts of an answer, as its
    check."""

    def register(parts: Callable[[], Sequence[Number]]):
        _CHECKS[id] = cache(parts)
        return parts

    return register


def checked() -> tuple[str, ...]:
    """The exercises that :func:`check` knows, as ``chapter/number``."""
    return tuple(_CHECKS)


def parts(id: str) -> tuple[str, ...]:
    """What an answer to the exercise `id` has to give, in order, with units.

    Raises:
        ValueError: if there is no check of that name.
    """
    return tuple(
        f"{part.prompt} ({part.unit})" if part.unit else part.prompt
        for part in _find(id)
    )


def check(id: str, *answer: Real | str | Sequence) -> Judgement:
    """Say whether an answer to an exercise is right, or give a hint.

    >>> from cnnbook import teaching
    >>> teaching.check("alexnet/3", "307 K", "614 K")
    Right.

    Args:
        id: chapter and number of the exercise, as "alexnet/3".
        answer: its parts in order, each a number or a text such as "61 M"; or a
            list of them.

    Raises:
        ValueError: if there is no check of that name (near ones are offered), or
            the answer has another number of parts.
    """
    wanted = _find(id)
    given: Sequence[Any] = answer
    if len(answer) == 1 and isinstance(answer[0], (tuple, list)):
        given = answer[0]
    if len(given) != len(wanted):
        raise ValueError(
            f"an answer to {id} has {len(wanted)} "
            f"part{'s' if len(wanted) > 1 else ''} ({'; '.join(parts(id))}), got "
            f"{len(given)}"
        )
    for i, (part, its) in enumerate(zip(wanted, given, strict=True), 1):
        found = part.judge(its)
        if found.state != "right":
            where = f"Part {i}, {part.prompt}: " if len(wanted) > 1 else ""
            return Judgement(found.state, f"{where}{found.reply}")
    return Judgement("right", "")


def _find(id: str) -> Sequence[Number]:
    if id not in _CHECKS:
        raise ValueError(
            f"there is no check of exercise {id!r}; {near(id, _CHECKS, most=3)}"
        )
    return _CHECKS[id]()


def _part(
    what: str, answer: float, unit: str = "", slips=None, tolerance: float = 0.01
) -> Number:
    return Number(
        what, answer, "", unit, layers.other_than(answer, slips or {}), tolerance
    )


def _measures(layer: nn.Conv2d | nn.Linear, size) -> tuple[Number, Number, Number]:
    return (
        layers.memory("memory", layer, size),
        layers.params("parameters", layer, size),
        layers.flops("operations", layer, size),
    )


@cache
def _of(name: str, side: int = 224, **options) -> tuple[nn.Module, Profile]:
    net = models.on_meta(models.create, name, **options)
    return net, profile(net, (3, side, side))


@exercise("measuring/2")
def _measuring_2():
    layer, size = layers.conv(64, 128, 5, 2, 2), (64, 56, 56)
    return layers.side("positions on a side", layer, size), *_measures(layer, size)


@exercise("measuring/3")
def _measuring_3():
    one, four = (
        layers.one(layers.conv(64, 128, 5, 2, 2, groups=g), (64, 56, 56))
        for g in (1, 4)
    )
    slips = {
        16: "The number of kernels stays. Each reads a quarter of the channels."
    }
    return (
        _part("by how many times the memory falls", one.memory_kb / four.memory_kb),
        _part(
            "by how many times the operations fall",
            one.flops / four.flops,
            "times",
            slips,
        ),
    )


@exercise("measuring/4")
def _measuring_4():
    wanted = layers.one(layers.conv(1, 1, 11), (1, 32, 32)).receptive_field
    depth = next(
        n
        for n in range(1, 20)
        if profile(models.on_meta(stack, 1, 3, n), (1, 32, 32))
        .layers[-1]
        .receptive_field
        == wanted
    )
    slips = {4: "Windows overlap: each adds 2 to what is seen, beginning with 1."}
    return (_part("convolutions", depth, "convolutions", slips, 0),)


@exercise("measuring/6")
def _measuring_6():
    small, large = (_of("alexnet", side)[1].total for side in (224, 448))
    fixed = {
        4: (
            "Nearly: sides are rounded, and from the average pooling on nothing "
            "grows."
        )
    }
    return (
        _part("memory", large.memory_kb / small.memory_kb, "times", fixed, 0.02),
        _part(
            "parameters",
            large.params / small.params,
            "times",
            {4: "Do kernels grow?"},
        ),
        _part("operations", large.flops / small.flops, "times", fixed, 0.02),
    )


@exercise("alexnet/2")
def _alexnet_2():
    net, p = _of("alexnet", 227)
    return _measures(net.features[3], layers.inputs_of(p, "features.3"))


@exercise("alexnet/3")
def _alexnet_3():
    conv2 = models.on_meta(models.alexnet, variant="paper").conv2
    halved = conv2.weight.numel()
    biases = "Those are the parameters. Weights alone are asked for."
    half = {
        halved * 2: "In two groups a kernel reads half of the channels.",
        halved // 2: "The kernels of both halves count.",
    }
    return (
        _part(
            "weights with two groups",
            halved,
            "weights",
            {halved + 256: biases} | half,
        ),
        _part(
            "weights without groups",
            2 * halved,
            "weights",
            {2 * halved + 256: biases},
        ),
    )


@exercise("alexnet/6")
def _alexnet_6():
    found = []
    # On the images that the card has them on.
    for variant, side in (("torchvision", 227), ("paper", 224)):
        total = _of("alexnet", side, variant=variant)[1].total
        answer = total.params * 4 / 1024 / total.memory_kb
        slips = {answer / 4: "A weight takes four bytes."}
        found.append(_part(f"images, {variant}", answer, "images", slips, 0.03))
    return found


@exercise("zfnet/1")
def _zfnet_1():
    p = _of("zfnet")[1]
    return [
        _part(f"side of layer {i}", layer.output[-1], "positions", tolerance=0)
        for i, layer in enumerate(p.layers[:3], 1)
    ]


@exercise("zfnet/2")
def _zfnet_2():
    net, _ = _of("zfnet")
    first = next(m for m in net.modules() if isinstance(m, nn.Conv2d))
    stem = layers.conv(
        3, first.out_channels, first.kernel_size[0], 1, first.padding[0]
    )
    memory, _, flops = _measures(stem, (3, 224, 224))
    return memory, flops


@exercise("vgg/1")
def _vgg_1():
    net, p = _of("vgg16")
    linear = layers.params("parameters", net.classifier[0], (25088,))
    share = 100 * linear.answer / p.total.params
    return linear, _part(
        "share of all", share, "%", {share / 100: "In percent."}, 0.02
    )


@exercise("vgg/2")
def _vgg_2():
    p = _of("vgg16")[1]
    field = [layer for layer in p.layers if layer.kind == "conv"][
        -1
    ].receptive_field
    slips = {1 + 2 * 13: "Behind a pool steps are longer: they double with each."}
    return (_part("side", field, "pixels", slips, 0),)


@exercise("vgg/3")
def _vgg_3():
    five = profile(models.on_meta(stack, 4, 3, 5), (4, 16, 16))
    weights = (five.total.params - 4 * len(five.layers)) / 4**2
    return (
        *_measuring_4(),
        _part("weights, in C²", weights, "", {9: "That is one of them."}),
    )


@exercise("vgg/4")
def _vgg_4():
    net, p = _of("vgg16")
    pooled = nn.Sequential(net.features, models.on_meta(nn.Linear, 512, 1000))
    answer = sum(q.numel() for q in pooled.parameters())
    slips = {p.total.params: "The three linear layers are gone."}
    return (_part("parameters", answer, "parameters", slips),)


@exercise("vgg/6")
def _vgg_6():
    dear = profile(models.on_meta(stack, 18, 5, 1), (18, 9, 9)).total.flops
    answer = next(
        b
        for b in range(18, 60)
        if 2 * layers.one(layers.conv(18, b, 3, padding=1), (18, 9, 9)).flops
        >= dear
    )
    slips = {25 / 9: "There are two 3 × 3."}
    return (_part("B as a multiple of C", answer / 18, "", slips),)


@exercise("vgg/7")
def _vgg_7():
    each = _of("vgg16")[1].total.memory_kb
    slips = {each: "That is one image.", 64 * each / 1024**2: "Write the unit: GB."}
    return (_part("memory of 64 images", 64 * each, "KB", slips, 0.03),)


@exercise("googlenet/1")
def _googlenet_1():
    module = models.on_meta(models.googlenet, variant="paper").inception3b
    total = profile(module, (256, 28, 28)).total
    return (
        _part("parameters", total.params, "parameters", tolerance=0.002),
        _part(
            "multiply-adds", total.flops, "multiply-adds", {2 * total.flops: TWICE}
        ),
    )


@exercise("resnet/1")
def _resnet_1():
    net = models.on_meta(models.resnet152)
    count = sum(
        isinstance(m, nn.Conv2d | nn.Linear) and "downsample" not in name
        for name, m in net.named_modules()
    )
    slips = {
        150: "Stem and linear layer have weights, too.",
        50: "A block has three convolutions.",
    }
    return (_part("layers", count, "layers", slips, 0),)


@exercise("resnet/2")
def _resnet_2():
    block = models.on_meta(models.resnet50).layer2[0]
    answer = sum(p.numel() for p in block.parameters())
    shortcut = sum(p.numel() for p in block.downsample.parameters())
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    slips = {
        answer - sum(2 * m.num_features for m in norms): (
            "Batch normalisation has a scale and a shift for each channel."
        ),
        answer - shortcut: "The shortcut has a convolution, too.",
    }
    return (_part("parameters", answer, "parameters", slips, 0.002),)


@exercise("resnet/3")
def _resnet_3():
    net, p = _of("resnet50")
    last = [layer for layer in p.layers if layer.name.startswith("layer4")]
    own = sum(q.numel() for q in net.layer4.parameters())
    flops = sum(layer.flops for layer in last)
    return (
        _part(
            "share of the parameters",
            100 * own / p.total.params,
            "%",
            tolerance=0.02,
        ),
        _part(
            "share of the multiply-adds",
            100 * flops / p.total.flops,
            "%",
            tolerance=0.02,
        ),
    )


@exercise("resnext/1")
def _resnext_1():
    return (
        layers.params(
            "weights", layers.conv(96, 192, 5, groups=4, bias=False), (96, 14, 14)
        ),
    )


@exercise("resnext/5")
def _resnext_5():
    fits = [g for g in range(1, 37) if 24 % g == 0 and 36 % g == 0]
    slips = {
        24: "The outputs are divided among the groups, too.",
        6: "There is a larger one.",
    }
    return (_part("groups", fits[-1], "groups", slips, 0),)


@exercise("learning/1")
def _learning_1():
    shares = torch.tensor([2.0, 1.0, 0.0], dtype=torch.double).softmax(0)
    right = shares[0].item()
    return (
        _part("probability of the first class", right),
        _part(
            "loss",
            -math.log(right),
            slips={-math.log10(right): "The natural logarithm."},
        ),
        _part(
            "gradient of the first score", right - 1, slips={right: "Take 1 off."}
        ),
    )


@exercise("learning/2")
def _learning_2():
    return [
        _part(
            f"loss with {k} classes",
            math.log(k),
            "",
            {math.log10(k): "Take the natural one."},
        )
        for k in (10, 1000)
    ]


@exercise("learning/4")
def _learning_4():
    from cnnbook.teaching.descent import momentum_steps

    found = momentum_steps(0.9, 400)
    count = next(i for i, step in enumerate(found, 1) if step >= 0.9 * found[-1])
    return (_part("steps", count, "steps", {count - 1: "Nearly: one more."}, 0),)


@exercise("batchnorm/1")
def _batchnorm_1():
    x = torch.tensor([1.0, 3.0, 5.0, 7.0], dtype=torch.double).reshape(4, 1)
    out = nn.functional.batch_norm(
        x,
        None,
        None,
        x.new_full((1,), 2.0),
        x.new_full((1,), 1.0),
        training=True,
        eps=1e-12,
    )
    return [
        _part(f"what becomes of {int(a)}", round(b, 6), tolerance=0.02)
        for a, b in zip(x.flatten().tolist(), out.flatten().tolist(), strict=True)
    ]


@exercise("batchnorm/2")
def _batchnorm_2():
    share, running, found = nn.BatchNorm2d(1).momentum, 0.0, []
    for number, mean in enumerate((4, 6, 8), 1):
        slips = {mean: "It moves a tenth of the way, not all of it."}
        running += share * (mean - running)
        found.append(
            _part(f"after batch {number}", round(running, 6), "", slips, 0.005)
        )
    return found


@exercise("batchnorm/4")
def _batchnorm_4():
    kept = 1 - nn.BatchNorm2d(1).momentum
    count = next(n for n in range(1, 200) if kept**n < 0.01)
    return (
        _part("batches", count, "batches", {count - 1: "Not quite below yet."}, 0),
    )


@exercise("after/1")
def _after_1():
    pair = [
        layers.conv(64, 64, 5, padding=2, groups=64, bias=False),
        layers.conv(64, 128, 1, bias=False),
    ]
    full = layers.conv(64, 128, 5, padding=2, bias=False).weight.numel()
    own = sum(m.weight.numel() for m in pair)
    return (
        _part(
            "weights", own, "weights", {full: "That is a full convolution."}, 0.002
        ),
        _part(
            "share of a full one",
            100 * own / full,
            "%",
            {own / full: "In percent."},
            0.02,
        ),
    )


@exercise("after/2")
def _after_2():
    net = models.on_meta(models.densenet121)
    block = next(
        m for name, m in net.named_modules() if name.endswith("denseblock3")
    )
    last = list(block.children())[-1]
    reads = next(m for m in last.modules() if isinstance(m, nn.Conv2d)).in_channels
    slips = {
        reads + 32: "That is what the block gives. What does its last layer read?"
    }
    return (_part("channels", reads, "channels", slips, 0),)


@exercise("after/5")
def _after_5():
    answer = 1.2 * 1.1**2 * 1.15**2
    slips = {1.2 * 1.1 * 1.15: "Width and resolution count twice."}
    return (_part("factor", answer, "times", slips, 0.02),)


@exercise("comparing/2")
def _comparing_2():
    beats = 80 * 365.25 * 24 * 60 * 70
    answer = beats / _of("vgg16")[1].total.flops
    return (
        _part(
            "images", answer, "images", {1 / answer: "The other way round."}, 0.03
        ),
    )


@exercise("training/2")
def _training_2():
    found = rates(
        epochs=10, steps_per_epoch=100, schedule="cosine", warmup_epochs=1
    )[550]
    whole = 0.5 * (1 + math.cos(math.pi * 0.55))
    slips = {100 * whole: "The cosine begins when the warm-up is over."}
    return (_part("share of the highest rate", 100 * found, "%", slips, 0.02),)
