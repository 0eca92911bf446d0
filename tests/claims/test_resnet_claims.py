"""Falsified evidence turns the verdict of each claim on ResNet."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from cnnbook import models, records
from cnnbook.claims import resnet as claims

STRUCTURE = {
    "basic-block": (claims.basic_block, "resnet18"),
    "bottleneck-block": (claims.bottleneck_block, "resnet50"),
    "stages": (claims.network_stages, "resnet18"),
    "global-average-pooling": (claims.global_average_pooling, "resnet18"),
}


build = partial(models.on_meta, models.create)


@pytest.fixture(scope="module")
def runs():
    found = records.load("degradation")
    assert {run.arm for run in found} >= {"plain20", "plain56", "resnet20", "resnet56"}
    return found


def renamed(runs, **arms):
    return [replace(run, arm=arms.get(run.arm, run.arm)) for run in runs]


def test_deeper_worse_turns_when_the_deep_network_has_the_lower_error(runs):
    assert claims.deeper_worse(runs).verdict == "holds with a caveat"
    exchanged = renamed(runs, plain20="plain56", plain56="plain20")
    assert claims.deeper_worse(exchanged).verdict == "does not hold"


def test_deeper_worse_is_undecided_when_seeds_disagree(runs):
    good = max((run for run in runs if run.arm == "plain20"), key=lambda run: run.seed)
    mixed = [
        replace(run, history=good.history) if run.arm == "plain56" and run.seed < 3 else run
        for run in runs
    ]
    for check in (claims.deeper_worse, claims.harder_to_optimize):
        found = check(mixed)
        assert found.verdict == "undecided"
        assert "0.6 points" in found.open and "at this spread" in found.open


def test_harder_to_optimize_turns(runs):
    pair = claims._deepened("plain20", "plain56")
    assert claims.harder_to_optimize(runs, pair).verdict == "holds with a caveat"
    exchanged = renamed(runs, plain20="plain56", plain56="plain20")
    assert claims.harder_to_optimize(exchanged, pair).verdict == "does not hold"
    with torch.no_grad():
        pair[1].layer3[-1].conv2.weight[0, 0] += 0.1
    assert claims.harder_to_optimize(runs, pair).verdict == "does not hold"


def test_without_records_nothing_is_claimed():
    for check in (claims.deeper_worse, claims.harder_to_optimize):
        assert check([]).verdict == "not yet measured"


@pytest.mark.parametrize("kind", ["plain", "resnet"])
def test_copy_layers_turns_when_an_added_layer_is_not_the_identity(kind):
    pair = claims._deepened(f"{kind}20", f"{kind}32")
    assert claims.copy_layers({kind: pair}).verdict == "holds with a caveat"
    with torch.no_grad():
        pair[1].layer2[-1].bn2.bias += 0.1
    assert claims.copy_layers({kind: pair}).verdict == "does not hold"


@pytest.mark.parametrize("check, name", STRUCTURE.values(), ids=STRUCTURE)
def test_structure_turns_when_a_layer_is_another(check, name):
    honest, changed = build(name), build(name)
    assert check({name: honest}).verdict.startswith("holds")
    changed.layer3[0].conv2 = nn.Conv2d(256, 256, 5, padding=2, device="meta")
    changed.avgpool = nn.AdaptiveAvgPool2d((2, 1))
    changed.fc = nn.Linear(2 * changed.fc.in_features, 10, device="meta")
    if check is claims.network_stages:
        changed.layer3[0].conv1.stride = changed.layer3[0].downsample[0].stride = (1, 1)
    assert check({name: changed}).verdict == "does not hold"


def test_stages_turns_when_channels_do_not_double():
    network = build("resnet18")
    network.layer4 = models.resnet.stage(models.BasicBlock, 256, 256, 2, stride=2).to("meta")
    network.fc = nn.Linear(256, 1000, device="meta")
    assert claims.network_stages({"resnet18": network}).verdict == "does not hold"


def test_global_average_pooling_turns_with_a_second_linear_layer_or_a_maximum():
    check = claims.global_average_pooling
    for name, module in {
        "fc": nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 1000)).to("meta"),
        "avgpool": nn.AdaptiveMaxPool2d(1),
    }.items():
        network = build("resnet18")
        setattr(network, name, module)
        assert check({"resnet18": network}).verdict == "does not hold"


def test_preactivation_block_turns_when_a_relu_follows_the_sum():
    kinds = claims._zeroed()
    assert claims.preactivation_block(kinds).verdict == "holds"

    class WithReLU(models.PreActivationBlock):
        def forward(self, x):
            return super().forward(x).relu()

    for block in kinds.values():
        if isinstance(block, models.PreActivationBlock):
            block.__class__ = WithReLU
    assert claims.preactivation_block(kinds).verdict == "does not hold"


def test_preactivation_block_turns_when_a_basic_block_is_the_identity_too():
    kinds = claims._zeroed()
    kinds["basic"].relu = nn.Identity()
    assert claims.preactivation_block(kinds).verdict == "does not hold"


def test_stem_turns_when_one_of_them_is_another():
    def networks():
        return {"resnet50": build("resnet50"), "googlenet": build("googlenet")}

    assert claims.stem(networks()).verdict == "holds with a caveat"
    changed = networks()
    changed["resnet50"].conv1 = nn.Conv2d(3, 64, 5, stride=2, padding=2, device="meta")
    assert claims.stem(changed).verdict == "does not hold"
    changed = networks()
    changed["resnet50"].maxpool = nn.MaxPool2d(3, stride=1, padding=1)
    changed["resnet50"].layer1[0].conv1.stride = (2, 2)
    changed["resnet50"].layer1[0].downsample = nn.Conv2d(64, 256, 1, stride=2, device="meta")
    assert claims.stem(changed).verdict == "does not hold"
