"""The scaling estimate against cases computed by hand."""

from __future__ import annotations

import pytest
from torch import nn

from cnnbook import figures, models, profile, scaling_efficiency

# One convolution: 1,000 parameters and 10 × 10 × 1,000 multiply-adds an image.
CONV = profile(nn.Conv2d(10, 100, 1, bias=False), (10, 10, 10))
RATES = {
    "batch_size": 10, "peak_flops": 12e6, "achieved": 0.5, "gpus_per_node": 2,
    "node_bandwidth": 4000, "network_bandwidth": 1000,
}  # fmt: skip


def estimate(gpus, **changes):
    return scaling_efficiency({"conv": CONV}, gpus, **(RATES | changes))


def test_by_hand_without_overlap():
    found = estimate((1, 2, 4), overlap=False)
    assert (CONV.total.params, CONV.total.flops) == (1000, 100_000)
    # 3 × 2 × 100,000 × 10 operations at 6 million a second.
    assert found["compute_seconds"].tolist() == pytest.approx([1, 1, 1])
    # 2 × 1/2 × 4,000 bytes at 4,000 a second; 2 × 3/4 × 4,000 bytes at 1,000 a second.
    assert found["communication_seconds"].tolist() == pytest.approx([0, 1, 6])
    assert found["efficiency"].tolist() == pytest.approx([1, 1 / 2, 1 / 7])
    assert found["network"].tolist() == ["conv"] * 3 and found["gpus"].tolist() == [1, 2, 4]


def test_by_hand_behind_the_backward_pass():
    found = estimate((1, 2, 4))  # up to 2/3 of a second is hidden
    assert found["efficiency"].tolist() == pytest.approx([1, 3 / 4, 3 / 19])
    assert estimate((2,), gradient_bytes=2)["efficiency"].tolist() == [1]


def test_fully_connected_parameters_cost_most():
    names = ("alexnet", "vgg16", "googlenet", "resnet50", "resnext50_32x4d")
    profiles = {
        name: profile(models.create(name, num_classes=1000), training=True) for name in names
    }
    found = scaling_efficiency(profiles)
    last = found[found["gpus"] == 1000].set_index("network")
    assert last["efficiency"].idxmin() == "alexnet"
    assert last["communication_seconds"].idxmax() == "vgg16"
    # The achieved share is the one that gives ResNet-50 about 7,000 images a second.
    seconds = last.loc["resnet50", "compute_seconds"]
    assert 32 / seconds == pytest.approx(7000, rel=0.03)
    figure = figures.scaling(found)
    for line, name in zip(figure.axes[0].lines, names, strict=True):
        drawn = found[found["network"] == name]
        assert line.get_label() == models.title(name)
        assert list(line.get_ydata()) == (100 * drawn["efficiency"]).tolist()
    with pytest.raises(ValueError, match="at most 5 networks can be told apart, got 6"):
        figures.scaling(scaling_efficiency({str(i): CONV for i in range(6)}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1 and whole, got 0"),
        ({"gpus_per_node": 1.5}, "gpus_per_node must be at least 1 and whole, got 1.5"),
        ({"peak_flops": -1}, "peak_flops must be positive and finite, got -1"),
        ({"network_bandwidth": float("nan")}, "network_bandwidth must be positive and finite"),
        ({"achieved": 1.1}, "achieved must be a share of the peak, at most 1, got 1.1"),
        ({"gpus": (8, 0)}, "gpus must be at least 1 and whole, got 0"),
    ],
)
def test_nonsense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        estimate(**({"gpus": (1,)} | changes))
