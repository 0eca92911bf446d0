"""The live page's scripts have the network's own steps, numbers and weights, to the bit."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import torch
from torch import nn

from cnnbook import models
from cnnbook.interpret import live
from cnnbook.interpret.graph import graph

CLASSES = [f"class {i}" for i in range(10)]
ABOUT = {"mean": [0.286], "std": [0.353], "classes": CLASSES, "title": "it"}


def small() -> nn.Module:
    torch.manual_seed(0)
    return models.resnet20(in_channels=1).eval()


def weights_of(exported: dict, key: str) -> np.ndarray:
    kind, start, count = exported["places"][key]
    data = base64.b64decode(exported["weights"])
    return np.frombuffer(data, {"f2": "<f2", "f4": "<f4"}[kind], count, start)


@pytest.mark.parametrize("half", [True, False])
def test_every_weight_is_there_to_the_bit(half):
    model = small()
    model = model.half().float() if half else model
    exported = live.network(model, image_size=28, **ABOUT)
    state = {k: v for k, v in model.state_dict().items() if "num_batches" not in k}
    assert exported["places"].keys() == state.keys()
    for key, value in state.items():
        assert np.array_equal(weights_of(exported, key), value.flatten().numpy()), key
    kinds = {kind for kind, _, _ in exported["places"].values()}
    assert kinds == ({"f2"} if half else {"f2", "f4"})  # zeros and ones fit either way
    assert exported["parameters"] == sum(p.numel() for p in model.parameters())


def test_a_script_says_what_was_exported():
    exported = live.network(small(), image_size=28, accuracy=0.5, **ABOUT)
    start, _, text = live.script("resnet20", exported).partition(" = ")
    assert start == '(window.cnnbookNetworks ??= {})["resnet20"]'
    found = json.loads(text.removesuffix(";\n"))
    assert found["accuracy"] == 0.5 and found["classes"] == CLASSES and found["size"] == 28
    steps = graph(small(), (1, 28, 28))
    assert [step["name"] for step in found["steps"]] == [node.name for node in steps]
    assert [step["inputs"] for step in found["steps"]] == [list(n.inputs) for n in steps]
    assert found["steps"][1]["settings"]["stride"] == [1, 1]
    assert found["modules"]["layer1.0"] == "layer1.0.relu#2"


def test_the_picture_of_a_residual_network():
    columns = live.columns(graph(small(), (1, 28, 28)))
    assert sum((column.steps for column in columns), []).count("layer1.0.downsample") == 0
    by_first = {column.steps[0]: column for column in columns}
    assert by_first["layer1.0.conv1"].steps == ["layer1.0.conv1", "layer1.0.bn1", "layer1.0.relu"]
    total = by_first["layer1.0.add"]
    assert total.steps == ["layer1.0.add", "layer1.0.relu#2"]
    before = {columns[i].steps[0]: i in total.arcs for i in total.inputs}
    assert before == {"layer1.0.conv2": False, "conv1": True}
    # A shortcut with layers stands below the path that it passes.
    way = by_first["layer2.0.downsample.subsample"]
    assert way.lane == 1 and way.steps[-1] == "layer2.0.downsample.pad"
    assert by_first["layer2.0.add"].arcs == [] and by_first["layer2.0.add"].lane == 0
    assert columns[-1].steps == ["fc"] and columns[-2].steps == ["avgpool", "flatten"]


def test_the_picture_of_an_inception_module():
    model = models.googlenet(in_channels=1, num_classes=10, width=0.25, aux_logits=False)
    columns = live.columns(graph(model, (1, 32, 32)))
    concat = next(column for column in columns if column.steps == ["inception3a.cat"])
    assert [columns[i].lane for i in concat.inputs] == [0, 1, 2, 3]
    assert [columns[i].x - concat.x for i in concat.inputs] == [-2, -1, -1, -1]
    assert concat.lane == 0
    for column in columns:  # nothing stands where something else does
        assert all(columns[i].x < column.x for i in column.inputs)
    places = [(column.x, column.lane) for column in columns]
    assert len(set(places)) == len(places)


class Odd(nn.Module):
    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer, self.fc = layer, nn.Linear(4, 10)

    def forward(self, x):
        return self.fc(self.layer(x).mean((2, 3)))


@pytest.mark.parametrize(
    "layer, what",
    [
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.GELU()), r"GELU \(layer.1\)"),
        (nn.Conv2d(1, 4, 3, dilation=2), r"conv \(layer\)"),
        (nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"), r"conv \(layer\)"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.AvgPool2d(3, padding=1)), r"avg pool \(layer.1\)"),
        (nn.Conv2d(1, 4, 3), r"mean \(mean\)"),
    ],
)
def test_what_the_page_cannot_compute_is_said(layer, what):
    with pytest.raises(ValueError, match=f"^the live page cannot compute {what}$"):
        live.network(Odd(layer), image_size=9, **ABOUT)


def test_other_classes_are_said():
    model = models.resnet20(in_channels=1, num_classes=7)
    with pytest.raises(ValueError, match=r"CifarResNet gives \(7,\) for 10 classes"):
        live.network(model, image_size=28, **ABOUT)


def test_the_files_of_the_page(tmp_path):
    live.write(tmp_path, {"it": live.network(small(), image_size=28, **ABOUT)})
    assert (tmp_path / "networks" / "it.js").read_text(encoding="utf-8").startswith("(window.")
    index = (tmp_path / "index.js").read_text(encoding="utf-8")
    assert '"it"' in index and '"shown": 60' in index and '"Ankle boot"' in index


def test_every_network_that_ships_is_there():
    assert set(live.shipped()) == {
        name for name in models.names() if live.DATA in models.weights(name)
    }
