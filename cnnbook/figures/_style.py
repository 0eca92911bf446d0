"""The one style: transparent ground, mid-tone text, a palette safe for colour-blind readers."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

import matplotlib as mpl
from matplotlib.figure import Figure

TEXT = "#787d86"  # contrast of at least 4:1 on a white and on a near-black page
FAINT = "#787d8640"

# After Okabe and Ito's palette, in tones that stand out on both grounds.
BLUE, ORANGE, GREEN, PURPLE = "#2f87c4", "#d98c1f", "#1f9d78", "#b5659d"
KINDS = {"conv": BLUE, "pool": ORANGE, "linear": GREEN}

WIDTH = 5.4  # inches: the text column of a desktop page, and still legible on a phone

RC = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": TEXT,
    "axes.titlecolor": TEXT,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": FAINT,
    "text.color": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "font.size": 9.5,
    "lines.linewidth": 2,
}


def kind_color(kind: str) -> str:
    """The colour of a layer kind; purple if it is no convolution, pool or linear layer."""
    return KINDS.get(kind, PURPLE)


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the book's style; in a notebook, show figures as SVG."""

    @functools.wraps(draw)
    def wrapper(*args, **kwargs) -> Figure:
        _svg_in_notebooks()
        with mpl.rc_context(RC):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(height: float, width: float = WIDTH) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


@functools.cache
def _svg_in_notebooks() -> None:
    if "ipykernel" in sys.modules:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata={"Date": None}, facecolor="none")
        # The same figure is the same file. A cell is drawn when it ends, so outside of `RC`.
        mpl.rcParams["svg.hashsalt"] = "cnnbook"
