"""The one rule that decides, against numbers worked out by hand or printed in tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnnbook import records
from cnnbook.records.record import pack


@pytest.fixture
def pairs(make):
    """Runs of the arms "a" and "b", whose test accuracies differ by so many points a seed."""

    def pairs(*points, **fields):
        return tuple(
            make(arm=arm, seed=seed, test_accuracy=0.5 + more / 100, **fields)
            for seed, point in enumerate(points)
            for arm, more in (("a", point), ("b", 0.0))
        )

    return pairs


def test_the_interval_is_that_of_students_t(pairs):
    """Differences 1, 2, 3: mean 2, standard error 1/√3, and t(0.975; 2) = 4.302653."""
    found = records.compare(pairs(1, 2, 3), "a", "b")
    assert found.n == 3 and found.values == pytest.approx((1, 2, 3))
    assert found.mean == pytest.approx(2)
    half = 4.302653 / np.sqrt(3)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), rel=1e-6)
    back = records.compare(pairs(1, 2, 3), "b", "a")
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    assert str(found) == "+2.00 points (95 % interval −0.48 to +4.48, 3 seeds)"


def test_it_holds_does_not_hold_or_is_undecided(pairs):
    clear, unclear = records.compare(pairs(1, 1.1, 0.9), "a", "b"), pairs(1, 2, 3)
    assert clear.decides("higher") is True and clear.decides("lower") is False
    unclear = records.compare(unclear, "a", "b")
    assert unclear.decides("higher") is None and unclear.decides("lower") is None


def test_no_worse_needs_a_margin_named_beforehand(pairs):
    found = records.compare(pairs(0.1, 0.0, -0.1), "a", "b")  # ± 0.25
    assert found.within(0.5, "higher") is True and found.within(0.5, "lower") is True
    assert found.within(0.1, "higher") is None
    worse = records.compare(pairs(1, 1.1, 0.9), "a", "b")
    assert worse.within(0.5, "higher") is False and worse.within(0.5, "lower") is True
    for margin in (0, -1, float("nan"), None):
        with pytest.raises(ValueError, match="margin must be a positive number"):
            found.within(margin, "higher")
    with pytest.raises(ValueError, match='direction must be "higher" or "lower", got "'[:-2]):
        found.decides("up")


def test_runs_are_paired_by_seed(pairs):
    """A difference that all seeds share is clear, however much the seeds differ."""
    runs = [
        replace(run, test_accuracy=run.test_accuracy + 0.05 * run.seed)
        for run in pairs(1, 1.1, 0.9, 1.05)
    ]
    assert records.compare(runs, "a", "b").decides("higher") is True
    alone = [run for run in runs if (run.arm, run.seed) != ("b", 2)]
    assert records.compare(alone, "a", "b").n == 3


@pytest.mark.parametrize(("size", "seeds"), [(1.0, 10), (0.5, 34), (2.0, 5)])
def test_the_seeds_that_would_resolve_an_effect(pairs, size, seeds):
    """Pairs for 80 % power at 5 %, two-sided: standard tables of the paired t-test."""
    found = records.compare(pairs(-1, 0, 1), "a", "b")  # deviation 1
    assert found.seeds_for(size) == found.seeds_for(-size) == seeds
    assert found.seeds_for(1e-4) is None
    with pytest.raises(ValueError, match="effect must be a number other than zero"):
        found.seeds_for(0)


def test_the_test_images_own_error_comes_from_those_that_the_arms_disagree_on(make):
    """b right alone on 30 of 1,000, a right alone on 50: (50 - 30)/1000 ± 1.96 √(80 - 0.4)/1000."""
    a, b = np.ones(1000, bool), np.ones(1000, bool)
    a[:30], b[30:80] = False, False
    runs = [
        make(arm=arm, seed=seed, correct=pack(bits), test_accuracy=float(bits.mean()))
        for seed in (0, 1)
        for arm, bits in (("a", a), ("b", b))
    ]
    found = records.compare(runs, "a", "b")
    assert found.mean == pytest.approx(2.0) and found.low == found.high == found.mean
    assert found.test_error == pytest.approx(100 * 1.96 * np.sqrt(80 - 0.4) / 1000, rel=1e-3)
    assert records.compare(runs, "a", "b", "train_loss").test_error is None
    lost = [replace(run, correct=None) for run in runs]
    assert records.compare(lost, "a", "b").test_error is None


def test_training_error_is_that_of_fixed_images_where_there_are_some(make):
    def run(arm, seed, fixed):
        recipe = replace(make().recipe, seed=seed, fixed_images=100)
        history = make().history.assign(fixed_loss=[1.0, fixed], fixed_accuracy=[0.5, 1 - fixed])
        return make(arm=arm, seed=seed, recipe=recipe, history=history)

    runs = [run(arm, s, x + s / 100) for arm, x in (("a", 0.3), ("b", 0.2)) for s in (0, 1)]
    assert records.compare(runs, "a", "b", "train_error").mean == pytest.approx(10)
    assert records.compare(runs, "a", "b", "train_loss").mean == pytest.approx(0.1)
    without = [make(arm=arm, seed=seed) for arm in "ab" for seed in (0, 1)]
    of_training = records.compare(without, "a", "b", "train_error")
    assert of_training.mean == 0 and of_training.n == 2


def test_a_slope_over_all_arms(make):
    """Three seeds that rise by 1, 2 and 3 points a step from levels of their own."""
    places = {"one": 0, "two": 1, "four": 2, "sixteen": 4}
    runs = [
        make(arm=arm, seed=seed, test_accuracy=0.4 + 0.1 * seed + 0.01 * (seed + 1) * place)
        for seed in range(3)
        for arm, place in places.items()
    ]
    found = records.slope(runs, places)
    assert found.values == pytest.approx((1, 2, 3)) and found.unit == "points a step"
    assert records.slope(runs[1:], places).n == 2  # a seed without all its arms is left out
    with pytest.raises(ValueError, match="a slope needs at least three places, got 2"):
        records.slope(runs, {"one": 0, "two": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": "full"}, "runs of 2 kinds of scale are not compared: full, quick"),
        ({"precision": "bf16"}, "runs of 2 kinds of precision are not compared: bf16, fp32"),
        ({"train_images": 9}, "runs of 2 kinds of train_images are not compared"),
    ],
)
def test_unlike_runs_are_not_compared(pairs, change, message):
    first, *others = pairs(1, 2, 3)
    with pytest.raises(ValueError, match=message):
        records.compare([replace(first, **change), *others], "a", "b")


def test_bad_questions(pairs):
    runs = pairs(1, 2)
    with pytest.raises(ValueError, match="^no run of the arm 'c'; there is a, b$"):
        records.compare(runs, "a", "c")
    with pytest.raises(ValueError, match="^unknown measure 'speed'; there is train_error, "):
        records.compare(runs, "a", "b", "speed")
    with pytest.raises(ValueError, match="^an interval needs at least 2 seeds, a − b, test_acc"):
        records.compare(pairs(1), "a", "b")
