"""The figures of the chapters on learning and normalisation draw what they are given."""

from __future__ import annotations

import math

import pandas as pd
import torch
from matplotlib.colors import to_rgb

from cnnbook import figures
from cnnbook.figures import learning_basics, normalisation, published


def test_an_answer_has_a_panel_for_each_list_of_numbers():
    values = {"scores": [1.0, -2.0, 0.5], "gradient": [0.2, 0.1, -0.3]}
    figure = learning_basics.answer(torch.zeros(1, 8, 8), ["a", "b", "c"], values, label=1)
    picture, scores, gradient = figure.axes
    assert picture.get_title() == "b"
    assert [bar.get_width() for bar in scores.patches] == [1.0, -2.0, 0.5]
    colors = [bar.get_facecolor() for bar in gradient.patches]
    assert colors[0] == colors[2] != colors[1]


def test_lines_carry_their_names_and_numbers():
    figure = learning_basics.lines({"a": [1, 2], "b": [3, 5]}, "step", "loss", log="y", x=[0, 10])
    (ax,) = figure.axes
    assert [line.get_label() for line in ax.lines] == ["a", "b"]
    assert ax.lines[1].get_xdata().tolist() == [0, 10]
    assert ax.get_yscale() == "log"


def test_a_logarithmic_axis_has_plain_figures_where_they_fit():
    def of(ax) -> list[str]:
        ax.figure.draw_without_rendering()
        return [tick.get_text() for tick in ax.get_yticklabels() if tick.get_text()]

    (near,) = learning_basics.lines({"a": [2, 40]}, "step", "loss", log="y").axes
    assert {"2", "5", "10", "20"} <= set(of(near))
    (far,) = learning_basics.lines({"a": [1e-9, 1]}, "step", "loss", log="y").axes
    assert all("10^" in text for text in of(far))


def test_maps_of_one_range_have_it_in_common():
    panels = {"x": torch.tensor([[1.0, 2.0]]), "y": torch.tensor([[0.0, 4.0]])}
    for lowest, expected in ((None, [1, 0]), (-1.0, [-1, -1])):
        figure = learning_basics.maps(panels, lowest=lowest)
        assert [ax.images[0].get_clim()[0] for ax in figure.axes] == expected


def test_maps_and_signs():
    figure = learning_basics.maps({"x": torch.rand(4, 4), "y": torch.rand(2, 2)}, signs=("=",))
    assert [ax.get_title() for ax in figure.axes] == ["x", "y"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["="]


def test_spans_stand_in_their_rows_and_what_is_lost_is_hollow():
    figure = learning_basics.spans({"a": (0, 80), "b": (40, 80)}, {"b": (80, 90)}, "steps")
    (ax,) = figure.axes
    found = [(bar.get_x(), bar.get_width(), bar.get_y() + 0.25) for bar in ax.patches]
    assert found == [(0, 80, 0), (40, 40, 1), (80, 10, 1)]
    assert [bar.get_facecolor()[3] for bar in ax.patches] == [1, 1, 0]


def test_each_run_is_a_point_of_its_scale():
    table = pd.DataFrame({"scale": ["quick", "quick", "standard"], "minutes": [1, 2, 30.0],
                          "accuracy": [0.7, 0.8, 0.9]})  # fmt: skip
    (ax,) = figures.runs(table).axes
    assert [len(points.get_offsets()) for points in ax.collections] == [2, 1]
    assert ax.collections[1].get_offsets().tolist() == [[30, 90]]
    texts = [text.get_text() for text in ax.get_legend().texts]
    assert texts == ["quick (2)", "standard (1)"]


def test_pictures_are_as_many_as_images():
    rows = {"boot": torch.zeros(3, 1, 4, 4), "bag": torch.zeros(3, 1, 4, 4)}
    assert len(learning_basics.pictures(rows).axes) == 6


def test_a_valley_has_a_panel_for_each_path():
    paths = {"SGD": torch.rand(5, 2), "other": torch.rand(5, 2)}
    heights = torch.rand(6, 8) + 0.1
    figure = learning_basics.valley(paths, heights, (-1, 1, -1, 1))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["SGD", "other"]


def test_panels_through_layers_share_their_lines():
    sizes = {
        "ReLU": {"He": [1.0, 1.1], "Glorot": [1.0, 0.5]},
        "tanh": {"He": [1, 1], "Glorot": [1, 1]},
    }
    figure = figures.through_layers(sizes, "size")
    assert [ax.get_title() for ax in figure.axes] == ["ReLU", "tanh"]
    assert figure.axes[0].lines[1].get_ydata().tolist() == [1.0, 0.5]


def test_a_run_that_broke_is_a_cross_and_not_in_the_mean():
    losses = {
        "without": {0.1: [2.0, 1.0], 1.0: [2.0, math.inf]},
        "with": {0.1: [1, 1], 1.0: [1, 1]},
    }
    (ax,) = normalisation.by_rate(losses, "rate", "loss").axes
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert len(crosses) == 1
    means = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert list(means["without"]) == [1.5] and list(means["with"]) == [1, 1]


def test_what_shares_a_mean_is_blue():
    counts = []
    for ax in normalisation.axes().axes:
        assert all(patch.get_edgecolor()[3] == 1 and patch.get_linewidth() for patch in ax.patches)
        colors = [patch.get_facecolor() for patch in ax.patches]
        counts.append(colors.count(colors[0]))
    assert counts == [4, 6, 3, 1]


def test_accuracy_by_batch_is_in_percent():
    (ax,) = normalisation.by_batch({1: 0.1, 16: 0.8}, 0.85).axes
    assert ax.lines[0].get_ydata().tolist() == [10, 80]
    assert list(ax.lines[1].get_ydata()) == [85, 85]


def test_published_errors_are_dots_in_the_given_order():
    (ax,) = published.errors({"a": 28.5, "b": 25.0}, "error", marked=["b"]).axes
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [28.5, 25.0]
    assert dots[0].get_color() != dots[1].get_color()
    assert [text.get_text() for text in ax.texts] == ["28.5", "25.0"]


def test_confusions_are_shares_of_a_row():
    (ax,) = published.confusions(torch.tensor([[8, 2], [0, 5]]), ["a", "b"]).axes
    assert {text.get_text() for text in ax.texts} == {"80", "20", "100"}


def luminance(color) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_shares_stand_out_in_their_fields():
    for share in (1, 20, 40, 60, 64, 66, 68, 69, 72, 80, 99):
        counts = torch.tensor([[share, 100 - share], [0, 5]])
        (ax,) = published.confusions(counts, ["a", "b"]).axes
        for field, text in zip(ax.patches, ax.texts, strict=True):
            low, high = sorted((luminance(field.get_facecolor()), luminance(text.get_color())))
            assert (high + 0.05) / (low + 0.05) >= 4.5, text.get_text()
