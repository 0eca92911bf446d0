"""The one rule by which two arms of an experiment are told apart.

Runs are paired by seed: the two arms then had the same order of images and the same
held-out ones. The mean of the differences gets its 95 % interval from Student's t
distribution (with three seeds it reaches 4.3 standard errors to each side, not
two). A statement is decided by where that interval lies: clear of zero, or of a
margin named beforehand. Else it is undecided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cnnbook.records.record import Record

CONFIDENCE = 0.95
POWER = 0.8
MOST_SEEDS = 10_000
# measure: its unit, and what it is of a run. Errors and accuracies are in percent.
MEASURES = {
    "train_error": ("points", lambda run: 100 * (1 - _last(run, "accuracy"))),
    "train_loss": ("nats", lambda run: _last(run, "loss")),
    "validation_error": (
        "points",
        lambda run: 100 * (1 - _end(run, "validation_accuracy")),
    ),
    "validation_accuracy": (
        "points",
        lambda run: 100 * _end(run, "validation_accuracy"),
    ),
    "test_error": ("points", lambda run: 100 * (1 - run.test_accuracy)),
    "test_accuracy": ("points", lambda run: 100 * run.test_accuracy),
    "test_loss": ("nats", lambda run: run.test_loss),
}
Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class Difference:
    """How much a measure changes from one arm to another: an estimate and its
    interval.

    Attributes:
        what: what was subtracted, such as "plain56 − plain20, train_error".
        unit: of the differences, such as "points".
        values: one difference a seed.
        mean: of them.
        low, high: the 95 % interval of the mean over seeds.
        test_error: half the width of the 95 % interval that the choice of test
            images leaves, from the images that the arms disagree on; None where no
            image was recorded, or the measure is not of test images.
    """

    what: str
    unit: str
    values: tuple[float, ...]
    mean: float
    low: float
    high: float
    test_error: float | None = None

    @property
    def n(self) -> int:
        """The number of seeds."""
        return len(self.values)

    def decides(self, direction: Direction) -> bool | None:
        """Whether the first arm is "higher" or "lower": True, False, or None,
        undecided."""
        low, high = self._towards(direction)
        return True if low > 0 else False if high < 0 else None

    def within(self, margin: float, direction: Direction) -> bool | None:
        """Whether the first arm is not "higher" (or "lower") by as much as
        `margin`.

        True if the whole interval is below the margin, False if it is above, else
        None.

        Raises:
            ValueError: if the margin is not positive, or the direction is neither.
        """
        if not (
            isinstance(margin, (int, float))
            and math.isfinite(margin)
            and margin > 0
        ):
            raise ValueError(f"margin must be a positive number, got {margin!r}")
        low, high = self._towards(direction)
        return True if high < margin else False if low > margin else None

    def seeds_for(self, effect: float) -> int | None:
        """Seeds that would tell an effect of this size from zero with 80 % power.

        Computed from the spread of these differences. None if it takes more than
        10,000.

        Raises:
            ValueError: if the effect is zero or not finite.
        """
        if not (
            isinstance(effect, (int, float)) and math.isfinite(effect) and effect
        ):
            raise ValueError(
                f"effect must be a number other than zero, got {effect!r}"
            )
        spread = float(np.std(self.values, ddof=1))
        if not spread:
            return 2
        size = abs(effect) / spread
        lower, upper = 2, MOST_SEEDS
        if _power(upper, size) < POWER:
            return None
        while lower < upper:
            middle = (lower + upper) // 2
            if _power(middle, size) < POWER:
                lower = middle + 1
            else:
                upper = middle
        return lower

    def __str__(self) -> str:
        return self._in_words(f", {self.n} seeds")

    def without_seeds(self) -> str:
        """The mean and its interval in words, where the number of seeds is told
        elsewhere."""
        return self._in_words("")

    def _in_words(self, seeds: str) -> str:
        images = (
            ""
            if self.test_error is None
            else f"; other test images: ± {self.test_error:.2f}"
        )
        return (
            f"{_signed(self.mean)} {self.unit} (95 % interval {_signed(self.low)} "
            f"to {_signed(self.high)}{seeds}{images})"
        )

    def _towards(self, direction: Direction) -> tuple[float, float]:
        if direction not in ("higher", "lower"):
            raise ValueError(
                f'direction must be "higher" or "lower", got {direction!r}'
            )
        return (
            (self.low, self.high)
            if direction == "higher"
            else (-self.high, -self.low)
        )


def compare(
    runs: Sequence[Record], one: str, other: str, measure: str = "test_accuracy"
) -> Difference:
    """The first arm's measure less the second's, over the seeds that both have.

    Args:
        runs: of one experiment, as `records.load` gives them.
        one, other: the two arms.
        measure: "train_error" or "train_loss" (after the last epoch: in evaluation
            mode on fixed images where the recipe has them, else the mean while
            training), "validation_error", "validation_accuracy", "test_error",
            "test_accuracy" or "test_loss".

    Raises:
        ValueError: if an arm or a measure is unknown, fewer than two seeds have
            both arms, or the runs are of several scales, precisions, or sets of
            images.
    """
    unit, value = _measure(measure)
    arms = {
        arm: {run.seed: run for run in runs if run.arm == arm}
        for arm in (one, other)
    }
    for arm, found in arms.items():
        if not found:
            known = ", ".join(sorted({run.arm for run in runs})) or "none"
            raise ValueError(f"no run of the arm {arm!r}; there is {known}")
    seeds = sorted(arms[one].keys() & arms[other].keys())
    pairs = [(arms[one][seed], arms[other][seed]) for seed in seeds]
    _require_alike([run for pair in pairs for run in pair])
    differences = [value(a) - value(b) for a, b in pairs]
    error = (
        _test_error(pairs) if measure in ("test_error", "test_accuracy") else None
    )
    return interval(differences, f"{one} − {other}, {measure}", unit, error)


def slope(
    runs: Sequence[Record], places: dict[str, float], measure: str = "test_accuracy"
) -> Difference:
    """How much a measure changes for each step along a scale: a slope a seed, and
    its interval.

    Args:
        runs: of one experiment, as `records.load` gives them.
        places: where each arm stands on the scale, such as the logarithm of its
            paths.
        measure: as `compare` takes it.

    Raises:
        ValueError: as of `compare`; or if there are fewer than three places.
    """
    unit, value = _measure(measure)
    if len(set(places.values())) < 3:
        raise ValueError(
            f"a slope needs at least three places, got {len(set(places.values()))}"
        )
    table: dict[int, dict[str, Record]] = {}
    for run in runs:
        if run.arm in places:
            table.setdefault(run.seed, {})[run.arm] = run
    whole = {seed: row for seed, row in table.items() if len(row) == len(places)}
    _require_alike([run for row in whole.values() for run in row.values()])
    slopes = [
        float(
            np.polyfit(
                [places[arm] for arm in row], [value(row[arm]) for arm in row], 1
            )[0]
        )
        for _, row in sorted(whole.items())
    ]
    return interval(slopes, f"slope of {measure}", f"{unit} a step")


def interval(
    values: Sequence[float],
    what: str,
    unit: str = "points",
    test_error: float | None = None,
) -> Difference:
    """The mean of values that were measured independently, and its 95 % t-interval.

    Args:
        values: one a seed.
        what: what they are of, as `Difference.what`.
        unit: theirs.
        test_error: as `Difference.test_error`.

    Raises:
        ValueError: if there are fewer than two.
    """
    values = tuple(map(float, values))
    if len(values) < 2:
        raise ValueError(
            f"an interval needs at least 2 seeds, {what} has {len(values)}; run "
            "more of them"
        )
    from scipy import stats  # takes a second to import, and only statistics need it

    mean = float(np.mean(values))
    if np.ptp(values) < 1e-9:  # scipy has no interval for no spread
        low = high = mean
    else:
        result = stats.ttest_1samp(values, 0.0).confidence_interval(CONFIDENCE)
        low, high = float(result.low), float(result.high)
    return Difference(what, unit, values, mean, low, high, test_error)


def _measure(name: str):
    if name not in MEASURES:
        raise ValueError(
            f"unknown measure {name!r}; there is {', '.join(MEASURES)}"
        )
    return MEASURES[name]


def _last(run: Record, what: str) -> float:
    kind = "fixed" if run.recipe.fixed_images else "train"
    return _end(run, f"{kind}_{what}")


def _end(run: Record, column: str) -> float:
    return float(run.history[column].iloc[-1])


def _require_alike(runs: Sequence[Record]) -> None:
    for name in ("experiment", "scale", "precision", "data", "train_images"):
        found = sorted({str(getattr(run, name)) for run in runs})
        if len(found) > 1:
            raise ValueError(
                f"runs of {len(found)} kinds of {name} are not compared: "
                f"{', '.join(found)}"
            )


def _test_error(pairs: Sequence[tuple[Record, Record]]) -> float | None:
    """Half the 95 % interval of a difference that the sample of test images leaves,
    in points.

    An image counts by its mean difference over the seeds; all seeds see the same
    images.
    """
    bits: list[tuple[np.ndarray, np.ndarray]] = []
    for one, other in pairs:
        a, b = one.test_correct, other.test_correct
        if a is None or b is None or (bits and len(a) != len(bits[0][0])):
            return None
        bits.append((a, b))
    from scipy import stats

    image = np.mean([a.astype(float) - b.astype(float) for a, b in bits], axis=0)
    quantile = stats.norm.ppf((1 + CONFIDENCE) / 2)
    return float(100 * quantile * np.std(image, ddof=1) / math.sqrt(len(image)))


def _power(n: int, size: float) -> float:
    """Of a two-sided paired t-test with n pairs, at an effect of `size` standard
    deviations."""
    from scipy import stats

    bound = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
    return float(stats.nct.sf(bound, n - 1, size * math.sqrt(n)))


def _signed(value: float) -> str:
    return f"{value:+z.2f}".replace("-", "−")
