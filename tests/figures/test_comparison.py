"""Pictures of many networks: each is named, and no name covers another."""

from __future__ import annotations

import itertools
import math

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cnnbook import figures, models, profile
from cnnbook.figures import _style

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
    assert sorted(text.get_text() for text in ax.texts) == sorted(map(models.title, NETWORKS))
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


def test_discs_do_not_overlap(table):
    for figure in (figures.trade_off(table), figures.error_against_cost(steps(table))):
        (ax,) = figure.axes
        (discs,) = ax.collections
        places = ax.transData.transform(discs.get_offsets()) * 72 / figure.dpi
        radii = discs.get_sizes() ** 0.5 / 2
        marks = list(zip(places, radii, strict=True))
        for (a, r), (b, s) in itertools.combinations(marks, 2):
            assert math.dist(a, b) > 0.99 * (r + s)


def steps(table):
    names = {"label": table.index, "year": 2015, "url": "chapters/" + table.index + ".html"}
    return table.assign(error=100 - table.accuracy, **names)


@pytest.mark.parametrize("wide", [True, False])
def test_names_of_the_first_picture_are_apart_and_lead_to_chapters(table, wide):
    figure = figures.error_against_cost(steps(table), wide=wide)
    (ax,) = figure.axes
    urls = {text.get_text(): text.get_url() for text in ax.texts}
    assert urls == {f"{name} 2015": f"chapters/{name}.html" for name in NETWORKS}
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in ax.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_the_palette_can_be_read():
    """White on each tone, and each tone on white, have 4.5:1; on a dark page marks have 3:1."""
    tones = (_style.BLUE, _style.ORANGE, _style.GREEN, _style.PURPLE, _style.TEXT)
    for tone in tones:
        assert contrast(tone, "#ffffff") >= 4.5, tone
        assert contrast(tone, "#121212") >= 3, tone


def contrast(one: str, other: str) -> float:
    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
