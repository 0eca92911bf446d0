"""Trained weights that come with the package: small networks, and where each was
trained.

A file is ``weights/<architecture>-<data set>.safetensors``: the tensors of a
`state_dict`, in half precision, and beside them in its header what it takes to
build and to feed the network.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from cnnbook._arguments import near
from cnnbook._files import said, write_whole
from cnnbook.models._common import BUILDERS

FOLDER = Path(__file__).parent / "weights"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Weights:
    """A trained network's weights on file.

    Attributes:
        architecture, options: the network, as
            ``models.create(architecture, **options)`` takes it.
        source: the data set it was trained on.
        image_size: side in pixels to which images are resized before the network.
        mean, std: of each channel, in [0, 1]; an image x is given as (x - mean) /
            std.
        classes: the names of the outputs.
        accuracy: on the test images, by these weights in half precision; a share
            of 1.
        experiment, arm, seed: the run on record that made them.
        path: the file.
    """

    architecture: str
    options: dict
    source: str
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    accuracy: float
    experiment: str
    arm: str
    seed: int
    path: Path

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The tensors, in single precision where they were floating-point
        numbers."""
        from safetensors.torch import load_file

        return {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in load_file(self.path).items()
        }


def weights(name: str) -> dict[str, Weights]:
    """The trained weights that come with the package for the architecture `name`,
    by source.

    An architecture without any has an empty dict. ValueError if there is no such
    architecture (near names are offered).
    """
    if name not in BUILDERS:
        raise ValueError(f"unknown architecture {name!r}; {near(name, BUILDERS)}")
    found = (read(path) for path in sorted(FOLDER.glob(f"{name}-*{SUFFIX}")))
    return {each.source: each for each in found if each.architecture == name}


def read(path: Path) -> Weights:
    """What a file says of itself. ValueError if it is none of ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["cnnbook"])
        for name in ("mean", "std", "classes"):
            about[name] = tuple(about[name])
        return Weights(**about, path=path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:80]
        raise ValueError(f"{path} holds no weights of ours ({reason})") from None


def write(network: nn.Module, about: Weights) -> None:
    """Write the file ``about.path``, whole or not at all. ValueError if it cannot
    be written."""
    from safetensors.torch import save

    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in network.state_dict().items()
    }
    plain = {name: value for name, value in asdict(about).items() if name != "path"}
    content = save(tensors, {"cnnbook": json.dumps(plain)})
    with said(about.path):
        about.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(about.path, lambda part: part.write_bytes(content))


def build(builder, name: str, source: str, options: dict) -> nn.Module:
    """The trained network, in evaluation mode.

    Raises:
        ValueError: if there are no such weights, or an option is not the one they
            were trained with.
    """
    known = weights(name)
    if source not in known:
        there = sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))
        raise ValueError(
            f"{name} has no weights {source!r}; there is "
            f"{', '.join(there) or 'none'}"
        )
    found = known[source]
    for option, value in options.items():
        own = found.options.get(option)
        if option not in found.options or value != own:
            raise ValueError(
                f"the weights {source!r} of {name} were trained with "
                f"{', '.join(f'{k}={v!r}' for k, v in found.options.items())}; "
                f"leave out {option}={value!r}"
            )
    network = builder(**found.options)
    network.load_state_dict(found.state_dict())
    return network.eval()
