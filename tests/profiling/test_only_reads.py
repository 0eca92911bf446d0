"""The caller's model and the process stay as they were; bad input is one line."""

from __future__ import annotations

import functools
import gc
import tracemalloc
import types
import weakref
from collections import OrderedDict, defaultdict, deque, namedtuple

import numpy as np
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


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: x.sum().item(),
        lambda x: bool(x.max() > 0),
        lambda x: len(x[x > 0]),
        lambda x: torch.where(x > 0),
        lambda x: torch.argwhere(x),
    ],
)
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


# What a forward keeps outside of the network is read by the network that runs for real.

CACHE: dict = {}


@functools.lru_cache
def table(n):
    return torch.arange(n)


@functools.lru_cache
def waves(n, d):
    """Too many to be known beside their shapes, and written to in several ways."""
    found = torch.zeros(n, d)
    angles = torch.arange(n)[:, None] * torch.exp(torch.arange(0, d, 2) * (-8 / d))
    found[:, 0::2] = angles.sin()
    found[:, 1::2] = angles.cos()
    last = found[-1]
    last.add_(1)
    return found


@functools.lru_cache
def noise(n):
    return torch.rand(n)


class Caching(nn.Module):
    grids: dict = {}

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        n = x.shape[-1]
        if n not in CACHE:
            CACHE[n] = torch.linspace(0, 1, n)
            CACHE["of its shape"] = x.new_ones(4, 1, 1) * 3
            CACHE["of a weight"] = self.conv.weight * 2
            CACHE["a view"] = CACHE[n][None]
        if n not in self.grids:
            steps = torch.arange(n, device=x.device)
            self.grids[n] = torch.meshgrid(steps, torch.arange(n), indexing="ij")
        y = torch.conv2d(x, CACHE["of a weight"], padding=1) + CACHE["of its shape"]
        rows, columns = self.grids[n]
        return y + CACHE[n] + CACHE["a view"] + table(n) + rows + columns + waves(2_000, 64).mean()


@pytest.mark.parametrize("runs", [True, False])
def test_a_cache_outside_of_the_network_holds_what_it_would(runs):
    class Fails(Caching):
        def forward(self, x):
            return super().forward(x) + noise(x.shape[-1]).sum().item() + (0 if runs else x.item())

    def empty():
        CACHE.clear(), Caching.grids.clear()
        table.cache_clear(), waves.cache_clear(), noise.cache_clear()

    empty()
    model = Fails() if not runs else Caching()
    random, weights = torch.get_rng_state(), model.conv.weight.detach().clone()
    try:
        profile(model, (3, 8, 8))
    except ProfileError:
        assert not runs
    assert torch.equal(torch.get_rng_state(), random)
    image = torch.rand(1, 3, 8, 8)
    cached = {**CACHE, "grids": torch.stack(Caching.grids[8]), "table": table(8)}
    cached["waves"] = waves(2_000, 64)
    found = Caching.forward(model, image)
    empty()
    assert torch.equal(Caching.forward(model, image), found)
    expected = {**CACHE, "grids": torch.stack(Caching.grids[8]), "table": table(8)}
    expected["waves"] = waves(2_000, 64)
    assert cached.keys() == expected.keys()
    for key, value in expected.items():
        assert cached[key].device.type == "cpu" and torch.equal(cached[key], value), key
        assert not hasattr(cached[key], "value") and not hasattr(cached[key], "base")
    assert torch.equal(model.conv.weight, weights)
    empty()


def test_numbers_drawn_into_a_cache_are_numbers():
    noise.cache_clear()
    model = nn.Sequential(nn.Conv2d(3, 4, 1), Drawing())
    random = torch.get_rng_state()
    profile(model, (3, 8, 8))
    assert torch.equal(torch.get_rng_state(), random)
    assert bool((noise(8) < 1).all()) and noise.cache_info().hits == 1
    noise.cache_clear()


class Drawing(nn.Module):
    def forward(self, x):
        return x + noise(x.shape[-1])


class Slots:
    __slots__ = ("__hidden", "never", "seen")

    def __init__(self):
        self.seen, self.__hidden = None, []

    def note(self, x):
        self.seen = x
        self.__hidden.append(x)


class Both(Slots):
    def __init__(self):
        super().__init__()
        self.more = []


class Book(dict):
    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.last = key


class Shelf(OrderedDict):
    pass


class Row(list):
    pass


class Names(set):
    pass


class Sums(defaultdict):
    pass


Pair = namedtuple("Pair", "first second")


def test_whatever_an_attribute_is_it_stays_as_it_is():
    class Notes(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.slots, self.both, self.book, self.shelf = Slots(), Both(), Book(), Shelf()
            self.row, self.names, self.sums, self.pair = Row(), Names(), Sums(list), Pair([], 1)
            self.array, self.bytes = np.zeros(3), bytearray(b"a")
            self.state, self.last = types.SimpleNamespace(x=None), deque(maxlen=1)
            self.arrays = np.array([[], None], dtype=object)

        def forward(self, x):
            x = self.conv(x)
            self.slots.note(x), self.both.note(x), self.both.more.append(x)
            self.book["x"] = self.shelf["x"] = self.state.x = x
            self.row.append(x), self.names.add("x"), self.sums["x"].append(x)
            self.pair.first.append(x), self.last.append(x), self.last.append(x)
            self.array += len(self.last)
            self.bytes += b"b"
            self.arrays[0].append(x)
            return x

    model = Notes()
    assert profile(model, (3, 8, 8)).layers[0].output == (4, 6, 6)
    for noted in (model.slots, model.both):
        assert noted.seen is None and noted._Slots__hidden == []
    assert model.both.more == model.row == model.pair.first == model.arrays[0] == []
    assert not (model.book or model.shelf or model.names or model.sums or model.last)
    assert model.state.x is None and not hasattr(model.book, "last")
    assert not model.array.any() and model.bytes == b"a"
    model(torch.zeros(1, 3, 8, 8))
    assert model.array.tolist() == [1, 1, 1] and model.book.last == "x"
