from __future__ import annotations

import pytest
import torch
from torch import nn


@pytest.fixture
def random_weights():
    """Gives a network weights and statistics as training might leave them: all different."""

    def fill(model: nn.Module, seed: int = 0) -> nn.Module:
        chance = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    scale = (2 / module.weight[0].numel()) ** 0.5
                    module.weight.normal_(0, scale, generator=chance)
                    if module.bias is not None:
                        module.bias.normal_(0, 0.1, generator=chance)
                elif isinstance(module, nn.BatchNorm2d):
                    module.weight.normal_(1, 0.3, generator=chance)
                    module.bias.normal_(0, 0.1, generator=chance)
                    module.running_mean.normal_(0, 0.1, generator=chance)
                    module.running_var.uniform_(0.5, 2, generator=chance)
        return model.eval()

    return fill
