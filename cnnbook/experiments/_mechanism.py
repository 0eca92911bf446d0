"""What an experiment is, and how its runs become records."""

from __future__ import annotations

import difflib
import importlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import torch

from cnnbook import data, models, records
from cnnbook.data import ImageSet
from cnnbook.experiments._provenance import digits, surroundings
from cnnbook.experiments._timing import TimingTrial
from cnnbook.measuring import NotEnoughMemory
from cnnbook.records import SCALES, Record, Timing
from cnnbook.records.checks import ARM, NAME
from cnnbook.records.store import read_all
from cnnbook.training import Recipe, Run, fit
from cnnbook.training.device import find_device

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

    @property
    def seed(self) -> int:
        return self.recipe.seed

    def with_seed(self, seed: int) -> Trial:
        """The run of this condition with that seed."""
        return replace(self, recipe=replace(self.recipe, seed=seed))

    def settings(self) -> dict:
        """What a record of this run must have in common with it."""
        return _settings(self) | asdict(self.recipe)

    def settings_of(self, record: Record) -> dict:
        """The same of a record."""
        settings = _settings(record) | asdict(record.recipe)
        if self.train_images is None:
            settings["train_images"] = None
        return settings


@dataclass(frozen=True)
class Experiment:
    """A comparison: its name, what is compared and why, and its trials at a scale."""

    name: str
    title: str
    trials: Callable[[str], Sequence[Trial | TimingTrial]]


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
) -> tuple[Record | Timing, ...]:
    """Run what has no record yet, seed by seed, and return all runs on record at this scale.

    Each run is recorded when it ends: after an interruption the next call goes on with the others.

    Args:
        name: the experiment.
        scale: "quick" (sized for two CPU cores) or "full" (for one GPU).
        device: "auto" (a GPU where there is one) or a torch device.
        seeds: each trial is run with each of these, as seed of the weights and of the recipe;
            what is only timed is run once.
        limit_seconds: start no run that is not expected to end within so many seconds from now,
            going by the longest run of its trial so far, or else of any; None: no limit.
        progress: show progress bars and a line for each run.
        folder: where the records are kept, instead of among those of the book.

    Raises:
        ValueError: if a name is unknown, a trial cannot be run, or a record on file was made with
            other settings than the experiment has now.
        FloatingPointError: if a run's loss is not finite.
    """
    place, start = find_device(device), time.perf_counter()
    total, todo = len(plan(name, scale, seeds)), missing(name, scale, seeds, folder)
    done = list(read_all(name, scale, folder))
    for number, trial in enumerate(todo):
        left = len(todo) - number
        if limit_seconds is not None:
            rest = limit_seconds - (time.perf_counter() - start)
            if _expected_seconds(trial, done) > rest:
                _say(progress, f"{name}: {left} of {total} runs left; run it again")
                break
        try:
            record = run_one(name, scale, trial, place, progress)
        except NotEnoughMemory as error:
            _say(progress, f"{name} {trial.arm}: left out, {error}; {left - 1} left")
            continue
        records.save(record, folder)
        done.append(record)
        _say(progress, f"{name} {result_of(record)}; {left - 1} left")
    return read_all(name, scale, folder)


def plan(name: str, scale: str, seeds: Sequence[int] = (0, 1, 2)) -> list[Trial | TimingTrial]:
    """Every run of an experiment at a scale, seed by seed; a timing once."""
    found = find(name)
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}; there is {', '.join(SCALES)}")
    runs = [trial.with_seed(seed) for seed in seeds for trial in found.trials(scale)]
    return list({(run.arm, run.seed): run for run in runs}.values())


def missing(
    name: str,
    scale: str,
    seeds: Sequence[int] = (0, 1, 2),
    folder: str | os.PathLike | None = None,
) -> list[Trial | TimingTrial]:
    """Of `plan`, the runs without a record.

    Raises:
        ValueError: if a record on file was made with other settings than the experiment has now.
    """
    runs = plan(name, scale, seeds)
    done = {(record.arm, record.seed): record for record in read_all(name, scale, folder)}
    return [trial for trial in runs if not _is_recorded(trial, done, name, scale)]


def run_one(
    name: str,
    scale: str,
    trial: Trial | TimingTrial,
    device: torch.device,
    progress: bool = True,
    shared: int = 1,
) -> Record | Timing:
    """Run one trial of the experiment `name`; its record, not yet saved.

    Args:
        name, scale, device, progress: as of :func:`run`.
        trial: one of `plan`.
        shared: how many runs are on the device at the same time, this one included.

    Raises:
        NotEnoughMemory: a ValueError, if a timing needs more than the device has.
    """
    started = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    where = {"experiment": name, "scale": scale, "started": started}
    if isinstance(trial, TimingTrial):
        return trial.run(device, **where)
    train, test = _load(trial.data, progress)
    return _train(trial, train, test, device, progress, shared, where)


def result_of(record: Record | Timing) -> str:
    """A run's outcome in a few words."""
    if isinstance(record, Timing):
        return f"{record.arm}: {record.images_per_second:,.1f} images/s"
    return (
        f"{record.arm}, seed {record.seed}: test accuracy "
        f"{record.test_accuracy:.1%} in {record.seconds:.0f} s"
    )


@cache
def _load(name: str, progress: bool) -> tuple[ImageSet, ImageSet]:
    return data.load(name, progress=progress)


def _train(
    trial: Trial,
    train: ImageSet,
    test: ImageSet,
    device: torch.device,
    progress: bool,
    shared: int,
    where: dict[str, str],
) -> Record:
    if trial.train_images is not None:
        train = train.subset(range(trial.train_images))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trial.recipe.seed)
        model = models.create(trial.architecture, **trial.options)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    run = fit(model, train, test, trial.recipe, device=device, progress=progress)
    return Record(
        **where,
        arm=trial.arm,
        architecture=trial.architecture,
        options=dict(trial.options),
        recipe=trial.recipe,
        seed=trial.recipe.seed,
        data=trial.data,
        data_checksum=train.checksum,
        train_images=len(train),
        parameters=parameters,
        **_measured(run),
        **surroundings(run.device, shared),
    )


def _measured(run: Run) -> dict:
    history = run.history.copy()
    figures = [name for name in history if name != "epoch"]
    history[figures] = history[figures].map(digits)
    return {
        "seconds": digits(run.seconds),
        "history": history,
        "test_loss": digits(run.test_loss),
        "test_accuracy": digits(run.test_accuracy),
    }


def _is_recorded(trial: Trial | TimingTrial, done: dict, name: str, scale: str) -> bool:
    """Whether the trial has a record. ValueError if that was made with other settings."""
    record = done.get((trial.arm, trial.seed))
    if record is None:
        return False
    was = trial.settings_of(record)
    for setting, value in trial.settings().items():
        if was[setting] != value:
            place = records.path_of(name, scale, trial.arm, trial.seed, "").as_posix()
            raise ValueError(
                f"{place} was recorded with {setting} "
                f"{was[setting]!r}, the experiment has {value!r} now; delete it to run it again"
            )
    return True


def _settings(one: Trial | Record) -> dict:
    plain = {key: getattr(one, key) for key in ("architecture", "data", "train_images")}
    return plain | {"options": json.loads(json.dumps(one.options))}  # JSON knows lists only


def _expected_seconds(trial: Trial, done) -> float:
    same = [record.seconds for record in done if record.arm == trial.arm]
    return max(same or [record.seconds for record in done], default=0.0)


def _say(really: bool, line: str) -> None:
    if really:
        print(line, flush=True)
