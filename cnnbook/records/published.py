"""What the papers measured, as data: every published error that the book speaks of,
once.

A figure without its protocol says little: one network on one crop and seven
networks on 144 crops are four points apart (GoogLeNet, table 3). So each figure
here has the paper (its key in ``references.bib``), the table or section, and how it
was measured.

>>> from cnnbook.records import published
>>> published.value("he2015", "plain-34")
28.54

All values are errors in percent, unless `measure` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TOP1, TOP5 = "top-1 error", "top-5 error"
ACCURACY = "top-1 accuracy"


@dataclass(frozen=True)
class Protocol:
    """How a figure was measured.

    Attributes:
        images: on which images: "ImageNet validation", "ImageNet test", "CIFAR-10
            test", …
        crops: "1", "10", "144", "dense", "dense, multi-crop" or, where the paper
            does not say, "not stated".
        networks: how many networks' answers are averaged; 0 where the source does
            not say.
        remark: what else one must know, such as a mean of several runs.
    """

    images: str
    crops: str = "1"
    networks: int = 1
    remark: str = ""

    def __str__(self) -> str:
        crops = {"1": "one crop", "not stated": "crops not stated"}.get(self.crops)
        crops = crops or f"{self.crops}{' crops' if self.crops.isdigit() else ''}"
        averaged = {0: "networks not stated", 1: "one network"}.get(self.networks)
        parts = [
            self.images,
            crops,
            averaged or f"{self.networks} networks averaged",
        ]
        return ", ".join([*parts, self.remark] if self.remark else parts)


@dataclass(frozen=True)
class Figure:
    """A published figure: `value` (%) of `measure` for `network`, in `place` of
    `paper`."""

    paper: str
    place: str
    network: str
    measure: str
    value: float
    protocol: Protocol


def figures() -> tuple[Figure, ...]:
    """All of them, in the order of the papers."""
    return _FIGURES


def value(
    paper: str, network: str, measure: str = TOP1, place: str | None = None
) -> float:
    """The one figure of a paper for a network.

    Raises:
        ValueError: if there is none, or if `place` is needed to tell several apart.
    """
    found = [
        figure
        for figure in _FIGURES
        if (figure.paper, figure.network, figure.measure)
        == (paper, network, measure)
        and place in (None, figure.place)
    ]
    if len(found) != 1:
        of_paper = [figure for figure in _FIGURES if figure.paper == paper]
        if not of_paper:
            raise ValueError(
                f"no figure of {paper!r}; there are "
                f"{_names(f.paper for f in _FIGURES)}"
            )
        if found:
            raise ValueError(
                f"several figures for {network!r}; name one of the places "
                f"{_names(f.place for f in found)}"
            )
        raise ValueError(
            f"{paper} has no {measure} for {network!r} here; it has "
            f"{_names(f'{f.network} ({f.measure})' for f in of_paper)}"
        )
    return found[0].value


def table(paper: str | None = None, place: str | None = None) -> pd.DataFrame:
    """Published figures as a table, indexed by network: measure, value (%),
    protocol, source.

    Raises:
        ValueError: if nothing is known of that paper or place.
    """
    import pandas as pd

    chosen = [
        f for f in _FIGURES if paper in (None, f.paper) and place in (None, f.place)
    ]
    if not chosen:
        known = (
            _FIGURES if paper is None else [f for f in _FIGURES if f.paper == paper]
        )
        raise ValueError(
            f"no figure of {paper!r}, {place!r}; there are "
            f"{_names(f'{f.paper}, {f.place}' for f in known or _FIGURES)}"
        )
    rows = [
        (f.network, f.measure, f.value, str(f.protocol), f"{f.paper}, {f.place}")
        for f in chosen
    ]
    columns = ["network", "measure", "value", "protocol", "source"]
    return pd.DataFrame(rows, columns=columns).set_index("network")


def _names(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _both(
    paper: str,
    place: str,
    protocol: Protocol,
    errors: dict[str, tuple[float, float]],
):
    """Top-1 and top-5 errors of several networks."""
    return [
        Figure(paper, place, network, measure, one, protocol)
        for network, pair in errors.items()
        for measure, one in zip((TOP1, TOP5), pair, strict=True)
    ]


def _each(
    paper: str,
    place: str,
    protocol: Protocol,
    errors: dict[str, float],
    measure: str = TOP1,
):
    return [
        Figure(paper, place, network, measure, one, protocol)
        for network, one in errors.items()
    ]


VAL, TEST = "ImageNet validation", "ImageNet test"
CIFAR = Protocol("CIFAR-10 test", "1")

_FIGURES: tuple[Figure, ...] = (
    # The winners of the challenge, from its report: top-5 error on the test images,
    # without extra training data, whatever number of crops and networks each team
    # averaged.
    *_each(
        "russakovsky2015",
        "results of image classification",
        Protocol(TEST, "not stated", 0),
        {
            "NEC-UIUC (2010)": 28.2,
            "XRCE (2011)": 25.8,
            "SuperVision (2012)": 16.4,
            "Clarifai (2013)": 11.7,
            "GoogLeNet (2014)": 6.7,
            "VGG (2014)": 7.3,
        },
        TOP5,
    ),
    # AlexNet. Two of the seven networks were first trained on the 15 million images
    # of the whole ImageNet of 2011 (section 7).
    *_both(
        "krizhevsky2012", "table 2", Protocol(VAL, "10"), {"AlexNet": (40.7, 18.2)}
    ),
    *_both(
        "krizhevsky2012",
        "table 2",
        Protocol(VAL, "10", 5),
        {"5 AlexNets": (38.1, 16.4)},
    ),
    *_both(
        "krizhevsky2012",
        "table 2",
        Protocol(VAL, "10", 7, "two with extra training data"),
        {"7 AlexNets": (36.7, 15.4)},
    ),
    *_each(
        "krizhevsky2012",
        "table 2",
        Protocol(TEST, "10", 5),
        {"5 AlexNets, test": 16.4},
        TOP5,
    ),
    *_each(
        "krizhevsky2012",
        "table 2",
        Protocol(TEST, "10", 7, "two with extra training data"),
        {"7 AlexNets, test": 15.3},
        TOP5,
    ),
    *_both(
        "krizhevsky2012",
        "table 1",
        Protocol("ImageNet 2010 test", "10"),
        {"AlexNet, 2010": (37.5, 17.0)},
    ),
    *_both(
        "krizhevsky2012",
        "table 1",
        Protocol("ImageNet 2010 test", "not stated", 0),
        {"SIFT and Fisher vectors, 2010": (45.7, 25.7)},
    ),
    *_both(
        "krizhevsky2012",
        "section 6",
        Protocol("ImageNet 2010 test", "1"),
        {"AlexNet, 2010, one crop": (39.0, 18.3)},
    ),
    # What each part is said to save, in points of the error.
    *_both(
        "krizhevsky2012",
        "section 3.3",
        Protocol("not stated", "not stated"),
        {"saved by response normalisation": (1.4, 1.2)},
    ),
    *_both(
        "krizhevsky2012",
        "section 3.4",
        Protocol("not stated", "not stated"),
        {"saved by overlapping pooling": (0.4, 0.3)},
    ),
    *_both(
        "krizhevsky2012",
        "section 3.2",
        Protocol("not stated", "not stated"),
        {"saved by two GPUs against one with half the kernels": (1.7, 1.2)},
    ),
    # ZFNet.
    *_both(
        "zeiler2013",
        "table 3",
        Protocol(VAL, "not stated"),
        {
            "replication of AlexNet": (40.5, 18.1),
            "without layers 3, 4": (45.4, 22.1),
            "without layer 7": (40.0, 18.4),
            "without layers 6, 7": (44.8, 22.4),
            "without layers 3, 4, 6, 7": (71.3, 50.1),
            "ZFNet": (38.4, 16.5),
            "ZFNet, 512-1024-512": (37.5, 16.0),
        },
    ),
    *_both(
        "zeiler2013",
        "table 2",
        Protocol(VAL, "not stated", 6),
        {"6 ZFNets": (36.0, 14.7)},
    ),
    *_each(
        "zeiler2013",
        "table 2",
        Protocol(TEST, "not stated", 6),
        {"6 ZFNets, test": 14.8},
        TOP5,
    ),
    # VGG: configurations A, B, C, D, E; dense evaluation at one scale, no crops.
    # Trained at one scale (the shorter side 256), or with scales drawn from 256
    # to 512.
    *_both(
        "simonyan2014",
        "table 3",
        Protocol(VAL, "dense", remark="trained at scale 256"),
        {
            "A": (29.6, 10.4),
            "A with response normalisation": (29.7, 10.5),
            "B": (28.7, 9.9),
            "C": (28.1, 9.4),
            "D": (27.0, 8.8),
            "E": (27.3, 9.0),
        },
    ),
    *_both(
        "simonyan2014",
        "table 3",
        Protocol(VAL, "dense", remark="trained at scales 256 to 512"),
        {
            "C, jittered": (27.3, 8.8),
            "D, jittered": (25.6, 8.1),
            "E, jittered": (25.5, 8.0),
        },
    ),
    *_each(
        "simonyan2014",
        "section 4.1",
        Protocol(VAL, "1"),
        {"added to B's by 5×5 for each pair of 3×3": 7.0},
    ),
    *_each(
        "simonyan2014",
        "table 7",
        Protocol(TEST, "dense", 7),
        {"VGG, submitted": 7.3},
        TOP5,
    ),
    *_each(
        "simonyan2014",
        "table 7",
        Protocol(TEST, "dense, multi-crop", 2),
        {"2 VGGs": 6.8},
        TOP5,
    ),
    *_each(
        "simonyan2014",
        "table 7",
        Protocol(TEST, "dense, multi-crop"),
        {"VGG, one": 7.0},
        TOP5,
    ),
    # GoogLeNet.
    *_each(
        "szegedy2014",
        "table 2",
        Protocol(TEST, "144", 7),
        {"GoogLeNet, submitted": 6.67},
        TOP5,
    ),
    *_each(
        "szegedy2014",
        "table 2",
        Protocol(TEST, "not stated", 0),
        {"VGG, submitted": 7.32},
        TOP5,
    ),
    *_each(
        "szegedy2014",
        "table 3",
        Protocol(VAL, "1"),
        {"GoogLeNet, 1 crop": 10.07},
        TOP5,
    ),
    *_each(
        "szegedy2014",
        "table 3",
        Protocol(VAL, "10"),
        {"GoogLeNet, 10 crops": 9.15},
        TOP5,
    ),
    *_each(
        "szegedy2014",
        "table 3",
        Protocol(VAL, "144"),
        {"GoogLeNet, 144 crops": 7.89},
        TOP5,
    ),
    *_each(
        "szegedy2014",
        "table 3",
        Protocol(VAL, "144", 7),
        {"7 GoogLeNets": 6.67},
        TOP5,
    ),
    *_each(
        "szegedy2014",
        "section 5",
        Protocol("not stated", "not stated"),
        {"saved by the average in place of linear layers": 0.6},
    ),
    # An Inception network in which two 3×3 convolutions replace a 5×5.
    *_each(
        "szegedy2015",
        "figure 2",
        Protocol(VAL, "not stated"),
        {"linear between the two 3×3": 76.2, "ReLU between the two 3×3": 77.2},
        ACCURACY,
    ),
    # Inception with batch normalisation, rebuilt step by step.
    *_each(
        "szegedy2015",
        "table 3",
        Protocol(VAL, "1"),
        {
            "without batch normalisation in the head": 21.6,
            "with batch normalisation in the head": 21.2,
        },
    ),
    # ResNet.
    *_each(
        "he2015",
        "table 2",
        Protocol(VAL, "10"),
        {
            "plain-18": 27.94,
            "plain-34": 28.54,
            "ResNet-18": 27.88,
            "ResNet-34": 25.03,
        },
    ),
    *_both(
        "he2015",
        "table 3",
        Protocol(VAL, "10"),
        {
            "ResNet-50": (22.85, 6.71),
            "ResNet-101": (21.75, 6.05),
            "ResNet-152": (21.43, 5.71),
        },
    ),
    *_each(
        "he2015",
        "table 5",
        Protocol(TEST, "dense", 6),
        {"ResNet (2015)": 3.57},
        TOP5,
    ),
    *_each(
        "he2015",
        "table 6",
        CIFAR,
        {
            "ResNet-20": 8.75,
            "ResNet-32": 7.51,
            "ResNet-44": 7.17,
            "ResNet-56": 6.97,
            "ResNet-1202": 7.93,
        },
    ),
    *_each(
        "he2015",
        "table 6",
        Protocol("CIFAR-10 test", remark="the best of five runs"),
        {"ResNet-110, best": 6.43},
    ),
    *_each(
        "he2015",
        "table 6",
        Protocol("CIFAR-10 test", remark="mean of five runs, ± 0.16"),
        {"ResNet-110, mean": 6.61},
    ),
    # Pre-activation: the original block, and the one with normalisation and ReLU in
    # front.
    *_each(
        "he2016",
        "tables 2 and 3",
        Protocol("CIFAR-10 test", remark="median of five runs"),
        {
            "ResNet-110": 6.61,
            "ResNet-110, pre-activation": 6.37,
            "ResNet-164": 5.93,
            "ResNet-164, pre-activation": 5.46,
            "ResNet-1001": 7.61,
            "ResNet-1001, pre-activation": 4.92,
        },
    ),
    *_each(
        "he2016",
        "table 4",
        Protocol("CIFAR-10 test", remark="median of five runs, batch 64"),
        {"ResNet-1001, pre-activation, batch 64": 4.62},
    ),
    # ResNeXt.
    *_each(
        "xie2016",
        "table 3",
        Protocol(VAL, "1"),
        {
            "ResNet-50, 1×64d": 23.9,
            "ResNeXt-50, 2×40d": 23.0,
            "ResNeXt-50, 4×24d": 22.6,
            "ResNeXt-50, 8×14d": 22.3,
            "ResNeXt-50, 32×4d": 22.2,
            "ResNet-101, 1×64d": 22.0,
            "ResNeXt-101, 2×40d": 21.7,
            "ResNeXt-101, 4×24d": 21.4,
            "ResNeXt-101, 8×14d": 21.3,
            "ResNeXt-101, 32×4d": 21.2,
        },
    ),
    *_each(
        "xie2016",
        "table 4",
        Protocol(VAL, "1"),
        {
            "ResNet-200": 21.7,
            "ResNet-101, 1×100d": 21.3,
            "ResNeXt-101, 2×64d": 20.7,
            "ResNeXt-101, 64×4d": 20.4,
        },
    ),
    *_both(
        "xie2016",
        "table 5",
        Protocol(VAL, "1"),
        {"ResNeXt-101, 64×4d, table 5": (20.4, 5.3)},
    ),
    *_each(
        "xie2016",
        "section 5.1",
        Protocol(VAL, "1"),
        {"ResNeXt-50 without shortcuts": 26.1, "ResNet-50 without shortcuts": 31.2},
    ),
    # After 2017. DenseNets, trained as the ResNets of the code that they were
    # compared with.
    *_both(
        "huang2017",
        "table 3",
        Protocol(VAL, "1"),
        {
            "DenseNet-121": (25.02, 7.71),
            "DenseNet-169": (23.80, 6.85),
            "DenseNet-201": (22.58, 6.34),
            "DenseNet-264": (22.15, 6.12),
        },
    ),
    *_each(
        "akiba2017",
        "abstract",
        Protocol(VAL, "not stated"),
        {"ResNet-50, batches of 32,768": 74.9},
        ACCURACY,
    ),
    # Both kinds trained by the authors of squeeze and excitation.
    *_both(
        "hu2018",
        "table 2",
        Protocol(VAL, "1"),
        {
            "ResNet-50": (24.80, 7.48),
            "SE-ResNet-50": (23.29, 6.62),
            "ResNet-101": (23.17, 6.52),
            "SE-ResNet-101": (22.38, 6.07),
        },
    ),
    *_each(
        "sandler2018",
        "table 4",
        Protocol("ImageNet", "not stated"),
        {"MobileNetV1": 70.6, "MobileNetV2": 72.0, "MobileNetV2 (1.4)": 74.7},
        ACCURACY,
    ),
    *_each(
        "tan2019",
        "table 2",
        Protocol(VAL, "1"),
        {
            "EfficientNet-B0": 77.1,
            "EfficientNet-B1": 79.1,
            "EfficientNet-B2": 80.1,
            "EfficientNet-B3": 81.6,
            "EfficientNet-B4": 82.9,
            "EfficientNet-B5": 83.6,
            "EfficientNet-B6": 84.0,
            "EfficientNet-B7": 84.3,
        },
        ACCURACY,
    ),
    # From ResNet-50 to ConvNeXt-T; the first by torchvision's training, all others
    # by one recipe.
    *_each(
        "liu2022",
        "table 10",
        Protocol(VAL, "1"),
        {"ResNet-50, PyTorch's recipe": 76.13, "Swin-T": 81.30},
        ACCURACY,
    ),
    *_each(
        "liu2022",
        "table 10",
        Protocol(VAL, "1", remark="mean of three runs"),
        {
            "ResNet-50": 78.82,
            "stage ratio": 79.36,
            "patches": 79.51,
            "depthwise": 78.28,
            "wider": 80.50,
            "inverted": 80.64,
            "moved up": 79.92,
            "7×7": 80.57,
            "GELU": 80.62,
            "fewer activations": 81.27,
            "fewer norms": 81.41,
            "layer norm": 81.47,
            "ConvNeXt-T": 81.97,
        },
        ACCURACY,
    ),
    # Another textbook's runs on Fashion-MNIST, release 1.0.3: ten epochs of plain
    # SGD at 0.01.
    *_each(
        "zhang2023",
        "chapters 8.1 to 8.6",
        Protocol("Fashion-MNIST test"),
        {
            "AlexNet": 83.0,
            "VGG-11, a quarter of the channels": 89.6,
            "GoogLeNet": 80.2,
            "ResNet-18": 90.3,
        },
        "accuracy",
    ),
)
