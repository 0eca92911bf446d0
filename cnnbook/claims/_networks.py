"""The networks that claims are checked on, by name, and how far they look into
them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from cnnbook.models import create, on_meta
from cnnbook.profiling import Layer, Profile

Networks = Mapping[str, nn.Module]


def build(*names: str) -> dict[str, nn.Module]:
    """These architectures without weights: shapes and settings need none."""
    return {name: on_meta(create, name) for name in names}


def until(network: Profile, side: int) -> tuple[Layer, ...]:
    """The first layers of a network, to the one whose output is `side` pixels wide.

    Raises:
        ValueError: if there is none.
    """
    for i, layer in enumerate(network.layers):
        if layer.output[-1] == side:
            return network.layers[: i + 1]
    raise ValueError(f"no layer has an output {side} pixels wide")
