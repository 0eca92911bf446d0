"""The one style: transparent ground, mid-tone text, a palette safe for colour-blind
readers."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogLocator, NullLocator

from cnnbook import models
from cnnbook._arguments import checked

if TYPE_CHECKING:
    import pandas as pd

# No tone has a contrast of 4.5:1 both on white and on near-black. These have it on
# white, white text has it on them, and as marks they have 3:1 on near-black. On the
# book's pages text of these tones is lighter in the dark (_ext/figure_svg.py).
TEXT = "#6b7280"
FAINT = "#6b728040"

# After Okabe and Ito's palette, equally dark.
BLUE, ORANGE, GREEN, PURPLE = "#2470b0", "#b45309", "#17795a", "#a0478f"
COLORS = BLUE, ORANGE, GREEN, PURPLE  # of things to tell apart, in this order
KINDS = {"conv": BLUE, "pool": ORANGE, "linear": GREEN}

# A grid of positions by how often the image's sides have been halved on the way to
# it, in every figure of the book: Tol's light scheme, made for dark letters on
# colour.
GRIDS = (
    "#77aadd",
    "#99ddff",
    "#44bb99",
    "#bbcc33",
    "#eedd88",
    "#ee8866",
    "#ffaabb",
)
VECTOR = "#c9ccd1"  # what has no grid any more
INK = "#0d1117"  # letters on these colours: a contrast of 7:1 or more

# Inches and points: on a phone of 360 pixels, text of the smallest size is 9 pixels
# high.
WIDTH = 5.2
SMALL = 10
LEGIBLE = 10.4  # where the axes leave no room beside the figure
# With the margin that a notebook's figure gets, the widest that a phone shows whole
# with text of the smallest size.
NARROW = 4.85
NO_GAP = {"shrinkA": 0, "shrinkB": 0}  # of an arrow

RC: dict[Any, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": TEXT,
    "axes.titlecolor": TEXT,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.labelsize": SMALL,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": FAINT,
    "text.color": TEXT,
    # A name with two dollar signs is no formula.
    "text.parse_math": False,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "font.size": SMALL,
    "lines.linewidth": 2,
}


def kind_color(kind: str) -> str:
    """The colour of a layer kind; purple if it is no convolution, pool or linear
    layer."""
    return KINDS.get(kind, PURPLE)


def in_words(table: pd.DataFrame) -> list[str]:
    """The rows' names as a reader calls them, where a profile's table says how."""
    known = table.attrs.get("labels", {})
    return [known.get(name, models.title(name)) for name in table.index]


def halvings(side: int, image: int) -> int:
    """How often an image's side has been halved to get to `side`, rounded: 224 → 55
    is 2."""
    return max(0, round(math.log2(image / max(side, 1))))


def grid_color(shape: tuple[int, ...], image: int) -> str:
    """The colour of a step by the grid of its output.

    Args:
        shape: of the output, (C, H, W) or (N,).
        image: the image's side.
    """
    if len(shape) < 3 or max(shape[1:]) == 1:
        return VECTOR
    return GRIDS[min(halvings(max(shape[1:]), image), len(GRIDS) - 1)]


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the book's style; in a notebook, show figures as SVG."""

    draw = checked(draw, filled=True)

    @functools.wraps(draw)
    def wrapper(*args, **kwargs) -> Figure:
        _svg_in_notebooks()
        try:
            with mpl.rc_context(RC):
                return _with_powers(draw(*args, **kwargs))
        except Exception as error:
            # What is no figure's: pandas, torch and matplotlib have many errors for
            # it.
            if _is_ours(error):
                raise
            wrong = _what_is_wrong(draw.__name__, (*args, *kwargs.values()), error)
            raise ValueError(wrong) from error

    return wrapper


def _with_powers(figure: Figure) -> Figure:
    """`figure`, in which matplotlib's own numbers on logarithmic axes, 10², are
    formulas all the same."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            for which in ("major", "minor"):
                if isinstance(getattr(axis, which).formatter, LogFormatter):
                    for tick in getattr(axis, f"get_{which}_ticks")():
                        tick.label1.set_parse_math(True)
    return figure


def _what_is_wrong(name: str, arguments: tuple, error: Exception) -> str:
    """In one line, for an error that came up while the figure was drawn."""
    tables = [table for table in arguments if hasattr(table, "columns")]
    if (
        isinstance(error, KeyError)
        and tables
        and error.args[0] not in tables[0].columns
    ):
        columns = ", ".join(map(str, tables[0].columns)) or "none"
        return (
            f"{name} needs a table with the column {error.args[0]!r}, got one with "
            f"{columns}"
        )
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return (
        f"{name} cannot draw this ({reason}); help(figures.{name}) says what it "
        "takes"
    )


def _is_ours(error: Exception) -> bool:
    """Whether a check of this package raised it, rather than what tripped over a
    value."""
    place, at = "", error.__traceback__
    while at is not None:
        place, at = at.tb_frame.f_globals.get("__name__", ""), at.tb_next
    kinds = (ValueError, TypeError) if place == "cnnbook._arguments" else ValueError
    return place.startswith("cnnbook.") and isinstance(error, kinds)


def new_figure(height: float, width: float = NARROW) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def canvas(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure, and axes in inches over all of it, y growing downwards."""
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    return figure, ax


def plain_ticks(axis: Axis, subs: Sequence[int] = (1, 2, 5)) -> None:
    """1, 2, 5, 10, … on a logarithmic axis, in plain figures."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def name_lines(ax: Axes, handles: Sequence[Artist] | None = None, **where) -> None:
    """The names of the labelled lines, told by their colours alone.

    Args:
        handles: the lines to name, from the top; by default all that have a label.
        where: as `Axes.legend` takes it.
    """
    lines = ax.get_legend_handles_labels()[0] if handles is None else handles
    legend = ax.legend(
        handles=lines,
        labelcolor="linecolor",
        handlelength=0,
        handletextpad=0,
        frameon=False,
        **where,
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_visible(False)


@functools.cache
def _svg_in_notebooks() -> None:
    if "ipykernel" in sys.modules:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata={"Date": None}, facecolor="none")
        # The same figure is the same file. A cell is drawn when it ends, so outside
        # of `RC`.
        mpl.rcParams["svg.hashsalt"] = "cnnbook"
