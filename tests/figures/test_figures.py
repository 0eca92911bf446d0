"""Figures show what they were given, in full, and the same way each time."""

from __future__ import annotations

import io
import re

import matplotlib as mpl
import nbformat
import pandas as pd
import pytest
import torch
from nbclient import NotebookClient

from cnnbook import data, figures, models, profile

HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2],
        "train_loss": [2.0, 1.0],
        "validation_loss": [1.5, 0.9],
        "train_accuracy": [0.3, 0.6],
        "validation_accuracy": [0.5, 0.7],
    }
)

RUNS = pd.DataFrame(
    {"arm": ["3x3-s2-12"] * 2 + ["7x7-s2-24"] * 2, "test_accuracy": [0.7, 0.72, 0.8, 0.81]}
)


@pytest.fixture(scope="module")
def drawn():
    with torch.device("meta"):
        network = models.alexnet()
        paper = models.alexnet(variant="paper")
        vggs = {
            f"VGG-{depth}": profile(models.create(f"vgg{depth}")).table.drop("avgpool")
            for depth in (11, 13, 16, 19)
        }
    p = profile(network, (3, 227, 227))
    train, _ = data.load("fashion-mnist-mini")
    kernels = torch.arange(20.0 * 9).view(20, 1, 3, 3)
    spot = torch.zeros(40, 40)
    spot[10:21, 10:21] = 1
    return {
        "architecture": lambda: figures.architecture(p),
        "architecture of the paper": lambda: figures.architecture(profile(paper)),
        "shares": lambda: figures.shares(p.table),
        "receptive field": lambda: figures.receptive_field(p.table, 227),
        "curves": lambda: figures.curves(HISTORY),
        "images": lambda: figures.images(train),
        "filters": lambda: figures.filters(kernels),
        "gradient": lambda: figures.gradient(spot, 11),
        "stages": lambda: figures.stages(vggs["VGG-19"]),
        "measures": lambda: figures.measures(
            pd.DataFrame([p.total, p.total], ["AlexNet, whole", "again\nwith a long name"])
        ),
        "columns": lambda: figures.columns(vggs),
        "ranking": lambda: figures.ranking(RUNS, marked={"7x7-s2-24": "ZFNet"}),
        "occlusion": lambda: figures.occlusion(
            torch.rand(3, 1, 28, 28), torch.rand(3, 5, 5), ["Bag", "Shirt", "Coat"]
        ),
    }


def texts(figure) -> set[str]:
    figure.draw_without_rendering()
    return {t.get_text() for t in figure.findobj(lambda artist: hasattr(artist, "get_text"))}


EXPECTED = {
    "architecture": {
        "conv 11×11, 64, stride 4",
        "64 × 56 × 56",
        "3 × 227 × 227",
        "linear, 1000",
        "1000",
    },
    "architecture of the paper": {"conv 5×5, 256, 2 groups", "96 × 55 × 55"},
    "shares": {"conv 11×11, 64, stride 4", "34%", "62%", "31%"},
    "receptive field": {"195", "the image: 227 px"},
    "curves": {"loss", "accuracy (%)", "training", "validation"},
    "images": {"Ankle boot", "Trouser"},
    "gradient": {"11 px"},
    "stages": {"56 × 56\n1 pool, 4 conv", "1 × 1\n3 linear", "24.5", "124 M", "6.47 G"},
    "measures": {"again\nwith a long name", "61.1 M", "717 M", "2.28"},
    "columns": {"VGG-11", "VGG-19", "14 × 14", "conv 64", "pool 512", "linear 4096"},
    "ranking": {"3x3-s2-12", "ZFNet: 7x7-s2-24", "test accuracy (%)"},
    "occlusion": {"Bag", "Coat", "probability of the class, with a square there covered"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_figure_says(drawn, name):
    assert EXPECTED[name] <= texts(drawn[name]())


def test_filters_are_all_drawn(drawn):
    assert len(drawn["filters"]().axes) == 20


@pytest.mark.parametrize("name", EXPECTED)
def test_texts_do_not_overlap_or_leave_the_figure(drawn, name):
    figure = drawn[name]()
    figure.draw_without_rendering()
    beyond = set()  # tick labels outside an axis' limits, which are not drawn
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            beyond |= {t.label1 for t in axis.get_major_ticks() if not low <= t.get_loc() <= high}
    boxes = [
        (artist.get_text(), artist.get_window_extent())
        for artist in figure.findobj(lambda artist: hasattr(artist, "get_text"))
        if artist.get_text().strip() and artist.get_visible() and artist not in beyond
    ]
    width, height = figure.bbox.width, figure.bbox.height
    boxes = [(text, box.padded(-1)) for text, box in boxes if box.width > 2]
    for i, (text, box) in enumerate(boxes):
        assert box.x1 <= width + 1 and box.y1 <= height + 1, f"{text!r} is cut off"
        for other, its in boxes[i + 1 :]:
            assert not box.overlaps(its), f"{text!r} is drawn over {other!r}"


def test_the_same_figure_is_the_same_file_in_a_notebook():
    draw = (
        "from cnnbook import figures, models, profile\n"
        "figures.shares(profile(models.alexnet()).table)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(draw) for _ in range(2)])
    NotebookClient(notebook).execute()
    first, second = (cell.outputs[-1].data["image/svg+xml"] for cell in notebook.cells)
    assert first == second


PRICED = ["$1 to $2", "a $x^2$", "$\\frac$"]  # the last is no formula that could be drawn


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.occlusion(torch.rand(3, 1, 28, 28), torch.rand(3, 5, 5), PRICED),
        lambda: figures.through_layers({PRICED[0]: dict.fromkeys(PRICED[1:], [1.0, 9.0])}, "norm"),
        lambda: figures.ranking(
            pd.DataFrame({"arm": PRICED * 2, "test_accuracy": [0.7, 0.72, 0.8, 0.81, 0.7, 0.8]})
        ),
    ],
)
def test_names_with_dollar_signs_are_no_formulas(draw):
    figure = draw()
    assert set(PRICED) <= texts(figure)
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file := io.BytesIO(), format="svg")
    assert all(f">{name}</text>" in file.getvalue().decode() for name in PRICED)


def test_powers_on_a_logarithmic_axis_are_drawn_as_such():
    figure = figures.through_layers({"plain": {"a": [1.0, 1e6]}}, "norm")
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file := io.BytesIO(), format="svg")
    assert "mathdefault" not in re.sub("<!--.*?-->", "", file.getvalue().decode())
