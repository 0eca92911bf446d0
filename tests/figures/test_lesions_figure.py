"""The picture of what is left without a part: its dots and lines are the table's numbers."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from cnnbook import figures
from cnnbook.figures._style import BLUE, ORANGE


def table(whole: float, *rows: tuple[str, float, float]) -> pd.DataFrame:
    """Of blocks with an accuracy and half an interval, and of one layer that no figure shows."""
    made = {"": ("network", whole, 0.0, 0.0), "layer x": ("layer", 0.1, -0.5, -0.4)}
    for part, accuracy, half in rows:
        made[part] = ("block", accuracy, accuracy - whole - half, accuracy - whole + half)
    return pd.DataFrame.from_dict(made, orient="index", columns=["kind", "accuracy", "low", "high"])


RESIDUAL = table(
    0.93, ("block layer1.0", 0.9, 0.01), ("block layer2.0", 0.7, 0.02), ("block layer3.0", 0.2, 0.0)
)
PLAIN = table(0.92, ("block layer1.0", 0.3, 0.05), ("block layer3.0", 0.1, 0.01))


def drawn(ax) -> dict[str, list[tuple[list[float], list[float]]]]:
    """By colour the lines of the axes that are no dashes."""
    found: dict[str, list] = {}
    for line in ax.lines:
        if line.get_linestyle() == "-" or line.get_marker() in "os":
            x, y = (list(map(float, values)) for values in (line.get_xdata(), line.get_ydata()))
            found.setdefault(to_hex(line.get_color()), []).append((x, y))
    return found


def test_dots_and_lines_are_the_table_s(look):
    figure = figures.lesions({"ResNet-20": RESIDUAL, "plain-20": PLAIN}, chance=0.1)
    (ax,) = figure.axes
    texts = look.check_texts(figure)
    assert {"ResNet-20", "plain-20", "layer1.0", "layer2.0", "layer3.0", "a guess"} <= texts
    assert "test accuracy without one block (%)" in texts
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "layer1.0", "layer2.0", "layer3.0",
    ]  # fmt: skip
    lines = drawn(ax)
    for color, its in ((BLUE, RESIDUAL), (ORANGE, PLAIN)):
        blocks = its[its.kind == "block"]
        dots = [x for x, _ in lines[color] if len(x) == 1]
        assert [x for (x,) in dots] == pytest.approx(list(100 * blocks.accuracy))
        spans = [x for x, y in lines[color] if len(x) == 2 and y[0] == y[1] and x[0] != x[1]]
        wide = blocks[blocks.high > blocks.low]
        whole = its.loc["", "accuracy"]
        assert spans == [
            pytest.approx([100 * (whole + low), 100 * (whole + high)])
            for low, high in zip(wide.low, wide.high, strict=True)
        ]
    # The block that one network has alone stands in its row, and the other has no dot there.
    rows = [round(y[0]) for x, y in lines[ORANGE] if len(x) == 1]
    assert rows == [0, 2]


def test_one_network_and_another_kind(look):
    figure = figures.lesions({"ResNet-20": RESIDUAL}, kind="layer")
    assert "test accuracy without one layer (%)" in look.check_texts(figure)


def test_wrong_tables_are_said():
    with pytest.raises(ValueError, match="^one or two networks can be drawn, got 3"):
        figures.lesions({"a": RESIDUAL, "b": PLAIN, "c": PLAIN})
    with pytest.raises(ValueError, match="^the table of a has no branch left out"):
        figures.lesions({"a": RESIDUAL}, kind="branch")
    with pytest.raises(ValueError, match="^the table of a has no block left out"):
        figures.lesions({"a": RESIDUAL.drop("")})
    with pytest.raises(ValueError, match="^the table of a has no column 'low'; interpret.lesions"):
        figures.lesions({"a": RESIDUAL.drop(columns="low")})
