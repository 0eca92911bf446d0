"""The command line: ``cnnbook …``, or ``python -m cnnbook …``.

Wrong input ends with one line on standard error and exit status 2; nothing is left half-written.
Modules that load torch are imported inside the commands, so that help is quick.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cyclopts import App, CycloptsError

from cnnbook import __version__

app = App(
    name="cnnbook",
    help="Convolutional networks: build, profile, check and train them.",
    version=__version__,
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


@app.command
def data(name: str = "fashion-mnist-mini", *, root: Path | None = None) -> None:
    """Load a set of images, downloading it where needed, and say what it holds.

    Parameters
    ----------
    name
        fashion-mnist-mini, fashion-mnist, cifar10 or imagefolder:PATH.
    root
        Where torchvision keeps its data sets.
    """
    from cnnbook import data

    train, test = data.load(name, root=root)
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
    except (CycloptsError, ValueError, OSError) as error:
        print(f"cnnbook: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
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
    """Have `write` write a file beside `path`, then put it in place: all of it or nothing."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".cnnbook-") as folder:
            part = Path(folder) / path.name
            write(part)
            part.replace(path)
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror or error}") from None
