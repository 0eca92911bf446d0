"""A part switched off is what its code without it would give, and its cost has its interval."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch
from torch import nn

from cnnbook import data, models
from cnnbook.interpret import lesions as lesions_of_a_network
from cnnbook.interpret import prepare, shipped_lesions
from cnnbook.interpret.graph import graph
from cnnbook.interpret.lesions import (
    _Changed,
    as_json,
    beside,
    lesions,
    parts,
    read_lesions,
    without,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def lively(model: nn.Module) -> nn.Module:
    """Random statistics, so that no batch norm is the identity."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def of(model: nn.Module, side: int) -> dict:
    return {part.name: part for part in parts(graph(model, (1, side, side)))}


@torch.no_grad()
def test_a_residual_block_off_is_its_shortcut():
    model, images = lively(models.resnet20(in_channels=1)), torch.randn(3, 1, 28, 28)
    found = of(model, 28)
    blocks = [name for name in found if name.startswith("block")]
    assert blocks == [f"block layer{i}.{j}" for i in (1, 2, 3) for j in (0, 1, 2)]
    assert torch.equal(without(model, images, {}), model(images))
    for name in ("layer1.1", "layer2.0"):
        other = copy.deepcopy(model)
        block = other.get_submodule(name)
        nn.init.zeros_(block.bn2.weight)  # the residual is zeros then
        nn.init.zeros_(block.bn2.bias)
        logits = without(model, images, found[f"block {name}"].changes)
        assert torch.allclose(logits, other(images), atol=1e-6)
        assert not torch.allclose(logits, model(images), atol=1e-3)
        # Without its shortcut it is a plain block.
        block = other.get_submodule(name)
        block.load_state_dict(model.get_submodule(name).state_dict())
        block.forward = lambda x, block=block: block.relu(block.residual(x))
        logits = without(model, images, found[f"shortcut {name}"].changes)
        assert torch.allclose(logits, other(images), atol=1e-6)


@torch.no_grad()
def test_a_plain_block_off_passes_its_input_on():
    model, images = lively(models.plain20(in_channels=1)), torch.randn(3, 1, 28, 28)
    found = of(model, 28)
    # Those that change the shape cannot be left out.
    blocks = [name for name in found if name.startswith("block")]
    assert blocks == [f"block layer{i}.{j}" for i in (1, 2, 3) for j in (0, 1, 2) if i * j != 0
                      or (i, j) == (1, 0)]  # fmt: skip
    other = copy.deepcopy(model)
    other.layer2[1] = nn.Identity()
    logits = without(model, images, found["block layer2.1"].changes)
    assert torch.allclose(logits, other(images), atol=1e-6)
    assert found["block layer2.1"].how == "its input"
    # One layer of it: convolution, batch norm and ReLU.
    block = other.layer2[2]
    block.forward = lambda x: block.relu(block.bn2(block.conv2(x)))
    other.layer2[1] = model.layer2[1]
    logits = without(model, images, found["layer layer2.2.conv1"].changes)
    assert torch.allclose(logits, other(images), atol=1e-6)


@torch.no_grad()
def test_a_branch_off_gives_zeros():
    model = lively(models.googlenet(in_channels=1, num_classes=10, width=0.25, aux_logits=False))
    images = torch.randn(2, 1, 32, 32)
    found = of(model, 32)
    assert len([name for name in found if name.startswith("branch")]) == 9 * 4
    label = "inception4c: branch 3, conv 3×3, 16"
    assert found["branch inception4c.3"].label == label
    for module in ("3a", "3b", "4a", "4c", "5a"):  # behind a pooling, and behind a module
        assert ", conv 1×1, " in found[f"branch inception{module}.1"].label
        pool = f"inception{module}: branch 4, max pool 3×3"
        assert found[f"branch inception{module}.4"].label == pool
    other = copy.deepcopy(model)
    other.inception4c.branch3.register_forward_hook(lambda m, i, output: output * 0)
    logits = without(model, images, found["branch inception4c.3"].changes)
    assert torch.allclose(logits, other(images), atol=1e-6)


@torch.no_grad()
def test_the_table_compares_each_image_with_itself():
    model, images = lively(models.resnet20(in_channels=1)), torch.randn(80, 1, 28, 28)
    labels = model(images).argmax(1)
    labels[::4] = (labels[::4] + 1) % 10  # a quarter is wrong
    table = lesions(model, images, labels, kinds=("block",))
    assert list(table.index)[0] == "" and table.loc["", "accuracy"] == 0.75
    part = of(model, 28)["block layer3.2"]
    right = without(model, images, part.changes).argmax(1) == labels
    whole = model(images).argmax(1) == labels
    d = (right.double() - whole.double()).numpy()
    row = table.loc["block layer3.2"]
    assert row.accuracy == pytest.approx(float(right.double().mean()))
    assert row.difference == pytest.approx(d.mean())
    half = 1.959964 * d.std(ddof=1) / math.sqrt(80)
    assert (row.low, row.high) == pytest.approx((d.mean() - half, d.mean() + half))
    assert row.low < row.high


class InPlace(nn.Module):
    """Changes values where they stand, some of them kept from before the part left out."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.conv3 = nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")
        self.relu, self.fc = nn.ReLU(inplace=True), nn.Linear(4, 10)

    def forward(self, x):
        x = self.conv1(x)
        self.relu(x)  # what it gives is x itself
        kept = torch.relu(x)
        y = self.conv2(x)
        kept += y  # the left side is from before, the right one behind conv2
        kept = self.relu(self.conv3(kept)).add_(x)
        return self.fc(kept.mean((2, 3)))


@pytest.mark.parametrize(
    "build, side",
    [
        (lambda: models.resnet20(in_channels=1), 28),
        (lambda: models.plain20(in_channels=1), 28),
        (lambda: models.alexnet(in_channels=1, num_classes=10, hidden_features=16), 63),
        (lambda: models.googlenet(in_channels=1, num_classes=10, width=0.25,
                                  aux_logits=False), 32),
        (InPlace, 12),
    ],
    ids=["resnet20", "plain20", "alexnet", "googlenet", "in place"],
)  # fmt: skip
@torch.no_grad()
def test_what_is_kept_of_the_whole_network_changes_no_bit(build, side):
    model, images = lively(build()), torch.randn(3, 1, side, side)
    steps = graph(model, (1, side, side))
    run = _Changed(model, steps.readers())
    assert torch.equal(run.whole(images), model(images))
    whole, few = model(images), 0
    for part in parts(steps)[:: 9 if len(steps) > 100 else 1]:
        logits = run.without(images, part.changes)
        assert torch.equal(logits, without(model, images, part.changes)), part.name
        few += not torch.equal(logits, whole)
    assert few > 1
    assert torch.equal(run.without(images, {}), whole)  # nothing of it was changed
    other = torch.randn(2, 1, side, side)  # another batch, and a smaller one
    assert torch.equal(run.whole(other), model(other))
    assert torch.equal(run.without(other, part.changes), without(model, other, part.changes))


@torch.no_grad()
def test_what_stands_before_a_part_is_computed_once():
    model = lively(models.resnet20(in_channels=1))
    (part,) = (p for p in parts(graph(model, (1, 28, 28))) if p.name == "block layer3.2")
    run = _Changed(model, graph(model, (1, 28, 28)).readers())
    images = torch.randn(2, 1, 28, 28)

    def convolutions(go) -> int:
        with torch.profiler.profile() as made:
            go()
        return sum(e.count for e in made.key_averages() if e.key == "aten::conv2d")

    assert convolutions(lambda: run.whole(images)) == 19
    assert convolutions(lambda: run.without(images, part.changes)) == 0
    (part,) = (p for p in parts(graph(model, (1, 28, 28))) if p.name == "block layer3.1")
    assert convolutions(lambda: run.without(images, part.changes)) == 2


def test_the_table_is_the_same_in_any_batches():
    model, images = lively(models.resnet20(in_channels=1)), torch.randn(11, 1, 28, 28)
    labels = torch.arange(11) % 10
    whole = lesions(model, images, labels, kinds=("block",), batch_size=11)
    pieces = lesions(model, images, labels, kinds=("block",), batch_size=4)
    assert whole.equals(pieces)
    assert lesions_of_a_network(model, images, labels, kinds=("block",)).equals(whole)


def test_it_is_kept_beside_the_weights(tmp_path):
    model, images = models.resnet20(in_channels=1).eval(), torch.randn(4, 1, 28, 28)
    table = lesions(model, images, torch.arange(4), kinds=("block",))
    weights = tmp_path / "resnet20-fashion-mnist.safetensors"
    weights.write_bytes(b"weights")
    assert read_lesions(weights) is None
    text = as_json(table, 4, weights, data="fashion-mnist")
    beside(weights).write_text(text, encoding="utf-8")
    kept = read_lesions(weights)
    assert kept["n"] == 4 and kept["data"] == "fashion-mnist" and len(kept["rows"]) == 9
    assert kept["accuracy"] == table.loc["", "accuracy"]
    row = json.loads(json.dumps(kept["rows"][0]))
    assert row["part"] == "block layer1.0" and row["kind"] == "block"
    assert row["accuracy"] == pytest.approx(table.iloc[1].accuracy)
    weights.write_bytes(b"others")
    with pytest.raises(ValueError, match="lesions.json is of other weights; scripts/make_les"):
        read_lesions(weights)


@pytest.mark.parametrize("name", ["resnet20", "plain20"])
def test_the_tables_that_ship_are_of_all_test_images(name):
    table = shipped_lesions(name)
    about = models.weights(name)["fashion-mnist"]
    assert table.attrs["n"] == 10_000
    assert table.loc["", "accuracy"] == pytest.approx(about.accuracy, abs=5e-4)
    model = models.create(name, weights="fashion-mnist")
    its = {part.name: part for part in parts(graph(model, (1, 28, 28)))}
    kinds = set(table.kind) - {"network"}
    assert "block" in kinds
    # A kind is there with all of its parts, in the order of the network.
    assert list(table.index) == ["", *(n for n, part in its.items() if part.kind in kinds)]
    for part, row in table.iloc[1:].iterrows():
        assert (row.kind, row.label, row.how) == (
            its[part].kind, its[part].label, its[part].how,
        )  # fmt: skip
        assert row.low <= row.difference <= row.high
        lost = row.accuracy - table.loc["", "accuracy"]
        assert row.difference == pytest.approx(lost, abs=2e-5)


def test_a_table_that_ships_is_what_its_network_gives():
    """One block of each, on 500 of the images: within what so few can tell."""
    _, test = data.load("fashion-mnist-mini")
    for name, part in {"resnet20": "block layer2.1", "plain20": "block layer2.1"}.items():
        about = models.weights(name)["fashion-mnist"]
        model = models.create(name, weights="fashion-mnist")
        images, labels = prepare(test.images[:500], about), test.labels[:500]
        (its,) = (p for p in parts(graph(model, (1, 28, 28))) if p.name == part)
        right = (without(model, images, its.changes).argmax(1) == labels).double()
        error = 4 * float(right.std()) / math.sqrt(500) + 0.01
        assert shipped_lesions(name).loc[part, "accuracy"] == pytest.approx(
            float(right.mean()), abs=error
        )


def test_a_network_without_a_table_is_said():
    with pytest.raises(ValueError, match="no lesions of 'resnet56' on 'fashion-mnist' ship; there"):
        shipped_lesions("resnet56")


def test_a_step_that_is_not_there_is_said():
    model = models.resnet20(in_channels=1)
    with pytest.raises(ValueError, match="CifarResNet has no step 'layer9.0.bn2'"):
        without(model, torch.zeros(1, 1, 28, 28), {"layer9.0.bn2": None})
