"""Whole networks: every layer of the code is drawn once, where it belongs, and can be read."""

from __future__ import annotations

import copy
import re
from collections import Counter

import pytest
import torch
from matplotlib.colors import to_hex
from torch import nn

from cnnbook import figures, models, profile
from cnnbook.figures._steps import column
from cnnbook.figures._style import GRIDS, INK, VECTOR, grid_color, halvings
from cnnbook.interpret.graph import graph


@pytest.fixture(scope="module")
def networks():
    with torch.device("meta"):
        return {
            "VGG-19": models.vgg19(),
            "plain-34": models.plain34(),
            "ResNet-34": models.resnet34(),
            "GoogLeNet": models.googlenet(variant="paper"),
            "AlexNet": models.alexnet(variant="paper"),
        }


@pytest.fixture(scope="module")
def drawn(networks):
    three = {name: networks[name] for name in ("VGG-19", "plain-34", "ResNet-34")}
    googlenet = networks["GoogLeNet"]
    heads = {"inception4a": googlenet.aux1, "inception4d": googlenet.aux2}
    return {
        "aligned": figures.aligned(three),
        "GoogLeNet": figures.whole(googlenet, heads=heads),
        "two GPUs": figures.two_gpus(networks["AlexNet"]),
        "small": figures.whole(models.resnet20(in_channels=1), (1, 28, 28)),
        "bottleneck": figures.aligned({"ResNet-50": models.create("resnet50")}),
    }


EXPECTED = {
    "aligned": {
        "VGG-19",
        "ResNet-34",
        "conv 7×7, 64 /2",
        "max pool 2×2 /2",
        "224",
        "7",
        "avg pool",
    },
    "GoogLeNet": {"3a", "5b", "head", "5×5 /3", "concat, 1024 × 7 × 7", "64 × 112 × 112", "LRN"},
    "two GPUs": {"GPU 1", "48 /4, LRN", "192", "2048", "500", "384 × 13 × 13", "3 × 224 × 224"},
    "small": {"conv 3×3", "16", "+"},
    "bottleneck": {"conv 1×1, 2048", "ResNet-50"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_it_says_so_and_can_be_read(drawn, name, look):
    assert EXPECTED[name] <= look.check_texts(drawn[name])
    look.check_boxes(drawn[name])


def test_figure_3_has_the_layers_of_each_network(drawn, networks, look):
    """34 layers with weights in a column, in the order and with the channels of the profile."""
    figure = drawn["aligned"]
    boxes = [(patch, texts[0]) for patch, texts in look.rectangles(figure)]
    lefts = sorted({round(patch.get_x(), 3) for patch, _ in boxes})
    assert len(lefts) == 3
    for left, (name, depth) in zip(
        lefts, (("VGG-19", 19), ("plain-34", 34), ("ResNet-34", 34)), strict=True
    ):
        own = sorted(
            (patch.get_y(), text.get_text())
            for patch, text in boxes
            if round(patch.get_x(), 3) == left
        )
        texts = [text for _, text in own if not text.split(",")[0].endswith("pool")]
        texts = [text for text in texts if "pool" not in text]
        assert len(texts) == depth
        table = profile(networks[name]).table
        rows = table[(table["kind"] != "pool") & ~table.index.str.contains("downsample")]
        assert [int(re.search(r", (\d+)", text)[1]) for text in texts] == [
            output[0] for output in rows["output"]
        ]


def test_layers_of_one_resolution_begin_at_one_height_and_have_one_colour(drawn, look):
    colours: dict[str, set] = {}
    for patch, (text, *_) in look.rectangles(drawn["aligned"]):
        if patch.get_fill() and "conv" in text.get_text():
            colours.setdefault(to_hex(patch.get_facecolor()), set()).add(text.get_text())
    assert set(colours) == {GRIDS[i] for i in (0, 1, 2, 3, 4, 5)}
    firsts = [
        patch.get_y() for patch, (text, *_) in look.rectangles(drawn["aligned"])
        if text.get_text() in ("conv 3×3, 256 /2", "conv 3×3, 512 /2", "max pool 2×2 /2")
    ]  # fmt: skip
    starts = Counter(round(y, 3) for y in firsts)
    assert sorted(starts.values(), reverse=True)[:2] == [3, 3]


def test_the_shortcuts_are_those_of_the_code(networks):
    layers, shortcuts = column(graph(networks["ResNet-34"], (3, 224, 224)))
    assert len(layers) == 36 and len(shortcuts) == 16
    assert sum(each.changed for each in shortcuts) == 3
    first = shortcuts[0]
    assert (first.start, first.end) == ("maxpool", "layer1.0.conv2")
    assert (shortcuts[3].start, shortcuts[3].end) == ("layer1.2.conv2", "layer2.0.conv2")
    _, none = column(graph(networks["plain-34"], (3, 224, 224)))
    assert none == []
    option_a, changed = column(graph(models.resnet20(), (3, 32, 32)))
    assert len(option_a) == 21 and sum(each.changed for each in changed) == 2


def test_googlenet_is_drawn_in_full(drawn, networks, look):
    texts = Counter(text.get_text() for text in look.written(drawn["GoogLeNet"]))
    table = profile(networks["GoogLeNet"], training=True).table
    convs = table[table["kind"] == "conv"]
    kernels = Counter(
        f"conv {m.kernel_size[0]}×{m.kernel_size[1]}"
        for m in networks["GoogLeNet"].modules()
        if isinstance(m, nn.Conv2d)
    )
    assert sum(kernels.values()) == len(convs) == 59
    for text, count in kernels.items():
        assert texts[text] == count
    assert texts["linear"] == 5 and texts["head"] == 2
    assert sum(count for text, count in texts.items() if text.startswith("concat")) == 9
    modules = {text for text in texts if re.fullmatch(r"[345][a-e]", text)}
    assert modules == {"3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"}


def test_arrows_cross_where_the_paper_s_layers_read_both_gpus(drawn):
    (ax,) = drawn["two GPUs"].axes
    arrows = [a for a in ax.texts if hasattr(a, "arrow_patch") and a.arrow_patch is not None]
    across = [a for a in arrows if abs(a.xy[0] - a.xyann[0]) > 0.3 and a.xyann[1] > 0.4]
    assert len(across) == 2 * 4  # conv3 and the three linear layers


def test_a_resolution_s_colour_is_the_same_whatever_the_network(look):
    assert halvings(55, 224) == halvings(56, 224) == halvings(7, 28) == 2
    assert grid_color((96, 55, 55), 224) == grid_color((64, 7, 7), 28) == GRIDS[2]
    assert grid_color((4096,), 224) == grid_color((512, 1, 1), 224) == VECTOR
    assert all(look.contrast(color, INK) >= 7 for color in (*GRIDS, VECTOR))


def test_networks_that_cannot_be_drawn_so_are_told(networks):
    with pytest.raises(ValueError, match=r"paths meet at inception3a.cat .*figures.whole"):
        figures.aligned({"GoogLeNet": networks["GoogLeNet"]})
    with pytest.raises(ValueError, match="no layer of two groups"):
        figures.two_gpus(networks["VGG-19"])
    with pytest.raises(ValueError, match="no module 'inception9' for a head"):
        figures.whole(networks["GoogLeNet"], heads={"inception9": networks["GoogLeNet"].aux1})
    with pytest.raises(TypeError, match="model must be a Module, got 'googlenet'"):
        figures.whole("googlenet")
    with pytest.raises(ValueError, match="at least 63"):
        figures.two_gpus(networks["AlexNet"], (3, 32, 32))


def test_networks_are_only_read():
    model = models.resnet20().train()
    before = copy.deepcopy(model.state_dict())
    figures.aligned({"ResNet-20": model}, (3, 32, 32))
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
