"""The one way to a network: its name, and the weights it begins with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from cnnbook._arguments import near
from cnnbook.models import pretrained
from cnnbook.models._common import BUILDERS
from cnnbook.models.published import load_published

Net = TypeVar("Net", bound=nn.Module)


def create(name: str, *, weights: str | None = None, **options) -> nn.Module:
    """Build the architecture `name` on the CPU: in training mode, randomly
    initialised.

    Args:
        name: one of :func:`names`.
        weights: trained ones: "fashion-mnist", which come with the package (they
            set all options themselves; `cnnbook.models.weights` lists them), or
            "imagenet", torchvision's, which are downloaded. The network is in
            evaluation mode then.
        options: passed to the builder; every builder takes ``num_classes`` and
            ``in_channels``.

    Raises:
        ValueError: if no architecture has this name (near names are offered), there
            are no such weights, or an option contradicts them.
    """
    if name not in BUILDERS:
        raise ValueError(f"unknown architecture {name!r}; {near(name, BUILDERS)}")
    if weights is None:
        return BUILDERS[name](**options)
    if weights == "imagenet":
        return load_published(name, options)
    return pretrained.build(BUILDERS[name], name, weights, options)


def on_meta(build: Callable[..., Net], *args, **options) -> Net:
    """What ``build(*args, **options)`` makes, with shapes and without values: no
    memory, no time to initialise, and all that a profile asks of it."""
    with torch.device("meta"):
        return build(*args, **options)
