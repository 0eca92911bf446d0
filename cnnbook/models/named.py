"""The network that a name stands for: one of ours, torchvision's, timm's or its
owner's own.

A name is ``resnet50``, ``torchvision:swin_t``, ``timm:seresnet50`` or
``my_module:build``. The module of another is imported only when it is named, and
what goes wrong in it is told as its own.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from pathlib import Path
from typing import Any

LIBRARIES = {"torchvision": "torchvision.models", "timm": "timm"}
WEIGHTS = ("weights", "weights_backbone")  # torchvision's arguments


def load(name: str, in_channels: int = 3, variant: str | None = None):
    """Build the network `name`, without weights where it is ours.

    Args:
        in_channels: of the image; networks of others have what they have.
        variant: of one of ours, such as "paper".

    Raises:
        ValueError: if there is no such network; or, for one of its owner's, if
            their code fails: the message has their error, and where it was raised.
    """
    source, colon, rest = name.partition(":")
    if not colon:
        return _ours(name, in_channels, variant)
    if variant is not None:
        raise ValueError(f"--variant is of our own architectures, not of {name}")
    if source in LIBRARIES:
        return _library(source, rest, name)
    return _own(source, rest)


def _ours(name: str, in_channels: int, variant: str | None):
    import torch

    from cnnbook import models

    with torch.device("meta"):  # nothing that is asked of it needs weights
        return models.create(
            name, in_channels=in_channels, **variant_of(name, variant)
        )


def variant_of(name: str, variant: str | None) -> dict[str, Any]:
    """The options that ask for a variant. ValueError if the architecture has none
    to choose."""
    if variant is None:
        return {}
    from cnnbook import models

    builder = getattr(models, name, None) if name in models.names() else None
    if (
        builder is not None
        and "variant" not in inspect.signature(builder).parameters
    ):
        raise ValueError(f"{name} has no variants; leave out --variant {variant}")
    return {"variant": variant}


def _library(source: str, rest: str, name: str):
    try:
        library = importlib.import_module(LIBRARIES[source])
    except ImportError:
        raise ValueError(f"{name} needs {source}, which is not installed") from None
    try:
        if source == "timm":
            return library.create_model(rest, pretrained=False)
        # Some builders fetch weights unless they are told not to.
        takes = inspect.signature(library.get_model_builder(rest)).parameters
        none = {name: None for name in takes if name in WEIGHTS}
        return library.get_model(rest, **none)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{source} has no network {rest!r}: {error}") from None


def _own(source: str, rest: str):
    from torch import nn

    # The file's owner named it, and stands where it is.
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = build = getattr(importlib.import_module(source), rest, None)
        if callable(build) and not isinstance(build, nn.Module):
            found = build()
    except ModuleNotFoundError as error:
        if error.name == source:
            raise ValueError(
                f"there is no module {source!r} here to build {rest!r}"
            ) from None
        raise _theirs(source, rest, error) from error
    except (Exception, SystemExit) as error:
        raise _theirs(source, rest, error) from error
    finally:
        sys.path.pop(0)
    if build is None:
        raise ValueError(f"the module {source!r} has no {rest!r}")
    if not isinstance(found, nn.Module):
        raise ValueError(
            f"{source}:{rest} must give a torch.nn.Module, got "
            f"{type(found).__name__}"
        )
    return found


def _theirs(source: str, rest: str, error: BaseException) -> ValueError:
    where = _place(error)
    return ValueError(
        f"the code of {source}:{rest} raised {type(error).__name__}"
        + (f": {error}" if str(error) else "")
        + (f" ({where})" if where else "")
    )


def _place(error: BaseException) -> str | None:
    """File and line of the innermost frame that is not of this file; None if there
    is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    return (
        f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}"
        if frames
        else None
    )
