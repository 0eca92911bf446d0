"""Records as a table, and in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cnnbook.records.record import Record

COLUMNS = [
    "arm", "seed", "epochs", "train_loss", "train_accuracy", "validation_loss",
    "validation_accuracy", "test_accuracy", "seconds", "parameters",
]  # fmt: skip


def table(runs: Sequence[Record]) -> pd.DataFrame:
    """A row per run: arm, seed, epochs, the losses and accuracies after the last epoch, …

    Training figures are the mean over the last epoch, while the weights moved; accuracies are in
    [0, 1], `seconds` is the whole run.
    """
    rows = []
    for run in runs:
        last = run.history.iloc[-1].to_dict()
        row = {"arm": run.arm, "seed": run.seed, "epochs": run.recipe.epochs}
        row |= {name: last[name] for name in COLUMNS[3:7]}
        row |= {name: getattr(run, name) for name in COLUMNS[7:]}
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def provenance(runs: Sequence[Record]) -> str:
    """On what device, when and with what these runs were made, in a sentence."""
    if not runs:
        return "No run is on record."

    def each(values) -> str:
        found = sorted(set(values))
        return " and ".join(filter(None, [", ".join(found[:-1]), found[-1]]))

    arms = len({run.arm for run in runs})
    seeds = sorted({run.seed for run in runs})
    dates = sorted(run.date for run in runs)
    devices = each(
        f"{run.device}, {run.threads} thread{'s' * (run.threads > 1)}"
        if run.device.startswith("CPU")
        else run.device
        for run in runs
    )
    if (commits := {run.commit for run in runs}) == {None}:
        commit = "outside a repository"
    else:
        commit = f"commit {each(name or 'unknown' for name in commits)}"
    period = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    seconds = sum(run.seconds for run in runs)
    duration = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return (
        f"{len(runs)} run{'s' * (len(runs) > 1)} of {each(run.experiment for run in runs)}, "
        f"{each(run.scale for run in runs)} scale "
        f"({arms} arm{'s' * (arms > 1)}, seed{'s' * (len(seeds) > 1)} "
        f"{', '.join(map(str, seeds))}; {duration} in all) on {devices}, {period}, "
        f"torch {each(run.versions['torch'] for run in runs)}, {commit}."
    )
