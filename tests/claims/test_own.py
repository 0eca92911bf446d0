"""The claims as asked of any network: the same verdicts where the book asks, others elsewhere."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from cnnbook import claims, models
from cnnbook.claims import _own

# What the book's own check says of these networks, asked one by one.
SAME = [
    ("alexnet", "alexnet/early-memory", True),
    ("alexnet", "alexnet/fc-params", True),
    ("alexnet", "alexnet/conv-flops", True),
    ("alexnet", "measuring/params", True),
    ("vgg16", "vgg/convolutions", True),
    ("vgg16", "vgg/max-pools", True),
    ("vgg16", "vgg/double-channels", True),
    ("vgg16", "vgg/five-stages", True),
    ("vgg16", "vgg/equal-compute", True),
    ("googlenet", "googlenet/stem", True),
    ("googlenet", "googlenet/global-average-pooling", True),
    ("googlenet", "resnet/stem", True),
    ("resnet18", "resnet/stages", True),
    ("resnet18", "resnet/stem", True),
    ("resnet18", "resnet/global-average-pooling", True),
    ("resnet18", "vgg/equal-compute", True),
    ("resnet50", "googlenet/bottleneck", True),
    ("resnet50", "alexnet/fc-params", False),
    ("resnet18", "googlenet/bottleneck", False),
    ("resnet18", "measuring/params", False),  # its convolutions have no biases
    ("alexnet", "vgg/convolutions", False),
    ("alexnet", "resnet/stages", False),
    ("vgg16", "googlenet/stem", False),
    ("vgg16", "googlenet/global-average-pooling", False),
    ("vgg16", "resnet/global-average-pooling", False),
    ("vgg16", "alexnet/fc-params", False),  # 89 %: not nearly all
    ("vgg16", "resnet/stem", False),
    ("alexnet", "vgg/equal-compute", False),
]


on_meta = partial(models.on_meta, models.create)


@pytest.mark.parametrize("network, id, holds", SAME)
def test_a_claim_asked_of_one_network(network, id, holds):
    found = claims.check(id, model=on_meta(network))
    assert found.holds is holds, found.measured
    assert found.table is not None and len(found.table)


def test_where_the_book_limits_a_claim_so_does_its_question():
    asked = {id: claims.check(id, model=on_meta("vgg16")).verdict for id in claims.askable()}
    for id in ("vgg/convolutions", "vgg/double-channels", "vgg/equal-compute", "vgg/max-pools"):
        book = claims.check(id).verdict
        assert asked[id] == book or (asked[id], book) == ("holds", "holds with a caveat"), id


# Five networks of torchvision, and why. H: holds, C: with a caveat, n: does not hold, -: does not
# apply.
NETWORKS = ("vgg16", "mobilenet_v3_large", "regnet_y_400mf", "swin_t", "vit_b_16")
VERDICTS = """
measuring/memory                  H H H H H
measuring/params                  H n n n H  without biases in all but VGG and ViT
measuring/flops                   H H H H H
alexnet/early-memory              H H H n n  a transformer has one convolution
alexnet/fc-params                 n n n n n  89.4 % of VGG's; a transformer shares its own
alexnet/conv-flops                H H H n n
vgg/convolutions                  H n n n n
vgg/max-pools                     H - - - -
vgg/double-channels               C n n H -  Swin: 96-192-384-768
vgg/five-stages                   H H H n n
vgg/equal-compute                 C n n H -  Swin keeps VGG's rule
googlenet/stem                    n H H n H
googlenet/bottleneck              n n n - -  MobileNet widens before its large kernels
googlenet/global-average-pooling  n n H H n  MobileNetV3 has two linear layers after it
resnet/stages                     n n n n -  RegNet: 32-48-104-208-440; Swin merges patches
resnet/stem                       n n n n n
resnet/global-average-pooling     n H H H n  ViT reads its class token
"""
LETTERS = {
    "H": "holds",
    "C": "holds with a caveat",
    "n": "does not hold",
    "-": "does not apply",
}


@pytest.fixture(scope="module")
def of_torchvision():
    return {name: torchvision.models.get_model(name) for name in NETWORKS}


@pytest.mark.parametrize("line", VERDICTS.strip().splitlines(), ids=lambda line: line.split()[0])
def test_verdicts_on_networks_of_torchvision(of_torchvision, line):
    id, *letters = line.split()[:6]
    asked = {name: claims.check(id, model=net) for name, net in of_torchvision.items()}
    for (name, found), letter in zip(asked.items(), letters, strict=True):
        assert found.verdict == LETTERS[letter], f"{name}: {found.measured}"
        assert (found.table is None) == (letter == "-"), name


def test_the_table_has_every_claim_that_can_be_asked():
    assert [line.split()[0] for line in VERDICTS.strip().splitlines()] == list(claims.askable())


def test_figures_of_a_transformer_are_those_of_its_parts(of_torchvision):
    net = of_torchvision["vit_b_16"]
    blocks = net.encoder.layers
    mlp = sum(p.numel() for block in blocks for p in block.mlp.parameters())
    attention = sum(p.numel() for block in blocks for p in block.self_attention.parameters())
    all_ = sum(p.numel() for p in net.parameters())
    found = claims.check("alexnet/fc-params", model=net)
    params = found.table["params"]
    assert params["fully connected"] == sum(p.numel() for p in net.heads.parameters())
    assert params["shared linear"] == mlp and params["attention"] == attention
    assert params.sum() == all_
    assert f"hold {mlp / all_:.1%}" in found.measured


# A layer counts as what it does, however a library writes it.


class Permuted(nn.Module):
    """A linear layer on the channels of a map, as torchvision's ConvNeXt and Swin have it."""

    def __init__(self, channels: int, outputs: int):
        super().__init__()
        self.linear = nn.Linear(channels, outputs)

    def forward(self, x):
        return self.linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def classifier(*, as_convolutions: bool) -> list[nn.Module]:
    """VGG's end: as the paper has it, or as timm does."""
    if as_convolutions:
        return [nn.Conv2d(8, 400, 4), nn.ReLU(), nn.Conv2d(400, 5, 1), nn.Flatten()]
    return [nn.Flatten(), nn.Linear(128, 400), nn.ReLU(), nn.Linear(400, 5)]


@pytest.mark.parametrize("id", claims.askable())
def test_linear_layers_written_as_convolutions_get_the_same_answer(id):
    def net(as_convolutions: bool) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(4),
            *classifier(as_convolutions=as_convolutions),
        )  # fmt: skip

    one, other = (claims.check(id, model=net(how), input_size=(3, 32, 32)) for how in (True, False))
    assert (one.verdict, one.measured) == (other.verdict, other.measured)
    if id in ("vgg/convolutions", "alexnet/fc-params"):
        assert one.holds


def test_a_linear_layer_at_each_position_is_named_as_the_convolution_it_is():
    def net(pointwise) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=4), pointwise(8, 64), pointwise(64, 8),
            nn.Conv2d(8, 16, 2, stride=2), pointwise(16, 128), pointwise(128, 16),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
        )  # fmt: skip

    def ask(id: str, pointwise) -> claims.Evidence:
        return claims.check(id, model=net(pointwise), input_size=(3, 32, 32))

    linear, one = Permuted, lambda channels, outputs: nn.Conv2d(channels, outputs, 1)
    for id in ("alexnet/conv-flops", "alexnet/early-memory"):
        as_convolution, as_linear = ask(id, one), ask(id, linear)
        assert as_convolution.holds and not as_linear.holds
        share = as_convolution.measured.split("%")[0].split()[-1]
        assert f"they make it {share}%" in as_linear.caveat
    for id in ("vgg/double-channels", "vgg/equal-compute", "resnet/stages", "alexnet/fc-params",
               "googlenet/stem", "googlenet/global-average-pooling"):  # fmt: skip
        assert ask(id, one).verdict == ask(id, linear).verdict, id
    assert ask("vgg/double-channels", linear).table.channels.tolist() == [64, 128]


class Gated(nn.Module):
    """A convolution, a gate that looks at the whole map, and what is left of the way down."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 7, stride=2, padding=3)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 16, 1), nn.Sigmoid())
        self.second = nn.Conv2d(16, 16, 3, stride=4, padding=1)

    def forward(self, x):
        x = self.first(x)
        return self.second(x * self.gate(x))


def test_a_gate_is_not_the_end_of_the_stem():
    found = claims.check("googlenet/stem", model=Gated())
    own = torch.tensor([p.numel() for p in Gated().parameters()]).sum()
    assert found.table.params.iloc[0] == own
    assert list(claims.check("resnet/stem", model=Gated()).table.index) == [
        "first", "gate.0", "gate.1", "second",
    ]  # fmt: skip


class Inverted(nn.Module):
    """An inverted bottleneck: the large kernel reads a sum, of which one part was reduced."""

    def __init__(self, *, shortcut: bool):
        super().__init__()
        self.first, self.shortcut = nn.Conv2d(3, 8, 3, padding=1), shortcut
        self.wide, self.narrow = nn.Conv2d(8, 32, 1), nn.Conv2d(32, 8, 1)
        self.large = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        x = self.first(x)
        narrow = torch.relu(self.narrow(torch.relu(self.wide(x))))
        return self.large(x + narrow if self.shortcut else narrow)


@pytest.mark.parametrize("shortcut", [True, False])
def test_a_bottleneck_is_what_the_large_kernel_reads_alone(shortcut):
    model = Inverted(shortcut=shortcut)
    found = claims.check("googlenet/bottleneck", model=model, input_size=(3, 32, 32))
    assert found.holds is not shortcut


class Functions(nn.Module):
    """Convolutions and pools that are no modules."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.zeros(8, 3, 3, 3))
        self.two = nn.Parameter(torch.zeros(16, 8, 3, 3))

    def forward(self, x):
        x = F.max_pool2d(F.conv2d(x, self.one, padding=1), 2)
        return F.conv2d(x, self.two, padding=(1, 1)).mean((2, 3))


def test_functions_are_layers_as_modules_are():
    asked = {
        id: claims.check(id, model=Functions(), input_size=(3, 32, 32)) for id in claims.askable()
    }
    for id in ("vgg/convolutions", "vgg/max-pools", "vgg/double-channels",
               "resnet/global-average-pooling", "alexnet/conv-flops"):  # fmt: skip
        assert asked[id].verdict == "holds", id
    assert asked["measuring/params"].measured == (
        "The network has no convolution or linear layer that runs as a module of its own."
    )


class Mean(nn.Module):
    """A mean that is no layer, over positions or tokens, and a head of one linear layer."""

    def __init__(self, tokens: bool = False):
        super().__init__()
        self.conv, self.fc, self.tokens = nn.Conv2d(1, 8, 3), nn.Linear(8, 2), tokens

    def forward(self, x):
        x = self.conv(x)
        return self.fc(x.flatten(2).mT.mean(1) if self.tokens else x.mean((2, 3)))


def test_an_average_that_is_no_layer_is_seen():
    id = "googlenet/global-average-pooling"
    for tokens in (True, False):
        found = claims.check(id, model=Mean(tokens), input_size=(1, 12, 12))
        assert found.holds and "8 numbers of" in found.measured
    conv = nn.Conv2d(1, 8, 3)
    flat = nn.Sequential(conv, nn.Flatten(), nn.Linear(800, 2))
    part = nn.Sequential(conv, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 2))
    most = nn.Sequential(conv, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    for other in (flat, part, most):
        assert not claims.check(id, model=other, input_size=(1, 12, 12)).holds
    two = nn.Sequential(
        conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 8), nn.Linear(8, 2)
    )
    assert not claims.check(id, model=two, input_size=(1, 12, 12)).holds
    assert claims.check("resnet/global-average-pooling", model=two, input_size=(1, 12, 12)).holds


def test_a_network_without_such_layers_is_told_so_in_a_line():
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    asked = {id: claims.check(id, model=net, input_size=(3, 4, 4)) for id in claims.askable()}
    assert {id for id, found in asked.items() if found.verdict != "does not apply"} == {
        "measuring/memory", "measuring/params", "measuring/flops", "alexnet/fc-params",
        "alexnet/conv-flops",
    }  # fmt: skip
    assert asked["vgg/max-pools"].measured == "The network has no max pool."
    assert asked["resnet/stages"].measured == "The network has no second resolution."


class Offset(nn.Module):
    """Adds a tensor that is neither a parameter nor a buffer, and one that it makes."""

    def __init__(self):
        super().__init__()
        self.conv, self.offset = nn.Conv2d(1, 4, 3), torch.arange(4.0).view(1, 4, 1, 1)

    def forward(self, x):
        return self.conv(x) + self.offset + torch.ones(4, 1, 1)


def test_tensors_of_ones_own_do_not_stop_the_formulas():
    net = Offset()
    assert claims.check("measuring/memory", model=net, input_size=(1, 8, 8)).holds
    assert net.offset.device.type == "cpu"  # the caller's network is as it was


@pytest.mark.parametrize("id", claims.askable())
def test_every_claim_has_an_answer_for_a_small_network_and_leaves_it_as_it_was(id):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 3, stride=2),
        nn.Flatten(), nn.Linear(8 * 36, 3),
    ).train()  # fmt: skip
    before = {name: value.clone() for name, value in net.state_dict().items()}
    card = claims.show(id, model=net, input_size=(1, 28, 28))
    assert card.evidence.verdict in LETTERS.values()
    assert net.training and all(m.training for m in net)
    assert not any(m._forward_hooks for m in net.modules())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_claim_on_runs_cannot_be_asked():
    with pytest.raises(ValueError, match="resnet/deeper-worse is about the book's own") as told:
        claims.check("resnet/deeper-worse", model=Mean())
    assert "alexnet/fc-params" in str(told.value)
    with pytest.raises(ValueError, match="takes a torch.nn.Module, got str"):
        claims.check("alexnet/fc-params", model="resnet18")
    with pytest.raises(ValueError, match="conv"):
        claims.check("alexnet/fc-params", model=Mean(), input_size=(3, 12, 12))


def test_the_questions_share_the_books_thresholds(monkeypatch):
    net = on_meta("vgg16")
    assert not claims.check("alexnet/fc-params", model=net).holds
    monkeypatch.setattr("cnnbook.claims.alexnet.NEARLY_ALL", 0.8)
    assert claims.check("alexnet/fc-params", model=net).holds


def test_a_card_says_how_to_ask():
    card = claims.show("alexnet/fc-params")._repr_html_()
    assert "cnnbook claims alexnet/fc-params --model my_module:build" in card
    assert "--model" not in claims.show("resnet/copy-layers")._repr_html_()
    assert set(_own.CHECKS) == set(claims.askable())
