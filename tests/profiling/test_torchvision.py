"""Every classification network of torchvision, against torch's own counter."""

from __future__ import annotations

import warnings

import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import regnet

from cnnbook import profile
from cnnbook.interpret import measured_receptive_field


def build(name: str) -> torch.nn.Module:
    """A network on the meta device: the largest would fill the memory."""
    original = regnet.BlockParams.from_init_params.__func__

    def on_cpu(cls, *args, **kwargs):  # it computes widths with tensors
        with torch.device("cpu"):
            return original(cls, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # on the initial weights of two networks
        patch.setattr(regnet.BlockParams, "from_init_params", classmethod(on_cpu))
        with torch.device("meta"):
            return torchvision.models.get_model(name)


@pytest.mark.parametrize("name", torchvision.models.list_models(module=torchvision.models))
def test_totals_are_those_of_torch(name):
    model = build(name).eval()
    side = 299 if name == "inception_v3" else 224
    p = profile(model, (3, side, side))
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, side, side, device="meta"))
    assert p.total.flops * 2 == counter.get_total_flops()
    assert p.total.params == sum(q.numel() for q in model.parameters())


def test_auxiliary_heads_run_in_training_only():
    model = build("googlenet").train()
    p, trained = profile(model), profile(model, training=True)
    assert {name.partition(".")[0] for name in p.not_run} == {"aux1", "aux2"}
    assert p.total.params == trained.total.params == 13_004_888
    assert trained.total.flops - p.total.flops == 8_372_224
    assert trained.not_run == {}


@pytest.mark.parametrize(
    "name, layer, side",
    [
        ("alexnet", "features.12", 430),
        ("vgg11", "features.15", 160),
        ("resnet18", "layer3.1.conv2", 440),
        ("resnet50", "layer2.3.conv2", 200),
        ("googlenet", "inception3b.branch3.1.conv", 200),
        ("densenet121", "features.denseblock2.denselayer4.conv2", 260),
        ("squeezenet1_0", "features.12.expand3x3", 330),
        ("mobilenet_v2", "features.5.conv.1.0", 130),
    ],
)
def test_receptive_field_is_the_measured_one(name, layer, side):
    options = {"init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, **options)
    size = (3, side, side)
    row = layer if layer in profile(model, size).table.index else layer + ".0"
    derived = profile(model, size).table.receptive_field[row]
    assert derived < side, "the image must be larger than the field"
    assert measured_receptive_field(model, layer, size) == (derived, derived)


def test_squeeze_and_excitation_sees_everything():
    table = profile(build("efficientnet_b0"), (3, 128, 128)).table
    assert table.receptive_field["features.0.0"] == 3
    assert (table.receptive_field.iloc[4:] >= 128).all()


def test_attention_sees_everything_and_windows_of_attention_theirs():
    assert profile(build("vit_b_16")).table.receptive_field.iloc[-1] == 224
    layers = {layer.name: layer for layer in profile(build("swin_t")).layers}
    assert layers["features.1.0.attn.qkv"].receptive_field == 4
    # Seven tokens of four pixels; shifted by three tokens, the next windows see two of them.
    assert layers["features.1.0.mlp.0"].receptive_field == 28
    assert layers["features.1.1.mlp.0"].receptive_field == 56
    assert layers["features.1.1.mlp.0"].sees == "exact"
    assert layers["head"].sees == "whole image"
