"""What an experiment is, and how one run of it becomes a record."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import torch

from cnnbook import data, models, records
from cnnbook._arguments import near
from cnnbook.data import ImageSet, ImageStream
from cnnbook.experiments._provenance import digits, surroundings
from cnnbook.experiments._timing import TimingTrial
from cnnbook.models import pretrained
from cnnbook.records import SCALES, Record, Timing
from cnnbook.records.checks import ARM, NAME
from cnnbook.records.record import pack
from cnnbook.training import Recipe, Run, fit
from cnnbook.training.device import autocast
from cnnbook.training.loop import evaluate

Images = ImageSet | ImageStream

FOLDER = Path(__file__).parent
CHOOSING_SEED = 1_000  # of the runs that choose a learning rate; no result has it


@dataclass(frozen=True)
class Trial:
    """One condition of an experiment; each seed makes a run of it.

    Attributes:
        arm: the condition's label: letters, digits and . + _ -
        architecture, options: the network, as
            ``models.create(architecture, **options)`` takes it.
        recipe: how it is trained; its seed is replaced by that of the run.
        data: the image set's name, as ``data.load`` takes it.
        train_images: use only so many images, the first ones; None: all.
        rates: learning rates, of which that with the lowest training loss at the
            end of a run with the seed `CHOOSING_SEED` takes the place of the
            recipe's; (): none.
        widens: where the lowest or the highest rate is the best, half or double of
            it is tried, too, until the best lies between two others.
        choosing_epochs: so many epochs for those runs, when the recipe's would take
            too long; None: the recipe's.
        among: conditions of which this one becomes that with the highest accuracy
            on validation images, chosen alike; (): none.
        chooses: the arm for which this run helps to choose; None for a result.
        ships: whether the weights of seed 0 come with the package.

    Raises:
        ValueError: if `arm` cannot be a part of a file's name.
    """

    arm: str
    architecture: str
    recipe: Recipe
    options: dict = field(default_factory=dict)
    data: str = "fashion-mnist-mini"
    train_images: int | None = None
    rates: tuple[float, ...] = ()
    widens: bool = False
    choosing_epochs: int | None = None
    among: tuple[Trial, ...] = ()
    chooses: str | None = None
    ships: bool = False

    def __post_init__(self) -> None:
        if not ARM.fullmatch(self.arm):
            raise ValueError(
                f"arm must be of letters, digits and . + _ -, got {self.arm!r}"
            )
        if self.rates and self.among:
            raise ValueError(
                f"{self.arm} is chosen by its rates or among others, not by both"
            )

    @property
    def seed(self) -> int:
        return self.recipe.seed

    def with_seed(self, seed: int) -> Trial:
        """The run of this condition with that seed."""
        return replace(self, recipe=replace(self.recipe, seed=seed))

    def wider(self, done: Sequence[Record]) -> Trial:
        """This condition with one more rate, if the best of all its rates, of which
        these are the records, has none on one side of it."""
        if not self.widens:
            return self
        best = self.with_best(done).recipe.lr
        beyond = {min(self.rates): best / 2, max(self.rates): best * 2}
        if best not in beyond:
            return self
        return replace(self, rates=(*self.rates, beyond[best]))

    def candidates(self) -> list[Trial]:
        """The runs by which this condition is chosen; none if there is nothing to
        choose."""
        epochs = self.choosing_epochs or self.recipe.epochs
        rates = [
            replace(
                self,
                arm=f"{self.arm}-lr{rate:g}",
                recipe=replace(self.recipe, lr=rate, epochs=epochs),
            )
            for rate in self.rates
        ]
        return [
            replace(
                each.with_seed(CHOOSING_SEED),
                chooses=self.arm,
                rates=(),
                among=(),
                ships=False,
            )
            for each in (*rates, *self.among)
        ]

    def with_best(self, done: Sequence[Record]) -> Trial:
        """This condition as the best of the candidates, whose records these are.

        No test image takes part.
        """
        if self.among:
            best = max(
                done, key=lambda run: run.history.validation_accuracy.iloc[-1]
            )
        else:
            _, loss = records.MEASURES["train_loss"]  # after the last epoch
            best = min(done, key=loss)
        return replace(
            self,
            architecture=best.architecture,
            options=best.options,
            recipe=replace(self.recipe, lr=best.recipe.lr),
            rates=(),
            among=(),
        )

    def settings(self) -> dict:
        """What a record of this run must have in common with it."""
        return _settings(self) | asdict(self.recipe)

    def settings_of(self, record: Any) -> dict:
        """The same of a record, a `Record`."""
        settings = _settings(record) | asdict(record.recipe)
        if self.train_images is None:
            settings["train_images"] = None
        return settings


@dataclass(frozen=True)
class Experiment:
    """A comparison: its name, what is compared and why, and its trials at a scale.

    Attributes:
        name, title: its name, and what is compared and why, in a sentence.
        trials: from a scale to its trials.
        seeds: at each scale that it has, how many seeds make it complete.
        threads: of a run on a CPU.
        alone: whether its runs need the machine for themselves, their time being a
            result.
    """

    name: str
    title: str
    trials: Callable[[str], Sequence[Trial | TimingTrial]]
    seeds: Mapping[str, int]
    threads: int = 1
    alone: bool = False

    def seeds_at(self, scale: str) -> range:
        """The stated seeds. ValueError if the experiment has no such scale."""
        if scale not in SCALES:
            raise ValueError(
                f"unknown scale {scale!r}; there is {', '.join(SCALES)}"
            )
        if scale not in self.seeds:
            raise ValueError(
                f"{self.name} has no {scale} scale; it has {', '.join(self.seeds)}"
            )
        return range(self.seeds[scale])


_EXPERIMENTS: dict[str, Experiment] = {}


def experiment(
    name: str,
    *,
    title: str,
    seeds: Mapping[str, int] | None = None,
    threads: int = 1,
    alone: bool = False,
):
    """Register the decorated function, from a scale to the trials, as an
    experiment.

    Args:
        name: that of the module, with - for _.
        title, seeds, threads, alone: as of :class:`Experiment`.
    """
    seeds = {"full": 3, "quick": 3} if seeds is None else seeds

    def register(
        trials: Callable[[str], Sequence[Trial]],
    ) -> Callable[[str], Sequence[Trial]]:
        if not NAME.fullmatch(name) or name in _EXPERIMENTS:
            raise ValueError(
                f"an experiment's name must be new and like kernel-stacks: {name!r}"
            )
        _EXPERIMENTS[name] = Experiment(name, title, trials, seeds, threads, alone)
        return trials

    return register


def names() -> tuple[str, ...]:
    """Every experiment; each has a module of its name here, with _ for -."""
    return tuple(
        sorted(path.stem.replace("_", "-") for path in FOLDER.glob("[a-z]*.py"))
    )


def find(name: str) -> Experiment:
    """The experiment `name`. ValueError if there is none (near names are
    offered)."""
    if name not in _EXPERIMENTS:
        if name not in names():
            raise ValueError(f"unknown experiment {name!r}; {near(name, names())}")
        importlib.import_module(f"cnnbook.experiments.{name.replace('-', '_')}")
    return _EXPERIMENTS[name]


def run_one(
    name: str,
    scale: str,
    trial: Trial | TimingTrial,
    device: torch.device,
    progress: bool = True,
    shared: int = 1,
    *,
    checkpoint: Path | None = None,
    weights: Path | None = None,
) -> Record | Timing:
    """Run one trial of the experiment `name`; its record, not yet saved.

    Args:
        name, scale: of the experiment.
        trial: one of its plan.
        device: where it runs; on a CPU with the experiment's threads.
        progress: show a progress bar.
        shared: how many runs are on the device at the same time, this one included.
        checkpoint: a folder from which a run that was stopped goes on.
        weights: the folder for weights that come with the package; None: they are
            not kept.

    Raises:
        NotEnoughMemory: a ValueError, if a timing needs more than the device has.
        FloatingPointError: if the loss is not finite.
    """
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    where: dict[str, Any] = {
        "experiment": name,
        "scale": scale,
        "started": started,
    }
    if isinstance(trial, TimingTrial):
        return trial.run(device, **where)
    train, test = _load(trial.data, progress)
    if trial.train_images is not None:
        train = train.subset(range(trial.train_images))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trial.recipe.seed)
        model = models.create(trial.architecture, **trial.options)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    with _threads(find(name).threads if device.type == "cpu" else None):
        run = fit(
            model,
            train,
            test,
            trial.recipe,
            device=device,
            progress=progress,
            checkpoint=checkpoint,
        )
        here = surroundings(run.device, shared)
    record = Record(
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
        chooses=trial.chooses,
        **_measured(run),
        **here,
    )
    if trial.ships and trial.seed == 0 and weights is not None:
        _keep_weights(run, record, train, test, weights)
    return record


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """So many threads for torch's operations on the CPU; None: as many as there
    are."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if number is None else number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _keep_weights(
    run: Run, record: Record, train: Images, test: Images, folder: Path
) -> None:
    """Write the trained network's weights in half precision, measured as they are
    written."""
    mean, std = (
        part.flatten().tolist() for part in (run.prepare.mean, run.prepare.std)
    )
    about = pretrained.Weights(
        architecture=record.architecture,
        options=record.options,
        source=record.data,
        image_size=run.recipe.image_size or train.input_size[-1],
        mean=tuple(map(digits, mean)),
        std=tuple(map(digits, std)),
        classes=train.classes,
        accuracy=0.0,
        experiment=record.experiment,
        arm=record.arm,
        seed=record.seed,
        path=folder / f"{record.architecture}-{record.data}{pretrained.SUFFIX}",
    )
    kept = {name: value.clone() for name, value in run.model.state_dict().items()}
    halved = {
        n: v.half().float() if v.is_floating_point() else v for n, v in kept.items()
    }
    run.model.load_state_dict(halved)
    device = next(run.model.parameters()).device
    found = evaluate(run.model, test, run.prepare, autocast(device, "fp32"))
    pretrained.write(run.model, replace(about, accuracy=digits(found.accuracy)))
    run.model.load_state_dict(kept)


def result_of(record: Record | Timing) -> str:
    """A run's outcome in a few words."""
    if isinstance(record, Timing):
        return f"{record.arm}: {record.images_per_second:,.1f} images/s"
    return (
        f"{record.arm}, seed {record.seed}: test accuracy "
        f"{record.test_accuracy:.1%} in {record.seconds:.0f} s"
    )


@cache
def _load(name: str, progress: bool) -> tuple[Images, Images]:
    return data.load(name, progress=progress)


def _measured(run: Run) -> dict:
    loss, accuracy, correct = run.test_loss, run.test_accuracy, run.test_correct
    if loss is None or accuracy is None or correct is None:
        raise ValueError(f"{run.data} has no test images to measure the run on")
    history = run.history.copy()
    figures = [name for name in history if name != "epoch"]
    history[figures] = history[figures].map(digits)
    return {
        "seconds": digits(run.seconds),
        "history": history,
        "test_loss": digits(loss),
        "test_accuracy": digits(accuracy),
        "process_seconds": digits(run.process_seconds),
        "precision": run.precision,
        "correct": pack(correct.numpy()),
    }


def check_recorded(trial: Trial | TimingTrial, record: Record | Timing) -> None:
    """ValueError if the trial's record was made with other settings than it has
    now."""
    was = trial.settings_of(record)
    for setting, value in trial.settings().items():
        if was[setting] != value:
            place = records.path_of(
                record.experiment,
                record.scale,
                record.arm,
                record.seed,
                "",
                chooses=getattr(record, "chooses", None) is not None,
            ).as_posix()
            raise ValueError(
                f"{place} was recorded with {setting} {was[setting]!r}, the "
                f"experiment has {value!r} now; delete it to run it again"
            )


def _settings(one: Trial | Record) -> dict:
    plain = {
        key: getattr(one, key) for key in ("architecture", "data", "train_images")
    }
    # JSON knows lists only.
    return plain | {"options": json.loads(json.dumps(one.options))}
