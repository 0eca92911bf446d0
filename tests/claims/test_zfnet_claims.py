"""What the search over stems must show for the notes' statement on ZFNet."""

from __future__ import annotations

import pandas as pd
import pytest

from cnnbook import records
from cnnbook.claims import zfnet


@pytest.fixture
def search(monkeypatch):
    """Runs of a search with given accuracies: three seeds a stem."""

    def make(**by_arm: float):
        rows = [
            {"arm": arm, "seed": seed, "test_accuracy": mean + (seed - 1) * 0.01}
            for arm, mean in by_arm.items()
            for seed in range(3)
        ]
        monkeypatch.setattr(records, "table", pd.DataFrame)
        monkeypatch.setattr(records, "provenance", lambda runs: f"{len(runs)} runs.")
        return rows

    return make


ALEXNET, ZFNET = zfnet.PUBLISHED["AlexNet"], zfnet.PUBLISHED["ZFNet"]


def test_published_among_many_supports_it(search):
    runs = search(**{ALEXNET: 0.80, ZFNET: 0.83, "3x3-s2-48": 0.82, "5x5-s2-48": 0.85})
    evidence = zfnet.trial_and_error(runs)
    assert evidence.verdict == "holds with a caveat"
    assert "AlexNet's at place 4 (80.0%)" in evidence.measured
    assert "ZFNet's at place 2 (83.0%)" in evidence.measured
    assert evidence.table.loc["5x5-s2-48", "rank"] == 1


@pytest.mark.parametrize("published", [ALEXNET, ZFNET])
def test_a_published_stem_that_stands_out_does_not(search, published):
    other = ({ALEXNET, ZFNET} - {published}).pop()
    runs = search(**{published: 0.95, other: 0.80, "3x3-s2-48": 0.82})
    assert zfnet.trial_and_error(runs).verdict == "does not hold"
    # One that leads by less than the seeds differ does not stand out.
    runs = search(**{published: 0.83, other: 0.80, "3x3-s2-48": 0.82})
    assert zfnet.trial_and_error(runs).holds


def test_without_runs_nothing_was_measured():
    assert zfnet.trial_and_error(()).verdict == "not yet measured"
