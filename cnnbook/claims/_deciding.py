"""From an interval to a verdict, in the words that every claim that needs runs
shares."""

from __future__ import annotations

from collections.abc import Sequence

from cnnbook import records
from cnnbook.records import Difference, Record


def recorded(experiment: str) -> tuple[Record, ...]:
    """An experiment's training runs on record, as `records.load` gives them."""
    found = records.load(experiment)
    return tuple(run for run in found if isinstance(run, Record))


def rules_out(found: Difference, effect: float) -> bool:
    """Whether an effect of this size, up or down, lies outside of the interval."""
    return max(-found.low, found.high) < abs(effect)


def undecided(*differences: tuple[Difference, float], whose: str = "") -> str:
    """What would decide a statement whose intervals do not, or what they rule out.

    Args:
        differences: each with the size of the effect that the paper found, in its
            unit.
        whose: said before the sizes, such as "the paper's ".
    """
    seeds = [found.seeds_for(effect) for found, effect in differences]
    sizes = whose + " or ".join(
        dict.fromkeys(
            f"{abs(effect):.2g} {found.unit}" for found, effect in differences
        )
    )
    if all(rules_out(found, effect) for found, effect in differences):
        where = "the interval" if len(differences) == 1 else "the intervals"
        return f"An effect of {sizes} lies outside of {where}."
    enough = [number for number in seeds if number is not None]
    if len(enough) < len(seeds):
        return (
            f"No number of seeds below 10,000 would resolve {sizes} at this spread."
        )
    have = min(found.n for found, _ in differences)
    if have >= max(enough):
        return (
            f"{have} seeds would tell {sizes} from zero with 80 % power; what was "
            "found is smaller, and could be none."
        )
    return (
        f"To tell {sizes} from zero with 80 % power takes about {max(enough)} "
        f"seeds at this spread; there are {have}."
    )


def how(runs: Sequence[Record]) -> str:
    """Scale, images, seeds and devices of some runs, in a phrase."""
    run, seeds = runs[0], len({run.seed for run in runs})
    devices = " and ".join(sorted({run.device for run in runs}))
    return (
        f"{run.scale} scale: {run.train_images:,} images of {run.data}, "
        f"{run.recipe.epochs} epochs, {seeds} seeds, {run.precision}, {devices}"
    )
