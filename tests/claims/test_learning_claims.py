"""The papers' statements on starts, steps and batch normalisation: each verdict turns when
its evidence does."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from cnnbook import claims
from cnnbook.claims import batchnorm, learning


def test_he_s_start_keeps_a_signal_and_glorot_s_halves_it():
    found = claims.check("learning/he-start")
    assert found.verdict == "holds"
    his, glorot = found.table["mean square, a layer"]
    # Twice the variance is twice the mean square, of the same random numbers.
    assert his == pytest.approx(2 * glorot, rel=1e-6) and 0.9 < his < 1.1


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_start_of_another_variance_fails(gain):
    other = partial(nn.init.kaiming_normal_, nonlinearity="linear")
    starts = learning.STARTS | {"He": lambda weight: other(weight).mul_(gain)}
    assert learning.he_start(starts).verdict == "does not hold"


def test_a_penalty_is_a_decay_for_plain_sgd_alone():
    found = claims.check("learning/weight-decay")
    assert found.verdict == "holds with a caveat"
    assert found.table.apart["SGD"] < 1e-14
    assert found.table.apart.drop("SGD").min() > 0.01


def test_optimisers_that_do_not_differ_as_the_paper_says_are_seen():
    sgd, momentum, _ = learning.OPTIMIZERS.values()
    alike = {"SGD": sgd, "SGD with momentum": sgd, "Adam": sgd}
    assert learning.weight_decay(alike).verdict == "does not hold"
    swapped = learning.OPTIMIZERS | {"SGD": momentum}
    assert learning.weight_decay(swapped).verdict == "does not hold"
    # AdamW's argument is a decay already: both ways are then of one kind, and differ by less.
    decoupled = partial(torch.optim.AdamW, lr=learning.RATE)
    adamw = lambda weights, decay: decoupled(weights, weight_decay=decay)  # noqa: E731
    assert learning.weight_decay(learning.OPTIMIZERS | {"Adam": adamw}).verdict == "does not hold"


def test_larger_rates_and_less_care():
    found = claims.check("batchnorm/larger-rates")
    assert found.verdict == "holds"
    assert "at a rate of 0.0625 with and without batch norm" in found.measured
    assert "at 16 times that rate only with it" in found.measured
    signals = found.table["signal, from weights half as large"]
    assert signals["without"] == pytest.approx(0.5**8, rel=1e-3)
    assert signals["with"] == pytest.approx(1, abs=0.01)


def test_without_the_normalisation_it_fails(monkeypatch):
    monkeypatch.setattr(batchnorm, "SEEDS", 1)
    norms = {"without": None, "with": nn.BatchNorm2d}
    assert batchnorm.larger_rates(norms).verdict == "holds"
    swapped = {"without": nn.BatchNorm2d, "with": None}
    assert batchnorm.larger_rates(swapped).verdict == "does not hold"
    monkeypatch.setattr(batchnorm, "HIGH", batchnorm.LOW)  # no rate is higher
    assert batchnorm.larger_rates(norms).verdict == "does not hold"


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_the_scale_of_weights_does_not_matter(factor):
    found = batchnorm.scale(factor=factor)
    assert found.verdict == "holds"
    assert f"is {1 / factor:g} times as large" in found.measured


def test_the_scale_matters_without_a_normalisation():
    found = batchnorm.scale(norm=None)
    assert found.verdict == "does not hold" and "changes by 900%" in found.measured


def test_a_normalisation_is_folded_away():
    found = claims.check("batchnorm/linear")
    assert found.verdict == "holds" and found.measured.startswith("8 normalisations")
    apart = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4))
    assert batchnorm.linear(apart).verdict == "does not hold"  # a ReLU stands between
