"""Which networks the explorer can hold: those that its layers make up, and no others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnbook import models
from cnnbook.interpret import explorer


@pytest.fixture(scope="module")
def presets():
    return explorer.presets()


def test_every_network_of_the_book_is_a_preset(presets):
    assert list(presets) == list(models.names())


def test_dense_and_depthwise_layers_are_written(presets):
    # A layer of DenseNet is a concatenation of its input and what it makes of it.
    assert "j(~b.r.c128n.b.r.c32k3p1n)" in presets["densenet121"]["net"]
    # A block of MobileNetV2 is as wide as its groups are many, and has a sum if its shape stays.
    assert "s(~c144n.b.q.c144k3p1g144n.b.q.c24n.b)" in presets["mobilenet_v2"]["net"]


def test_gates_layer_norms_and_layer_scales_are_written(presets):
    # A gate is a product of an image and of what is made of its means.
    assert "c256n.b.p(~g1.c16.r.c256.i)~c256n.b).r" in presets["se_resnet50"]["net"]
    assert (
        "s(c144n.b.w.c144k3p1g144n.b.w.p(~g1.c6.w.c144.i).c24n.b~)"
        in (presets["efficientnet_b0"]["net"])
    )
    # Between the two permutes the layers are each position's; those around a layer norm alone
    # are in it.
    assert presets["convnext_tiny"]["net"].startswith("c96k4s4.y.s(~c96k7p3g96.t.y.l384.e.l96.u.v)")


class Calls(nn.Module):
    def __init__(self, function, *modules: nn.Module):
        super().__init__()
        self.function, self.inner = function, nn.ModuleList(modules)

    def forward(self, x):
        return self.function(x, *self.inner)


@pytest.mark.parametrize(
    "model, text",
    [
        (Calls(lambda x: x * x), "p(~)"),
        (Calls(lambda x: torch.mul(x, other=x.relu())), "p(~r)"),
        (Calls(lambda x: torch.permute(x, (0, 2, 3, 1))), "t"),
        (Calls(lambda x: x.permute(dims=(0, 2, 3, 1)).permute([0, 3, 1, 2])), "t.u"),
        (Calls(lambda x, norm: norm(x.flatten(1)), nn.LayerNorm(192)), "f.y"),
    ],
)
def test_it_is_written_however_it_is_called(model, text):
    assert explorer.write(explorer.layers(model, (3, 8, 8))) == text


@pytest.mark.parametrize(
    "model, operation",
    [
        (Calls(lambda x: x / x.relu()), "truediv|div"),
        (Calls(lambda x: x * 2), "mul"),
        (Calls(lambda x: x.permute(0, 1, 3, 2)), "permute"),
        (nn.LayerNorm(8), "layer norm"),  # of each row, not of the channels
        (nn.LayerNorm((3, 8, 8)), "layer norm"),
        (nn.Sequential(nn.Flatten(), nn.LayerNorm(192, bias=False)), "layer norm"),
        (nn.Linear(8, 8), "linear"),
    ],
)
def test_what_it_has_no_layer_for_is_refused(model, operation):
    with pytest.raises(ValueError, match=f"^the explorer has no layer for ({operation}) "):
        explorer.layers(model, (3, 8, 8))
