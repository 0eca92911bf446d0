"""The command line: ``cnnbook …``, or ``python -m cnnbook …``.

Wrong input ends with one line on standard error and exit status 2; nothing is left half-written.
Modules that load torch are imported inside the commands, so that help is quick.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from cnnbook import __version__
from cnnbook._files import write_whole

app = App(
    name="cnnbook",
    help="Convolutional networks: build, profile, check and train them.",
    version=__version__,
    suppress_keyboard_interrupt=False,  # its message says how to go on
)


@app.command(name="list")
def list_() -> None:
    """Name every architecture."""
    from cnnbook import models

    print(*models.names(), sep="\n")


@app.command
def profile(
    name: str,
    *,
    input: str = "3x224x224",
    variant: str | None = None,
    training: bool = False,
    json: bool = False,
    csv: Path | None = None,
) -> None:
    """Print a network's table: output, memory, params, flops and receptive field of each layer.

    Parameters
    ----------
    name
        An architecture; `cnnbook list` names them.
    input
        Channels x height x width of the image.
    variant
        The architecture's variant, such as paper.
    training
        As in training rather than in inference.
    json
        Print JSON.
    csv
        Also write the table to this file.
    """
    import torch

    from cnnbook import models
    from cnnbook.profiling import profile

    size = _size(input)
    options = {} if variant is None else {"variant": variant}
    with torch.device("meta"):  # a profile needs no weights
        model = models.create(name, in_channels=size[0], **options)
    found = profile(model, size, training=training)
    if csv is not None:
        _write(csv, lambda path: found.to_csv(path))
    print(_json(found.to_dict()) if json else found)


@app.command
def measure(
    name: str,
    *,
    input: str = "3x224x224",
    batch_size: int = 1,
    variant: str | None = None,
    device: str = "auto",
    training: bool = False,
    dtype: str = "float32",
    channels_last: bool = False,
    json: bool = False,
) -> None:
    """Time a network on this machine: latency, throughput and, on a GPU, peak memory.

    Parameters
    ----------
    name
        An architecture; `cnnbook list` names them.
    input
        Channels x height x width of the image.
    batch_size
        Images in a call.
    variant
        The architecture's variant, such as paper.
    device
        auto, cpu, cuda, cuda:1, …
    training
        Time the forward and the backward pass rather than inference.
    dtype
        float32, bfloat16 or float16.
    channels_last
        Lay activations out with the channels of a pixel side by side.
    json
        Print JSON.
    """
    from cnnbook import models
    from cnnbook.measuring import measure

    size = _size(input)
    options = {} if variant is None else {"variant": variant}
    model = models.create(name, in_channels=size[0], **options)
    found = measure(
        model, size, batch_size, device, training, dtype=dtype, channels_last=channels_last
    )
    print(_json(found.to_dict()) if json else found)


@app.command
def claims(*, json: bool = False) -> int:
    """Check every claim of the book; exit status 1 if one does not hold.

    Parameters
    ----------
    json
        Print JSON.
    """
    from cnnbook import claims

    cards = [claims.show(claim.id) for claim in claims.ledger()]
    if json:
        print(_json([
            {
                "id": card.claim.id,
                "chapter": card.claim.chapter,
                "statement": card.claim.statement,
                "source": card.claim.source,
                "verdict": card.evidence.verdict,
                "measured": card.evidence.measured,
                "caveat": card.evidence.caveat,
            }
            for card in cards
        ]))  # fmt: skip
    else:
        print(*cards, sep="\n\n")
    return int(any(not card.evidence.holds for card in cards))


app.command(
    "cnnbook.training.command:train",
    help="""Train a network; the same command goes on with a run that was stopped.

    On N devices: torchrun --nproc-per-node N --max-restarts 3 -m cnnbook train NAME …, where up to
    three times all processes are started anew and go on, if one of them dies.
    """,
)


@app.command
def experiment(
    name: str | None = None,
    *,
    scale: str = "quick",
    device: str = "auto",
    seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="")] = (0, 1, 2),
    limit_seconds: float | None = None,
    folder: Path | None = None,
) -> None:
    """Run what an experiment has no record of yet; without a name, list the experiments.

    Parameters
    ----------
    name
        An experiment.
    scale
        quick, for two CPU cores, or full, for a GPU.
    device
        auto, cpu, cuda, cuda:1, …
    seeds
        One run each.
    limit_seconds
        Start no run that would not end in this time.
    folder
        Where the records are kept, instead of in the package.
    """
    from cnnbook import experiments, records

    if name is None:
        for each in map(experiments.find, experiments.names()):
            print(f"{each.name:<18}{each.title}")
        return
    runs = experiments.run(name, scale, device, seeds, limit_seconds, folder=folder)
    print(records.provenance(runs))


@app.command(name="records")
def records_(name: str | None = None, *, json: bool = False, folder: Path | None = None) -> None:
    """List the runs on record: of one experiment, or how many there are of each.

    Parameters
    ----------
    name
        An experiment.
    json
        Print the records, as they are on file, as a list.
    folder
        Where the records are, instead of in the package.
    """
    from cnnbook import records

    names = records.names(folder) if name is None else (name,)
    found = [
        runs
        for each in names
        for scale in records.SCALES
        if (runs := records.load(each, scale, folder=folder))
    ]
    if json:
        print(_json([run.to_dict() for runs in found for run in runs]))
        return
    for runs in found:
        if name is not None:
            print(records.table(runs).to_string(index=False))
        print(records.provenance(runs))
    if not found:
        print(records.provenance(()))


@app.command
def data(
    name: str = "fashion-mnist-mini", *, root: Path | None = None, stream: bool = False
) -> None:
    """Load a set of images, downloading it where needed, and say what it holds.

    Parameters
    ----------
    name
        fashion-mnist-mini, fashion-mnist, cifar10, imagefolder:PATH or webdataset:PATTERN.
    root
        Where torchvision keeps its data sets.
    stream
        Only find the images of an imagefolder, as for training that reads them when needed.
    """
    from cnnbook import data

    train, test = data.load(name, root=root, stream=stream)
    parts = {"training": train, "validation": train.validation, "test": test}
    for part, images in parts.items():
        if images is not None:
            shape = "×".join(map(str, images.input_size))
            print(f"{part:<11}{len(images):>7,} images  {shape}  {images.num_classes} classes")
    print(f"classes    {', '.join(train.classes)}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; `arguments` stands for ``sys.argv[1:]``."""
    try:
        status = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except (CycloptsError, ValueError, OSError, FloatingPointError) as error:
        print(f"cnnbook: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        print(f"cnnbook: {str(stop) or 'stopped'}", file=sys.stderr)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _size(text: str) -> tuple[int, ...]:
    """ "3x224x224" → (3, 224, 224)."""
    try:
        size = tuple(int(part) for part in text.replace("×", "x").split("x"))
    except ValueError:
        size = ()
    if not size or (len(size) != 4 and (len(size) != 3 or min(size) < 1)):
        raise ValueError(
            f"--input is channels x height x width in positive integers, "
            f"such as 3x224x224; got {text!r}"
        )
    return size


def _json(value) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """As `write_whole`, with an error that says what could not be written."""
    try:
        write_whole(path, write)
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror or error}") from None
