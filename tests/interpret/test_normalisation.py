"""Folding is exact; few images a batch harm; normalisation admits a larger rate."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cnnbook.interpret import normalisation


def trained_norm(channels: int, affine: bool = True) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, affine=affine)
    if affine:
        nn.init.uniform_(norm.weight, -1.5, 1.5)
        nn.init.normal_(norm.bias)
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.1, 3.0)
    return norm.double().eval()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"stride": 2, "padding": 1}, {"groups": 2}, {"dilation": 2}],
    ids=str,
)
def test_a_folded_convolution_computes_the_same(options, affine):
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(4, 6, 3, **options).double(), trained_norm(6, affine)
    x = torch.randn(2, 4, 11, 11).double()
    kept = conv.weight.clone()
    with torch.no_grad():
        torch.testing.assert_close(normalisation.fold(conv, norm)(x), norm(conv(x)))
    assert torch.equal(conv.weight, kept)


def test_what_cannot_be_folded_is_refused():
    with pytest.raises(ValueError, match="writes 6 channels, the normalisation reads 5"):
        normalisation.fold(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(5))
    with pytest.raises(ValueError, match="without running statistics"):
        normalisation.fold(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, track_running_stats=False))


def test_a_stack_has_a_normalisation_for_each_convolution_or_biases():
    normal = normalisation.stack(nn.BatchNorm2d, depth=6)
    convs = [m for m in normal if isinstance(m, nn.Conv2d)]
    assert len(convs) == sum(isinstance(m, nn.BatchNorm2d) for m in normal) == 6
    assert all(conv.bias is None for conv in convs)
    assert all(m.bias is not None for m in normalisation.stack(None) if isinstance(m, nn.Conv2d))
    assert normal(torch.zeros(2, 1, 14, 14)).shape == (2, 10)


def patterns() -> tuple[torch.Tensor, torch.Tensor]:
    """Ten patterns with some noise, a class each."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 10
    images = torch.randn(10, 1, 14, 14, generator=generator)[labels]
    return images + 0.3 * torch.randn(images.shape, generator=generator), labels


def test_a_rate_that_breaks_the_plain_stack_trains_the_normalised_one():
    images, labels = patterns()
    rates = {"lr": 1.0, "seed": 0, "steps": 20, "batch": 32}
    plain = normalisation.loss_after(None, images, labels, **rates)
    normal = normalisation.loss_after(nn.BatchNorm2d, images, labels, **rates)
    assert normal < math.log(10) - 0.3 < plain


def test_a_batch_of_one_loses_how_strong_a_signal_is():
    torch.manual_seed(0)
    labels = torch.arange(400) % 2
    images = torch.randn(400, 1, 14, 14) * (0.5 + 1.5 * labels)[:, None, None, None]
    network = normalisation.stack(nn.BatchNorm2d, depth=3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    for _ in range(20):
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = normalisation.accuracy_by_batch(network, images, labels, (1, 400))
    assert found[1] < 0.65 and found[400] > 0.95
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_running_mean_goes_a_tenth_of_the_way():
    batches = [torch.full((2, 3, 4, 4), 5.0)] * 12
    found = normalisation.running_means(nn.BatchNorm2d(3), batches, channel=1)
    assert found["of the batch"] == [5.0] * 12
    assert found["running"] == pytest.approx([5 * (1 - 0.9**k) for k in range(1, 13)], rel=1e-5)
