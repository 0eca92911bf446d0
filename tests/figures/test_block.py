"""A block's picture shows each step of its code once, in order, and without overlap."""

from __future__ import annotations

import copy

import pandas as pd
import pytest
import torch
from torch import nn

from cnnbook import figures, models
from cnnbook.figures._graph import graph, readers
from cnnbook.models.googlenet import TABLE_1


class Residual(nn.Module):
    def __init__(self, channels: int = 8, stride: int = 1, project: bool = False):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride, padding=1)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=4)
        self.shortcut = nn.Conv2d(channels, channels, 1, stride) if project else nn.Identity()

    def forward(self, x):
        out = self.conv2(self.relu(self.bn(self.conv1(x))))
        out += self.shortcut(x)
        return self.relu(out)


class Paths(nn.Module):
    """Many paths that are alike, summed one by one, beside the input itself."""

    def __init__(self, number: int):
        super().__init__()
        self.paths = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 1)) for _ in range(number)
        )

    def forward(self, x):
        return x + sum(path(x) for path in self.paths)


def said(nodes):
    return [", ".join([node.text, *node.notes]) for node in nodes if node.kind != "skip"]


def test_residual_block():
    nodes = graph(Residual(), (8, 14, 14))
    assert said(nodes) == [
        "8 × 14 × 14", "conv 3×3, 8, BN, ReLU", "conv 3×3, 8, 4 groups", "+", "ReLU", "8 × 14 × 14",
    ]  # fmt: skip
    (skip,) = [node for node in nodes if node.kind == "skip"]
    assert skip.inputs == nodes[:1] and skip in nodes[-3].inputs
    # The main path is straight, the shortcut runs to its right.
    assert {node.x for node in nodes if node is not skip} == {0.0} and skip.x > 0.5
    assert [node.row for node in nodes if node is not skip] == [0, 1, 2, 3, 4, 5]


def test_projected_shortcut_has_a_lane_of_its_own():
    nodes = graph(Residual(stride=2, project=True), (8, 14, 14))
    assert not [node for node in nodes if node.kind == "skip"]
    assert "conv 1×1, 8, stride 2" in said(nodes)
    assert sorted({node.x for node in nodes}) == [-0.5, 0.0, 0.5]
    assert said(nodes)[-1] == "8 × 7 × 7"


def test_inception_module_has_four_lanes():
    nodes = graph(models.Inception2014(192, TABLE_1["3a"]), (192, 28, 28))
    (concat,) = [node for node in nodes if node.text == "concat"]
    assert [node.x for node in concat.inputs] == [-1.5, -0.5, 0.5, 1.5]
    assert [node.text for node in concat.inputs] == [
        "conv 1×1, 64", "conv 3×3, 128", "conv 5×5, 32", "conv 1×1, 32",
    ]  # fmt: skip
    assert said(nodes)[0] == "192 × 28 × 28" and said(nodes)[-1] == "256 × 28 × 28"
    assert len(nodes) == 2 + 1 + 7


def test_normalisation_before_the_convolution_is_a_box_of_its_own():
    class PreActivation(Residual):
        def forward(self, x):
            return x + self.conv1(self.relu(self.bn(x)))

    assert said(graph(PreActivation(), (8, 6, 6)))[1:3] == ["BN, ReLU", "conv 3×3, 8"]


def test_an_activation_that_is_read_twice_is_not_hidden_in_a_box():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 1)

        def forward(self, x):
            y = self.conv(x)
            return torch.cat([y, torch.relu(y)], 1)

    assert said(graph(Twice(), (8, 6, 6))) == [
        "8 × 6 × 6", "conv 1×1, 8", "ReLU", "concat", "16 × 6 × 6",
    ]  # fmt: skip


@pytest.mark.parametrize("number, drawn, written", [(4, 4, None), (32, 3, "… 32 in all …")])
def test_of_many_paths_that_are_alike_three_are_drawn(number, drawn, written):
    nodes = graph(Paths(number), (8, 6, 6))
    assert [node.text for node in nodes].count("conv 1×1, 2") == drawn
    assert [node.text for node in nodes].count("+") == 1  # a sum of sums is one sum
    assert [node.text for node in nodes if node.kind == "dots"] == ([written] if written else [])
    (total,) = [node for node in nodes if node.text == "+"]
    if written:
        first, second, dots, last = (node.x for node in total.inputs if node.kind != "skip")
        assert first < second < dots < last
    assert len(set(readers(nodes)[nodes[0]])) == drawn + (2 if written else 1)


def test_other_layers_have_the_name_of_their_class_or_function():
    block = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3), nn.Softmax(1))
    assert said(graph(block, (8, 6, 6))) == [
        "8 × 6 × 6", "avg pool to 1×1", "linear, 3", "Softmax", "3",
    ]  # fmt: skip


def test_the_module_is_only_read():
    block = Residual().train()
    before = copy.deepcopy(block.state_dict())
    figures.block(block, (8, 14, 14))
    assert block.training and block.bn.training
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())
    assert all(p.device.type == "cpu" and p.grad is None for p in block.parameters())


RUNS = pd.DataFrame(
    [
        (norm, heads, 0.8 + 0.04 * (norm == "with") + 0.001 * seed)
        for norm in ("without", "with")
        for heads in ("heads", "no heads")
        for seed in range(3)
    ],
    columns=["batch norm", "auxiliary", "test_accuracy"],
)
COSTS = pd.DataFrame(
    {"memory_kb": [2048.0, 512.0], "params": [1_500_000, 900], "flops": [2e9, 3e6]},
    index=["vgg16", "googlenet"],
)
DRAWN = {
    "inception": lambda: figures.block(models.Inception(192, TABLE_1["3a"]), (192, 28, 28)),
    "residual": lambda: figures.block(Residual(), (8, 14, 14)),
    "paths": lambda: figures.block(Paths(32), (8, 6, 6)),
    "head": lambda: figures.block(models.googlenet(variant="paper").aux1, (512, 14, 14)),
    "interaction": lambda: figures.interaction(RUNS, "batch norm", "auxiliary", "test_accuracy"),
    "measures": lambda: figures.measures(COSTS),
    "pairs": lambda: figures.pairs(COSTS[["params", "flops"]], "cost"),
}
EXPECTED = {
    "inception": {"max pool 3×3", "BN, ReLU", "concat", "256 × 28 × 28"},
    "residual": {"conv 3×3, 8", "4 groups", "+"},
    "paths": {"… 32 in all …"},
    "head": {"avg pool 5×5", "stride 3", "avg pool to 4×4", "linear, 1024", "ReLU, dropout"},
    "interaction": {"heads", "no heads", "without", "with", "test accuracy (%)"},
    "measures": {"memory (MB)", "1.5 M", "2 G", "900", "GoogLeNet"},
    "pairs": {"1.5 M  params", "2 G  flops", "3 M", "cost"},
}


def written(figure):
    figure.draw_without_rendering()
    return [
        text
        for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))
        if text.get_text().strip() and text.get_visible()
    ]


@pytest.mark.parametrize("name", EXPECTED)
def test_figure_says_it_without_overlap(name):
    figure = DRAWN[name]()
    texts = [text for text in written(figure) if text.get_window_extent().width > 2]
    assert EXPECTED[name] <= {text.get_text() for text in texts}
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in texts]
    for i, (text, box) in enumerate(boxes):
        assert box.x0 >= -1 and box.x1 <= figure.bbox.width + 1, f"{text!r} is cut off"
        for other, its in boxes[i + 1 :]:
            assert not box.overlaps(its), f"{text!r} is drawn over {other!r}"


@pytest.mark.parametrize("name", ["inception", "residual", "paths", "head"])
def test_texts_stay_inside_their_boxes(name):
    figure = DRAWN[name]()
    (ax,) = figure.axes
    texts = written(figure)
    for patch in ax.patches:
        box = patch.get_window_extent()
        inside = [t for t in texts if box.contains(*t.get_window_extent().get_points().mean(0))]
        assert inside
        for text in inside:
            its = text.get_window_extent()
            assert box.x0 <= its.x0 and its.x1 <= box.x1, text.get_text()


def test_it_fits_the_text_column():
    assert all(DRAWN[name]().get_size_inches()[0] <= 5.4 for name in ("inception", "paths"))
