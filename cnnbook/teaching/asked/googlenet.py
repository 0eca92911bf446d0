"""Questions on GoogLeNet: bottlenecks, concatenation, the pooled end, the auxiliary
heads."""

from __future__ import annotations

from dataclasses import astuple
from functools import cache

from torch import nn

from cnnbook import models
from cnnbook.models.googlenet import TABLE_1
from cnnbook.profiling import Profile, profile
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, Order, number, question

# Modules of table 1 with what each reads.
READS = {"3a": (192, 28), "4a": (480, 14), "4e": (528, 14)}


@cache
def _network() -> tuple[nn.Module, Profile]:
    net = models.on_meta(models.googlenet, variant="paper")
    return net, profile(net)


@question("googlenet/concat-channels")
def concat_channels() -> list[Number]:
    net, p = _network()
    found = []
    for name in READS:
        row = TABLE_1[name]
        module = net.get_submodule(f"inception{name}")
        reads, side = READS[name]
        out = _channels_out(module, reads, side)
        listed = (row.conv1x1, row.conv3x3, row.conv5x5, row.pool_proj)
        found.append(
            Number(
                f"Inception module {name} reads {reads} channels. Its four "
                f"branches give {listed[0]}, {listed[1]}, {listed[2]} and "
                f"{listed[3]} channels. How many channels has its output?",
                out,
                f"{' + '.join(map(str, listed))} = {out}: they are concatenated.",
                "channels",
                layers.other_than(
                    out,
                    {
                        out + reads: "The input itself is no branch.",
                        max(listed): "They are stacked, not added.",
                        sum(astuple(row)): (
                            "The 1×1 reductions inside the branches are no outputs."
                        ),
                    },
                ),
                tolerance=0,
            )
        )
    return found


def _channels_out(module: nn.Module, reads: int, side: int) -> int:
    """What a layer after the module has to read."""
    rows = profile(module, (reads, side, side)).layers
    return sum(rows[i].output[0] for i in _ends(rows))


def _ends(rows) -> list[int]:
    """The last row of each branch."""
    return [
        i
        for i, row in enumerate(rows)
        if i + 1 == len(rows)
        or row.name.split(".")[0] != rows[i + 1].name.split(".")[0]
    ]


@question("googlenet/direct-flops")
def direct_flops() -> list[Number]:
    found = []
    for name, (reads, side) in READS.items():
        row = TABLE_1[name]
        layer = layers.conv(reads, row.conv5x5, 5, padding=2, bias=False)
        prompt = (
            f"Without its reduction the 5 × 5 branch of module {name} would read "
            f"{reads} × {side} × {side} numbers and give {row.conv5x5} channels. "
            "How many multiply-adds would it do?"
        )
        found.append(layers.flops(prompt, layer, (reads, side, side)))
    return found


@question("googlenet/reduced-flops")
def reduced_flops() -> list[Number]:
    found = []
    for name, (reads, side) in READS.items():
        row = TABLE_1[name]
        middle, out = row.reduce5x5, row.conv5x5
        branch = models.on_meta(
            lambda r=reads, m=middle, o=out: nn.Sequential(
                nn.Conv2d(r, m, 1, bias=False),
                nn.Conv2d(m, o, 5, padding=2, bias=False),
            )
        )
        first, second = profile(branch, (reads, side, side)).layers
        answer = first.flops + second.flops
        direct = layers.one(
            layers.conv(reads, out, 5, padding=2, bias=False), (reads, side, side)
        )
        found.append(
            Number(
                f"Module {name} first reduces its {reads} × {side} × {side} "
                f"numbers to {middle} channels by a 1 × 1 convolution, and a 5 × 5 "
                f"then gives {out}. How many multiply-adds do the two do?",
                answer,
                f"{reads} · {middle} · {side}² = {first.flops:,}, and "
                f"{middle} · {out} · 25 · {side}² = {second.flops:,}; together "
                f"{answer:,}. Directly it would be {direct.flops:,}.",
                "multiply-adds",
                layers.other_than(
                    answer,
                    {
                        second.flops: "The reduction has to be computed too.",
                        2 * answer: (
                            "A multiplication and its addition count as one here."
                        ),
                        direct.flops: "That is without the reduction.",
                        answer / side**2: (
                            f"Those are the weights: each is used at {side}² "
                            "positions."
                        ),
                    },
                ),
            )
        )
    return found


@question("googlenet/head-params")
def head_params() -> list[Number]:
    net, _ = _network()
    linear = [m for name, m in net.named_modules() if name == "fc"][0]
    found = layers.params(
        "The average over all positions leaves 1,024 numbers. How many parameters "
        "has the linear layer that gives 1,000 scores?",
        linear,
        (linear.in_features,),
    )
    flat = linear.in_features * 49 * linear.out_features + linear.out_features
    slips = {
        **found.slips,
        flat: "That would be without the average, from 1,024 · 7 · 7 numbers.",
    }
    return [Number(found.prompt, found.answer, found.why, found.unit, slips)]


@question("googlenet/aux-params")
def aux_params() -> list[Number]:
    _, p = _network()
    answer = sum(p.not_run.values())
    one = answer // 2
    share = 100 * answer / p.total.params
    return [
        Number(
            f"The network has {p.total.params:,} parameters, of which "
            f"{p.total.params - answer:,} run at test time. How many has each of "
            "the two auxiliary heads, if both have nearly as many?",
            one,
            f"({p.total.params:,} − {p.total.params - answer:,}) / 2 = {one:,}: "
            f"together {share:.0f} % of all parameters.",
            "parameters",
            {
                answer: "That is both of them.",
                p.total.params / 2: "That is half the network.",
            },
            tolerance=0.05,
        )
    ]


@question("googlenet/most-flops", lead="Predict, then run")
def most_flops() -> list[Choice]:
    table = _network()[1].table
    rows = {
        "the 7×7 of the stem": "conv1",
        "the 3×3 of the stem": "conv3",
        "the 5×5 of module 3a": "inception3a.branch3.1",
        "the linear layer": "fc",
    }
    values = {
        words: float(table.flops[[n for n in table.index if n.startswith(row)][0]])
        for words, row in rows.items()
    }
    right = max(values, key=values.__getitem__)
    return [
        Choice(
            "Which of these layers does most multiply-adds?",
            {
                "the 7×7 of the stem": "It reads three channels only.",
                "the 3×3 of the stem": "",
                "the 5×5 of module 3a": (
                    "Its reduction leaves it 16 channels to read."
                ),
                "the linear layer": "One position: each weight is used once.",
            },
            right,
            "In millions: "
            + ", ".join(f"{n} {v / 1e6:,.1f}" for n, v in values.items())
            + ".",
        )
    ]


@question("googlenet/order-params", lead="Predict, then run")
def order_params() -> list[Order]:
    values = {"GoogLeNet without its heads": 0.0, "AlexNet": 0.0, "VGG-16": 0.0}
    values["GoogLeNet without its heads"] = float(_network()[1].params_used)
    for name, build in (("AlexNet", models.alexnet), ("VGG-16", models.vgg16)):
        values[name] = float(profile(models.on_meta(build)).total.params)
    return [
        Order(
            "Put these networks in order, the one with the most parameters first.",
            values,
            ", ".join(
                f"{name} {number(round(v / 1e6, 1))} million"
                for name, v in values.items()
            )
            + ".",
        )
    ]
