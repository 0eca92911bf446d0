"""The command line: ``cnnbook …``, or ``python -m cnnbook …``.

Wrong input ends with one line on standard error and exit status 2; nothing is left
half-written. Modules that load torch are imported inside the commands, so that help
is quick.
"""

from __future__ import annotations

import codecs
import json
import math
import os
import re
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter, convert

from cnnbook._files import said, write_whole
from cnnbook._version import __version__

# What a console that has no such sign shows instead.
PLAIN = {
    "×": "x", "·": "-", "…": "...", "–": "-", "—": "-", "→": "->", "≤": "<=",
    "≥": ">=", "±": "+-", "²": "2", "³": "3", "‖": "|", "’": "'", "“": '"',
    "”": '"', "\u202f": " ",
}  # fmt: skip


def _as_asked(kind, tokens):
    """Numbers as they were typed, or not at all; paths with ~ as shells do not
    always give them."""
    return convert(kind, tokens, converter=_one_value)


def _one_value(kind, text: str):
    if kind is int and not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(f"must be a whole number, got {text}")
    if kind is float:
        try:
            # Python also reads 1_0, and the digits of other scripts.
            number = float(text) if re.fullmatch(r"[ -^`-~]+", text) else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"must be a finite number, got {text}")
        return number
    if kind is int:
        # More than 64 bits, and in the end more than Python reads.
        if len(text) > 19:
            raise ValueError("must be a number of at most 18 digits")
        return int(text)
    if kind is Path:
        if not text:
            raise ValueError("must not be empty")
        return Path(os.path.expanduser(text))
    return convert(kind, [text])


app = App(
    name="cnnbook",
    help="Convolutional networks: build, profile, check and train them.",
    version=__version__,
    suppress_keyboard_interrupt=False,  # its message says how to go on
    default_parameter=Parameter(converter=_as_asked),
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
    batch: int | None = None,
    optimizer: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    json: bool = False,
    csv: Path | None = None,
    html: Path | None = None,
) -> None:
    """Print a network's table: output, memory, params, flops and receptive field of
    each layer.

    Parameters
    ----------
    name
        An architecture, of which `cnnbook list` names ours; torchvision:swin_t and
        timm:seresnet50 are theirs, and my_module:build calls a function of your
        own.
    input
        Channels x height x width of the image.
    variant
        The architecture's variant, such as paper.
    training
        As in training rather than in inference, with what the backward pass needs.
    batch
        In training, also the most memory that a step of so many images needs.
    optimizer
        In training: sgd, momentum (as it is unless given), adam or adamw.
    device
        In training, whose kernels: cpu (as it is unless given) or cuda.
    precision
        In training: fp32 (as it is unless given), or bf16, with autocast.
    json
        Print JSON.
    csv
        Also write the table to this file.
    html
        Also write a page to this file, with the network drawn, that opens without a
        network.
    """
    from cnnbook._files import check_file
    from cnnbook.models.named import load
    from cnnbook.profiling import profile

    asked: dict[str, Any] = {
        "batch": batch,
        "optimizer": optimizer,
        "device": device,
        "precision": precision,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    if asked and not training:
        raise ValueError(
            f"--{next(iter(asked))} is of a training step: add --training"
        )
    asked.pop("batch", None)
    if html is not None:
        check_file(html)
        if csv is not None and os.path.realpath(csv) == os.path.realpath(html):
            raise ValueError(f"--csv and --html must be two files, got {csv} twice")

    size = _size(input)
    model = load(name, size[0], variant)
    found = profile(model, size, training=training, **asked)
    peak, moment = None, ""
    if batch is not None and found.training is not None:
        peak = found.training.peak_kb(batch)
        moment = found.training.peak_moment(batch)
    if csv is not None:
        with said(csv):
            write_whole(csv, found.to_csv)
    if html is not None:
        from cnnbook.figures import report

        report(found, html)
    if json:
        step = {"batch": batch, "peak_kb": peak, "peak_moment": moment}
        print(_json(found.to_dict() | (step if peak is not None else {})))
        return
    print(found)
    if peak is not None:
        print(f"a step of {batch} images needs {peak:,.0f} KB, in the {moment}")


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
    """Time a network on this machine: latency, throughput and, on a GPU, peak
    memory.

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
    from cnnbook.models.named import variant_of

    size = _size(input)
    options = variant_of(name, variant)
    model = models.create(name, in_channels=size[0], **options)
    found = measure(
        model,
        size,
        batch_size,
        device,
        training,
        dtype=dtype,
        channels_last=channels_last,
    )
    print(_json(found.to_dict()) if json else found)


@app.command
def claims(
    *names: str,
    model: str | None = None,
    input: str = "3x224x224",
    json: bool = False,
    strict: bool = False,
) -> int:
    """Check claims of the book, or ask them of a network; exit status 1 if one does
    not hold.

    Parameters
    ----------
    names
        Of claims, such as alexnet/fc-params; all of them if there is none.
    model
        Ask it of this network: my_module:build, torchvision:swin_t, timm:seresnet50
        or one of ours.
    input
        With a model: channels x height x width of its image.
    json
        Print JSON.
    strict
        Exit with 1 also if one is not yet measured.
    """
    from cnnbook import claims

    if model is None:
        names = names or tuple(claim.id for claim in claims.ledger())
        cards = [claims.show(name) for name in names]
    else:
        from cnnbook.models.named import load

        size = _size(input)
        network = load(model, size[0])
        cards = [
            claims.show(name, network, size) for name in names or claims.askable()
        ]
    if json:
        print(
            _json(
                [
                    {
                        "id": card.claim.id,
                        "chapter": card.claim.chapter,
                        "statement": card.claim.statement,
                        "source": card.claim.source,
                        "verdict": card.evidence.verdict,
                        "measured": card.evidence.measured,
                        "caveat": card.evidence.caveat,
                        "open": card.evidence.open,
                        "method": card.evidence.method,
                    }
                    for card in cards
                ]
            )
        )
    else:
        print(*cards, sep="\n\n")
    failing = {"does not hold", *(("not yet measured",) if strict else ())}
    return int(any(card.evidence.verdict in failing for card in cards))


app.command(
    "cnnbook.training.command:train",
    help="""Train a network; the same command goes on with a run that was stopped.

    On N devices: torchrun --nproc-per-node N --max-restarts 3 -m cnnbook train
    NAME …, where up to three times all processes are started anew and go on, if one
    of them dies.
    """,
)


@app.command
def experiment(
    *names: str,
    scale: str = "quick",
    device: str = "auto",
    seeds: Annotated[
        tuple[int, ...] | None, Parameter(consume_multiple=True, negative="")
    ] = None,
    jobs: int | None = None,
    limit_seconds: float | None = None,
    folder: Path | None = None,
) -> None:
    """Run what experiments have no record of yet; without a name, list the
    experiments.

    The same command goes on with what was stopped.

    Parameters
    ----------
    names
        Experiments; one seed of each comes first, then the next.
    scale
        quick (minutes on two CPU cores), standard (hours), or full, for a GPU.
    device
        auto, cpu, cuda, cuda:1, …
    seeds
        One run each; by default those that the experiment states.
    jobs
        So many processes at once, each of one thread.
    limit_seconds
        Start no run that would not end in this time.
    folder
        Where the records are kept, instead of in the package.
    """
    from cnnbook import experiments, records

    if seeds is not None and len(set(seeds)) < len(seeds):
        raise ValueError(f"--seeds must differ, got {' '.join(map(str, seeds))}")
    if limit_seconds is not None and limit_seconds < 0:
        raise ValueError(
            f"--limit-seconds must not be negative, got {limit_seconds:g}"
        )
    if not names:
        for each in map(experiments.find, experiments.names()):
            print(f"{each.name:<18}{each.title}")
        return
    experiments.run(
        names, scale, device, seeds, limit_seconds, jobs=jobs, folder=folder
    )
    for name in names:
        print(records.provenance(records.load(name, scale, folder=folder)))


@app.command(name="records")
def records_(
    name: str | None = None, *, json: bool = False, folder: Path | None = None
) -> None:
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
    name: str = "fashion-mnist-mini",
    *,
    root: Path | None = None,
    stream: bool = False,
) -> None:
    """Load a set of images, downloading it where needed, and say what it holds.

    Parameters
    ----------
    name
        fashion-mnist-mini, fashion-mnist, cifar10, imagefolder:PATH or
        webdataset:PATTERN.
    root
        Where torchvision keeps its data sets.
    stream
        Only find the images of an imagefolder, as for training that reads them when
        needed.
    """
    from cnnbook import data

    train, test = data.load(name, root=root, stream=stream)
    parts = {"training": train, "validation": train.validation, "test": test}
    for part, images in parts.items():
        if images is not None:
            shape = "×".join(map(str, images.input_size))
            print(
                f"{part:<11}{len(images):>7,} images  {shape}  "
                f"{images.num_classes} classes"
            )
    print(f"classes    {', '.join(train.classes)}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; `arguments` stands for ``sys.argv[1:]``."""
    for name in ("stdout", "stderr"):
        # Closed by whoever started this: `>&-`.
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, os.fdopen(nowhere, "w", encoding="utf-8"))
        if hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="cnnbook.plain")
    try:
        status = app(
            arguments,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        # Of a broken pipe rich, which prints the help, makes an end with status 1.
        if isinstance(end, SystemExit) and not isinstance(
            end.__context__, BrokenPipeError
        ):
            raise
        # Whoever read this has enough, such as `| head`.
        _close_stdout()
        sys.exit(128 + getattr(signal, "SIGPIPE", 13))
    except (CycloptsError, ValueError, OSError, FloatingPointError) as error:
        _fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not _is_shortage(error):
            raise
        _fail("there is not enough memory; try a smaller batch or smaller images")
    except KeyboardInterrupt as stop:
        # Asked once more, it is ending already.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(f"cnnbook: {str(stop) or 'stopped'}", file=sys.stderr)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> None:
    # A value of hundreds of digits or letters is not shown to its end.
    words = [
        word if len(word) <= 400 else f"{word[:60]}…" for word in message.split()
    ]
    print(f"cnnbook: {' '.join(words)}", file=sys.stderr)
    sys.exit(2)


def _close_stdout() -> None:
    """Have nothing more written there, not when the interpreter ends either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_shortage(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    from cnnbook.training.check import is_shortage

    return is_shortage(error)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter, "?") for letter in letters), error.end


codecs.register_error("cnnbook.plain", _plain)


def _size(text: str) -> Any:
    """ "3x224x224" → (3, 224, 224); a batch's four numbers too, of which the
    functions say what is wrong."""
    parts = text.replace("×", "x").split("x")
    # A number of more digits is beyond 64 bits.
    whole = all(re.fullmatch("[0-9]{1,18}", part) for part in parts)
    size = tuple(map(int, parts)) if whole else ()
    if not size or (len(size) != 4 and (len(size) != 3 or min(size) < 1)):
        raise ValueError(
            f"--input is channels x height x width in positive integers, "
            f"such as 3x224x224; got {text!r}"
        )
    return size


def _json(value) -> str:
    # Where the console has not all signs, JSON has another way to write them.
    has_all = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(value, indent=2, ensure_ascii=not has_all)
