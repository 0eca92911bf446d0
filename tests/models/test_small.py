from __future__ import annotations

import pytest
import torch

from cnnbook import models, profile


@pytest.fixture
def images():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield torch.randn(4, 1, 28, 28)


def test_its_shapes_are_those_that_stand_beside_its_layers():
    table = profile(models.small_resnet(in_channels=1), (1, 28, 28)).table
    convs = table[table.kind == "conv"].output.tolist()
    assert convs == [(32, 28, 28), *[(64, 14, 14)] * 3, *[(128, 7, 7)] * 3]
    assert table.output.iloc[-1] == (10,)


def test_mirrored_it_answers_an_image_and_its_mirror_image_alike(images):
    network = models.small_resnet(in_channels=1, mirrored=True).eval()
    with torch.no_grad():
        answers = network(images)
        torch.testing.assert_close(network(images.flip(-1)), answers)
        each = network.logits(images), network.logits(images.flip(-1))
        torch.testing.assert_close(answers, sum(each) / 2)
        assert not torch.allclose(*each)


def test_in_training_an_image_is_read_once(images):
    flops = [
        profile(models.small_resnet(in_channels=1, mirrored=m), (1, 28, 28), training=t).total.flops
        for m, t in ((False, True), (True, True), (True, False))
    ]
    assert flops[0] == flops[1] == flops[2] / 2


def test_without_shortcuts_nothing_else_is_gone(images):
    network, plain = (
        models.small_resnet(in_channels=1, shortcuts=shortcuts).eval()
        for shortcuts in (True, False)
    )
    plain.load_state_dict(network.state_dict())
    x = torch.randn(2, 64, 14, 14)
    with torch.no_grad():
        torch.testing.assert_close(network.pair1(x) - x, plain.pair1(x), rtol=1e-3, atol=1e-4)


def test_too_small_images_are_one_line():
    network = models.small_resnet(in_channels=1)
    with pytest.raises(ValueError, match="SmallResNet needs images of at least 8×8, got 7×9$"):
        network(torch.zeros(1, 1, 7, 9))
    assert network.eval()(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


def test_a_gelu_stands_where_a_relu_did():
    kinds = [
        [type(m) for m in models.small_resnet(gelu=gelu).modules() if not list(m.children())]
        for gelu in (False, True)
    ]
    swapped = [torch.nn.GELU if kind is torch.nn.ReLU else kind for kind in kinds[0]]
    assert kinds[1] == swapped and torch.nn.ReLU not in kinds[1]
    assert kinds[1].count(torch.nn.GELU) == 7
