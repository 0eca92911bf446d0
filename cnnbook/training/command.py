"""``cnnbook train``: `fit` from the command line."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter

from cnnbook import data as datasets
from cnnbook import models
from cnnbook._files import check_file, check_folder, is_within, write_whole
from cnnbook.models.named import variant_of
from cnnbook.training import distributed
from cnnbook.training.checkpoint import is_checkpoint
from cnnbook.training.loop import fit
from cnnbook.training.recipe import Recipe


def train(
    name: str,
    *,
    data: str = "fashion-mnist-mini",
    variant: str | None = None,
    device: str = "auto",
    checkpoint: Path | None = None,
    resume: bool = True,
    root: Path | None = None,
    weights: Path | None = None,
    stream: bool = False,
    workers: int | None = None,
    log: Path | None = None,
    # A recipe is immutable.
    recipe: Annotated[Recipe, Parameter(name="*")] = Recipe(),  # noqa: B008
) -> None:
    """Train a network; the same command goes on with a run that was stopped.

    Parameters
    ----------
    name
        An architecture; `cnnbook list` names them.
    data
        fashion-mnist-mini, fashion-mnist, cifar10, imagefolder:PATH (folders as
        ImageNet's) or webdataset:PATTERN (such as PATH/train-{000000..000146}.tar).
        The images of the last two are decoded at --image-size, by default
        64 pixels.
    variant
        The architecture's variant, such as paper.
    device
        auto, cpu, cuda, cuda:1, …
    checkpoint
        The folder of the run's checkpoints; by default one below runs/ for this
        very run.
    resume
        Go on with a run that is in this folder.
    root
        Where torchvision keeps its data sets.
    weights
        Write the trained network's state_dict to this file.
    stream
        Read the images of an imagefolder while training, rather than into memory at
        once.
    workers
        Processes that decode a stream; by default one a core.
    log
        Write the history to this folder, for TensorBoard.
    """
    check_places(weights, checkpoint, log)
    size = None if datasets.has_own_size(data) else recipe.image_size
    train_set, test_set = datasets.load(
        data, root=root, image_size=size, stream=stream, workers=workers
    )
    options: dict[str, Any] = {
        "in_channels": train_set.input_size[0],
        "num_classes": train_set.num_classes,
    }
    options |= variant_of(name, variant)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = models.create(name, **options)
    folder = checkpoint or run_folder(name, options, data, recipe)
    bytes_ = sum(t.nbytes for t in model.state_dict().values())
    check_places(weights, folder, log, bytes_)
    with warnings.catch_warnings(), distributed.process_group(device) as place:
        warnings.showwarning = lambda message, *_: print(
            f"cnnbook: {message}", file=sys.stderr
        )
        run = fit(
            model,
            train_set,
            test_set,
            recipe,
            device=place,
            checkpoint=folder,
            resume=resume,
            log=log,
        )
        first = distributed.is_first()
    if not first:
        return
    if weights is not None:
        buffer = io.BytesIO()
        torch.save(run.model.state_dict(), buffer)
        write_whole(weights, lambda part: part.write_bytes(buffer.getbuffer()))
    print(run)  # once all that was promised is there


def check_places(
    weights: Path | None, checkpoint: Path | None, log: Path | None, size: int = 1
) -> None:
    """Raise an error now if one of them cannot be written, or if weights of `size`
    bytes would lie where the others do.

    Raises:
        ValueError: in one line.
    """
    folders = {"checkpoints": checkpoint, "logs": log}
    for folder in folders.values():
        if folder is not None:
            check_folder(folder)
    if weights is None:
        return
    check_file(weights, size)
    for what, folder in folders.items():
        if folder is not None and is_within(folder, weights):
            raise ValueError(
                f"--weights {weights} must be a file of its own: the run's {what} "
                f"go to the folder {folder}"
            )
    if checkpoint is not None and is_checkpoint(weights, checkpoint):
        raise ValueError(
            f"--weights {weights} has the name of a checkpoint of this run; choose "
            "another"
        )


def run_folder(name: str, options: dict, data: str, recipe: Recipe) -> Path:
    """A folder for this very run: of the same settings the same, of others
    another."""
    settings = json.dumps([name, options, data, asdict(recipe)])
    digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
    return Path("runs") / re.sub(r"[^\w.-]+", "-", f"{name}-{data}-{digest}")
