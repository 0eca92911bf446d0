"""Falsified evidence turns each verdict on VGG."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnbook import models
from cnnbook.claims import vgg
from cnnbook.models.stacks import stack

DEPTHS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2,) * 5, "vgg16": (2, 2, 3, 3, 3)}
DEPTHS["vgg19"] = (2, 2, 4, 4, 4)


def networks(layers: dict[int, nn.Module] | None = None, **depths) -> dict[str, nn.Module]:
    """Narrow VGGs by name; some with other depths, or vgg16 with layers replaced by index."""
    with torch.device("meta"):
        found = {
            name: models.VGG(own, width=4, hidden_features=4)
            for name, own in (DEPTHS | depths).items()
        }
    for index, layer in (layers or {}).items():
        found["vgg16"].features[index] = layer
    return found


def conv(channels_in: int, channels: int, kernel=3, **options) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels, kernel, device="meta", **{"padding": 1} | options)


@pytest.mark.parametrize(
    "check, verdict",
    [
        (vgg.convolutions, "holds with a caveat"),
        (vgg.max_pools, "holds"),
        (vgg.double_channels, "holds with a caveat"),
        (vgg.five_stages, "holds"),
        (vgg.stage_1, "holds"),
        (vgg.stage_2, "holds"),
        (vgg.stage_3, "does not hold"),
        (vgg.stage_4, "holds"),
        (vgg.stage_5, "holds"),
        (vgg.two_3x3_receptive_field, "holds"),
        (vgg.two_3x3_cheaper, "holds with a caveat"),
        (vgg.two_3x3_nonlinearity, "holds"),
        (vgg.equal_compute, "holds with a caveat"),
    ],
)
def test_verdicts_on_the_real_networks(check, verdict):
    evidence = check()
    assert evidence.verdict == verdict
    assert len(evidence.table)


@pytest.mark.parametrize(
    "layer",
    [conv(4, 4, 5, padding=2), conv(4, 4, stride=2), conv(4, 4, padding=0), conv(4, 4, (3, 1))],
    ids=["kernel", "stride", "padding", "not square"],
)
def test_one_other_convolution_is_enough(layer):
    assert vgg.convolutions(networks()).holds
    evidence = vgg.convolutions(networks({2: layer}))
    assert evidence.verdict == "does not hold"
    assert evidence.measured.startswith("46 of 47 ")


@pytest.mark.parametrize("pool", [nn.MaxPool2d(3, 2), nn.MaxPool2d(2, 1), nn.MaxPool2d(2, 2, 1)])
def test_one_other_pool_is_enough(pool):
    assert vgg.max_pools(networks()).holds
    assert vgg.max_pools(networks({4: pool})).verdict == "does not hold"


def test_channels_that_do_not_double():
    assert vgg.double_channels(networks()).verdict == "holds with a caveat"
    narrow = {12: conv(8, 12), 14: conv(12, 12), 16: conv(12, 12), 10: conv(8, 12)}
    assert vgg.double_channels(networks(narrow)).verdict == "does not hold"


def test_channels_that_double_to_the_end_need_no_caveat():
    found = networks()
    for network in found.values():
        last = [m for m in network.features if isinstance(m, nn.Conv2d)][-1]
        last.out_channels *= 2
    assert vgg.double_channels(found).verdict == "holds"


@pytest.mark.parametrize("depths", [(2, 2, 3, 3), (2, 2, 3, 3, 3, 1), (2, 2, 3, 0, 3)])
def test_other_numbers_of_stages(depths):
    assert vgg.five_stages(networks()).holds
    assert vgg.five_stages(networks(vgg16=depths)).verdict == "does not hold"


@pytest.mark.parametrize(
    "check, stage",
    [(vgg.stage_1, 1), (vgg.stage_2, 2), (vgg.stage_4, 4), (vgg.stage_5, 5), (vgg.stage_5, 4)],
)
@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_one_convolution_more_in_a_stage(check, stage, name):
    assert check(networks()).holds
    depths = list(DEPTHS[name])
    depths[stage - 1] += 1
    assert check(networks(**{name: depths})).verdict == "does not hold"


def test_stage_3_would_hold_of_shallower_networks():
    evidence = vgg.stage_3(networks())
    assert evidence.verdict == "does not hold"
    assert "true of VGG-11, VGG-13" in evidence.caveat
    shallower = networks(vgg16=(2, 2, 2, 3, 3), vgg19=(2, 2, 2, 4, 4))
    assert vgg.stage_3(shallower).verdict == "holds with a caveat"


@pytest.mark.parametrize("other", [stack(4, 3, 1), stack(4, 3, 3), stack(4, 5, 2)])
def test_stacks_that_see_another_window(other):
    single = stack(4, 5, 1)
    assert vgg.two_3x3_receptive_field({"a": stack(4, 3, 2), "b": single}).holds
    assert not vgg.two_3x3_receptive_field({"a": other, "b": single}).holds


def test_a_wide_stack_costs_more():
    single = stack(4, 5, 1)
    wide = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1))
    assert vgg.two_3x3_cheaper({"a": stack(4, 3, 2), "b": single}).holds
    assert not vgg.two_3x3_cheaper({"a": wide, "b": single}).holds


def test_nothing_between_is_no_non_linearity():
    linear = stack(4, 3, 2, nn.Identity)
    single = stack(4, 5, 1)
    assert vgg.two_3x3_nonlinearity({"a": stack(4, 3, 2), "b": single}).holds
    assert not vgg.two_3x3_nonlinearity({"a": linear, "b": single}).holds
    assert not vgg.two_3x3_nonlinearity({"a": stack(4, 3, 2), "b": stack(4, 5, 2)}).holds


def test_computation_that_is_not_equal():
    assert vgg.equal_compute(networks()).holds
    assert not vgg.equal_compute(networks({12: conv(16, 16, 5, padding=2)})).holds
