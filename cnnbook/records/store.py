"""Where records are, and how they get there and back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cnnbook._arguments import near
from cnnbook._files import said, write_whole
from cnnbook.records.checks import NAME, SCALES, parse, short
from cnnbook.records.record import Record
from cnnbook.records.timing import KIND, Timing

# The records of the book, laid out as `path_of` says.
FOLDER = Path(__file__).parent
PLAN = "plan.json"  # beside the records of a scale: which runs make it complete
ELSEWHERE = "elsewhere"  # a folder for each other machine that made the same runs
CANDIDATES = "candidates"  # a folder beside them: runs that chose a learning rate
# Each is a module of its name, with _ for -.
_EXPERIMENTS = FOLDER.parent / "experiments"


def names(folder: str | os.PathLike | None = None) -> tuple[str, ...]:
    """Every experiment that has a record."""
    root = _root(folder)
    found = {
        path.parts[-3] for path in root.glob("*/*/*.json") if path.name != PLAN
    }
    return tuple(sorted(name for name in found if NAME.fullmatch(name)))


def load(
    name: str, scale: str | None = None, *, folder: str | os.PathLike | None = None
) -> tuple[Record | Timing, ...]:
    """The runs of an experiment by arm and seed; none if it has not run yet.

    Args:
        name: the experiment.
        scale: "full", "standard" or "quick"; by default the first of these that is
            complete, every arm with all its seeds, or else the first that has a
            run.
        folder: other records than those of the book.

    Raises:
        ValueError: if there is no such experiment (near names are offered) or
            scale, or if a file is damaged; the one line names file and field.
    """
    known = sorted({*names(folder), *_experiments()})
    if name not in known:
        raise ValueError(f"unknown experiment {name!r}; {near(name, known)}")
    if scale is not None and scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}; there is {', '.join(SCALES)}")
    if scale is None:
        best = [each for each in SCALES if is_complete(name, each, folder)]
        scales = (*best, *SCALES)
    else:
        scales = (scale,)
    return next(filter(None, (read_all(name, each, folder) for each in scales)), ())


def everywhere(
    name: str, scale: str, *, folder: str | os.PathLike | None = None
) -> tuple[Record | Timing, ...]:
    """The runs of an experiment at a scale, on this book's machine and on others.

    Those of another machine lie in ``elsewhere/MACHINE`` beside the book's own, as
    the command ``cnnbook experiment NAME --folder`` writes them there.
    """
    machines = sorted((_root(folder) / ELSEWHERE).glob("[!.]*"))
    return (
        *load(name, scale, folder=folder),
        *(run for each in machines for run in read_all(name, scale, each)),
    )


def candidates(
    name: str, scale: str, *, folder: str | os.PathLike | None = None
) -> tuple[Record, ...]:
    """The runs by which learning rates were chosen, by arm; they are not among the
    results."""
    found = read_all(name, f"{scale}/{CANDIDATES}", folder)
    return tuple(run for run in found if isinstance(run, Record))


def read_all(
    name: str, scale: str, folder: str | os.PathLike | None = None
) -> tuple[Record | Timing, ...]:
    """As `load` at that scale, also for an experiment that has no module in the
    package."""
    paths = (_root(folder) / name / scale).glob("[!.]*.json")
    found = [_read(path) for path in paths if path.name != PLAN]
    return tuple(sorted(found, key=lambda run: (_natural(run.arm), run.seed)))


def is_complete(
    name: str, scale: str, folder: str | os.PathLike | None = None
) -> bool:
    """Whether every run that the experiment plans at this scale is on record.

    What it plans stands beside the records, written by who made the first of them.
    """
    planned = read_plan(name, scale, folder)
    place = _root(folder) / name / scale
    return bool(planned) and all(
        (place / f"{run}.json").exists() for run in planned
    )


def read_plan(
    name: str, scale: str, folder: str | os.PathLike | None = None
) -> tuple[str, ...]:
    """The runs that an experiment plans at this scale, such as "plain20-seed0"; ()
    if unknown.

    Raises:
        ValueError: in one line, if the file is damaged.
    """
    path = _root(folder) / name / scale / PLAN
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is no plan of runs ({error!r}); delete it"
        ) from None
    return tuple(runs)


def save_plan(
    name: str,
    scale: str,
    runs: Sequence[str],
    folder: str | os.PathLike | None = None,
) -> None:
    """Write what `read_plan` reads, if it is not what stands there.

    Raises:
        ValueError: in one line, if it cannot be written.
    """
    if read_plan(name, scale, folder) == tuple(runs):
        return
    lines = ",\n ".join(map(json.dumps, runs))
    _write(_root(folder) / name / scale / PLAN, f'{{"runs": [\n {lines}\n]}}\n')


def path_of(
    experiment: str,
    scale: str,
    arm: str,
    seed: int | None = None,
    folder: str | os.PathLike | None = None,
    *,
    chooses: bool = False,
) -> Path:
    """The file of a run, whether or not it is there; a timing has no seed.

    `chooses`: the run helps to choose a learning rate, and stands apart from the
    results.
    """
    place = _root(folder) / experiment / scale
    return (
        place / CANDIDATES if chooses else place
    ) / f"{run_name(arm, seed)}.json"


def run_name(arm: str, seed: int | None) -> str:
    """What a run is called among those of its experiment, such as
    "plain20-seed0"."""
    return arm if seed is None else f"{arm}-seed{seed}"


def save(record: Record | Timing, folder: str | os.PathLike | None = None) -> Path:
    """Write the record's file, whole or not at all.

    Raises:
        ValueError: in one line, if it cannot be written, or `load` would refuse
            what it says.
    """
    path = _place(record, folder)
    try:
        text = record.to_json()
        _parsed(text)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"cannot write {path}: {error}") from None
    _write(path, text)
    return path


def _write(path: Path, text: str) -> None:
    with said(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def _place(record: Record | Timing, folder: str | os.PathLike | None) -> Path:
    chooses = isinstance(record, Record) and record.chooses is not None
    return path_of(
        record.experiment,
        record.scale,
        record.arm,
        record.seed,
        folder,
        chooses=chooses,
    )


def _parsed(text: str) -> Record | Timing:
    """What a file says. ValueError if it says it wrongly."""
    found = parse(text)
    kind = found.get("kind")  # that of a training run has none
    if kind not in (None, KIND):
        raise ValueError(f"kind must be {KIND} or left out, got {short(kind)}")
    return (Record if kind is None else Timing).from_dict(found)


def _read(path: Path) -> Record | Timing:
    try:
        record = _parsed(path.read_text(encoding="utf-8"))
        place = _place(record, "").parts
        names = (
            "experiment",
            "scale",
            *["chooses"] * (len(place) - 3),
            "arm and seed",
        )
        for field, says, stands in zip(
            names, place, path.parts[-len(place) :], strict=True
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
    """A key by which plain20 comes before plain110."""
    return [
        int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)
    ]
