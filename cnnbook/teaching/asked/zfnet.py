"""Questions on ZFNet: what a finer stem costs, and what a stride can see."""

from __future__ import annotations

from functools import cache

from torch import nn

from cnnbook import models
from cnnbook.profiling import Profile, profile
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, Order, number, question


@cache
def _profiles() -> dict[str, Profile]:
    networks = {
        "AlexNet": models.on_meta(models.alexnet, variant="paper"),
        "ZFNet": models.on_meta(models.zfnet),
    }
    return {name: profile(net, (3, 224, 224)) for name, net in networks.items()}


def _first_two() -> list[tuple[str, nn.Conv2d, tuple[int, ...]]]:
    net, p = models.on_meta(models.zfnet), _profiles()["ZFNet"]
    found = [
        (name, m) for name, m in net.named_modules() if isinstance(m, nn.Conv2d)
    ]
    return [(name, m, layers.inputs_of(p, name)) for name, m in found[:3]]


@question("zfnet/stem-side")
def stem_side() -> list[Number]:
    return [
        layers.side(
            f"One of ZFNet's convolutions reads {layers.shown(size)} numbers and "
            f"has {layers.words(layer)}. How many positions does its output have "
            "on a side?",
            layer,
            size,
        )
        for _, layer, size in _first_two()
    ]


@question("zfnet/stem-memory")
def stem_memory() -> list[Number]:
    return [
        layers.memory(
            f"One of ZFNet's convolutions reads {layers.shown(size)} numbers and "
            f"has {layers.words(layer)}. How many KB does its output take?",
            layer,
            size,
        )
        for _, layer, size in _first_two()
    ]


@question("zfnet/aliasing")
def aliasing() -> list[Number]:
    found = []
    for stride, every in {4: "fourth", 2: "second", 8: "eighth"}.items():
        answer = 2 * stride
        found.append(
            Number(
                f"A first layer looks at every {every} place of an image. From how "
                "many pixels a period on can its outputs tell a pattern from a "
                "coarser one?",
                answer,
                f"Two looks a period are needed: 2 · {stride} = {answer} pixels.",
                "pixels",
                layers.other_than(
                    answer,
                    {
                        stride: (
                            "With one look a period every look meets the same "
                            "place: the pattern looks like no pattern."
                        ),
                        stride / 2: "The other way round: a wider step sees less.",
                    },
                ),
                tolerance=0,
            )
        )
    return found


@question("zfnet/stem-factor")
def stem_factor() -> list[Number]:
    first = {name: p.layers[0] for name, p in _profiles().items()}
    small, large = first["AlexNet"], first["ZFNet"]
    answer = large.memory_kb / small.memory_kb
    sides = [layer.output[1] for layer in (large, small)]
    return [
        Number(
            f"AlexNet's first convolution gives {layers.shown(small.output)} "
            f"numbers, ZFNet's {layers.shown(large.output)}. How many times as "
            "much memory does it take?",
            answer,
            f"{number(large.memory_kb)} KB / {number(small.memory_kb)} "
            f"KB = {answer:.2f}: the channels are as many, and the positions "
            f"({sides[0]} / {sides[1]})² times as many.",
            "times",
            {
                sides[0] / sides[1]: "That is one side. There are two.",
                1 / answer: "The other way round.",
            },
        )
    ]


@question("zfnet/what-grows", lead="Predict, then run")
def what_grows() -> list[Choice]:
    small, large = (_profiles()[name].total for name in ("AlexNet", "ZFNet"))
    names = {
        "memory_kb": "Its memory",
        "params": "Its parameters",
        "flops": "Its operations",
    }
    factors = {
        words: getattr(large, measure) / getattr(small, measure)
        for measure, words in names.items()
    }
    right = max(factors, key=factors.__getitem__)
    replies = {
        "Its memory": "",
        "Its parameters": (
            "Nearly all of them are in the linear layers, which stay as they were."
        ),
        "Its operations": (
            "They grow, too: the stem has four times the positions, but smaller "
            "kernels."
        ),
    }
    return [
        Choice(
            "From the AlexNet of 2012 to ZFNet, which of the three measures grows "
            "by the largest factor?",
            replies,
            right,
            "; ".join(
                f"{name.lower()} {factor:.2f} times"
                for name, factor in factors.items()
            )
            + ".",
        )
    ]


@question("zfnet/order-memory", lead="Predict, then run")
def order_memory() -> list[Order]:
    table = _profiles()["ZFNet"].table
    rows = {
        "first max pooling": "features.2",
        "second convolution": "features.4",
        "first convolution": "features.0",
        "first linear layer": "classifier.0",
    }
    values = {name: float(table.memory_kb[row]) for name, row in rows.items()}
    listed = ", ".join(
        f"{name} {number(value)} KB" for name, value in values.items()
    )
    return [
        Order(
            "Put these outputs of ZFNet in order, the one that takes most memory "
            "first.",
            values,
            f"{listed}.",
        )
    ]


@question("zfnet/linear-share")
def linear_share() -> list[Number]:
    found = []
    for name, p in reversed(_profiles().items()):
        linear = int(p.by_kind().params["linear"])
        answer = 100 * linear / p.total.params
        found.append(
            Number(
                f"{linear / 1e6:.2f} of {name}'s {p.total.params / 1e6:.2f} "
                "million parameters are in its linear layers. Which share is left "
                "for the convolutions, in percent?",
                100 - answer,
                f"100 % − {linear / 1e6:.2f} / "
                f"{p.total.params / 1e6:.2f} = {100 - answer:.1f} %.",
                "%",
                {
                    answer: "That is the share of the linear layers.",
                    1 - answer / 100: "In percent: times 100.",
                },
                tolerance=0.03,
            )
        )
    return found
