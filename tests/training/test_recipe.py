from dataclasses import asdict, fields

import pytest

from cnnbook.training import Recipe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be a positive integer, got 0"),
        ({"epochs": 1.5}, "epochs must be a positive integer, got 1.5"),
        ({"epochs": True}, "epochs must be a positive integer, got True"),
        ({"batch_size": -1}, "batch_size must be a positive integer, got -1"),
        ({"lr": 0}, "lr must be a positive number, got 0"),
        ({"lr": "0.1"}, "lr must be a positive number, got '0.1'"),
        ({"lr": float("nan")}, "lr must be a positive number, got nan"),
        ({"lr": float("inf")}, "lr must be a positive number, got inf"),
        ({"momentum": 1}, "momentum must be a number of at least 0 and below 1, got 1"),
        ({"nesterov": 1}, "nesterov must be True or False, got 1"),
        ({"normalise": "no"}, "normalise must be True or False, got 'no'"),
        ({"compile": None}, "compile must be True or False, got None"),
        ({"ema": 1.0}, "ema must be a number of at least 0 and below 1, got 1.0"),
        ({"weight_decay": -1e-4}, "weight_decay must be zero or a positive number, got -0.0001"),
        ({"label_smoothing": 1.0}, "label_smoothing must be a number of at least 0 and below 1"),
        ({"epochs": 2, "warmup_epochs": 3}, "warmup_epochs must be a number between 0 and the 2"),
        ({"validation": 0}, "validation must be a number between 0 and 1, got 0"),
        ({"seed": -1}, "seed must be an integer of 0"),
        ({"image_size": 0}, "image_size must be a positive integer or None, got 0"),
        ({"optimizer": "adam"}, "unknown optimizer 'adam'; did you mean adamw?"),
        ({"optimizer": "SGD"}, "unknown optimizer 'SGD'; did you mean sgd?"),
        ({"schedule": "onecycle"}, "unknown schedule 'onecycle'; did you mean one-cycle?"),
        ({"schedule": "xyz"}, "unknown schedule 'xyz'; there is cosine, constant, one-cycle"),
        ({"augment": ("flop",)}, "unknown augment 'flop'; did you mean flip?"),
        ({"augment": "flip"}, "augment must be a tuple such as"),
        ({"augment": None}, "augment must be a tuple such as"),
        ({"schedule": "one-cycle", "warmup_epochs": 1}, "leave out warmup_epochs=1"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(settings, message):
    with pytest.raises(ValueError) as error:
        Recipe(**settings)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_recipe_survives_being_written_as_json():
    import json

    recipe = Recipe(epochs=3, augment=("crop", "flip"), image_size=64)
    assert Recipe(**json.loads(json.dumps(asdict(recipe)))) == recipe


def test_every_setting_is_documented():
    for field in fields(Recipe):
        assert f"        {field.name}: " in Recipe.__doc__
