"""A network's graph has the profile's rows, the code's own joins, and the values that run."""

from __future__ import annotations

import copy
import inspect

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from cnnbook import models, profile
from cnnbook.interpret import activations
from cnnbook.interpret.graph import ROWS, graph
from cnnbook.models._common import BUILDERS


def every_variant() -> list[tuple[str, dict]]:
    found = []
    for name in models.names():
        variants = [{}]
        if "variant" in inspect.signature(BUILDERS[name]).parameters:
            other = "wide" if name == "zfnet" else "torchvision"
            variants = [{"variant": "paper"}, {"variant": other}]
        found += [(name, options) for options in variants]
    return found


@pytest.mark.parametrize("name, options", every_variant())
def test_the_rows_are_those_of_the_profile(name, options):
    with torch.device("meta"):
        model = models.create(name, **options)
    steps = graph(model, (3, 224, 224))
    rows = [(node.name, node.kind, node.shape) for node in steps if node.kind in ROWS]
    layers = profile(model, (3, 224, 224)).layers
    assert rows == [(layer.name, layer.kind, layer.output) for layer in layers]
    names = [node.name for node in steps]
    assert len(set(names)) == len(names)
    seen = {"input"}
    for node in steps.nodes[1:]:  # in execution order: nothing reads what has not run
        assert node.inputs and set(node.inputs) <= seen, node.name
        seen.add(node.name)
    # Every step leads to the output, in a network in inference.
    readers = steps.readers()
    assert [name for name in names if not readers[name]] == [steps.output]


def test_a_residual_block():
    steps = graph(models.resnet20(in_channels=1), (1, 28, 28))
    block = [node for node in steps if node.block == "layer2.0"]
    assert [(node.name.removeprefix("layer2.0."), node.label) for node in block] == [
        ("conv1", "conv 3×3, 32"), ("bn1", "batch norm"), ("relu", "ReLU"),
        ("conv2", "conv 3×3, 32"), ("bn2", "batch norm"),
        ("downsample.subsample", "avg pool 1×1"), ("downsample.pad", "zeros appended"),
        ("add", "+"), ("relu#2", "ReLU"),
    ]  # fmt: skip
    assert steps["layer2.0.add"].inputs == (
        "layer2.0.bn2",
        "layer2.0.downsample.pad",
    )
    assert steps["layer2.0.conv1"].inputs == ("layer1.2.relu#2",)
    assert steps["layer2.0.downsample.subsample"].inputs == ("layer1.2.relu#2",)
    assert steps["layer2.0.conv1"].notes == ("stride 2",)
    assert steps["layer2.0.conv1"].settings["stride"] == (2, 2)
    assert steps["layer2.0.bn1"].tensors["var"] == "layer2.0.bn1.running_var"
    assert steps["layer2.0"] is steps["layer2.0.relu#2"]
    # A shortcut that is the identity is a step of its own, beside what reads the same input.
    assert steps["layer1.0.add"].inputs == ("layer1.0.bn2", "layer1.0.downsample")
    assert steps["layer1.0.downsample"].kind == "same"
    assert steps["layer1.0.downsample"].inputs == steps["layer1.0.conv1"].inputs


def test_an_inception_module():
    steps = graph(models.googlenet(variant="paper", aux_logits=False), (3, 224, 224))
    concat = steps["inception3a"]
    assert (concat.operation, concat.shape) == ("concat", (256, 28, 28))
    assert [steps[name].module for name in concat.inputs] == [
        "inception3a.branch1.relu", "inception3a.branch2.1.relu",
        "inception3a.branch3.1.relu", "inception3a.branch4.1.relu",
    ]  # fmt: skip
    assert steps["inception3a.branch3.1.conv"].label == "conv 5×5, 32"
    assert steps["inception3a.branch4.0"].notes == ()
    assert {node.block for node in steps} >= {"inception3a", "inception5b", ""}


class Functional(nn.Module):
    """Everything without modules, on code that looks at shapes, as a tracer of symbols cannot."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, groups=1)

    def forward(self, x):
        if x.shape[-1] < 4 or x.size(1) != 1:
            raise ValueError("too small")
        y = F.conv2d(x, self.conv.weight, self.conv.bias, stride=2)
        y = F.relu_(y)
        y += 1.0
        z = F.max_pool2d(y, 2, ceil_mode=True)
        z = torch.cat([z, -z], dim=1)
        return sum([z, z, z]).mean((2, 3))


def test_functions_are_steps():
    steps = graph(Functional(), (1, 9, 9))
    assert [(node.name, node.operation, node.inputs) for node in steps.nodes[1:]] == [
        ("conv", "conv", ("input",)),
        ("relu", "relu", ("conv",)),
        ("add", "add", ("relu",)),
        ("max_pool2d", "max pool", ("add",)),
        ("neg", "neg", ("max_pool2d",)),
        ("cat", "concat", ("max_pool2d", "neg")),
        ("add#2", "add", ("cat",)),
        ("add#3", "add", ("add#2", "cat")),
        ("add#4", "add", ("add#3", "cat")),
        ("mean", "mean", ("add#4",)),
    ]
    assert steps["conv"].settings["stride"] == (2, 2) and steps["conv"].shape == (
        4,
        4,
        4,
    )
    assert steps["max_pool2d"].settings["ceil"] is True
    assert steps["add"].settings["number"] == 1.0


def test_a_gate_a_layer_norm_and_a_layer_scale():
    gated = graph(models.SEBottleneck(64, 16), (64, 9, 9))
    assert gated["se.mul"].inputs == ("bn3", "se.gate")
    block = graph(models.ConvNeXtBlock(8), (8, 9, 9))
    assert (block["mul"].inputs, block["mul"].settings, block["mul"].tensors) == (
        ("block.6.permute",), {"size": (8, 1, 1)}, {"weight": "layer_scale"},
    )  # fmt: skip
    first, second = block["block.1"], block["block.6"]
    assert (first.shape, first.settings["dims"]) == ((9, 9, 8), (0, 2, 3, 1))
    assert (second.shape, second.settings["dims"]) == ((8, 9, 9), (0, 3, 1, 2))
    norm = block["block.2"]
    assert (norm.operation, norm.kind, norm.settings["size"]) == ("layer norm", "norm", (8,))
    assert norm.tensors == {"weight": "block.2.weight", "bias": "block.2.bias"}


@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v3_small", "vit_b_16"])
def test_networks_of_others(name):
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    steps = graph(model, (3, 224, 224))
    assert steps[steps.output].shape == (1000,)
    if name != "vit_b_16":  # its attention is a step, and in a profile several rows
        rows = [node.name for node in steps if node.kind in ROWS]
        assert rows == [layer.name for layer in profile(model, (3, 224, 224)).layers]


@pytest.mark.parametrize("name, options, size", [
    ("resnet20", {"in_channels": 1}, (1, 28, 28)),
    ("googlenet", {"width": 0.25}, (3, 32, 32)),
    ("alexnet", {"hidden_features": 64, "num_classes": 10}, (3, 63, 63)),
    ("preact_resnet20", {}, (3, 32, 32)),
])  # fmt: skip
def test_activations_are_what_the_layers_give(name, options, size):
    torch.manual_seed(0)
    model = models.create(name, **options)
    image = torch.randn(size)
    found = activations(model, image)
    assert list(found)[0] == "input" and torch.equal(found["input"], image)
    steps = graph(model, size)
    assert [node.name for node in steps] == list(found)[: len(steps)]
    assert all(tuple(found[node.name].shape) == node.shape for node in steps)
    # The same by hooks; they would see what a ReLU in place makes of what they keep.
    twin = copy.deepcopy(model).eval()
    hooked = {}
    for path, module in twin.named_modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
        module.register_forward_hook(
            lambda m, i, output, path=path: hooked.setdefault(path, []).append(output[0])
        )
    with torch.no_grad():
        twin(image[None])
    for path, outputs in hooked.items():
        for i, output in enumerate(outputs, 1):
            key = path if i == 1 else f"{path}#{i}"
            if path:
                assert torch.equal(found[key], output), key
    assert torch.equal(found[steps.output], hooked[""][0])


def test_the_network_is_only_read():
    model = models.resnet20().train()
    calls = []
    model.conv1.register_forward_hook(lambda *_: calls.append(1))
    before = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    graph(model, (3, 32, 32))
    activations(model, torch.zeros(3, 32, 32))
    assert not calls and all(module.training for module in model.modules())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.device.type == "cpu" and p.grad is None for p in model.parameters())


def test_wrong_input_is_said():
    with pytest.raises(ValueError, match="images of at least 63×63"):
        graph(models.alexnet(), (3, 32, 32))
    with pytest.raises(ValueError, match="^Sequential cannot be drawn at"):
        graph(nn.Sequential(nn.Conv2d(3, 8, 5)), (3, 2, 2))
    with pytest.raises(TypeError, match="torch.nn.Module, got str"):
        graph("resnet20", (3, 32, 32))
    with pytest.raises(ValueError, match="a tensor of C × H × W"):
        activations(models.resnet20(), torch.zeros(1, 3, 32, 32))
