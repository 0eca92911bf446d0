"""The roofline shows every point, the device's roof, and each network's name, apart."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from cnnbook import figures, models

ROWS = [
    (network, batch, intensity * batch**power, 1e9 * rate * batch ** (power / 2))
    for network, intensity, rate, power in [
        ("alexnet", 5.7, 83, 0.9),
        ("vgg16", 46, 200, 0.1),
        ("resnet50", 42, 103, 0.2),
        ("resnext50_32x4d", 39, 85, 0.2),
    ]
    for batch in (16, 1, 4)
]
TABLE = pd.DataFrame(ROWS, columns=["network", "batch_size", "intensity", "operations_per_second"])
PEAK, BANDWIDTH = 256e9, 40e9


@pytest.fixture(scope="module")
def ax():
    figure = figures.roofline(TABLE, PEAK, BANDWIDTH)
    figure.draw_without_rendering()
    return figure.axes[0]


def test_every_point_is_there_from_the_smallest_batch_to_the_largest(ax):
    drawn = [tuple(point) for points in ax.collections for point in points.get_offsets()]
    given = zip(TABLE.intensity, TABLE.operations_per_second / 1e9, strict=True)
    for point, expected in zip(sorted(drawn), sorted(given), strict=True):
        assert point == pytest.approx(expected)
    for line, points in zip(ax.lines, ax.collections, strict=False):
        assert list(line.get_xdata()) == sorted(line.get_xdata())
        *faces, last = points.get_facecolors()
        assert not any(face[3] for face in faces) and to_hex(last) == line.get_color()


def test_the_roof_is_the_device_s(ax):
    (roof,) = (line for line in ax.lines if line.get_gid() == "roof")
    (x0, ridge, x1), (y0, y1, y2) = roof.get_data()
    assert ridge == PEAK / BANDWIDTH == 6.4 and y1 == y2 == PEAK / 1e9
    assert y0 / x0 == pytest.approx(BANDWIDTH / 1e9)
    assert x0 < TABLE.intensity.min() and x1 > TABLE.intensity.max()


def test_a_point_above_the_roof_is_shown_too():
    table = TABLE.assign(operations_per_second=2 * TABLE.operations_per_second)
    ax = figures.roofline(table, PEAK, BANDWIDTH).axes[0]
    assert ax.get_ylim()[1] > table.operations_per_second.max() / 1e9


def test_names_are_apart(ax):
    named = [text.get_text() for text in ax.texts]
    assert sorted(named) == sorted(
        [*map(models.title, set(TABLE.network)), "ridge", "most operations a second"]
    )
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in ax.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    for text, box in zip(ax.texts, boxes, strict=True):
        assert ax.bbox.contains(*box.min) and ax.bbox.contains(*box.max), text.get_text()
