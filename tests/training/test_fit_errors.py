import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from cnnbook import data, models
from cnnbook.training import Recipe, fit


def error_of(model, train, test=None, recipe=None, device="cpu", kind=ValueError):
    with pytest.raises(kind) as error:
        fit(model, train, test, recipe, device=device, progress=False)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "", None])
def test_an_unknown_device(network, sets, device):
    message = error_of(network(), *sets, device=device)
    assert message.startswith(f"no device {str(device)!r} here; there is auto, cpu")


@pytest.mark.parametrize("part", ["train", "test"])
def test_what_is_no_image_set(network, sets, part):
    parts = {"train": sets[0], "test": sets[1], part: sets}
    message = error_of(network(), **parts)
    assert message.startswith(f"{part} must be an ImageSet") and message.endswith("got tuple")


def test_too_many_channels(sets):
    message = error_of(resnet18(num_classes=10), *sets)
    assert message == (
        "ResNet cannot take images of 1×28×28: its first layer has in_channels=3, the images have 1"
    )


def test_the_networks_own_message_passes_through(sets):
    message = error_of(models.create("alexnet", num_classes=10, in_channels=1), *sets)
    assert "63" in message


def test_images_too_small_for_a_network_that_does_not_say_so(sets):
    model = nn.Sequential(nn.Conv2d(1, 4, 31), nn.Flatten(), nn.Linear(4, 10))
    message = error_of(model, *sets)
    assert message.startswith("Sequential cannot take images of 1×28×28: ")


def test_wrong_number_of_classes(network, sets):
    assert error_of(network(num_classes=1000), *sets) == (
        "fashion-mnist-mini has 10 classes, but SmallNet gives 1000 values an image; "
        "build it with num_classes=10"
    )


def test_a_network_without_a_classifier(sets):
    message = error_of(nn.Conv2d(1, 10, 3), *sets)
    assert "Conv2d gives 10×26×26 values an image" in message


def test_nothing_to_train(network, sets):
    model = network().requires_grad_(False)
    assert error_of(model, *sets) == "SmallNet has no parameters to train"


def test_a_batch_larger_than_the_set(network, sets):
    message = error_of(network(), *sets, Recipe(batch_size=1001))
    assert message == "batch_size 1001 is more than the 1000 training images"


def test_too_few_images_to_hold_some_out(network, sets):
    few = replace(sets[0].subset(range(30)), validation=None)
    assert "leaves one part without images" in error_of(network(), few)


def test_a_test_set_of_other_classes(network, sets):
    test = data.ImageSet(sets[1].images, sets[1].labels, tuple("abcdefghij"), "letters")
    message = error_of(network(), sets[0], test)
    assert message.startswith("the test images must have the channels and classes of the training")


def test_an_error_leaves_the_network_as_it_was(network, sets):
    model = network(num_classes=7).train()
    model.stack[1].eval()
    modes = [m.training for m in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    error_of(model, *sets)
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("schedule", ["constant", "one-cycle", "cosine"])
def test_a_diverging_loss_stops_with_step_and_learning_rate(sets, schedule):
    """The second epoch's first loss is the first that is no number: steps count from the start."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    steps = []

    def spoil(model, inputs, outputs):
        steps.append(model.training)
        return outputs * float("nan") if steps.count(True) == 11 else outputs

    model.register_forward_hook(spoil)
    state = torch.get_rng_state()
    warmup = 0 if schedule == "one-cycle" else 1
    recipe = Recipe(epochs=2, batch_size=100, schedule=schedule, warmup_epochs=warmup, lr=0.01)
    message = error_of(model, *sets, recipe, kind=FloatingPointError)
    fallen = 0.005 * (1 + math.cos(math.pi * 5 / 14))  # 5 of the 14 steps after the top
    rate = {"constant": 0.01, "one-cycle": fallen, "cosine": 0.01}[schedule]
    start = "the training loss became nan at step 11, with learning rate "
    assert message.startswith(start) and message.endswith("; try a lower lr")
    assert float(message.removeprefix(start).partition(";")[0]) == pytest.approx(rate, rel=1e-2)
    assert torch.equal(torch.get_rng_state(), state)
