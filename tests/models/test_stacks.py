from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnbook import experiments, models, profile
from cnnbook.models.stacks import stack


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize(
    "kernel_size, depth, side", [(3, 1, 3), (3, 2, 5), (5, 1, 5), (3, 3, 7), (7, 1, 7)]
)
def test_a_stack_keeps_the_size_and_sees_its_window(kernel_size, depth, side):
    network = stack(4, kernel_size, depth)
    assert network(torch.zeros(1, 4, 9, 9)).shape == (1, 4, 9, 9)
    assert profile(network, (4, 9, 9)).table.receptive_field.iloc[-1] == side
    assert [type(m) for m in network] == ([nn.Conv2d, nn.ReLU] * depth)[:-1]


@pytest.mark.parametrize(
    "small, large", [((3, 2), (5, 1)), ((3, 3), (7, 1))], ids=["two for 5×5", "three for 7×7"]
)
def test_networks_compared_see_the_same_and_differ_in_nothing_else(small, large):
    tables = [
        profile(models.kernel_stack(kernel_size=k, depth=d, in_channels=1), (1, 28, 28)).table
        for k, d in (small, large)
    ]
    assert tables[0].receptive_field["pool#2"] == tables[1].receptive_field["pool#2"]
    for layer in ("stem", "fc"):
        assert tables[0].loc[layer, "params"] == tables[1].loc[layer, "params"]


def test_a_linear_stack_is_a_linear_map():
    network = models.kernel_stack(depth=3, linear=True, in_channels=1).stack1
    a, b = torch.randn(2, 1, 32, 8, 8)
    zero = network(torch.zeros_like(a))
    torch.testing.assert_close(network(a) + network(b), network(a + b) + zero, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kernel_size, stride", [(3, 2), (11, 2), (7, 4), (11, 4), (5, 1)])
def test_the_stem_divides_the_side_by_its_stride(kernel_size, stride):
    network = models.stem_network(kernel_size=kernel_size, stride=stride, width=6, in_channels=1)
    table = profile(network, (1, 56, 56)).table
    assert table.output.iloc[0] == (6, 56 // stride, 56 // stride)
    assert table.receptive_field.iloc[0] == kernel_size


@pytest.mark.parametrize("name", ["kernel_stack", "stem_network"])
def test_gradient_and_export(name):
    network = models.create(name, in_channels=1)
    images = torch.randn(4, 1, 28, 28)
    network(images).logsumexp(1).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())
    exported = torch.export.export(network.eval(), (images,)).module()
    torch.testing.assert_close(exported(images), network(images))


def test_images_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="KernelStack needs images of at least 4×4, got 3×9"):
        models.kernel_stack(in_channels=1)(torch.zeros(1, 1, 3, 9))
    assert models.kernel_stack(in_channels=1)(torch.zeros(1, 1, 4, 4)).shape == (1, 10)
    with pytest.raises(ValueError, match="1-channel images, got 3 channels"):
        models.stem_network(in_channels=1)(torch.zeros(1, 3, 56, 56))
    assert models.stem_network(in_channels=1)(torch.zeros(1, 1, 1, 1)).shape == (1, 10)


@pytest.mark.parametrize("scale", ["quick", "full"])
@pytest.mark.parametrize("name", ["kernel-stacks", "stem-search"])
def test_trials_differ_in_the_network_alone(name, scale):
    trials = experiments.find(name).trials(scale)
    assert len({trial.arm for trial in trials}) == len(trials)
    assert len({(trial.recipe, trial.data, trial.train_images) for trial in trials}) == 1
    for trial in trials:
        with torch.device("meta"):
            models.create(trial.architecture, **trial.options)


def test_the_published_stems_are_among_those_searched():
    from cnnbook.claims import zfnet
    from cnnbook.experiments import stem_search

    arms = [trial.arm for trial in experiments.find("stem-search").trials("quick")]
    assert set(stem_search.PUBLISHED.values()) <= set(arms)
    assert zfnet.PUBLISHED == stem_search.PUBLISHED
