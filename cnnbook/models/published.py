"""Weights trained on ImageNet that torchvision publishes, for the architectures it
has too.

Torchvision downloads them into torch's cache and checks a file's hash while it
downloads, not when it finds the file there. Here the hash, which is a part of the
file's name, is checked each time, before the file is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from cnnbook._arguments import near
from cnnbook.models._common import BUILDERS

SOURCE = "imagenet"
HASH = re.compile(r"-([0-9a-f]{8,})\.pth$")


def published_names() -> tuple[str, ...]:
    """The architectures whose published weights :func:`load_published` loads."""
    import torchvision

    return tuple(name for name in BUILDERS if hasattr(torchvision.models, name))


def published_accuracy(name: str) -> float:
    """Top-1 accuracy in % that torchvision states for these weights: of ImageNet's
    validation images, on one central crop of each.

    Args:
        name: any classifier of torchvision's.

    Raises:
        ValueError: if torchvision has none of that name.
    """
    import torchvision

    classifiers = torchvision.models.list_models(torchvision.models)
    if name not in classifiers:
        raise ValueError(
            f"torchvision has no classifier {name!r}; {near(name, classifiers, 8)}"
        )
    return _weights(name).meta["_metrics"]["ImageNet-1K"]["acc@1"]


def load_published(name: str, options: dict[str, Any]) -> nn.Module:
    """The architecture `name` with torchvision's weights (``IMAGENET1K_V1``), in
    evaluation mode.

    They are the first that torchvision published for each network, trained much as
    its paper says. Images are normalised by ImageNet's mean and deviation
    (:func:`normalise`). The auxiliary heads of ``googlenet`` are left out:
    torchvision's file has them untrained.

    Args:
        name: one of :func:`published_names`.
        options: of the builder; none may change the shape of a weight, or what
            becomes of the images (``googlenet`` has ``transform_input=True``).

    Raises:
        ValueError: if torchvision has no such network or it is not its variant, if
            an option does not fit the weights, or if the file in torch's cache is
            damaged.
        ConnectionError: if the file is not in the cache and cannot be downloaded.
    """
    if name not in published_names():
        raise ValueError(
            f'torchvision has no weights="{SOURCE}" for {name!r}; '
            f"{near(name, published_names())}"
        )
    weights = _weights(name)
    model = _fitting(name, dict(options))
    state = _downloaded(name, weights)
    if name == "googlenet":
        state = {
            key: value for key, value in state.items() if not key.startswith("aux")
        }
    model.load_state_dict(state)
    return model.eval()


def normalise(images: Tensor) -> Tensor:
    """Images as the published weights take them: 3 × H × W or N × 3 × H × W.

    Args:
        images: uint8 of 0 … 255, or floats of 0 … 1.

    Raises:
        ValueError: if the images have not three channels.
    """
    if images.dim() not in (3, 4) or images.shape[-3] != 3:
        raise ValueError(
            "images must be 3×H×W or N×3×H×W, "
            f"got {'×'.join(map(str, images.shape))}"
        )
    if images.dtype == torch.uint8:
        images = images.float() / 255
    mean, std = (
        torch.tensor(values, dtype=images.dtype, device=images.device).view(3, 1, 1)
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    return (images - mean) / std


def _weights(name: str):
    """What torchvision says of the weights that it published first."""
    import torchvision

    return torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]


def _fitting(name: str, options: dict[str, Any]) -> nn.Module:
    """The network built with `options`, if torchvision's weights fit it."""
    import torchvision

    if (variant := options.get("variant", "torchvision")) != "torchvision":
        raise ValueError(
            f'weights="{SOURCE}" are those of variant="torchvision", '
            f"and do not fit variant={variant!r}"
        )
    if name == "googlenet":
        for option, needed, why in (
            (
                "transform_input",
                True,
                "the published weights expect images in [-1, 1]",
            ),
            ("aux_logits", False, "the published auxiliary heads are not trained"),
        ):
            if options.setdefault(option, needed) != needed:
                raise ValueError(
                    f'weights="{SOURCE}" need {option}={needed}: {why}'
                )
    model = BUILDERS[name](**options)
    extra = (
        {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    )
    with torch.device("meta"):
        twin = torchvision.models.get_model(name, weights=None, **extra)
    there = {key: tuple(value.shape) for key, value in twin.state_dict().items()}
    here = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    for key in sorted(there | here):
        if there.get(key) != here.get(key):
            given = ", ".join(f"{key}={value!r}" for key, value in options.items())
            raise ValueError(
                f'weights="{SOURCE}" do not fit {name} with {given}: {key} is '
                f"{_shape(there.get(key))} there and {_shape(here.get(key))} here"
            )
    return model


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else "×".join(map(str, shape)) or "a number"


def _downloaded(name: str, weights) -> dict[str, Tensor]:
    """The published weights, from torch's cache or the net; their hash is right."""
    file = Path(
        torch.hub.get_dir(), "checkpoints", Path(urlparse(weights.url).path).name
    )
    read = partial(weights.get_state_dict, check_hash=True, weights_only=True)
    if file.exists():
        _check(file)
        return read()
    try:
        # Torch also prints where it downloads to; its bar goes to stderr, and
        # stays.
        with contextlib.redirect_stdout(io.StringIO()):
            return read()
    except (OSError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ConnectionError(
            f"the published weights of {name} could not be downloaded ({reason}); "
            f"connect to the internet, or put {file.name} into {file.parent}"
        ) from error


def _check(file: Path) -> None:
    """Raise a ValueError unless the file's SHA-256 begins as its name says."""
    (begin,) = HASH.findall(file.name)
    sha256 = hashlib.sha256()
    with file.open("rb") as opened:
        while part := opened.read(1 << 20):
            sha256.update(part)
    digest = sha256.hexdigest()
    if not digest.startswith(begin):
        raise ValueError(
            f"{file} is damaged: its SHA-256 begins with {digest[: len(begin)]}, "
            "not as its name says; delete it and run again"
        )
