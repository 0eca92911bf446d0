"""Picture of what tells two arms of an experiment apart."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from cnnbook.figures._style import BLUE, FAINT, ORANGE, TEXT, new_figure, styled
from cnnbook.records import Difference


@styled
def differences(
    found: Mapping[str, Difference],
    xlabel: str,
    margin: float | None = None,
    published: Mapping[str, float] | None = None,
) -> Figure:
    """A row per difference: a ring a seed, the mean, and its 95 % interval.

    An interval that is clear of zero is orange, one that holds zero is blue.

    Args:
        found: what `records.compare` found, by what the row is called.
        xlabel: what differs, with its unit.
        margin: below which a difference counts as none; drawn as a band about zero.
        published: the difference that a paper has, by the row that it belongs to; a
            star.

    Raises:
        ValueError: if a row of `published` is none of `found`.
    """
    published = published or {}
    if strange := [name for name in published if name not in found]:
        raise ValueError(
            f"published has a row {strange[0]!r}; there is {', '.join(found)}"
        )
    figure = new_figure(0.42 * len(found) + 0.6)
    ax = figure.subplots()
    ax.axvline(0, color=TEXT, lw=1)
    if margin is not None:
        ax.axvspan(-margin, margin, color=FAINT, lw=0, zorder=0)
    for y, each in enumerate(found.values()):
        color = BLUE if each.low <= 0 <= each.high else ORANGE
        ax.plot(
            each.values, [y + 0.24] * each.n, "o", color=color, ms=4, mfc="none"
        )
        ax.plot([each.low, each.high], [y, y], color=color, lw=2)
        ax.plot(each.mean, y, "D", color=color, ms=5)
        ax.text(
            1.02,
            y,
            f"{each.mean:+z.2f}".replace("-", "−"),
            color=color,
            va="center",
            transform=ax.get_yaxis_transform(),
        )
    stars = [(value, [*found].index(name)) for name, value in published.items()]
    for x, y in stars:
        ax.plot(x, y, "*", color=TEXT, ms=9, mfc="none")
    if stars:
        ax.annotate(
            "the paper's",
            stars[0],
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8.5,
        )
    ax.set_yticks(range(len(found)), found)
    ax.set(xlabel=xlabel, ylim=(len(found) - 0.5, -0.6))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return figure
