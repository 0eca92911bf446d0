"""What other tools count: their own totals, as they gave them, and torchinfo's as it gives it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchinfo
import torchvision
from torch import nn

from cnnbook import profile
from cnnbook.profiling import ProfileError

TOOLS = ("torchinfo", "fvcore", "ptflops", "thop")
NETWORKS = ("vgg11_bn", "resnet18", "densenet121", "mobilenet_v2", "efficientnet_b0")
NETWORKS += ("shufflenet_v2_x1_0", "convnext_tiny")


class Parts(nn.Module):
    """Layers, and functions that are no layers, of which each tool sees others."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.group = nn.GroupNorm(2, 8)
        self.bare = nn.BatchNorm2d(8, affine=False)
        self.leaky, self.elu, self.prelu = nn.LeakyReLU(), nn.ELU(), nn.PReLU()
        self.grouped = nn.Conv2d(8, 16, 3, groups=4, bias=False)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2, groups=2)
        self.pool, self.mean = nn.AvgPool2d(3, 2), nn.AdaptiveAvgPool2d(3)
        self.line = nn.Linear(8, 6)
        self.norm = nn.LayerNorm(6)
        self.weight = nn.Parameter(torch.zeros(5, 6))

    def forward(self, x):
        x = self.leaky(self.group(self.conv(x)))
        x = F.relu(self.grouped(self.elu(self.bare(x))))
        x = F.max_pool2d(self.prelu(self.up(x)), 2) + 1
        x = self.mean(F.gelu(self.pool(x) * 2)).flatten(2).transpose(1, 2)
        x = self.norm(self.line(x) + self.line(x)).mean(1)  # torchinfo sees no positions here
        return F.linear(x, self.weight)


def built(name: str) -> tuple[nn.Module, int]:
    if name == "parts":
        return Parts().eval(), 64
    with torch.device("meta"):
        return torchvision.models.get_model(name).eval(), 96


# What the tools gave on the CPU, each as `benchmarks/_peers.py` calls it, in the order of TOOLS: of
# torchinfo 1.8.0, fvcore 0.1.5, ptflops 0.7.5, thop 0.1.1. `make bench` compares with the tools.
GIVEN = {
    "vgg11_bn": (1_499_892_072, 1_501_245_952, 1_507_616_744, 1_503_998_976),
    "resnet18": (333_625_704, 334_532_096, 335_680_488, 335_444_992),
    "densenet121": (521_480_872, 527_160_832, 533_460_968, 532_939_264),
    "mobilenet_v2": (56_324_264, 58_753_856, 59_876_328, 61_195_520),
    "efficientnet_b0": (72_473_188, 75_331_072, 76_907_936, 77_816_384),
    "shufflenet_v2_x1_0": (27_468_852, 28_168_072, 28_826_288, 28_884_472),
    "convnext_tiny": (81_004_552, 821_730_816, 825_018_088, 820_573_440),
    "parts": (1_439_113, 762_668, 917_858, 1_451_456),
}


@pytest.mark.parametrize("name", GIVEN)
def test_each_tool_s_own_total(name):
    model, side = built(name)
    found = profile(model, (3, side, side))
    assert tuple(map(found.as_counted_by, TOOLS)) == GIVEN[name]


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnext50_32x4d", "parts"])
def test_torchinfo_as_it_is_here(name):
    if name == "parts":
        model, size = Parts().eval(), (3, 64, 64)
    else:
        options = {"init_weights": False} if name == "googlenet" else {}
        with torch.device("meta"):
            model, size = torchvision.models.get_model(name, **options).eval(), (3, 224, 224)
    device = "cpu" if name == "parts" else "meta"
    ours = profile(model, size).as_counted_by("torchinfo")
    theirs = torchinfo.summary(model, (1, *size), device=device, verbose=0)
    assert ours == theirs.total_mult_adds


def test_a_layer_that_is_used_again_counts_again():
    layer = nn.Conv2d(4, 4, 3, padding=1)
    model = nn.Sequential(layer, layer)
    theirs = torchinfo.summary(model, (1, 4, 8, 8), verbose=0).total_mult_adds
    assert profile(model, (4, 8, 8)).as_counted_by("torchinfo") == theirs == 2 * 148 * 64


def test_what_is_not_known_is_not_guessed():
    with torch.device("meta"):
        attends = torchvision.models.vit_b_16().eval()
    for tool in ("torchinfo", "fvcore", "ptflops"):
        with pytest.raises(ProfileError, match=f"how {tool} counts .*encoder_layer_0"):
            profile(attends).as_counted_by(tool)
    found = profile(nn.Conv2d(3, 4, 1), (3, 8, 8))
    for wrong in ("calflop", None, ["thop"]):
        with pytest.raises(ProfileError, match="tool is one of torchinfo, fvcore, ptflops, thop"):
            found.as_counted_by(wrong)
    with pytest.raises(ProfileError, match="without training"):
        profile(nn.Conv2d(3, 4, 1), (3, 8, 8), training=True).as_counted_by("thop")
