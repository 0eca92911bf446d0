from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from cnnbook import claims, models, records
from cnnbook.claims.resnext import PUBLISHED, group_convolution


def runs(slope: float, spread: float = 0.0):
    """Runs on file whose accuracy rises by so many points a doubling, one seed by `spread` more."""
    return [
        replace(
            run,
            test_accuracy=0.5
            + (slope + spread * (run.seed == 0)) / 100 * math.log2(run.options["cardinality"]),
        )
        for run in records.load("cardinality", "quick")
    ]


RUNS = runs(0.3)


def networks(**changes):
    with torch.device("meta"):
        return {name: models.create(changes.get(name, name)) for name in PUBLISHED}


def test_it_holds_with_its_caveat():
    found = claims.check("resnext/group-convolution")
    assert found.verdict == "holds with a caveat"
    assert "16 of 16 3×3 convolutions of ResNeXt-50 are grouped, 0 of 16" in found.measured
    assert "22.2 % against 23.9 %" in found.measured
    assert "-2.1%" in found.measured and "+3.5%" in found.measured


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"resnext50_32x4d": "resnet50"}, "not grouped"),
        ({"resnext50_32x4d": "resnext101_32x8d"}, "not at equal cost"),
        ({"resnet50": "resnext50_32x4d"}, "grouped before"),
        ({"resnet50": "resnet18"}, "not at equal cost"),
    ],
)
def test_it_fails_when_the_networks_are_others(changes, why):
    assert group_convolution(networks(**changes), runs=RUNS).verdict == "does not hold", why


def test_it_fails_when_one_convolution_is_not_grouped():
    changed = networks()
    block = changed["resnext50_32x4d"].layer1[0]
    block.conv2 = nn.Conv2d(128, 128, 3, padding=1, bias=False, device="meta")
    assert group_convolution(changed, runs=RUNS).verdict == "does not hold"


def test_it_fails_when_the_published_error_is_no_better():
    errors = PUBLISHED | {"resnext50_32x4d": 24.0}
    assert group_convolution(networks(), errors, RUNS).verdict == "does not hold"


def test_without_runs_it_is_not_yet_measured():
    assert group_convolution(networks(), runs=()).verdict == "not yet measured"


@pytest.mark.parametrize(
    "slope, spread, word",
    [(0.3, 0, "agree"), (0.1, 3, "do not decide it"), (-0.3, 0, "disagree")],
)
def test_it_says_what_our_runs_say_and_limits_the_statement_unless_they_agree(slope, spread, word):
    found = group_convolution(networks(), runs=runs(slope, spread))
    said = found.measured if word == "agree" else found.caveat
    assert (found.caveat is None) == (word == "agree")
    assert (
        f"cost {word}: a doubling of the paths adds {slope + spread / 3:+.2f}".replace("-", "−")
        in said
    )
    undecided = word == "do not decide it"
    assert ("To tell the paper's 0.32 points a doubling from zero" in said) == undecided
    assert " a step" not in said and said.count("points a doubling") == undecided


def test_it_says_so_where_an_effect_as_large_as_the_paper_s_is_ruled_out():
    found = group_convolution(networks(), runs=runs(-0.01, 0.02))
    assert "gain nothing like it: a doubling of the paths adds" in found.caveat
    assert "An effect of the paper's 0.32 points a doubling lies outside of the interval." in (
        found.caveat
    )
