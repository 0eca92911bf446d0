from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from cnnbook import models, profile
from cnnbook.models.googlenet import TABLE_1
from cnnbook.training.recipe import loss_of

VARIANTS = ["torchvision", "paper"]


def reference(**options) -> nn.Module:
    return torchvision.models.GoogLeNet(init_weights=False, **options)


@pytest.fixture(scope="module")
def pair():
    """torchvision's network and ours with its weights."""
    theirs = reference(num_classes=10)
    ours = models.googlenet(num_classes=10)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@pytest.mark.parametrize("size", [(15, 15), (96, 128), (224, 224)])
def test_torchvision_variant_has_the_keys_and_logits_of_torchvision(pair, size):
    theirs, ours = (network.eval() for network in pair)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


def test_training_gives_torchvision_s_auxiliary_logits_in_its_order(pair):
    images = torch.randn(2, 3, 64, 64)
    for network in pair:
        network.train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()  # the heads draw in another order than torchvision's
    theirs, ours = (network(images) for network in pair)
    assert ours._fields == theirs._fields == ("logits", "aux_logits2", "aux_logits1")
    for name, own in ours._asdict().items():
        assert torch.equal(own, getattr(theirs, name)), name


def test_without_heads_it_is_torchvision_s_too():
    theirs, ours = reference(aux_logits=False), models.googlenet(aux_logits=False)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert isinstance(ours.train()(torch.randn(2, 3, 32, 32)), torch.Tensor)


def test_transform_input_is_torchvision_s():
    theirs = reference(transform_input=True).eval()
    ours = models.googlenet(transform_input=True).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))
        ours.rescale = nn.Identity()
        assert not torch.allclose(ours(images), theirs(images))


def test_totals_are_torchvision_s_and_the_heads_are_named():
    with torch.device("meta"):
        network = models.googlenet()
        p = profile(network)
        trained = profile(network, training=True)
    assert (p.total.params, p.total.flops) == (13_004_888, 1_498_376_192)
    heads = sum(x.numel() for head in (network.aux1, network.aux2) for x in head.parameters())
    assert sum(p.not_run.values()) == heads == 6_379_984
    assert trained.total.flops - p.total.flops == 8_372_224
    assert not trained.not_run


# Szegedy et al. 2015, Table 1: millions of multiply-adds of each part, as printed. The first
# convolution's (34) and module 5a's (54) do not follow from the table's own channels.
OPS_OF_TABLE_1 = {
    "conv2": 360, "3a": 128, "3b": 304, "4a": 73, "4b": 88, "4c": 100, "4d": 119, "4e": 170,
    "5b": 71, "fc": 1,
}  # fmt: skip


def test_paper_variant_has_the_paper_s_operations_and_sizes():
    with torch.device("meta"):
        table = profile(models.googlenet(variant="paper")).table
    part = table.index.str.replace("inception", "").str.split(".").str[0]
    flops = table.flops.groupby(part.str.replace("conv3", "conv2")).sum() / 1e6
    for name, published in OPS_OF_TABLE_1.items():
        assert flops[name] == pytest.approx(published, abs=1), name
    sizes = {row.out: table.output[f"inception{k}.branch1.conv"][1:] for k, row in TABLE_1.items()}
    assert sizes == {256: (28, 28), 480: (28, 28), 512: (14, 14), 528: (14, 14), 832: (7, 7),
                     1024: (7, 7)}  # fmt: skip


def test_paper_variant_has_five_by_five_kernels_and_its_own_heads():
    network = models.googlenet(variant="paper", num_classes=10, dropout_aux=0.0)
    kernels = {m.kernel_size[0] for m in network.inception4a.modules() if isinstance(m, nn.Conv2d)}
    assert kernels == {1, 3, 5}
    assert not [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert network.inception4a.branch3[1].conv.bias is not None

    # Section 5: average pooling 5×5 with stride 3 gives 4×4; 1×1 convolution with 128; 1024 units.
    x = torch.randn(1, 512, 14, 14)
    head = network.aux1
    pooled = torch.stack([
        x[:, :, i:i + 5, j:j + 5].mean((2, 3)) for i in range(0, 12, 3) for j in range(0, 12, 3)
    ], 2)  # fmt: skip
    hidden = (pooled.transpose(1, 2) @ head.conv.conv.weight[:, :, 0, 0].T).relu()
    hidden = (hidden.transpose(1, 2).flatten(1) @ head.fc1.weight.T + head.fc1.bias).relu()
    torch.testing.assert_close(head(x), hidden @ head.fc2.weight.T + head.fc2.bias)
    assert head.fc1.weight.shape == (1024, 2048)


def test_paper_stem_normalises_after_the_first_pool_and_before_the_second():
    network = models.googlenet(variant="paper")
    images = torch.randn(1, 3, 64, 64)

    def norm(x):
        return nn.functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1)

    x = norm(network.maxpool1(network.conv1(images)))
    x = network.maxpool2(norm(network.conv3(network.conv2(x))))
    assert torch.equal(network.stem(images), x)


def test_heads_weigh_three_tenths_in_the_loss():
    network = models.googlenet(num_classes=10, width=0.25)
    outputs = network(torch.randn(4, 3, 32, 32))
    labels = torch.tensor([0, 1, 2, 3])
    main, *heads = (nn.functional.cross_entropy(logits, labels) for logits in outputs)
    torch.testing.assert_close(loss_of(network, outputs, labels, 0.0), main + 0.3 * sum(heads))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("aux_logits", [True, False])
def test_batch_norm_and_heads_can_each_be_on_or_off(variant, batch_norm, aux_logits):
    network = models.googlenet(
        variant=variant, batch_norm=batch_norm, aux_logits=aux_logits, num_classes=10,
        in_channels=1, width=0.25,
    )  # fmt: skip
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == 57 + 2 * aux_logits
    assert len(norms) == (len(convs) if batch_norm else 0)

    outputs = network(torch.randn(8, 1, 96, 96))
    outputs = outputs if aux_logits else (outputs,)
    assert [x.shape for x in outputs] == [(8, 10)] * (3 if aux_logits else 1)
    sum(nn.functional.cross_entropy(x, torch.arange(8)) for x in outputs).backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())
    with torch.no_grad():
        assert network.eval()(torch.randn(2, 1, 96, 96)).shape == (2, 10)


def test_without_normalisation_the_signal_keeps_its_size():
    network = models.googlenet(variant="paper", aux_logits=False).eval()
    sizes = []
    for name in ("inception3a", "inception5b"):
        layer = network.get_submodule(name)
        layer.register_forward_hook(lambda *args: sizes.append(args[-1].std().item()))
    network(torch.randn(2, 3, 224, 224))
    assert 0.1 < sizes[1] / sizes[0] < 10


def test_width_scales_every_convolution():
    with torch.device("meta"):
        whole, narrow = (profile(models.googlenet(width=w)).table for w in (1.0, 0.25))
    channels = [
        [output[0] for output in table[table.kind == "conv"].output] for table in (whole, narrow)
    ]
    assert channels[1] == [c // 4 for c in channels[0]]
    with pytest.raises(ValueError, match="width must be at least 1/16, got 0.05"):
        models.googlenet(width=0.05)


@pytest.mark.parametrize("variant", VARIANTS)
def test_export(variant):
    network = models.googlenet(variant=variant, num_classes=10, width=0.25).eval()
    images = torch.randn(1, 3, 64, 80)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))


@pytest.mark.parametrize(
    "variant, smallest, with_aux", [("torchvision", 15, 15), ("paper", 31, 79)]
)
def test_the_smallest_image_is_named(variant, smallest, with_aux):
    network = models.googlenet(variant=variant, num_classes=10, width=0.25)
    network.eval()
    assert network(torch.zeros(1, 3, smallest, 90)).shape == (1, 10)
    with pytest.raises(ValueError, match=f"at least {smallest}×{smallest}"):
        network(torch.zeros(1, 3, smallest - 1, 90))
    network.train()
    assert network(torch.zeros(2, 3, with_aux, with_aux)).logits.shape == (2, 10)
    with pytest.raises(ValueError, match=f"at least {with_aux}×{with_aux}"):
        network(torch.zeros(2, 3, with_aux - 1, 90))


def test_unknown_variant_is_one_line():
    with pytest.raises(ValueError, match="unknown variant 'papr'; did you mean paper"):
        models.googlenet(variant="papr")


def test_create_passes_options_on():
    network = models.create("googlenet", num_classes=7, in_channels=1, width=0.25).eval()
    assert network(torch.zeros(1, 1, 28, 28)).shape == (1, 7)
