"""What decides the notes' statement on ZFNet: the paper's table; the search stands beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cnnbook import records
from cnnbook.claims import zfnet
from cnnbook.records import published

ALEXNET, ZFNET = zfnet.PUBLISHED["AlexNet"], zfnet.PUBLISHED["ZFNet"]


@pytest.fixture(scope="module")
def one():
    """A run of a stem on record, from which others are made."""
    return records.load("stem-search", "quick")[0]


def run(one, arm: str, accuracy: float, seed: int = 0, chooses: str | None = None):
    history = one.history.assign(validation_accuracy=accuracy)
    return replace(
        one,
        arm=arm,
        seed=seed,
        recipe=replace(one.recipe, seed=seed),
        history=history,
        test_accuracy=accuracy,
        correct=None,
        chooses=chooses,
    )


def test_it_rests_on_the_paper_s_table(monkeypatch):
    evidence = zfnet.trial_and_error((), ())
    assert evidence.holds and "37.5 % top-1 error, the network that it describes 38.4 %" in (
        evidence.measured
    )
    assert "not on record" in evidence.measured and evidence.table is None
    value = published.value
    monkeypatch.setattr(published, "value", lambda paper, of: 50 if "-" in of else value(paper, of))
    assert zfnet.trial_and_error((), ()).verdict == "does not hold"


def test_the_search_is_ordered_by_validation_images(one):
    tried = [
        run(one, arm, accuracy, 1000, "best")
        for arm, accuracy in [
            (ALEXNET, 0.80),
            (ZFNET, 0.83),
            ("3x3-s2-48", 0.82),
            ("5x5-s2-48", 0.85),
        ]
    ]
    runs = [
        run(one, arm, accuracy + seed / 1000, seed)
        for arm, accuracy in [(ALEXNET, 0.81), (ZFNET, 0.84), ("best", 0.86)]
        for seed in range(3)
    ]
    evidence = zfnet.trial_and_error(runs, tried)
    assert "4 stems" in evidence.measured
    assert "AlexNet's is at place 4, ZFNet's at 2." in evidence.measured
    assert "minus AlexNet's is +5.00 points" in evidence.measured
    assert " and minus ZFNet's is +2.00 points" in evidence.measured
    assert "))" not in evidence.measured
    assert evidence.table.loc["5x5-s2-48", "rank"] == 1


def test_a_search_without_a_choice_of_its_own_is_ordered_too():
    evidence = zfnet.trial_and_error(records.load("stem-search", "quick"), ())
    assert evidence.holds and "24 stems" in evidence.measured
    assert "ahead" not in evidence.measured
