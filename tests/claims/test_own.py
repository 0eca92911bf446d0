"""The claims as asked of any network: the same verdicts where the book asks, others elsewhere."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from cnnbook import claims, models
from cnnbook.claims import _own

# What the book's own check says of these networks, asked one by one.
SAME = [
    ("alexnet", "alexnet/early-memory", True),
    ("alexnet", "alexnet/fc-params", True),
    ("alexnet", "alexnet/conv-flops", True),
    ("alexnet", "measuring/params", True),
    ("vgg16", "vgg/convolutions", True),
    ("vgg16", "vgg/max-pools", True),
    ("vgg16", "vgg/double-channels", True),
    ("vgg16", "vgg/five-stages", True),
    ("vgg16", "vgg/equal-compute", True),
    ("googlenet", "googlenet/stem", True),
    ("googlenet", "googlenet/global-average-pooling", True),
    ("googlenet", "resnet/stem", True),
    ("resnet18", "resnet/stages", True),
    ("resnet18", "resnet/stem", True),
    ("resnet18", "resnet/global-average-pooling", True),
    ("resnet18", "vgg/equal-compute", True),
    ("resnet50", "googlenet/bottleneck", True),
    ("resnet50", "alexnet/fc-params", False),
    ("resnet18", "googlenet/bottleneck", False),
    ("resnet18", "measuring/params", False),  # its convolutions have no biases
    ("alexnet", "vgg/convolutions", False),
    ("alexnet", "resnet/stages", False),
    ("vgg16", "googlenet/stem", False),
    ("vgg16", "googlenet/global-average-pooling", False),
    ("vgg16", "resnet/global-average-pooling", False),
    ("vgg16", "alexnet/fc-params", False),  # 89 %: not nearly all
    ("vgg16", "resnet/stem", False),
    ("alexnet", "vgg/equal-compute", False),
]


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return models.create(name)


@pytest.mark.parametrize("network, id, holds", SAME)
def test_a_claim_asked_of_one_network(network, id, holds):
    found = claims.check(id, model=on_meta(network))
    assert found.holds is holds, found.measured
    assert found.table is not None and len(found.table)


def test_where_the_book_limits_a_claim_so_does_its_question():
    asked = {id: claims.check(id, model=on_meta("vgg16")).verdict for id in claims.askable()}
    for id in ("vgg/convolutions", "vgg/double-channels", "vgg/equal-compute", "vgg/max-pools"):
        book = claims.check(id).verdict
        assert asked[id] == book or (asked[id], book) == ("holds", "holds with a caveat"), id


class Mean(nn.Module):
    """A mean that is no layer, and a head of one linear layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 8, 3), nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


def test_an_average_that_is_no_layer_is_seen():
    id = "googlenet/global-average-pooling"
    assert claims.check(id, model=Mean(), input_size=(1, 12, 12)).holds
    flat = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(800, 2))
    assert not claims.check(id, model=flat, input_size=(1, 12, 12)).holds


def test_a_transformer_is_told_where_a_claim_is_not_about_it():
    with torch.device("meta"):
        vit = torchvision.models.vit_b_16()
    found = claims.check("vgg/max-pools", model=vit)
    assert found.measured == "The network has no max pools: the statement is not about it."
    assert not claims.check("resnet/global-average-pooling", model=vit).holds
    assert not claims.check("alexnet/conv-flops", model=vit).holds


@pytest.mark.parametrize("id", claims.askable())
def test_every_claim_has_an_answer_for_a_small_network_and_leaves_it_as_it_was(id):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 3, stride=2),
        nn.Flatten(), nn.Linear(8 * 36, 3),
    ).train()  # fmt: skip
    before = {name: value.clone() for name, value in net.state_dict().items()}
    card = claims.show(id, model=net, input_size=(1, 28, 28))
    assert card.evidence.verdict in ("holds", "holds with a caveat", "does not hold")
    assert net.training and all(m.training for m in net)
    assert not any(m._forward_hooks for m in net.modules())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_claim_on_runs_cannot_be_asked():
    with pytest.raises(ValueError, match="resnet/deeper-worse is about the book's own") as told:
        claims.check("resnet/deeper-worse", model=Mean())
    assert "alexnet/fc-params" in str(told.value)
    with pytest.raises(ValueError, match="takes a torch.nn.Module, got str"):
        claims.check("alexnet/fc-params", model="resnet18")
    with pytest.raises(ValueError, match="conv"):
        claims.check("alexnet/fc-params", model=Mean(), input_size=(3, 12, 12))


def test_the_questions_share_the_books_thresholds(monkeypatch):
    net = on_meta("vgg16")
    assert not claims.check("alexnet/fc-params", model=net).holds
    monkeypatch.setattr("cnnbook.claims.alexnet.NEARLY_ALL", 0.8)
    assert claims.check("alexnet/fc-params", model=net).holds


def test_a_card_says_how_to_ask():
    card = claims.show("alexnet/fc-params")._repr_html_()
    assert "cnnbook claims alexnet/fc-params --model my_module:build" in card
    assert "--model" not in claims.show("resnet/copy-layers")._repr_html_()
    assert set(_own.CHECKS) == set(claims.askable())
