"""Pictures of many networks: each is named, and no name covers another."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cnnbook import figures, models, profile

NETWORKS = {
    "alexnet": (56.52, 0.013),
    "vgg11": (69.02, 0.084),
    "vgg19": (72.38, 0.159),
    "googlenet": (69.78, 0.039),
    "resnet18": (69.76, 0.019),
    "resnet50": (76.13, 0.043),
    "resnext50_32x4d": (77.62, 0.044),
}


@pytest.fixture(scope="module")
def table():
    rows = {}
    for name, (accuracy, seconds) in NETWORKS.items():
        total = profile(models.create(name, num_classes=1000)).total
        rows[name] = {
            "params": total.params, "flops": total.flops, "accuracy": accuracy, "seconds": seconds,
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


@pytest.mark.parametrize("draw", [figures.trade_off, figures.seconds])
def test_every_network_is_named_once_and_apart(draw, table):
    figure = draw(table)
    (ax,) = figure.axes
    assert sorted(text.get_text() for text in ax.texts) == sorted(NETWORKS)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = {text.get_text(): text.get_window_extent(renderer) for text in ax.texts}
    for (one, box), (other, other_box) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(other_box), f"{one} covers {other}"
    for box in boxes.values():
        assert ax.bbox.contains(*box.min) and ax.bbox.contains(*box.max)


def test_discs_grow_with_the_parameters(table):
    (discs,) = figures.trade_off(table).axes[0].collections
    sizes = discs.get_sizes()
    ratio = table.params["vgg19"] / table.params["resnet18"]
    assert sizes[2] / sizes[4] == pytest.approx(ratio)


def test_axes_are_in_plain_figures(table):
    figure = figures.seconds(table)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    assert {"1", "2", "5", "10"} <= {label.get_text() for label in ax.get_xticklabels()}
    assert {"20", "50", "100"} <= {label.get_text() for label in ax.get_yticklabels()}


def test_winners_name_entry_year_and_error():
    table = pd.DataFrame(
        {
            "year": [2011, 2012],
            "entry": ["XRCE", "AlexNet"],
            "top5_error": [25.8, 16.4],
            "deep": [False, True],
        }
    )
    figure = figures.winners(table)
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["XRCE  2011", "AlexNet  2012"]
    assert [text.get_text() for text in ax.texts] == ["25.8", "16.4"]
    shallow, deep = ax.patches
    assert shallow.get_facecolor() != deep.get_facecolor()
