"""What an experiment is, and how its runs become records."""

from __future__ import annotations

import difflib
import importlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import torch
import torchvision

import cnnbook
from cnnbook import data, models, records
from cnnbook.data import ImageSet
from cnnbook.records import SCALES, Record
from cnnbook.records.record import ARM, NAME
from cnnbook.records.store import read_all
from cnnbook.training import Recipe, Run, fit
from cnnbook.training.device import find_device, full_name

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Trial:
    """One condition of an experiment; each seed makes a run of it.

    Attributes:
        arm: the condition's label: letters, digits and . + _ -
        architecture, options: the network, as ``models.create(architecture, **options)`` takes it.
        recipe: how it is trained; its seed is replaced by that of the run.
        data: the image set's name, as ``data.load`` takes it.
        train_images: use only so many images, the first ones; None: all.

    Raises:
        ValueError: if `arm` cannot be a part of a file's name.
    """

    arm: str
    architecture: str
    recipe: Recipe
    options: dict = field(default_factory=dict)
    data: str = "fashion-mnist-mini"
    train_images: int | None = None

    def __post_init__(self) -> None:
        if not ARM.fullmatch(self.arm):
            raise ValueError(f"arm must be of letters, digits and . + _ -, got {self.arm!r}")


@dataclass(frozen=True)
class Experiment:
    """A comparison: its name, what is compared and why, and its trials at a scale."""

    name: str
    title: str
    trials: Callable[[str], Sequence[Trial]]


_EXPERIMENTS: dict[str, Experiment] = {}


def experiment(name: str, *, title: str):
    """Register the decorated function, from a scale to the trials, as an experiment.

    Args:
        name: that of the module, with - for _.
        title: what is compared and why, in a sentence.
    """

    def register(trials: Callable[[str], Sequence[Trial]]) -> Callable[[str], Sequence[Trial]]:
        if not NAME.fullmatch(name) or name in _EXPERIMENTS:
            raise ValueError(f"an experiment's name must be new and like kernel-stacks: {name!r}")
        _EXPERIMENTS[name] = Experiment(name, title, trials)
        return trials

    return register


def names() -> tuple[str, ...]:
    """Every experiment; each has a module of its name here, with _ for -."""
    return tuple(sorted(path.stem.replace("_", "-") for path in FOLDER.glob("[a-z]*.py")))


def find(name: str) -> Experiment:
    """The experiment `name`. ValueError if there is none (near names are offered)."""
    if name not in _EXPERIMENTS:
        if name not in names():
            near = difflib.get_close_matches(str(name).lower(), names(), n=3, cutoff=0.5)
            hint = " or ".join(near) if near else ", ".join(names())
            hint = f"did you mean {hint}?" if near else f"there is {hint}"
            raise ValueError(f"unknown experiment {name!r}; {hint}")
        importlib.import_module(f"cnnbook.experiments.{name.replace('-', '_')}")
    return _EXPERIMENTS[name]


def run(
    name: str,
    scale: str = "quick",
    device: str = "auto",
    seeds: Sequence[int] = (0, 1, 2),
    limit_seconds: float | None = None,
    progress: bool = True,
    *,
    folder: str | os.PathLike | None = None,
) -> tuple[Record, ...]:
    """Run what has no record yet, seed by seed, and return all runs on record at this scale.

    Each run is recorded when it ends: after an interruption the next call goes on with the others.

    Args:
        name: the experiment.
        scale: "quick" (sized for two CPU cores) or "full" (for one GPU).
        device: "auto" (a GPU where there is one) or a torch device.
        seeds: each trial is run with each of these, as seed of the weights and of the recipe.
        limit_seconds: start no run that is not expected to end within so many seconds from now,
            going by the longest run of its trial so far, or else of any; None: no limit.
        progress: show progress bars and a line for each run.
        folder: where the records are kept, instead of among those of the book.

    Raises:
        ValueError: if a name is unknown, a trial cannot be run, or a record on file was made with
            other settings than the experiment has now.
        FloatingPointError: if a run's loss is not finite.
    """
    found = find(name)
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}; there is {', '.join(SCALES)}")
    trials = [
        replace(trial, recipe=replace(trial.recipe, seed=seed))
        for seed in seeds
        for trial in found.trials(scale)
    ]
    done = {(r.arm, r.seed): r for r in read_all(name, scale, folder)}
    place, start = find_device(device), time.perf_counter()
    load = cache(lambda name: data.load(name, progress=progress))
    missing = [trial for trial in trials if not _is_recorded(trial, done, found.name, scale)]
    for number, trial in enumerate(missing):
        left = len(missing) - number
        if limit_seconds is not None:
            rest = limit_seconds - (time.perf_counter() - start)
            if _expected_seconds(trial, done.values()) > rest:
                _say(progress, f"{found.name}: {left} of {len(trials)} runs left; run it again")
                break
        record = _run(found, scale, trial, *load(trial.data), place, progress)
        records.save(record, folder)
        done[trial.arm, trial.recipe.seed] = record
        _say(
            progress,
            f"{found.name} {trial.arm}, seed {record.seed}: test accuracy "
            f"{record.test_accuracy:.1%} in {record.seconds:.0f} s; {left - 1} left",
        )
    return read_all(name, scale, folder)


def _run(
    found: Experiment,
    scale: str,
    trial: Trial,
    train: ImageSet,
    test: ImageSet,
    device: torch.device,
    progress: bool,
) -> Record:
    started = datetime.now(timezone.utc)
    if trial.train_images is not None:
        train = train.subset(range(trial.train_images))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trial.recipe.seed)
        model = models.create(trial.architecture, **trial.options)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    run = fit(model, train, test, trial.recipe, device=device, progress=progress)
    return Record(
        experiment=found.name,
        scale=scale,
        arm=trial.arm,
        architecture=trial.architecture,
        options=dict(trial.options),
        recipe=trial.recipe,
        seed=trial.recipe.seed,
        data=trial.data,
        data_checksum=train.checksum,
        train_images=len(train),
        parameters=parameters,
        started=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **_measured(run),
        **_surroundings(run),
    )


def _measured(run: Run) -> dict:
    # Six digits are more than one seed tells from the next, and keep the files short.
    def digits(value: float) -> float:
        return float(f"{value:.6g}")

    history = run.history.copy()
    figures = [name for name in history if name != "epoch"]
    history[figures] = history[figures].map(digits)
    return {
        "seconds": digits(run.seconds),
        "history": history,
        "test_loss": digits(run.test_loss),
        "test_accuracy": digits(run.test_accuracy),
    }


def _surroundings(run: Run) -> dict:
    return {
        "device": full_name(run.device),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "cnnbook": cnnbook.__version__,
        },
        "commit": code_commit(),
    }


@cache
def code_commit() -> str | None:
    """The commit of the package's code, "-dirty" if the code differs from it; None without git."""
    package = Path(cnnbook.__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(package), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # not just inside someone's repository
        commit = git("rev-parse", "--short=12", "HEAD")
        # Records are what a clean state of the code makes.
        changes = git("status", "--porcelain", "--", ".", ":!records/*/*")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changes else commit


def _is_recorded(trial: Trial, done: dict, name: str, scale: str) -> bool:
    """Whether the trial has a record. ValueError if that was made with other settings."""
    record = done.get((trial.arm, trial.recipe.seed))
    if record is None:
        return False
    was, is_now = _settings(record), _settings(trial)
    if trial.train_images is None:
        del was["train_images"], is_now["train_images"]
    for setting, value in is_now.items():
        if was[setting] != value:
            raise ValueError(
                f"{name}/{scale}/{trial.arm}-seed{record.seed}.json was recorded with {setting} "
                f"{was[setting]!r}, the experiment has {value!r} now; delete it to run it again"
            )
    return True


def _settings(one: Trial | Record) -> dict:
    plain = {key: getattr(one, key) for key in ("architecture", "data", "train_images")}
    options = json.loads(json.dumps(one.options))  # JSON knows lists only
    return plain | {"options": options} | asdict(one.recipe)


def _expected_seconds(trial: Trial, done) -> float:
    same = [record.seconds for record in done if record.arm == trial.arm]
    return max(same or [record.seconds for record in done], default=0.0)


def _say(really: bool, line: str) -> None:
    if really:
        print(line, flush=True)
