"""What every figure must be: its texts whole, apart from each other, and legible on a phone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from matplotlib.text import Text

PHONE = 328  # pixels that a page of 360 px leaves for a figure


def written(figure) -> list:
    """The texts that are seen."""
    figure.draw_without_rendering()
    beyond = set()  # tick labels outside an axis' limits, which are not drawn
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = axis.get_major_ticks()
        beyond |= {tick.label1 for tick in ticks if not low <= tick.get_loc() <= high}
    return [
        text
        for text in figure.findobj(Text)
        if text.get_text().strip()
        and text.get_visible()
        and text not in beyond
        and text.get_window_extent().width > 2
    ]


def check_texts(figure) -> set[str]:
    """Assert that the figure's texts can be read, and give them."""
    texts = written(figure)
    for ax in figure.axes:
        left, bottom, right, top = ax.get_position().extents
        assert min(left, bottom) > -0.01 and max(right, top) < 1.01, "a picture is cut off"
    scale = min(1, PHONE / (figure.get_size_inches()[0] * 96))
    boxes = []
    for text in texts:
        words, box = text.get_text(), text.get_window_extent().padded(-1)
        assert text.get_fontsize() * 96 / 72 * scale >= 8.99, f"{words!r} is small on a phone"
        assert box.x0 >= -1 and box.x1 <= figure.bbox.width + 1, f"{words!r} is cut off"
        assert box.y0 >= -1 and box.y1 <= figure.bbox.height + 1, f"{words!r} is cut off"
        for other, its in boxes:
            assert not box.overlaps(its), f"{words!r} is drawn over {other!r}"
        boxes.append((words, box))
    return {text.get_text() for text in texts}


def rectangles(figure) -> list:
    """The boxes that hold a text, each with its texts."""
    middles = [(text, text.get_window_extent().get_points().mean(0)) for text in written(figure)]
    found = []
    for patch in (patch for ax in figure.axes for patch in ax.patches):
        if isinstance(patch, Rectangle):
            box = patch.get_window_extent()
            if inside := [text for text, middle in middles if box.contains(*middle)]:
                found.append((patch, inside))
    return found


def check_boxes(figure, slack: float = 1.0) -> None:
    """Assert that no text sticks out of the box in whose middle it stands."""
    for patch, texts in rectangles(figure):
        box = patch.get_window_extent()
        for text in texts:
            its = text.get_window_extent()
            assert box.x0 - slack <= its.x0 and its.x1 <= box.x1 + slack, text.get_text()


def contrast(color: str, other: str) -> float:
    """Of two colours, as WCAG 2 defines it."""
    from matplotlib.colors import to_rgb

    def luminance(rgb) -> float:
        rgb = np.array(to_rgb(rgb))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    light, dark = sorted((luminance(color), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.fixture(scope="session")
def look() -> SimpleNamespace:
    """The functions of this file."""
    functions = (written, check_texts, rectangles, check_boxes, contrast)
    return SimpleNamespace(**{function.__name__: function for function in functions})
