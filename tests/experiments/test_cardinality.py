from __future__ import annotations

import pytest
import torch

from cnnbook import experiments, models, profile


@pytest.mark.parametrize("scale, arms", [("quick", 4), ("full", 5)])
def test_the_arms_cost_the_same_and_differ_in_cardinality_alone(scale, arms):
    trials = experiments.find("cardinality").trials(scale)
    totals, others = [], set()
    for trial in trials:
        with torch.device("meta"):
            network = models.create(trial.architecture, **trial.options)
        totals.append(profile(network, (1, 28, 28)).total)
        options = dict(trial.options)
        assert trial.arm == f"{options.pop('cardinality')}x{options.pop('width')}d"
        others.add(repr((trial.architecture, options, trial.recipe, trial.data)))
    assert len(trials) == arms and len(others) == 1
    for measure in ("params", "flops"):
        costs = [getattr(total, measure) for total in totals]
        assert max(costs) < 1.09 * min(costs)
