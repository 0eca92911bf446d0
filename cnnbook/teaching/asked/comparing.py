"""Questions on the comparison of all networks: costs, errors and what limits a
device."""

from __future__ import annotations

from functools import cache

from cnnbook import models
from cnnbook.measuring import traffic
from cnnbook.models.published import published_accuracy
from cnnbook.profiling import Profile, profile
from cnnbook.records import published
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, Order, number, question

NAMES = {
    models.title(name): name
    for name in ("alexnet", "vgg16", "googlenet", "resnet18", "resnet50")
}


@cache
def _profiles() -> dict[str, Profile]:
    return {
        words: profile(models.on_meta(models.create, name))
        for words, name in NAMES.items()
    }


@question("comparing/fewer-errors")
def fewer_errors() -> list[Number]:
    table = published.table("russakovsky2015").value.iloc[:5]
    years = {
        name.rpartition("(")[2].rstrip(")"): value for name, value in table.items()
    }
    found = []
    for before, after in (("2011", "2012"), ("2013", "2014"), ("2012", "2013")):
        old, new = years[before], years[after]
        answer = 100 * (1 - new / old)
        found.append(
            Number(
                f"The winner of {before} had a top-5 error of {old:g} %, that of "
                f"{after} {new:g} %. How many percent fewer errors is that?",
                answer,
                f"1 − {new:g} / {old:g} = {answer:.0f} %.",
                "%",
                layers.other_than(
                    answer,
                    {
                        old - new: (
                            "Those are points. Ask for the share of the errors "
                            "that is gone."
                        ),
                        100 * new / old: "That is the share that is left.",
                        100 * (old / new - 1): (
                            "Of the errors that there were before."
                        ),
                    },
                ),
                tolerance=0.02,
            )
        )
    return found


@question("comparing/order-params", lead="Predict, then run")
def order_params() -> list[Order]:
    values = {
        name: float(_profiles()[name].params_used)
        for name in ("ResNet-50", "AlexNet", "GoogLeNet", "VGG-16")
    }
    return [
        Order(
            "Put these networks in order, the one with the most parameters at test "
            "time first.",
            values,
            "In millions: "
            + ", ".join(f"{n} {v / 1e6:.1f}" for n, v in values.items())
            + ".",
        )
    ]


@question("comparing/order-accuracy", lead="Predict, then run")
def order_accuracy() -> list[Order]:
    values = {
        name: published_accuracy(NAMES[name])
        for name in ("VGG-16", "ResNet-50", "AlexNet", "GoogLeNet")
    }
    return [
        Order(
            "Put these networks in order, the one with the most right first "
            "guesses on ImageNet first (torchvision's first weights).",
            values,
            "In percent: "
            + ", ".join(f"{n} {v:.2f}" for n, v in values.items())
            + ".",
        )
    ]


@question("comparing/per-parameter")
def per_parameter() -> list[Number]:
    found = []
    for name in ("ResNet-50", "AlexNet", "VGG-16"):
        p = _profiles()[name]
        answer = p.total.flops / p.total.params
        found.append(
            Number(
                f"{name} does {number(round(p.total.flops / 1e9, 2))} billion "
                f"multiply-adds an image with {p.total.params / 1e6:.1f} million "
                "parameters. How many multiply-adds is that for each parameter?",
                answer,
                f"{p.total.flops / 1e6:,.0f} million / "
                f"{p.total.params / 1e6:.1f} million = {answer:.0f}: a parameter "
                "is used at so many positions on average.",
                "multiply-adds",
                {
                    1 / answer: "The other way round.",
                    2 * answer: (
                        "A multiplication and its addition count as one here."
                    ),
                },
                tolerance=0.03,
            )
        )
    return found


@question("comparing/ridge")
def ridge() -> list[Number]:
    found = []
    for peak, bandwidth in ((989, 3.35), (65, 0.3), (0.1, 0.02)):
        answer = peak / bandwidth
        found.append(
            Number(
                f"A device does at most {peak:g} · 10¹² operations a second and "
                f"moves {bandwidth:g} · 10¹² bytes. From how many operations for "
                "each byte on does arithmetic hold it back?",
                answer,
                f"{peak:g} / {bandwidth:g} = {answer:.0f}: below, it waits for "
                "memory.",
                "operations",
                {1 / answer: "The other way round."},
                tolerance=0.02,
            )
        )
    return found


@question("comparing/batch", lead="Predict, then run")
def batch() -> list[Choice]:
    gains = {
        name: (16 * p.total.flops / traffic(p, 16))
        / (p.total.flops / traffic(p, 1))
        for name, p in _profiles().items()
    }
    wanted = ("AlexNet", "GoogLeNet", "ResNet-50")
    right = max(wanted, key=gains.__getitem__)
    replies = {
        "AlexNet": "",
        "GoogLeNet": (
            "It has few weights: an image's outputs are most of what it moves."
        ),
        "ResNet-50": (
            "Its outputs are most of what it moves, and each image has its own."
        ),
    }
    return [
        Choice(
            "In a batch of 16 images all share the weights that are fetched. Whose "
            "operations for each byte rise most?",
            replies,
            right,
            "; ".join(f"{name} {gains[name]:.1f} times" for name in wanted)
            + ". Who has many weights for few operations gains most.",
        )
    ]


@question("comparing/beaten", lead="Predict, then run")
def beaten() -> list[Choice]:
    networks = {
        name: (published_accuracy(NAMES[name]), p.total.flops, p.params_used)
        for name, p in _profiles().items()
    }

    def beats(one, other) -> bool:
        (a, flops_a, params_a), (b, flops_b, params_b) = one, other
        no_worse = a >= b and flops_a <= flops_b and params_a <= params_b
        return no_worse and one != other

    lost = [
        name
        for name, own in networks.items()
        if any(beats(other, own) for other in networks.values())
    ]
    (right,) = (name for name in lost if name in ("VGG-16", "AlexNet", "ResNet-50"))
    accuracy, flops, params = networks["ResNet-50"]
    return [
        Choice(
            "One of these networks is beaten: another is at least as accurate with "
            "no more multiply-adds and no more parameters. Which?",
            {
                "VGG-16": "",
                "AlexNet": "No other does as few multiply-adds.",
                "ResNet-50": (
                    "No other of this book's first ones is as accurate with as "
                    "little."
                ),
            },
            right,
            f"ResNet-50 is at {accuracy:.2f} % with {flops / 1e9:.1f} billion "
            f"multiply-adds and {params / 1e6:.1f} million parameters, {right} at "
            f"{networks[right][0]:.2f} % with {networks[right][1] / 1e9:.1f} and "
            f"{networks[right][2] / 1e6:.1f}.",
        )
    ]
