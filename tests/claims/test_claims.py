from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from cnnbook import claims, models
from cnnbook.claims import Card, Claim, Evidence
from cnnbook.claims import alexnet as alexnet_claims
from cnnbook.claims import measuring as measuring_claims

IDS = [claim.id for claim in claims.ledger()]
# VGG-16 and VGG-19 have more convolutions in their third stage than the notes say.
FALSE = {"vgg/stage-3"}
OPEN = {"googlenet/aux-classifiers"}  # the records on file do not decide it


@pytest.mark.parametrize("id", IDS)
def test_each_claim_is_shown_in_its_chapter(id):
    chapter, _, _ = id.partition("/")
    notebook = Path(__file__).parents[2] / "chapters" / f"{chapter}.ipynb"
    calls = re.findall(r"claims\.(?:show|table)\(.*?\)", notebook.read_text(), re.DOTALL)
    assert any(f'\\"{id}\\"' in call for call in calls)


@pytest.mark.parametrize("id", IDS)
def test_each_claim_has_evidence(id):
    evidence = claims.check(id)
    expected = {"does not hold"} if id in FALSE else {"holds", "holds with a caveat"}
    assert evidence.verdict in ({"undecided"} if id in OPEN else expected)
    assert evidence.table is not None and len(evidence.table)
    assert re.search(r"\d", evidence.measured)


# Falsified evidence must turn each verdict.


class Lying(nn.Conv2d):
    """A convolution whose output, weights and work are not what its hyperparameters say."""

    def __init__(self):
        super().__init__(3, 8, 3)
        self.extra = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return super().forward(super().forward(x)[:, :3]).double()


@pytest.mark.parametrize("check", ["memory", "params", "flops"])
def test_formulas_fail_on_a_layer_that_breaks_them(check):
    check = getattr(measuring_claims, check)
    honest = {"honest": nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.LazyLinear(2))}
    assert check(honest).verdict == "holds"
    assert check({"lying": nn.Sequential(Lying())}).verdict == "does not hold"


def test_the_sums_of_the_formulas_have_their_unit():
    flat = {"": nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 30 * 30, 2))}
    told = {
        check: getattr(measuring_claims, check)(flat, (3, 32, 32)).measured.partition("; ")[2]
        for check in ("memory", "params", "flops")
    }
    outputs, products = 8 * 30 * 30 + 2, 8 * 30 * 30 * (3 * 9 + 2)
    assert told == {
        "memory": f"in all {outputs * 4 / 1024:.0f} KB by the formula and as measured.",
        "params": "in all 14,626 parameters by the formula and as measured.",
        "flops": f"in all {products:,} multiply-adds by the formula and by half of torch's count.",
    }
    bare = {"": nn.Conv2d(3, 8, 3, bias=False)}
    assert measuring_claims.params(bare).measured.endswith(
        "in all 224 parameters by the formula but 216 as measured."
    )


def small_everywhere(channels=(64, 192), hidden=8):
    """An AlexNet-like stack whose costs sit elsewhere."""
    return nn.Sequential(
        nn.Conv2d(3, channels[0], 3, stride=2),
        nn.Conv2d(channels[0], channels[1], 3),
        nn.AdaptiveAvgPool2d(6),
        nn.Flatten(),
        nn.Linear(channels[1] * 36, hidden),
        nn.Linear(hidden, 10),
    )


def test_fc_params_fails_when_the_convolutions_hold_them():
    networks = {"paper": small_everywhere((64, 2048), hidden=1)}
    assert alexnet_claims.fc_params(networks).verdict == "does not hold"


def test_conv_flops_fails_when_the_linear_layers_do_the_work():
    networks = {"paper": small_everywhere((1, 4), hidden=100_000)}
    assert alexnet_claims.conv_flops(networks).verdict == "does not hold"


def test_early_memory_fails_when_the_late_layers_fill_it():
    late = nn.Sequential(
        nn.Conv2d(3, 1, 3), nn.Conv2d(1, 1, 3), nn.Conv2d(1, 64, 3), nn.Conv2d(64, 64, 3)
    )
    networks = {"torchvision": late, "paper": late}
    assert alexnet_claims.early_memory(networks).verdict == "does not hold"


def test_two_gpus_fails_when_the_halves_are_not_the_whole():
    network = models.alexnet(variant="paper", num_classes=2)

    class Altered(models.AlexNet2012):
        def forward(self, images):
            return super().forward(images) + 1

    network.__class__ = Altered
    assert alexnet_claims.two_gpus(network).verdict == "does not hold"


# The mechanism.


@pytest.mark.parametrize(
    "holds, caveat, verdict",
    [
        (True, None, "holds"),
        (True, "but", "holds with a caveat"),
        (False, None, "does not hold"),
        (False, "but", "does not hold"),
        (None, None, "not yet measured"),
    ],
)
def test_verdicts(holds, caveat, verdict):
    assert Evidence(holds, "1 < 2", caveat=caveat).verdict == verdict


def test_what_does_not_apply_is_not_decided():
    assert Evidence(None, "No pools.", applies=False).verdict == "does not apply"
    for decided in ({"holds": False}, {"holds": None, "open": "two seeds more"}):
        with pytest.raises(ValueError, match="neither decided nor open"):
            Evidence(**decided, measured="No pools.", applies=False)


def test_card_is_escaped_html_and_plain_text():
    claim = Claim("a/b", "a", "x < y & z", "notes", lambda: None)
    card = Card(claim, Evidence(True, "1 < 2", caveat="<b>"))
    html = card._repr_html_()
    assert 'class="claim claim-caveat"' in html
    assert "x &lt; y &amp; z" in html and "&lt;b&gt;" in html and "1 &lt; 2" in html
    assert repr(card).splitlines()[0] == "a/b: HOLDS WITH A CAVEAT"


def test_unknown_and_repeated_claims():
    with pytest.raises(ValueError, match="no claim 'alexnet/fc'; did you mean alexnet/fc-params"):
        claims.check("alexnet/fc")
    with pytest.raises(ValueError, match="already is a claim 'alexnet/fc-params'"):
        claims.claim("alexnet/fc-params", chapter="alexnet", statement="", source="")(lambda: None)


def test_a_table_has_a_line_for_each_claim_in_the_order_asked_for():
    shown = claims.table("vgg/stage-3", "vgg/stage-1")
    rows = re.findall(r'<tr class="(claim-\w+)">.*?href="#([\w-]+)"', shown._repr_html_())
    assert rows == [("claim-fails", "claim-vgg-stage-3"), ("claim-holds", "claim-vgg-stage-1")]
    first, second = repr(shown).splitlines()
    assert first.startswith("DOES NOT HOLD") and "3. conv-conv-pool." in first
    assert second.startswith("HOLDS  ")


def test_the_table_of_all_begins_with_what_surprises():
    verdicts = ("holds", "does not hold", "undecided", "not yet measured", "holds with a caveat")
    cards = {}
    for i, claim in enumerate(claims.ledger()):
        cards[claim.id] = Card(claim, Judged(True, "7 of 7.", caveat=verdicts[i % 5]))
    order = [card.evidence.verdict for card in claims.table(cards=cards).cards]
    assert len(order) == len(cards)
    assert [v for i, v in enumerate(order) if i == 0 or order[i - 1] != v] == [
        "does not hold", "undecided", "holds with a caveat", "not yet measured", "holds",
    ]  # fmt: skip


class Judged(Evidence):
    """Evidence whose verdict is its caveat."""

    verdict = property(lambda self: self.caveat)
