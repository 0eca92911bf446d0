import math

import pytest
import torch
from torch import nn

from cnnbook.training import Recipe
from cnnbook.training.recipe import make_optimizer, make_schedule


def rates(recipe, steps_per_epoch):
    """The learning rate of every step."""
    optimizer = make_optimizer(nn.Linear(2, 2), recipe)
    schedule = make_schedule(optimizer, recipe, steps_per_epoch)
    found = []
    for _ in range(recipe.epochs * steps_per_epoch):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found, optimizer


def test_cosine_falls_to_zero():
    found, optimizer = rates(Recipe(epochs=2, lr=0.4, schedule="cosine"), 5)
    assert found == pytest.approx([0.2 * (1 + math.cos(math.pi * s / 10)) for s in range(10)])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_warmup_rises_linearly_from_a_hundredth(schedule):
    found, _ = rates(Recipe(epochs=3, lr=0.4, schedule=schedule, warmup_epochs=1.5), 4)
    assert found[:6] == pytest.approx([0.4 * (0.01 + 0.99 * s / 6) for s in range(6)])
    rest = [0.2 * (1 + math.cos(math.pi * s / 6)) for s in range(6)]
    assert found[6:] == pytest.approx(rest if schedule == "cosine" else [0.4] * 6)


def test_one_cycle_rises_for_three_tenths_of_the_steps_and_keeps_the_momentum():
    found, optimizer = rates(Recipe(epochs=2, lr=0.5, momentum=0.8, schedule="one-cycle"), 50)
    assert found[0] == pytest.approx(0.5 / 25)
    assert found[29] == max(found) == pytest.approx(0.5)
    assert found[-1] < 1e-4
    assert optimizer.param_groups[0]["momentum"] == 0.8


@pytest.mark.parametrize(("optimizer", "kind"), [("sgd", "SGD"), ("adamw", "AdamW")])
def test_weight_decay_spares_biases_and_normalisation(network, optimizer, kind):
    model = network()
    recipe = Recipe(optimizer=optimizer, weight_decay=0.01)
    made = make_optimizer(model, recipe)
    assert type(made).__name__ == kind
    decay = {id(p): g["weight_decay"] for g in made.param_groups for p in g["params"]}
    found = {name: decay[id(p)] for name, p in model.named_parameters()}
    weights = {"stack.0.weight", "stack.3.weight", "stack.9.weight"}
    assert found == {name: 0.01 if name in weights else 0.0 for name in found}


def test_frozen_parameters_are_left_out():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    made = make_optimizer(model, Recipe())
    assert [p for g in made.param_groups for p in g["params"]] == list(model[1].parameters())


def test_sgd_step_equals_the_formula():
    """Nesterov's step as Sutskever et al. 2013 in torch's form: v ← μv + g, w ← w - lr(g + μv)."""
    layer = nn.Linear(3, 2)
    weight, velocity = layer.weight.detach().clone(), torch.zeros(2, 3)
    recipe = Recipe(lr=0.1, momentum=0.9, weight_decay=0.01)
    optimizer = make_optimizer(layer, recipe)
    for step in range(3):
        gradient = torch.full((2, 3), 1.0 + step)
        layer.weight.grad, layer.bias.grad = gradient.clone(), torch.zeros(2)
        optimizer.step()
        gradient = gradient + 0.01 * weight
        velocity = 0.9 * velocity + gradient
        weight = weight - 0.1 * (gradient + 0.9 * velocity)
    torch.testing.assert_close(layer.weight.detach(), weight)
