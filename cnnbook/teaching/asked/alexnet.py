"""Questions on AlexNet: where its memory, parameters and operations are, and its
two halves."""

from __future__ import annotations

from functools import cache

from torch import nn

from cnnbook import models
from cnnbook.profiling import Profile, profile
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, Order, question

CONVOLUTIONS = {
    "first convolution": 0,
    "second convolution": 3,
    "third convolution": 6,
    "fourth convolution": 8,
    "fifth convolution": 10,
}
LINEAR = {"first linear layer": 1, "second linear layer": 4, "last linear layer": 6}
PLACES = {f"features.{i}": name for name, i in CONVOLUTIONS.items()} | {
    f"classifier.{i}": name for name, i in LINEAR.items()
}
PLACES |= {"features.2": "first max pooling"}


@cache
def _network() -> tuple[nn.Module, Profile]:
    net = models.on_meta(models.alexnet)
    return net, profile(net, (3, 227, 227))


def _named(measure: str, *names: str) -> dict[str, float]:
    """A measure of some layers, by the names that the text gives them."""
    rows = {
        PLACES[row.name]: row for row in _network()[1].layers if row.name in PLACES
    }
    return {name: getattr(rows[name], measure) for name in names}


@question("alexnet/conv-params")
def conv_params() -> list[Number]:
    net, p = _network()
    found = []
    for number in ("second", "first", "third", "fifth"):
        name = f"{number} convolution"
        place = f"features.{CONVOLUTIONS[name]}"
        layer = layers.part(net, place, nn.Conv2d)
        size = layers.inputs_of(p, place)
        prompt = (
            f"How many parameters has the {name}? It reads {size[0]} channels and "
            f"has {layers.words(layer, biases=True)}."
        )
        found.append(layers.params(prompt, layer, size))
    return found


@question("alexnet/conv-memory")
def conv_memory() -> list[Number]:
    net, p = _network()
    found = []
    for number in ("first", "second", "fourth"):
        name = f"{number} convolution"
        place = f"features.{CONVOLUTIONS[name]}"
        layer = layers.part(net, place, nn.Conv2d)
        size = layers.inputs_of(p, place)
        prompt = (
            f"How many KB does the output of the {name} take? It reads "
            f"{layers.shown(size)} numbers and has {layers.words(layer)}."
        )
        found.append(layers.memory(prompt, layer, size))
    return found


@question("alexnet/fc-params")
def fc_params() -> list[Number]:
    net, _ = _network()
    found = []
    for name, i in LINEAR.items():
        layer = layers.part(net, f"classifier.{i}", nn.Linear)
        read = (
            "the 256 × 6 × 6 numbers of the last pooling"
            if name == "first linear layer"
            else "4,096 numbers"
        )
        prompt = (
            f"The {name} reads {read} and gives {layer.out_features:,}. How many "
            "parameters has it?"
        )
        number = layers.params(prompt, layer, (layer.in_features,))
        if name == "first linear layer":
            flat = layer.out_features * 257
            slips = {
                flat: "It reads every position: 256 · 6 · 6 numbers, not 256.",
                **number.slips,
            }
            number = Number(
                number.prompt, number.answer, number.why, number.unit, slips
            )
        found.append(number)
    return found


@question("alexnet/order-params", lead="Predict, then run")
def order_params() -> list[Order]:
    values = _named(
        "params",
        "first convolution",
        "fourth convolution",
        "first linear layer",
        "last linear layer",
    )
    listed = ", ".join(f"{name} {value:,}" for name, value in values.items())
    return [
        Order(
            "Put these layers in order, the one with the most parameters first.",
            values,
            f"Parameters: {listed}. What counts is how many numbers each output "
            "reads: the first linear layer reads all of 256 · 6 · 6.",
        )
    ]


@question("alexnet/most-memory", lead="Predict, then run")
def most_memory() -> list[Choice]:
    replies = {
        "first convolution": "",
        "fifth convolution": (
            "It has more channels, but 13 × 13 positions instead of 56 × 56."
        ),
        "first linear layer": (
            "It has most parameters. Its output is only 4,096 numbers."
        ),
        "first max pooling": (
            "A pooling with stride 2 leaves a quarter of what it reads."
        ),
    }
    values = _named("memory_kb", *replies)
    right = max(values, key=values.__getitem__)
    return [
        Choice(
            "Which of these layers has the largest output?",
            {f"The {name}": reply for name, reply in replies.items()},
            f"The {right}",
            f"The {right} writes {values[right]:,.0f} KB, "
            + ", ".join(
                f"the {n} {v:,.0f}" for n, v in values.items() if n != right
            )
            + ".",
        )
    ]


@question("alexnet/fc-flops-share")
def fc_flops_share() -> list[Number]:
    p = _network()[1]
    kinds = p.by_kind()
    answer = 100 * kinds.flops["linear"] / p.total.flops
    params = 100 * kinds.params["linear"] / p.total.params
    return [
        Number(
            f"The three linear layers do {kinds.flops['linear'] / 1e6:.1f} of the "
            f"network's {p.total.flops / 1e6:.1f} million multiply-adds. Which "
            "share is that, in percent?",
            answer,
            f"{kinds.flops['linear'] / 1e6:.1f} / "
            f"{p.total.flops / 1e6:.1f} = {answer:.1f} %. The same layers hold "
            f"{params:.0f} % of the parameters.",
            "%",
            {
                params: "That is their share of the parameters.",
                100 - answer: "That is the share of the convolutions.",
                answer / 100: "In percent: times 100.",
            },
            tolerance=0.02,
        )
    ]


@question("alexnet/halved-params")
def halved_params() -> list[Number]:
    paper = models.on_meta(models.alexnet, variant="paper")
    halves = [
        m for m in paper.modules() if isinstance(m, nn.Conv2d) and m.groups == 2
    ]
    found = []
    for layer in halves[:2]:
        read = layer.in_channels
        prompt = (
            f"In the network of 2012 a convolution reads {read} channels and has "
            f"{layers.words(layer, biases=True)}. How many parameters has it, both "
            "halves together?"
        )
        found.append(layers.params(prompt, layer, (read, 27, 27)))
    return found


@question("alexnet/reads-both", lead="Predict, then run")
def reads_both() -> list[Choice]:
    paper = models.on_meta(models.alexnet, variant="paper")
    convolutions = [m for m in paper.modules() if isinstance(m, nn.Conv2d)]
    numbers = ("The first", "The second", "The third", "The fourth", "The fifth")
    names = dict(zip(numbers, convolutions, strict=True))
    (right,) = (n for n, m in names.items() if m.groups == 1 and n != "The first")
    whole = (
        f"{right} is the only convolution after the first that is not cut in groups"
    )
    return [
        Choice(
            "Each GPU has half of every layer. Which convolution reads what the "
            "other half wrote?",
            {
                "The second": "Each of its halves reads its own 48 channels.",
                "The third": "",
                "The fourth": "Each of its halves reads its own 192 channels.",
                "All five": (
                    "Then all activations would cross, and the cut would save "
                    "nothing."
                ),
            },
            right,
            f"{whole}: it reads all {names[right].in_channels} channels. The "
            "linear layers read both halves too.",
        )
    ]
