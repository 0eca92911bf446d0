import math
import random
from collections import namedtuple
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnnbook import data
from cnnbook.training import Recipe, fit
from cnnbook.training.recipe import loss_of, make_normalise

QUICK = Recipe(epochs=2, batch_size=100, augment=("flip", "crop"))


def train(model, sets, recipe=QUICK):
    return fit(model, *sets, recipe, device="cpu", progress=False)


def deterministic(history):
    return history.drop(columns=["seconds", "images_per_second"])


def test_a_small_network_learns_real_images(network, sets):
    run = train(network(), sets, Recipe(epochs=4, lr=0.1, batch_size=25))
    assert run.test_accuracy > 0.6
    assert run.history.validation_accuracy.iloc[-1] > 0.6
    assert run.history.train_loss.is_monotonic_decreasing


def test_the_same_recipe_gives_the_same_run_to_the_bit(network, sets):
    first = train(network(), sets)
    # Whatever the caller drew in between plays no part.
    torch.rand(5), random.random(), np.random.rand()
    second = train(network(), sets)
    assert deterministic(first.history).equals(deterministic(second.history))
    assert (first.test_loss, first.test_accuracy) == (second.test_loss, second.test_accuracy)
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    other = train(network(), sets, replace(QUICK, seed=1))
    assert not deterministic(first.history).equals(deterministic(other.history))


def test_the_callers_random_numbers_are_untouched(network, sets):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    train(network(), sets)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_the_run_says_what_was_done(network, sets):
    model = network()
    run = train(model, sets)
    assert run.model is model and not any(m.training for m in model.modules())
    assert (run.recipe, run.data, run.device) == (QUICK, "fashion-mnist-mini", "cpu")
    assert list(run.history) == [
        "epoch", "lr", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
        "seconds", "images_per_second",
    ]  # fmt: skip
    assert run.history.epoch.tolist() == [1, 2]
    assert run.history.lr.tolist() == pytest.approx([0.05, 0.025])
    assert run.history.seconds.sum() < run.seconds
    speed = run.history.seconds * run.history.images_per_second
    assert speed.tolist() == pytest.approx([1000, 1000])
    first, second = str(run).splitlines()
    assert first.startswith("SmallNet on fashion-mnist-mini: 2 epochs in ")
    assert second.startswith(f"test accuracy {run.test_accuracy:.1%}, validation accuracy ")
    assert first in repr(run) and first in run._repr_html_()


def test_figures_are_those_of_the_trained_network(network, sets):
    run = train(network(), sets)
    train_set, test = sets
    mean, std = (v.view(-1, 1, 1) for v in train_set.mean_std())
    for part, loss, accuracy in (
        (test, run.test_loss, run.test_accuracy),
        (train_set.validation, *run.history.iloc[-1][["validation_loss", "validation_accuracy"]]),
    ):
        with torch.no_grad():
            logits = run.model((part.images / 255 - mean) / std)
        assert loss == pytest.approx(F.cross_entropy(logits, part.labels).item(), rel=1e-5)
        assert accuracy == pytest.approx((logits.argmax(1) == part.labels).float().mean().item())


def test_without_a_test_set_there_are_no_test_figures(network, sets):
    run = fit(network(), sets[0], recipe=Recipe(epochs=1), device="cpu", progress=False)
    assert run.test_loss is None and run.test_accuracy is None
    assert "test" not in str(run).splitlines()[1]


def test_fit_equals_a_loop_written_by_hand(sets):
    """Nesterov SGD with warm-up, cosine, weight decay and label smoothing, without torch.optim."""
    train_set, _ = sets
    recipe = Recipe(
        epochs=2, batch_size=150, lr=0.1, weight_decay=0.01, warmup_epochs=0.5, label_smoothing=0.1
    )
    torch.manual_seed(0)
    weight, bias = torch.randn(10, 784) / 28, torch.zeros(10)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    model[1].load_state_dict({"weight": weight, "bias": bias})
    losses = fit(model, train_set, recipe=recipe, device="cpu", progress=False).history.train_loss

    mean, std = train_set.mean_std()
    images = ((train_set.images / 255 - mean) / std).flatten(1)
    targets = F.one_hot(train_set.labels, 10) * 0.9 + 0.01
    weight_velocity, bias_velocity = torch.zeros_like(weight), torch.zeros_like(bias)
    generator, step, steps, warmup, expected = torch.Generator().manual_seed(0), 0, 14, 4, []
    for _ in range(2):
        total = 0.0
        for chosen in torch.randperm(1000, generator=generator).tensor_split(7):
            x, y, n = images[chosen], targets[chosen], len(chosen)
            log_p = (x @ weight.T + bias).log_softmax(1)
            total += -(y * log_p).sum().item()
            error = (log_p.exp() - y) / n
            if step < warmup:
                lr = 0.1 * (0.01 + 0.99 * step / warmup)
            else:
                lr = 0.05 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
            weight_gradient, bias_gradient = error.T @ x + 0.01 * weight, error.sum(0)
            weight_velocity = 0.9 * weight_velocity + weight_gradient
            bias_velocity = 0.9 * bias_velocity + bias_gradient
            weight = weight - lr * (weight_gradient + 0.9 * weight_velocity)
            bias = bias - lr * (bias_gradient + 0.9 * bias_velocity)
            step += 1
        expected.append(total / 1000)
    assert losses.tolist() == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(model[1].weight.detach(), weight, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(model[1].bias.detach(), bias, rtol=1e-3, atol=1e-5)


def test_the_test_images_are_looked_at_once_and_last(network, sets):
    train_set, test = sets
    white = replace(test, images=torch.full_like(test.images, 255))
    seen = []

    def watch(model, inputs):
        (images,) = inputs
        is_white = (images == images.flatten(1)[:, :1, None, None]).flatten(1).all(1)
        seen.append((model.training, len(images), int(is_white.sum())))

    model = network()
    model.register_forward_pre_hook(watch)
    train(model, (train_set, white))
    assert seen.pop(0) == (False, 1, 0)  # one training image, to see that the network takes it
    assert sum(n for training, n, _ in seen if training) == 2 * 1000
    assert sum(n for training, n, _ in seen if not training) == 2 * 200 + 300
    looks = [i for i, (_, _, n) in enumerate(seen) if n]
    assert looks == list(range(len(seen) - len(looks), len(seen)))
    assert sum(n for *_, n in seen) == 300 and not any(t for t, _, n in seen if n)


def test_held_out_images_are_never_trained_on(sets):
    """Each image is of one grey level of its own, so that it is known again after normalising."""
    levels = torch.arange(200, dtype=torch.uint8)
    images = levels[:, None, None, None].expand(200, 1, 4, 4).contiguous()
    grey = data.ImageSet(images, levels.long() % 10, tuple("abcdefghij"), "grey")
    seen = {True: [], False: []}
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))
    model.register_forward_pre_hook(
        lambda model, inputs: seen[model.training].extend(inputs[0][:, 0, 0, 0].tolist())
    )
    recipe = Recipe(epochs=3, batch_size=32, lr=0.01, validation=0.2)
    fit(model, grey, recipe=recipe, device="cpu", progress=False)
    trained, held_out = set(seen[True]), set(seen[False][1:])
    assert len(trained) == 160 and len(held_out) == 40
    assert not trained & held_out
    assert sorted(seen[True]) == sorted(3 * list(trained))


def test_a_last_batch_of_one_image_would_break_batch_normalisation(sets):
    """65 images in batches of at most 64 are two of nearly one size."""
    train_set = replace(sets[0].subset(range(65)), validation=sets[1])
    model = nn.Sequential(nn.Conv2d(1, 8, 28), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 10))
    run = fit(model, train_set, recipe=Recipe(epochs=1, batch_size=64), progress=False)
    assert len(run.history) == 1


def test_images_are_resized_for_the_network(sets):
    sizes = set()
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 10))
    model.register_forward_pre_hook(lambda _, inputs: sizes.add(inputs[0].shape[1:]))
    train(model, sets, Recipe(epochs=1, image_size=36, augment=("crop",)))
    assert sizes == {(1, 36, 36)}


def test_label_smoothing_and_auxiliary_losses_by_hand():
    main, first, second = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3, 0])
    targets = F.one_hot(labels, 4) * 0.8 + 0.05

    def cross_entropy(logits):
        return -(targets * logits.log_softmax(1)).sum(1).mean()

    model = nn.Identity()
    torch.testing.assert_close(loss_of(model, main, labels, 0.2), cross_entropy(main))
    outputs = (main, None, first, second)
    aux = cross_entropy(first) + cross_entropy(second)
    expected = cross_entropy(main) + 0.3 * aux
    torch.testing.assert_close(loss_of(model, outputs, labels, 0.2), expected)
    model.aux_weight = 0.5
    expected = cross_entropy(main) + 0.5 * aux
    torch.testing.assert_close(loss_of(model, outputs, labels, 0.2), expected)


Outputs = namedtuple("Outputs", ["logits", "aux_logits"])


class WithAux(nn.Module):
    def __init__(self, aux_weight):
        super().__init__()
        self.main, self.aux, self.aux_weight = nn.Linear(784, 10), nn.Linear(784, 10), aux_weight

    def forward(self, images):
        images = images.flatten(1)
        logits = self.main(images)
        return Outputs(logits, self.aux(images)) if self.training else logits


@pytest.mark.parametrize("aux_weight", [0.0, 1.0])
def test_auxiliary_classifiers_learn_by_their_weight(sets, aux_weight):
    model = WithAux(aux_weight)
    before = model.aux.weight.detach().clone()
    run = train(model, sets, Recipe(epochs=1, lr=0.01, weight_decay=0.0))
    assert torch.equal(model.aux.weight, before) == (aux_weight == 0)
    assert run.test_accuracy > 0.5
    assert run.history.train_accuracy[0] > 0.4


def test_the_moving_average_is_what_is_left_behind(network, sets, tmp_path):
    """The formula: the average after the first step is the weights, then a ← da + (1 - d)w."""
    decay, model, seen = 0.8, network(), []

    def look(model, inputs):
        if model.training:
            seen.append({name: value.clone() for name, value in model.state_dict().items()})

    model.register_forward_pre_hook(look)
    recipe = Recipe(epochs=2, batch_size=100, ema=decay)
    run = fit(model, *sets, recipe, device="cpu", progress=False, checkpoint=tmp_path)
    saved = torch.load(tmp_path / "epoch-0002.pt")["parts"]["model"]
    after_each_step = [*seen[1:], saved]
    assert len(after_each_step) == 20
    for name, value in run.model.state_dict().items():
        average = after_each_step[0][name]
        if average.is_floating_point():
            for weights in after_each_step[1:]:
                average = decay * average + (1 - decay) * weights[name]
            torch.testing.assert_close(value, average, msg=name)
            assert not torch.equal(value, saved[name])
    with torch.no_grad():
        normalise = make_normalise(sets[0], recipe, "cpu")
        logits = run.model(normalise(sets[1].images))
    accuracy = (logits.argmax(1) == sets[1].labels).float().mean().item()
    assert run.test_accuracy == pytest.approx(accuracy)


def test_a_compiled_run_is_the_same_run(network, sets, monkeypatch):
    """With torch's eager backend, which needs no compiler."""
    monkeypatch.setattr("torch.compile", partial(torch.compile, backend="eager"))
    recipe = replace(QUICK, epochs=1)
    plain = train(network(), sets, recipe)
    compiled = train(network(), sets, replace(recipe, compile=True))
    assert deterministic(plain.history).equals(deterministic(compiled.history))
    assert list(compiled.model.state_dict()) == list(plain.model.state_dict())
