"""Networks without one of their parts: how much of their accuracy is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from cnnbook.figures._style import (
    COLORS,
    FAINT,
    LEGIBLE,
    TEXT,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd

MARKS = "os"
NEEDED = {"kind", "accuracy", "low", "high"}


@styled
def lesions(
    tables: Mapping[str, pd.DataFrame],
    kind: str = "block",
    chance: float | None = None,
) -> Figure:
    """The accuracy of one or two networks without each single part, a row a part.

    A dot is the accuracy without the part; its line is the 95 % interval of the
    difference to the whole network, whose own accuracy is the dashed line. Where a
    network has no such part to leave out, its dot is missing.

    Args:
        tables: of `interpret.lesions`, by what the network is called.
        kind: of the parts drawn: block, shortcut, branch or layer.
        chance: the accuracy of a guess, a share of 1; drawn as a dotted line.

    Raises:
        ValueError: if there are more than two networks, or a table has no such
            part.
    """
    if len(tables) > len(MARKS):
        raise ValueError(f"one or two networks can be drawn, got {len(tables)}")
    rows: dict[str, pd.DataFrame] = {}
    for name, table in tables.items():
        if missing := NEEDED - set(table.columns):
            raise ValueError(
                f"the table of {name} has no column {sorted(missing)[0]!r}; "
                "interpret.lesions makes it"
            )
        if "" not in table.index or not (table["kind"] == kind).any():
            raise ValueError(f"the table of {name} has no {kind} left out")
        rows[name] = table[table["kind"] == kind]
    # Names in the order of the network that has most of them.
    places: dict[Any, float] = {
        part: y
        for y, part in enumerate(
            dict.fromkeys(
                p for t in sorted(rows.values(), key=len)[::-1] for p in t.index
            )
        )
    }
    figure = new_figure(0.3 * len(places) + 1.1)
    ax = figure.subplots()
    for y in places.values():
        ax.axhline(y, color=FAINT, lw=0.8, zorder=0)
    for i, (name, its) in enumerate(rows.items()):
        color, whole = COLORS[i], 100 * tables[name].loc["", "accuracy"]
        ax.axvline(whole, color=color, lw=1.2, ls=(0, (4, 3)), zorder=0)
        across: dict[str, Any] = {
            "transform": ax.transAxes,
            "clip_on": False,
            "color": color,
        }
        ax.scatter([0.45 * i + 0.012], [1.04], 36, marker=MARKS[i], lw=0, **across)
        ax.text(0.45 * i + 0.035, 1.02, name, fontsize=LEGIBLE, **across)
        shift = 0.0 if len(rows) == 1 else 0.17 * (2 * i - 1)
        for part, row in its.iterrows():
            y, at = places[part] + shift, 100 * row["accuracy"]
            ends = (whole + 100 * row["low"], whole + 100 * row["high"])
            ax.plot(ends, (y, y), color=color, lw=2, solid_capstyle="butt")
            ax.plot([at], [y], MARKS[i], color=color, ms=5)
    if chance is not None:
        ax.axvline(100 * chance, color=TEXT, lw=1.2, ls=":", zorder=0)
        ax.text(
            100 * chance + 1.5,
            len(places) - 0.55,
            "a guess",
            va="center",
            color=TEXT,
            fontsize=LEGIBLE,
        )
    ax.set_yticks(
        range(len(places)), [part.removeprefix(f"{kind} ") for part in places]
    )
    ax.set_xlabel(f"test accuracy without one {kind} (%)", fontsize=LEGIBLE)
    ax.set_xlim(0, 100)
    ax.set_ylim(len(places) - (0.5 if chance is None else 0.2), -0.6)
    ax.tick_params(labelsize=LEGIBLE)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return figure
