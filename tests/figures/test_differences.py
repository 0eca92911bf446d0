"""The picture of differences and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from cnnbook import figures, records

FOUND = {
    "clear": records.interval([1.0, 1.2, 1.4], "a − b"),
    "open": records.interval([-1.0, 0.5, 0.2], "c − d"),
    "below": records.interval([-1.0, -1.2, -1.4], "e − f"),
}


@pytest.fixture(scope="module")
def ax():
    figure = figures.differences(FOUND, "test accuracy (points)", margin=0.5)
    figure.draw_without_rendering()
    return figure.axes[0]


def test_each_row_has_its_seeds_mean_and_interval(ax):
    zero, *lines = ax.lines
    assert list(zero.get_xdata()) == [0, 0]
    for number, each in enumerate(FOUND.values()):
        seeds, bar, mean = lines[3 * number : 3 * number + 3]
        assert tuple(seeds.get_xdata()) == each.values
        assert list(bar.get_xdata()) == [each.low, each.high]
        assert set(bar.get_ydata()) == {number} == set(mean.get_ydata())
        np.testing.assert_allclose(np.array(mean.get_xdata(), float), each.mean)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(FOUND)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first on top


def test_what_is_clear_of_zero_has_another_colour(ax):
    clear, undecided, below = (line.get_color() for line in ax.lines[2::3])
    assert clear == below != undecided
    assert [text.get_text() for text in ax.texts] == ["+1.20", "−0.10", "−1.20"]


def test_the_margin_is_a_band_about_zero(ax):
    (band,) = ax.patches
    corners = band.get_path().vertices @ band.get_patch_transform().get_matrix()[:2, :2].T
    assert np.ptp(corners[:, 0]) == pytest.approx(1.0)
    assert not figures.differences(FOUND, "points").axes[0].patches


def test_what_a_paper_found_is_a_star_in_its_row():
    ax = figures.differences(FOUND, "points", published={"below": 2.0, "open": 0.3}).axes[0]
    below, opened = ax.lines[-2:]
    assert (below.get_xdata()[0], below.get_ydata()[0]) == (2.0, 2)
    assert (opened.get_xdata()[0], opened.get_ydata()[0]) == (0.3, 1)
    assert ax.get_xlim()[1] > 2  # it is in sight
    assert [text.get_text() for text in ax.texts][-1] == "the paper's"  # said once


def test_a_row_that_is_not_there():
    with pytest.raises(ValueError, match="^published has a row 'other'; there is clear, open, bel"):
        figures.differences(FOUND, "points", published={"other": 1.0})
