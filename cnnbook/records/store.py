"""Where records are, and how they get there and back."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from cnnbook._files import write_whole
from cnnbook.records.checks import NAME, SCALES, parse, short
from cnnbook.records.record import Record
from cnnbook.records.timing import KIND, Timing

FOLDER = Path(__file__).parent  # the records of the book, laid out as `path_of` says
_EXPERIMENTS = FOLDER.parent / "experiments"  # each a module of its name, with _ for -


def names(folder: str | os.PathLike | None = None) -> tuple[str, ...]:
    """Every experiment that has a record."""
    root = _root(folder)
    found = {path.parts[-3] for path in root.glob("*/*/*.json")}
    return tuple(sorted(name for name in found if NAME.fullmatch(name)))


def load(
    name: str, scale: str | None = None, *, folder: str | os.PathLike | None = None
) -> tuple[Record | Timing, ...]:
    """The runs of an experiment by arm and seed; none if it has not run yet.

    Args:
        name: the experiment.
        scale: "full" or "quick"; by default "full" if it has run at that scale, or else "quick".
        folder: other records than those of the book.

    Raises:
        ValueError: if there is no such experiment (near names are offered) or scale, or if a file
            is damaged; the one line names file and field.
    """
    known = sorted({*names(folder), *_experiments()})
    if name not in known:
        near = difflib.get_close_matches(str(name).lower(), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(known)}"
        raise ValueError(f"unknown experiment {name!r}; {hint}")
    if scale is not None and scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}; there is {', '.join(SCALES)}")
    scales = SCALES if scale is None else (scale,)
    return next(filter(None, (read_all(name, each, folder) for each in scales)), ())


def read_all(
    name: str, scale: str, folder: str | os.PathLike | None = None
) -> tuple[Record | Timing, ...]:
    """As `load` at that scale, also for an experiment that has no module in the package."""
    found = [_read(path) for path in (_root(folder) / name / scale).glob("[!.]*.json")]
    return tuple(sorted(found, key=lambda run: (_natural(run.arm), run.seed)))


def path_of(
    experiment: str,
    scale: str,
    arm: str,
    seed: int | None = None,
    folder: str | os.PathLike | None = None,
) -> Path:
    """The file of a run, whether or not it is there; a timing has no seed."""
    run = arm if seed is None else f"{arm}-seed{seed}"
    return _root(folder) / experiment / scale / f"{run}.json"


def save(record: Record | Timing, folder: str | os.PathLike | None = None) -> Path:
    """Write the record's file, whole or not at all.

    Raises:
        ValueError: in one line, if it cannot be written.
    """
    path = path_of(record.experiment, record.scale, record.arm, record.seed, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda part: part.write_text(record.to_json(), encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror or error}") from None
    return path


def _read(path: Path) -> Record | Timing:
    try:
        found = parse(path.read_text(encoding="utf-8"))
        kind = found.get("kind")  # that of a training run has none
        if kind not in (None, KIND):
            raise ValueError(f"kind must be {KIND} or left out, got {short(kind)}")
        record = (Record if kind is None else Timing).from_dict(found)
        place = path_of(record.experiment, record.scale, record.arm, record.seed, "").parts
        for field, says, stands in zip(
            ("experiment", "scale", "arm and seed"), place, path.parts[-3:], strict=True
        ):
            if says != stands:
                raise ValueError(f"{field} must be those of its place, got {says}")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is no text") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return record


def _root(folder: str | os.PathLike | None) -> Path:
    return FOLDER if folder is None else Path(folder)


def _experiments() -> list[str]:
    # By their files: to read a record needs none of the code that made it.
    return [p.stem.replace("_", "-") for p in _EXPERIMENTS.glob("[a-z]*.py")]


def _natural(text: str) -> list:
    """A key by which plain-20 comes before plain-110."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]
