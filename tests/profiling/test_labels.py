"""What a reader calls a row, from the network's own calls."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from cnnbook import models, profile
from cnnbook.interpret.graph import graph


class Functions(nn.Module):
    """Layers that are functions, one of them used twice, and a product that is no layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, (3, 5), stride=(1, 2), padding=(1, 2), groups=1)
        self.twice = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)

    def forward(self, x):
        x = F.max_pool2d(self.stem(x), 2)
        x = self.twice(self.twice(x))
        x = F.adaptive_avg_pool2d(self.up(x), 2)
        return x.flatten(2) @ x.flatten(2).transpose(1, 2)


def test_each_kind_of_row():
    assert profile(Functions(), (3, 16, 16)).labels == {
        "stem": "conv 3×5, 8, stride 1×2",
        "max_pool2d": "max pool 2×2, stride 2",
        "twice": "conv 3×3, 8, dilation 2, 4 groups",
        "twice#2": "conv 3×3, 8, dilation 2, 4 groups, again",
        "up": "transposed conv 2×2, 4, stride 2",
        "adaptive_avg_pool2d": "avg pool to 2×2",
        "matmul": "matmul",
    }


def test_the_drawings_say_the_same():
    """The graph of the drawings is traced by itself: its words are those of the table."""
    for name in ("alexnet", "googlenet", "resnet50", "resnext50_32x4d", "mobilenet_v2"):
        with torch.device("meta"):
            network = models.create(name).eval()
        labels = profile(network).labels
        drawn = {
            node.name: ", ".join((node.label, *node.notes))
            for node in graph(models.create(name).eval(), (3, 224, 224))
        }
        assert {row: drawn[row] for row in labels} == labels


def test_a_table_keeps_them_for_its_drawings():
    p = profile(models.alexnet())
    rows = p.table.drop("avgpool")
    assert rows.attrs["labels"] == p.labels
    assert p.labels["classifier.6"] == "linear, 1000"


def above(reads: dict, is_row: dict) -> dict[str, set]:
    """For each row, by name, the rows whose outputs reach it by way of no other row."""
    reached: dict = {}
    for step, sources in reads.items():
        rows = set()
        for source in sources:
            rows |= {is_row[source]} if source in is_row else reached[source]
        reached[step] = rows
    return {name: reached[step] for step, name in is_row.items()}


def test_the_drawings_read_what_the_profile_reads():
    """Of two passes one answers shapes and one computes. Their edges are the same."""
    for name in models.names():
        with torch.device("meta"):
            network = models.create(name).eval()
        size = (3, 224, 224)
        p = profile(network, size)
        steps = graph(network, size)
        names = [layer.name for layer in p.layers]
        called = above(
            {place: call.reads for place, call in enumerate(p.calls)},
            {place: names[call.row] for place, call in enumerate(p.calls) if call.row is not None},
        )
        drawn = above(
            {node.name: node.inputs for node in steps},
            {node.name: node.name for node in steps if node.name in names},
        )
        assert drawn == called, name
