from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cnnbook import models, profile


@pytest.fixture(scope="module")
def both():
    """The 2012 network, whole and in two halves: forward and backward."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = models.alexnet(variant="paper", num_classes=10).eval()
        images, labels = torch.randn(2, 3, 100, 90), torch.tensor([3, 7])
    logits = network(images)
    F.cross_entropy(logits, labels).backward()
    return network, logits.detach(), models.run_split(network, images, labels)


def test_the_halves_give_the_logits_of_the_whole(both):
    _, logits, run = both
    torch.testing.assert_close(run.logits, logits)


def test_the_halves_give_the_gradients_of_the_whole(both):
    network, _, run = both
    assert set(run.gradients) == {name for name, _ in network.named_parameters()}
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(run.gradients[name], parameter.grad, msg=name)


def test_what_crosses_is_what_the_layer_reads(both):
    network, _, run = both
    table = profile(network, (3, 100, 90)).table
    reads = {"conv3": "pool2", "fc6": "avgpool", "fc7": "fc6", "fc8": "fc7", "logits": "fc8"}
    for layer, source in reads.items():
        assert run.traffic.forward[layer] == torch.Size(table.output[source]).numel()
    crossing = run.traffic.index[run.traffic.forward > 0]
    assert set(crossing) == set(reads)
    backward = run.traffic.backward
    assert backward["logits"] == 0
    assert backward.drop("logits").equals(run.traffic.forward.drop("logits").rename("backward"))


def test_the_halves_are_in_two_places(both):
    assert len(set(both[2].devices)) == 2


def test_the_caller_s_network_is_only_read():
    network = models.alexnet(variant="paper", num_classes=2)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    run = models.run_split(network, torch.zeros(1, 3, 63, 63))
    assert network.training and all(p.grad is None for p in network.parameters())
    assert not any(p.is_shared() for p in network.parameters())
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert run.gradients == {}


def test_bad_input_is_one_line():
    images = torch.zeros(1, 3, 63, 63)
    with pytest.raises(ValueError, match="only the 2012 AlexNet has two halves, got AlexNet"):
        models.run_split(models.alexnet(), images)
    with pytest.raises(ValueError, match="an even num_classes, got 9"):
        models.run_split(models.alexnet(variant="paper", num_classes=9), images)
    network = models.alexnet(variant="paper", num_classes=2)
    with pytest.raises(ValueError, match="at least 63×63"):
        models.run_split(network, images[..., :50])
    with pytest.raises(ValueError, match="labels must be 1 class numbers below 2"):
        models.run_split(network, images, torch.tensor([2]))
