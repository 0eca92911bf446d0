"""The caller's model and the process stay as they were; bad input is one line."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import pytest
import torch
import torchvision
from torch import nn

from cnnbook import models, profile
from cnnbook.profiling import ProfileError, TooSmall


def test_the_caller_s_model_stays_as_it_is():
    model = torchvision.models.resnet18()
    model.layer1.eval()  # a mixed mode
    called = []
    model.register_forward_hook(lambda *args: called.append("forward"))
    model.conv1.register_forward_pre_hook(lambda *args: called.append("pre"))
    model.conv1.weight.grad = torch.ones_like(model.conv1.weight)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    attributes = [dict(module.__dict__) for module in model.modules()]
    random = torch.get_rng_state()

    for training in (False, True):
        profile(model, (3, 64, 64), training=training)

    assert called == []
    assert modes == [module.training for module in model.modules()]
    assert [set(a) for a in attributes] == [set(m.__dict__) for m in model.modules()]
    for key, value in model.state_dict().items():
        assert value.device.type == "cpu" and torch.equal(value, state[key]), key
    assert bool((model.conv1.weight.grad == 1).all())
    assert torch.equal(torch.get_rng_state(), random)
    model(torch.zeros(1, 3, 64, 64))
    assert called == ["pre", "forward"]


def test_the_collector_goes_on_as_before():
    network = nn.Sequential(nn.Conv2d(3, 4, 1))
    try:
        for collects in (False, True):
            (gc.enable if collects else gc.disable)()
            profile(network)
            assert gc.isenabled() is collects
            with pytest.raises(ProfileError):
                profile(network, (4, 8, 8))
            assert gc.isenabled() is collects
    finally:
        gc.enable()


def test_random_layers_do_not_move_the_generator():
    class Noise(nn.Module):
        def forward(self, x):
            return x + torch.rand(1, device="cpu") + torch.randn_like(x)

    random = torch.get_rng_state()
    profile(Noise(), training=True)
    assert torch.equal(torch.get_rng_state(), random)


def test_the_model_and_its_weights_are_freed_with_the_last_name():
    gc.disable()
    try:
        model = models.alexnet(hidden_features=8)
        profile(model)
        left = [weakref.ref(part) for part in (model, *model.parameters())]
        del model
        assert [part() for part in left] == [None] * 17
    finally:
        gc.enable()


def test_no_activations_and_no_weights_are_allocated():
    with torch.device("meta"):
        huge = torchvision.models.vgg19()
    profile(huge)  # imports, caches
    tracemalloc.start()
    profile(huge, (3, 8192, 8192))  # activations of over 80 GB
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "size, message",
    [
        ((1, 3, 224, 224), r"without a batch dimension.*leave out the first number: \(3, 224, 224"),
        ((3, 224), "three positive integers"),
        ((3, 224, 0), "three positive integers"),
        ((3, 224, -1), "three positive integers"),
        ((3, 224.0, 224), "three positive integers"),
        ((3, True, 224), "three positive integers"),
        (224, "three positive integers"),
        ("3x224x224", "three positive integers"),
        ((3, 10**17, 8), r"^images of \(3, 100000000000000000, 8\) are too large$"),
        ((3, 10**200, 8), r"^images of \(3, 10{52}\.\.\. are too large$"),
    ],
)
def test_input_size(size, message):
    with pytest.raises(ValueError, match=message) as error:
        profile(models.alexnet(hidden_features=8), size)
    assert "\n" not in str(error.value)


def test_too_small_an_image_names_the_smallest_that_fits():
    model = torchvision.models.squeezenet1_0()
    with pytest.raises(TooSmall, match="images of 10×10 are too small.*at least 21×21$"):
        profile(model, (3, 10, 10))
    profile(model, (3, 21, 21))
    with pytest.raises(ValueError, match="at least 63×63"):
        profile(models.alexnet(hidden_features=8), (3, 62, 62))


def test_wrong_channels():
    with pytest.raises(ProfileError, match="layer 'conv1' takes 3 channels, got 1"):
        profile(torchvision.models.resnet18(), (1, 64, 64))
    with pytest.raises(ProfileError, match="takes 8 inputs, got 9"):
        profile(nn.Sequential(nn.Flatten(), nn.Linear(8, 2)), (1, 3, 3))


@pytest.mark.parametrize("ask", [lambda x: x.sum().item(), lambda x: bool(x.max() > 0)])
def test_a_network_that_asks_for_values(ask):
    class Nosy(nn.Module):
        def forward(self, x):
            return x * 2 if ask(x) else x

    with pytest.raises(ProfileError, match="asks for the values of an activation.*cannot tell"):
        profile(Nosy())


def test_what_is_no_plain_module():
    with pytest.raises(ProfileError, match="takes a torch.nn.Module, got str"):
        profile("alexnet")
    with pytest.raises(ProfileError, match="'0' is lazy"):
        profile(nn.Sequential(nn.LazyConv2d(4, 3)))


def test_a_compiled_model_is_its_original():
    model = torchvision.models.resnet18()
    assert profile(torch.compile(model)) == profile(model)
