"""Steps, valleys, decay and rates against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch.optim import SGD, Adam, AdamW

from cnnbook.teaching import descent


def test_momentum_is_a_decaying_sum():
    expected = [(1 - 0.9**t) / (1 - 0.9) for t in range(1, 21)]
    assert descent.momentum_steps(0.9, steps=20) == pytest.approx(expected, rel=1e-4)
    assert descent.momentum_steps(0.0, steps=3) == [1, 1, 1]
    nesterov = descent.momentum_steps(0.9, steps=20, nesterov=True)
    assert nesterov[:-1] == pytest.approx(expected[1:], rel=1e-4)  # one step ahead


def test_plain_descent_in_the_valley_is_a_power():
    path = descent.valley_path(lambda w: SGD(w, lr=0.03), steps=5)
    assert path.shape == (6, 2)
    for step, (along, across) in enumerate(path.tolist()):
        assert along == pytest.approx(-10 * 0.97**step, rel=1e-4)
        assert across == pytest.approx((1 - 0.6) ** step, rel=1e-3)
    assert descent.valley(torch.tensor([3.0, 2.0])).item() == pytest.approx(0.5 * (9 + 20 * 4))


def test_momentum_gets_further_down():
    plain = descent.valley_path(lambda w: SGD(w, lr=0.03))
    heavy = descent.valley_path(lambda w: SGD(w, lr=0.03, momentum=0.9, nesterov=True))
    assert descent.valley(heavy[-1]) < 0.01 * descent.valley(plain[-1])


def test_adamw_decays_all_weights_alike_and_adam_does_not():
    alike = list(descent.left_by_decay(AdamW, (0.1, 1, 10)).values())
    assert alike == pytest.approx([(1 - 0.01 * 0.05) ** 500] * 3, rel=1e-3)
    unlike = list(descent.left_by_decay(Adam, (0.1, 1, 10)).values())
    assert unlike == sorted(unlike) and unlike[0] < 0.2 and unlike[-1] > 0.95


def test_the_cosine_is_its_formula():
    rates = descent.rates(epochs=2, steps_per_epoch=50, schedule="cosine")
    expected = [0.5 * (1 + math.cos(math.pi * t / 100)) for t in range(100)]
    assert rates == pytest.approx(expected, abs=1e-9)
    warm = descent.rates(epochs=10, steps_per_epoch=10, schedule="cosine", warmup_epochs=1)
    assert warm[0] < 0.02 and warm[10] == pytest.approx(1)


@pytest.mark.parametrize("side", [14, 28])
def test_the_small_network_fits_its_images(side):
    network = descent.small_network(dropout=0.5, side=side)
    assert network(torch.zeros(3, 1, side, side)).shape == (3, 10)
