"""Published weights are loaded from torch's cache if the file is what its name says."""

from __future__ import annotations

import hashlib
import socket
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import torch
import torchvision

from cnnbook import data, models
from cnnbook.models import published
from cnnbook.models.published import (
    load_published,
    normalise,
    published_accuracy,
    published_names,
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Torch's cache in a folder of the test's own, and no way out to the network."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))

    def no_network(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    yield tmp_path / "checkpoints"
    torch.hub.set_dir(before)


def publish(cache, monkeypatch, name, state, damaged=False):
    """Put `state` into the cache as if torchvision had published it for `name`."""
    cache.mkdir(exist_ok=True)
    torch.save(state, cache / "unnamed")
    digest = hashlib.sha256((cache / "unnamed").read_bytes()).hexdigest()
    file = (cache / "unnamed").rename(cache / f"{name}-{digest[:8]}.pth")
    if damaged:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    url = f"https://example.org/models/{file.name}"

    def get_state_dict(**options):
        return torch.hub.load_state_dict_from_url(url, **options)

    weights = SimpleNamespace(url=url, get_state_dict=get_state_dict)
    monkeypatch.setattr(
        torchvision.models, "get_model_weights", lambda asked: {"IMAGENET1K_V1": weights}
    )
    return file


@pytest.fixture(scope="module")
def twins():
    """Torchvision's own networks, whose weights are random here and let a signal through."""
    torch.manual_seed(0)
    networks = {
        "resnet18": torchvision.models.resnet18(),
        "googlenet": torchvision.models.googlenet(aux_logits=True, init_weights=False),
    }
    for network in networks.values():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # the statistics of the one batch that follows
        with torch.no_grad():
            network.train()(torch.randn(8, 3, 64, 64))
    return networks


def test_the_network_answers_as_torchvision_s_with_these_weights(cache, monkeypatch, twins):
    publish(cache, monkeypatch, "resnet18", twins["resnet18"].state_dict())
    model = load_published("resnet18", {})
    images = torch.rand(2, 3, 64, 64)
    assert not model.training
    torch.testing.assert_close(model(images), twins["resnet18"].eval()(images))


def test_googlenet_transforms_its_input_as_torchvision_s_does(cache, monkeypatch, twins):
    state = twins["googlenet"].state_dict()
    publish(cache, monkeypatch, "googlenet", state)
    model = load_published("googlenet", {})
    twin = torchvision.models.googlenet(
        aux_logits=True, init_weights=False, transform_input=True
    ).eval()
    twin.load_state_dict(state)
    images = torch.randn(2, 3, 64, 64)
    assert model.aux_logits is False
    torch.testing.assert_close(model(images), twin(images))
    plain = models.googlenet(aux_logits=False).eval()
    plain.load_state_dict(model.state_dict())
    assert (plain(images) - model(images)).abs().max() > 0.01  # the transform matters


def test_a_damaged_file_in_the_cache_is_not_read(cache, monkeypatch, twins):
    state = twins["resnet18"].state_dict()
    file = publish(cache, monkeypatch, "resnet18", state, damaged=True)
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("it was read"))
    with pytest.raises(ValueError, match=rf"{file.name} is damaged: .*; delete it"):
        load_published("resnet18", {})


def test_a_file_under_the_published_name_that_is_another_is_refused(cache):
    cache.mkdir()
    torch.save(models.resnet18().state_dict(), cache / "resnet18-f37072fd.pth")
    with pytest.raises(ValueError, match="resnet18-f37072fd.pth is damaged"):
        load_published("resnet18", {})


def test_without_a_connection_one_line_says_so(cache, capsys):
    with pytest.raises(ConnectionError, match="alexnet could not be downloaded") as told:
        load_published("alexnet", {})
    assert "\n" not in str(told.value) and "alexnet-owt-7be5be79.pth" in str(told.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["zfnet", "resnet20", "preact_resnet18", "plain34", "resnt18"])
def test_a_network_without_a_twin_is_refused(name, cache):
    with pytest.raises(ValueError, match=f"torchvision has no .*{name}"):
        load_published(name, {})


@pytest.mark.parametrize(
    "name, options, said",
    [
        ("alexnet", {"variant": "paper"}, "variant='paper'"),
        ("resnet18", {"num_classes": 10}, "num_classes=10: fc.bias is 1000 there and 10 here"),
        ("resnet18", {"in_channels": 1}, "conv1.weight is 64×3×7×7 there and 64×1×7×7 here"),
        ("googlenet", {"transform_input": False}, "transform_input=True"),
        ("googlenet", {"aux_logits": True}, "aux_logits=False"),
        ("googlenet", {"batch_norm": False}, "missing here"),
        ("vgg11", {"width": 16}, "do not fit vgg11 with width=16"),
    ],
)
def test_an_option_that_does_not_fit_is_named_before_any_download(name, options, said, cache):
    with pytest.raises(ValueError, match=said) as told:
        load_published(name, options)
    assert "\n" not in str(told.value) and not cache.exists()


def test_options_that_fit_are_kept(cache, monkeypatch, twins):
    publish(cache, monkeypatch, "resnet18", twins["resnet18"].state_dict())
    options = {"num_classes": 1000, "variant": "torchvision"}
    assert load_published("resnet18", options).fc.out_features == 1000
    assert options == {"num_classes": 1000, "variant": "torchvision"}  # the caller's dict


def test_the_first_weights_of_every_twin_have_a_hash_in_their_name():
    assert {"alexnet", "vgg16", "googlenet", "resnet152", "resnext50_32x4d"} <= set(
        published_names()
    )
    for name in published_names():
        weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
        assert published.HASH.search(weights.url), weights.url


def test_normalise_is_torchvision_s_own():
    weights = torchvision.models.get_model_weights("alexnet")["IMAGENET1K_V1"]
    preset = weights.transforms()
    picture = data.photograph("coffee")
    expected = torchvision.transforms.functional.normalize(picture / 255, preset.mean, preset.std)
    torch.testing.assert_close(normalise(picture), expected)
    torch.testing.assert_close(normalise(picture[None] / 255), expected[None])
    with pytest.raises(ValueError, match="got 1×28×28"):
        normalise(torch.zeros(1, 28, 28))


def test_the_accuracy_that_torchvision_states():
    assert published_accuracy("resnet50") == 76.13
    assert published_accuracy("densenet201") == 76.896  # which we have not
    with pytest.raises(ValueError, match="no classifier 'resnet5'; did you mean resnet50"):
        published_accuracy("resnet5")
