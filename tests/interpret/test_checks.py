"""What counts as trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnbook import Recipe, data, fit, models
from cnnbook.interpret._checks import check_trained


@pytest.mark.parametrize(
    "name, options",
    [
        ("alexnet", {"hidden_features": 16}),
        ("alexnet", {"variant": "paper"}),
        ("zfnet", {"hidden_features": 16}),
        ("vgg11", {"width": 8, "hidden_features": 16}),
        ("vgg11_bn", {"width": 8, "hidden_features": 16}),
        ("googlenet", {"width": 1 / 4}),
        ("googlenet", {"variant": "paper", "width": 1 / 4}),
        ("resnet20", {}),
        ("plain20", {}),
        ("preact_resnet20", {}),
        ("resnext29", {"cardinality": 4, "width": 4}),
        ("stem_network", {}),
    ],
)
def test_a_network_as_built_is_untrained(name, options):
    model = models.create(name, num_classes=10, **options)
    with pytest.raises(ValueError, match=f"{type(model).__name__} is untrained"):
        check_trained(model)
    # One step of training is enough.
    side = {"alexnet": 65, "zfnet": 65, "googlenet": 79}.get(name, 32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    outputs = model(torch.randn(4, 3, side, side))
    logits = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    optimizer.step()
    check_trained(model)


def test_a_network_that_fit_trained_is_trained():
    train, _ = data.load("fashion-mnist-mini")
    some = train.subset(range(60))
    model = models.create("stem_network", in_channels=1)
    run = fit(model, some, None, Recipe(epochs=1, batch_size=20), progress=False)
    check_trained(run.model)
