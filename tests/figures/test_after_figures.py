"""The pictures of the chapter on what came after 2017: what they show is what they were given."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cnnbook import figures


def words(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def overlaps(figure) -> list[tuple[str, str]]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [t for ax in figure.axes for t in (*ax.texts, ax.title) if t.get_text()]
    boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts]
    return [
        (name, other)
        for i, (name, box) in enumerate(boxes)
        for other, rival in boxes[i + 1 :]
        if box.overlaps(rival)
    ]


@pytest.fixture
def steps():
    names = [f"step {i}" for i in range(5)]
    columns = {
        "accuracy": [76.0, 77.5, 77.4, 80.1, 82.0],
        "flops": [4.1e9, 4.5e9, 2.4e9, 5.3e9, 4.5e9],
        "params": [25.6e6, 28.6e6, 15.7e6, 33.8e6, 28.6e6],
        "memory_kb": [44210.0, 45386.0, 42242.0, 63361.0, 52486.0],
    }
    return pd.DataFrame(columns, index=names)


def test_a_ladder_has_a_dot_and_three_bars_a_step(steps):
    figure = figures.ladder(steps)
    dots, *bars = figure.axes
    assert list(dots.lines[0].get_xdata()) == list(steps.accuracy)
    assert [len(ax.patches) for ax in bars] == [5, 5, 5]
    assert [bar.get_width() for bar in bars[0].patches] == pytest.approx(steps.flops / 1e9)
    assert words(figure)[:5] == ["76.0", "77.5", "77.4", "80.1", "82.0"]
    assert [t.get_text() for t in dots.get_yticklabels()] == list(steps.index)
    assert overlaps(figure) == []


def test_newcomers_stand_out(steps):
    table = steps.assign(new=[False, False, True, False, True])
    figure = figures.newcomers(table)
    colors = {t.get_text(): t.get_color() for t in figure.axes[0].texts}
    assert set(colors) == set(table.index)
    assert colors["step 2"] == colors["step 4"] != colors["step 0"] == colors["step 1"]
    assert overlaps(figure) == []


def test_pairs_of_layers_lie_on_the_curve():
    channels = [16, 24, 24, 320]
    table = pd.DataFrame({"C'": channels, "factor": [9 * c / (9 + c) for c in channels]})
    (ax,) = figures.separable(table).axes
    offsets = ax.collections[0].get_offsets()
    assert offsets[:, 0].tolist() == [16, 24, 320]
    curve = dict(zip(*ax.lines[0].get_data(), strict=True))
    assert offsets[:, 1].tolist() == pytest.approx([curve[c] for c in (16, 24, 320)])
    assert words(ax.figure)[1:] == ["1 block", "2 blocks", "1 block"] and overlaps(ax.figure) == []


def test_a_family_s_growth_is_drawn_beside_its_forecasts():
    table = pd.DataFrame({"found": [1, 2, 5], "forecast": [1, 2, 4]}, index=["B0", "B1", "B2"])
    (ax,) = figures.compound(table).axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[1, 2, 5], [1, 2, 4]]
    assert [text.get_text() for text in ax.get_legend().texts] == ["found", "forecast"]


def test_transfer_has_a_line_an_arm_and_a_dot_a_run():
    rows = [(arm, n, 0.5 + 0.01 * n + 0.1 * i) for i, arm in enumerate("abc") for n in (4, 4, 16)]
    figure = figures.transfer(pd.DataFrame(rows, columns=["arm", "images", "accuracy"]))
    (ax,) = figure.axes
    dots, means = ax.lines[::2], ax.lines[1::2]
    assert [len(line.get_xdata()) for line in dots] == [3, 3, 3]
    assert means[0].get_ydata().tolist() == pytest.approx([54, 66])
    assert words(figure) == ["c", "b", "a"] and overlaps(figure) == []
