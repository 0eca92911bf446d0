"""The three measures against cases computed by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune

from cnnbook import models, profile

# (layer, input C×H×W, output, params, flops, receptive field), each worked out with pencil.
CASES = {
    "lecture": (nn.Conv2d(3, 64, 11, 4, 2), (3, 227, 227), (64, 56, 56), 23_296, 72_855_552, 11),
    "stride": (nn.Conv2d(2, 4, 3, stride=2), (2, 9, 9), (4, 4, 4), 76, 1152, 3),
    "no bias": (nn.Conv2d(2, 4, 3, bias=False), (2, 9, 9), (4, 7, 7), 72, 3528, 3),
    "dilation": (nn.Conv2d(1, 1, 3, dilation=3), (1, 9, 9), (1, 3, 3), 10, 81, 7),
    "groups": (nn.Conv2d(4, 8, 3, groups=4, padding=1), (4, 5, 5), (8, 5, 5), 80, 1800, 3),
    "depthwise": (nn.Conv2d(4, 4, 3, groups=4), (4, 5, 5), (4, 3, 3), 40, 324, 3),
    "even kernel": (nn.Conv2d(1, 2, 4, stride=2, padding=1), (1, 8, 8), (2, 4, 4), 34, 512, 4),
    "not square": (nn.Conv2d(1, 2, (1, 7)), (1, 8, 20), (2, 8, 14), 16, 1568, (1, 7)),
    "same": (
        nn.Conv2d(1, 2, 3, padding="same", dilation=2),
        (1, 8, 9),
        (2, 8, 9),
        20,
        1296,
        5,
    ),
    "valid": (nn.Conv2d(1, 2, 3, padding="valid"), (1, 8, 9), (2, 6, 7), 20, 756, 3),
    "max pool": (nn.MaxPool2d(3, 2), (5, 8, 8), (5, 3, 3), 0, 0, 3),
    "ceil": (nn.MaxPool2d(3, 2, ceil_mode=True), (5, 8, 8), (5, 4, 4), 0, 0, 3),
    "ceil, padded": (nn.AvgPool2d(2, 2, 1, ceil_mode=True), (5, 5, 5), (5, 3, 3), 0, 0, 2),
    "global pool": (nn.AdaptiveAvgPool2d(1), (5, 8, 6), (5, 1, 1), 0, 0, (8, 6)),
    "linear": (nn.Linear(7, 3), (2, 5, 7), (2, 5, 3), 24, 210, (1, 7)),
    "transposed": (nn.ConvTranspose2d(3, 6, 2, 2), (3, 5, 5), (6, 10, 10), 78, 1800, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_by_hand(case):
    layer, size, output, params, flops, field = CASES[case]
    (row,) = profile(layer, size).layers
    assert row.output == output == tuple(layer(torch.zeros(1, *size)).shape[1:])
    assert row.params == params
    assert row.flops == flops
    assert row.memory_kb == torch.Size(output).numel() * 4 / 1024
    assert row.receptive_field == field


def test_receptive_field_grows_as_the_recurrence_says():
    stack = nn.Sequential(
        nn.Conv2d(1, 1, 7, stride=2), nn.MaxPool2d(3, 2), nn.Conv2d(1, 1, 3, dilation=2)
    )
    fields = [row.receptive_field for row in profile(stack, (1, 64, 64)).layers]
    assert fields == [7, 7 + 2 * 2, 11 + 4 * 4]


class Everything(nn.Module):
    """A module used twice, functional calls, a residual sum, a concatenation, unused weights."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.wide = nn.Conv2d(4, 2, 5, padding=2)
        self.aux = nn.Linear(6, 2)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.stem(x))), 2) * self.scale
        x = x + self.twice(F.relu(self.twice(x)))
        x = torch.cat([x, self.wide(x)], 1)
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        return (x, self.aux(x)) if self.training else x


def test_what_is_no_layer_is_not_missed():
    p = profile(Everything(), (3, 8, 8))
    names = [row.name for row in p.layers]
    assert names == [
        "stem", "max_pool2d", "twice", "twice#2", "wide", "adaptive_avg_pool2d",
    ]  # fmt: skip
    # 3, then 3 + 1 (pool), then two 3×3 at jump 2, kept by the sum, then 5×5, kept by cat.
    fields = p.table.receptive_field
    assert list(fields) == [3, 4, 8, 12, 20, 20 + 3 * 2]
    assert p.table.params["twice"] == 4 * 4 * 9 + 4 and p.table.params["twice#2"] == 0
    assert p.other == {"norm": 8, "scale": 4}
    assert p.not_run == {"aux": 14}
    assert p.total.params == sum(q.numel() for q in Everything().parameters())
    trained = profile(Everything(), (3, 8, 8), training=True)
    assert trained.not_run == {} and "aux" in trained.table.index


def test_tables_sums_and_text():
    p = profile(models.alexnet(), (3, 227, 227))
    assert list(p.table.columns) == [
        "kind", "output", "memory_kb", "params", "flops", "receptive_field",
    ]  # fmt: skip
    assert p.table.index.name == "layer"
    assert p.total.params == 61_100_840 and p.total.flops == 716_767_232
    assert tuple(p.by_kind().sum()) == p.total
    text = str(p)
    assert "784.00     23,296  72,855,552" in text and "61,100,840" in text
    html = p._repr_html_()
    assert html.count("<tr>") == len(p.layers) + 2 and "23,296" in html
    assert '<th scope="row" title="features.0">conv 11×11, 64, stride 4</th>' in html
    lines = p.to_csv().splitlines()
    assert lines[0] == "layer,kind,output,memory_kb,params,flops,receptive_field,sees"
    assert lines[1] == "features.0,conv,64x56x56,784.0,23296,72855552,11,exact"
    assert p.to_dict()["total"]["params"] == p.total.params
    assert p.to_dict()["total"]["macs"] == p.total.flops


def test_tables_of_training_tell_what_each_row_keeps():
    p = profile(models.alexnet(), (3, 227, 227), training=True)
    shown = [f"{row.kept_kb:,.0f}" for row in p.layers] + [f"{p.training.kept_kb:,.0f}"]
    head, *rows = str(p).splitlines()[1:-2]
    assert head.endswith("kept (KB)")
    assert [row.split()[-1] for row in rows if not row.split()[0].startswith("(")] == shown
    html = p._repr_html_()
    assert "<th scope='col'>kept (KB)</th>" in html and f"<td>{shown[0]}</td>" in html
    assert "kept" not in str(profile(models.alexnet(), (3, 227, 227)))


def test_csv_file(tmp_path):
    profile(nn.Conv2d(3, 4, 3), (3, 8, 8)).to_csv(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text().startswith("layer,kind,output")


LAYERS = {
    "conv1d": lambda: nn.Conv1d(3, 4, 3, 2, padding=1, bias=False),
    "conv2d": lambda: nn.Conv2d(3, 6, (5, 3), (2, 1), "valid", groups=3),
    "conv3d": lambda: nn.Conv3d(3, 4, 3, padding="same"),
    "reflecting": lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
    "linear": lambda: nn.Linear(12, 5, bias=False),
    "max pool": lambda: nn.MaxPool2d(3, 2, 1, 1, ceil_mode=True),
    "indices": lambda: nn.MaxPool2d(2, return_indices=True),
    "average pool": lambda: nn.AvgPool2d((2, 3), padding=(1, 1), ceil_mode=True),
    "adaptive pool": lambda: nn.AdaptiveAvgPool2d((None, 2)),
    "sequence": lambda: nn.Sequential(nn.Conv2d(3, 3, 3), nn.Sequential(), nn.ReLU()),
    "pruned": lambda: prune.l1_unstructured(nn.Conv2d(3, 4, 3), "weight", 0.5),
}


class Around(nn.Module):
    """A layer on an image that is laid out in as many dimensions as it takes."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        if isinstance(self.layer, nn.Conv1d):
            x = x.flatten(2)
        if isinstance(self.layer, nn.Conv3d):
            x = x.unsqueeze(2).repeat(1, 1, 8, 1, 1)
        return self.layer(x)


@pytest.mark.parametrize("name", LAYERS)
def test_a_shortcut_gives_what_torch_s_own_forward_gives(name):
    shortcut, own = Around(LAYERS[name]()), Around(LAYERS[name]())
    # A class of one's own has no shortcut: its `forward` runs line by line.
    own.layer.__class__ = type("Own", (type(own.layer),), {})
    found = profile(shortcut, (3, 12, 12))
    assert found == profile(own, (3, 12, 12))
    out = shortcut(torch.zeros(1, 3, 12, 12))
    out = out[0] if name == "indices" else out
    assert [row.output for row in found.layers] == [tuple(out.shape[1:])]


class Laid(nn.Module):
    """Parameters that pass through functions on their way."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(4, 3, 3, 3))
        self.row = nn.Parameter(torch.zeros(1, 4, 1, 6))

    def forward(self, x):
        return torch.cat([F.conv2d(x, self.kernel.contiguous()), self.row], 2)


def test_parameters_without_data_are_counted_as_those_with_data():
    with torch.device("meta"):
        without = Laid()
    found = profile(without, (3, 8, 8))
    assert found == profile(Laid(), (3, 8, 8))
    assert found.other == {"kernel": 108, "row": 24}
