"""The papers' statements after 2017: each verdict turns when its evidence does."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest
import torch
from torch import nn

from cnnbook import claims, models
from cnnbook.claims import after
from cnnbook.models.convnext_ladder import LADDER, Patches, grouped, inverted
from cnnbook.models.efficientnet import EfficientNet

on_meta = partial(models.on_meta, models.create)


def test_densenet_has_half_the_parameters_and_errs_as_often():
    found = claims.check("after/densenet-parameters")
    assert found.verdict == "holds"
    assert "20.0 million parameters, ResNet-101 44.5 million" in found.measured
    assert "23.10 % and 22.63 %, 0.47 points apart" in found.measured
    assert "55% of ResNet-101's" in found.measured


@pytest.mark.parametrize(
    "networks, errors",
    [
        (None, {"densenet201": 25.0, "resnet101": 22.6}),  # not similar
        ({"densenet201": "resnet50", "resnet101": "resnet101"}, None),  # not 20 million
        ({"densenet201": "densenet121", "resnet101": "resnet50"}, None),  # not over 40
    ],
)
def test_densenet_s_claim_can_fail(networks, errors):
    networks = networks and {name: on_meta(build) for name, build in networks.items()}
    errors = errors or {"densenet201": 23.1, "resnet101": 22.6}
    assert after.densenet_parameters(networks, errors).verdict == "does not hold"


def test_gates_cost_what_the_paper_says_between_two_ways_of_counting():
    found = claims.check("after/se-cost")
    assert found.verdict == "holds with a caveat" and "9.9% more" in found.method
    assert "halves it in the 3×3 and does 4.09." in found.caveat
    # By hand: 2·C²/16 for each block, and its numbers once for the mean, once for the product.
    blocks = {256: (3, 56), 512: (4, 28), 1024: (6, 14), 2048: (3, 7)}
    layers = sum(n * 2 * c * c // 16 for c, (n, _) in blocks.items())
    numbers = sum(n * c * side**2 for c, (n, side) in blocks.items())
    assert found.table.added.tolist() == [layers + n * numbers for n in range(3)]


def test_a_gate_that_costs_more_than_the_paper_says_is_seen(monkeypatch):
    monkeypatch.setattr("cnnbook.models.se_resnet.REDUCTION", 2)
    networks = {name: on_meta(name) for name in ("resnet50", "se_resnet50")}
    assert after.se_cost(networks).verdict == "does not hold"


def test_two_steps_cost_what_the_formula_says():
    found = claims.check("after/separable-cost")
    assert found.verdict == "holds" and "17 of the 17" in found.measured
    eight = claims.check("after/eight-to-nine")
    assert eight.verdict == "holds with a caveat"
    assert "7 of 17" in eight.measured and "5.8 times" in eight.caveat


def test_a_block_without_a_depthwise_convolution_breaks_the_formula():
    network = on_meta("mobilenet_v2")
    with torch.device("meta"):
        network.features[2].conv[1][0] = nn.Conv2d(96, 96, 3, 2, 1, groups=2, bias=False)
    assert after.separable_cost(network).verdict == "does not hold"


def test_eight_to_nine_fails_where_no_block_is_so_wide():
    with torch.device("meta"):
        network = nn.Sequential(nn.Conv2d(3, 8, 3), models.InvertedResidual(8, 16, 1, 6))
    assert after.eight_to_nine(network).verdict == "does not hold"


def test_compound_scaling_holds_with_the_blocks_as_built():
    found = claims.check("after/compound-scaling")
    assert found.verdict == "holds with a caveat"
    assert found.table.blocks.tolist() == [16, 23, 23, 26, 32, 39, 45, 55]
    # Table 2 of the paper, in billions.
    paper = [0.39, 0.70, 1.0, 1.8, 4.2, 9.9, 19, 37]
    assert (found.table.flops / 1e9).tolist() == pytest.approx(paper, rel=0.05)
    assert "B1 has a depth of 1.1, which makes 23 blocks where B0 has 16." in found.caveat
    assert "costs 1.78 times B0, where d, w² and r² say 1.26" in found.caveat


def test_a_network_that_ignores_its_width_does_not_scale():
    def stubborn(width, depth):
        return EfficientNet(1.0, depth)

    assert after.compound_scaling(stubborn).verdict == "does not hold"


def test_inverting_saves_in_the_shortcuts():
    found = claims.check("after/inverting-saves")
    assert found.verdict == "holds"
    assert found.table.change["shortcuts"] < 0 < found.table.change["depthwise"]
    assert "from 5.27 to 4.64" in found.measured
    swapped = LADDER | {"wider": LADDER["inverted"], "inverted": LADDER["wider"]}
    assert after.inverting_saves(swapped).verdict == "does not hold"


def test_the_ladder_costs_what_the_paper_printed():
    found = claims.check("after/ladder")
    assert found.verdict == "holds"
    assert "Of the 13 networks, 11" in found.measured
    assert "layer norm 4.15, printed 4.46" in found.method
    wider = "most by “wider” (2.22), of which 1.23 make up for what “depthwise” lost; the"
    assert wider in found.measured
    steps = list(LADDER)
    assert list(found.table.index) == steps and found.table.params.iloc[-1] == 28_589_128


def test_steps_that_gained_as_much_as_one_another_are_all_named():
    gains = pd.Series({"first": float("nan"), "7×7": 0.35 + 0.3, "GELU": 0.65})
    assert gains["7×7"] != gains["GELU"]  # in the last digits of the floats
    assert after._largest(gains) == "“7×7” and “GELU” (each 0.65)"
    assert after._largest(gains.replace(0.65, 1.0)) == "“GELU” (1.00)"


def test_a_gain_that_only_makes_up_for_the_step_before_says_so():
    def regained(*gains):
        return after._regained(pd.Series(gains, index=list("abcd"[: len(gains)])))

    nothing = float("nan")
    assert regained(nothing, -1.0, 1.5) == ", of which 1.00 make up for what “b” lost"
    assert regained(nothing, -2.0, 1.5) == ", of which 1.50 make up for what “b” lost"
    assert regained(nothing, 0.5, 1.5) == regained(nothing, 1.5, 1.0) == ""
    assert regained(nothing, 1.5, -1.0, 1.5) == ""


@pytest.mark.parametrize("step, width", [("depthwise", 80), ("wider", 64), ("inverted", 80)])
def test_a_step_of_another_width_is_seen(step, width):
    block = inverted if step == "inverted" else grouped
    wrong = LADDER | {step: partial(Patches, block, width)}
    assert after.ladder(wrong).verdict == "does not hold"
