"""Records as a table, and in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from cnnbook.records.compare import MEASURES
from cnnbook.records.record import Record
from cnnbook.records.timing import Timing

COLUMNS = [
    "arm", "seed", "epochs", "train_loss", "train_accuracy", "validation_loss",
    "validation_accuracy", "test_accuracy", "seconds", "parameters", "train_error",
]  # fmt: skip
TIMING_COLUMNS = [
    "arm", "architecture", "training", "dtype", "batch_size", "latency",
    "images_per_second", "peak_memory", "operations_per_second", "share_of_peak",
    "intensity",
]  # fmt: skip


def table(runs: Sequence[Record | Timing]) -> pd.DataFrame:
    """A row per run: arm, seed, epochs, the losses and accuracies after the last
    epoch, …

    Training figures are the mean over the last epoch, while the weights moved, but
    for `train_error` (%), which is that of fixed images in evaluation mode where
    they were recorded; accuracies are in [0, 1], `seconds` is the whole run.
    Timings have columns of their own, named as the attributes of :class:`Timing`.
    ValueError if there are runs of both kinds.
    """
    if len(kinds := {type(run) for run in runs}) > 1:
        raise ValueError(
            "training runs and timings make no common table; ask for each by itself"
        )
    if kinds == {Timing}:
        rows = [[getattr(run, name) for name in TIMING_COLUMNS] for run in runs]
        return pd.DataFrame(rows, columns=TIMING_COLUMNS)
    trained = []
    for run in runs:
        if not isinstance(run, Record):
            continue
        last = run.history.iloc[-1].to_dict()
        row = {"arm": run.arm, "seed": run.seed, "epochs": run.recipe.epochs}
        row |= {name: last[name] for name in COLUMNS[3:7]}
        row |= {name: getattr(run, name) for name in COLUMNS[7:-1]}
        row["train_error"] = MEASURES["train_error"][1](run)
        trained.append(row)
    return pd.DataFrame(trained, columns=COLUMNS)


def by_device(runs: Sequence[Record]) -> pd.DataFrame:
    """What one recipe took on each device that ran it, the fastest first.

    Returns:
        A row per device and number of threads: `device`, `threads` (of a CPU),
        `runs`, the `accuracy` on the test images (%, the mean) with its `deviation`
        (points; the standard deviation of a run), `seconds` on the clock (the mean
        of whole runs), `process_seconds` over all threads, and `torch`, its
        versions.

    Raises:
        ValueError: if the runs are not all of one arm and scale, or one of them
            kept no `process_seconds`.
    """
    trained = [run for run in runs if isinstance(run, Record)]
    if len(found := {(run.experiment, run.scale, run.arm) for run in trained}) != 1:
        raise ValueError(
            "devices are compared by runs of one experiment, scale and arm, got "
            f"{len(found)} kinds of run"
        )
    if any(run.process_seconds is None for run in trained):
        raise ValueError("one of the runs has no process_seconds on record")
    each = pd.DataFrame(
        {
            "device": [run.device for run in trained],
            "threads": [run.threads for run in trained],
            "accuracy": [100 * run.test_accuracy for run in trained],
            "seconds": [run.seconds for run in trained],
            "process_seconds": [run.process_seconds for run in trained],
            "torch": [run.versions["torch"] for run in trained],
        }
    )
    return (
        each.groupby(["device", "threads"], as_index=False)
        .agg(
            runs=("accuracy", "size"),
            accuracy=("accuracy", "mean"),
            deviation=("accuracy", "std"),
            seconds=("seconds", "mean"),
            process_seconds=("process_seconds", "mean"),
            torch=("torch", lambda names: ", ".join(sorted(set(names)))),
        )
        .sort_values("seconds", ignore_index=True)
    )


def provenance(runs: Sequence[Record | Timing]) -> str:
    """How, on what device, when and with what these runs were made, in a
    sentence."""
    if not runs:
        return "No run is on record."
    arms = len({run.arm for run in runs})
    # A timing has none.
    seeds = sorted({run.seed for run in runs if run.seed is not None})
    of_seeds = (
        f", seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
        if seeds
        else ""
    )
    dates = sorted(run.date for run in runs)
    devices = _each(
        f"{run.device}, {run.threads} thread{'s' * (run.threads > 1)}"
        if run.device.startswith("CPU")
        else run.device
        for run in runs
    )
    if (commits := {run.commit for run in runs}) == {None}:
        commit = "outside a repository"
    else:
        commit = f"commit {_each(name or 'unknown' for name in commits)}"
    period = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    seconds = sum(run.seconds for run in runs)
    duration = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return (
        f"{len(runs)} run{'s' * (len(runs) > 1)} of "
        f"{_each(run.experiment for run in runs)}, "
        f"{_each(run.scale for run in runs)} scale ({arms} "
        f"arm{'s' * (arms > 1)}{of_seeds}{_passes(runs)}; {duration} in all) on "
        f"{devices}, "
        f"{period}, torch {_each(run.versions['torch'] for run in runs)}, {commit}."
    )


def _passes(runs: Sequence[Record | Timing]) -> str:
    """How often the trained ones saw how many images, in which precision."""
    trained = [run for run in runs if isinstance(run, Record)]
    if not trained:
        return ""
    epochs = _range(run.recipe.epochs for run in trained)
    images = _range(run.train_images for run in trained)
    precision = _each(run.precision for run in trained)
    plural = "" if epochs == "1" else "s"
    return f"; {epochs} epoch{plural} of {images} images in {precision}"


def _range(values: Iterable[int]) -> str:
    found = sorted(set(values))
    ends = dict.fromkeys((found[0], found[-1]))
    return " to ".join(f"{end:,}" for end in ends)


def _each(values: Iterable[str]) -> str:
    found = sorted(set(values))
    return " and ".join(filter(None, [", ".join(found[:-1]), found[-1]]))
