"""How large an effect an experiment looks for: what its paper found, and what is as
good as none.

>>> from cnnbook.records.effects import effect
>>> effect("aux-vs-batchnorm")
0.4
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cnnbook.records.published import value


def _doubling() -> float:
    """Least squares through ResNeXt's table 3, ResNet-50: error against
    log₂(paths)."""
    paths = {
        1: "ResNet-50, 1×64d",
        2: "ResNeXt-50, 2×40d",
        4: "ResNeXt-50, 4×24d",
        8: "ResNeXt-50, 8×14d",
        32: "ResNeXt-50, 32×4d",
    }
    places = [math.log2(number) for number in paths]
    errors = [value("xie2016", name) for name in paths.values()]
    return -float(np.polyfit(places, errors, 1)[0])


def _gap(paper: str, worse: str, better: str) -> float:
    return value(paper, worse) - value(paper, better)


# In points of top-1 error, on ImageNet where not said otherwise.
EFFECTS: dict[str, Callable[[], float]] = {
    # From plain-18 to plain-34.
    "degradation": lambda: _gap("he2015", "plain-34", "plain-18"),
    # At 110 layers, on CIFAR-10.
    "preactivation": lambda: _gap(
        "he2016", "ResNet-110", "ResNet-110, pre-activation"
    ),
    # What Inception-v3 gained when the linear layer of its head was normalised,
    # too. With batch normalisation the head's own gain has no figure.
    "aux-vs-batchnorm": lambda: _gap(
        "szegedy2015",
        "without batch normalisation in the head",
        "with batch normalisation in the head",
    ),
    "kernel-stacks": lambda: value(
        "simonyan2014", "added to B's by 5×5 for each pair of 3×3"
    ),
    # A doubling of the paths.
    "cardinality": _doubling,
}


def effect(experiment: str) -> float:
    """Points that the paper found of what the experiment measures.

    Raises:
        KeyError: if no paper has a figure of it.
    """
    return round(EFFECTS[experiment](), 2)


def margin(experiment: str) -> float:
    """Points below which an effect counts as none: a third of the paper's."""
    return effect(experiment) / 3
