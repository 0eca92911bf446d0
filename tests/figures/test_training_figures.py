"""The pictures of training show what they are given, and their texts can be read."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import torch

from cnnbook import figures

STEP = {"forward": (0, 1), "backward": (1, 3), "travels": (1, 5), "waits": (3, 5)}


def around(devices: int, parts: int):
    """Counts and sends of a ring that only adds up: right in form, short in steps."""
    sends = torch.stack([torch.eye(devices, parts).roll(s, 1) > 0 for s in range(2)])
    counts = torch.ones(3, devices, parts)
    counts[1] += sends[0].roll(1, 0)
    counts[2] = counts[1] + sends[1].roll(1, 0)
    return counts, sends


def numbers(texts) -> list[str]:
    return [text.get_text() for text in texts if text.get_text().strip().isdigit()]


def test_a_bar_is_as_long_as_its_value_and_says_it(look):
    figure = figures.bars({"model": 1100.4, "random": 5, "nothing": 0}, "KB")
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [1100.4, 5, 0]
    assert {"1,100", "5", "0", "model", "KB"} <= look.check_texts(figure)
    (ax,) = figures.bars({"a": 1.25}, "KB", form=".1f").axes
    assert ax.texts[0].get_text() == "1.2"


def test_dots_stand_in_their_rows_and_what_is_missing_is_left_out(look):
    table = pd.DataFrame(
        {"published": [83.0, 90.3, 91.2], "here": [91.25, math.nan, 91.3]},
        ["AlexNet", "ResNet", "near"],
    )
    figure = figures.dots(table, "accuracy (%)")
    (ax,) = figure.axes
    first, second = (line for line in ax.lines if line.get_label() in table)
    assert first.get_xydata().tolist() == [[83, 0], [90.3, 1], [91.2, 2]]
    assert second.get_xydata()[0].tolist() == [91.25, 0]
    assert first.get_color() != second.get_color()
    assert first.get_marker() != second.get_marker()
    found = look.check_texts(figure)
    assert {"83.0", "90.3", "91.2", "published", "here", "ResNet", "91.3"} <= found
    assert "nan" not in found
    many = pd.DataFrame([[1.0] * 5])
    with pytest.raises(ValueError, match="at most 4 columns can be told apart, got 5"):
        figures.dots(many, "x")


def test_what_goes_on_at_once_lies_one_below_the_other(look):
    figure = figures.timeline({"a": STEP}, "ms", idle=("waits",))
    (ax,) = figure.axes
    places = [(bar.get_x(), bar.get_width(), bar.get_y() + 0.4) for bar in ax.patches]
    assert places == [(0, 1, 0.5), (1, 2, 0.5), (3, 2, 0.5), (1, 4, 1.5)]
    assert [bar.get_facecolor()[3] for bar in ax.patches] == [1, 1, 0, 1]
    assert {"a", "ms", *STEP} <= look.check_texts(figure)


def test_what_lasts_no_time_is_not_drawn(look):
    rows = {"a": {"computes": (0, 2), "waits": (2, 2)}, "b": {"computes": (0, 1)}}
    figure = figures.timeline(rows, "s", idle=("waits",))
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [2, 1]
    assert "waits" not in look.check_texts(figure)
    five = {"a": {name: (0, 1) for name in "abcde"}}
    with pytest.raises(ValueError, match="at most 4 kinds can be told apart, got 5"):
        figures.timeline(five, "s")
    assert figures.timeline(five, "s", idle=("e",)).axes


@pytest.mark.parametrize("devices", [2, 4])
def test_a_ring_has_a_panel_a_step_and_frames_what_is_sent(look, devices):
    counts, sends = around(devices, devices)
    figure = figures.ring(counts, sends)
    found = look.check_texts(figure)
    assert {"step 1", "step 2", "at the end"} <= found and "step 3" not in found
    (ax,) = figure.axes
    framed = [patch for patch in ax.patches if patch.get_linewidth() == 1.8]
    assert len(framed) == sends.sum()
    shown = sum(map(int, numbers(ax.texts)))
    # The counts, and the devices' own numbers: in the circle and beside each table.
    assert shown == counts.sum() + (1 + len(counts)) * sum(range(1, devices + 1))


def test_a_ring_of_another_form_is_refused():
    counts, sends = around(4, 4)
    with pytest.raises(ValueError, match="counts must have a table more than sends"):
        figures.ring(counts[:2], sends)
