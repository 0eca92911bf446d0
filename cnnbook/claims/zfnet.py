"""The notes' statement on ZFNet.

A statement on how people worked cannot be computed. What can be: whether the published choices are
what a search over such choices would single out. The runs are those of ``records/stem-search``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnbook import records
from cnnbook.claims._mechanism import Evidence, claim

if TYPE_CHECKING:
    import pandas as pd

    from cnnbook.records import Record

# The two published stems as the search names them: kernel, stride, a quarter of the width.
PUBLISHED = {"AlexNet": "11x11-s4-24", "ZFNet": "7x7-s2-24"}


def ranked(runs: Sequence[Record]) -> pd.DataFrame:
    """A row per stem, the most accurate first: rank, mean test accuracy, deviation, runs."""
    accuracy = records.table(runs).groupby("arm")["test_accuracy"]
    table = accuracy.agg(["mean", "std", "count"]).sort_values("mean", ascending=False)
    table.insert(0, "rank", range(1, len(table) + 1))
    return table


@claim(
    "zfnet/trial-and-error",
    chapter="zfnet",
    statement="Both the architecture of AlexNet and ZFNet are set by trials and errors "
    "(hand-designed).",
    source="Lecture notes, ZFNet (2013); Zeiler and Fergus 2014, section 4.1 and table 3",
)
def trial_and_error(runs: Sequence[Record] | None = None) -> Evidence:
    runs = records.load("stem-search") if runs is None else runs
    if not runs:
        return Evidence(None, "The search over stems is not on record.")
    table = ranked(runs)
    spread = (table["std"] ** 2).mean() ** 0.5
    published = {name: table.loc[arm] for name, arm in PUBLISHED.items()}
    best, second = table["mean"].iloc[0], table["mean"].iloc[1]
    # A rule behind a design would show as a design that stands out from its neighbours.
    stands_out = any(
        found["rank"] == 1 and best - second > 2 * spread for found in published.values()
    )
    places = ", ".join(
        f"{name}'s at place {found['rank']:.0f} ({found['mean']:.1%})"
        for name, found in published.items()
    )
    return Evidence(
        holds=not stands_out,
        measured=f"Among {len(table)} stems, trained alike and ordered by mean test accuracy "
        f"({best:.1%} to {table['mean'].iloc[-1]:.1%}, deviation between seeds {spread:.1%}), the "
        f"published ones stand among many: {places}. {records.provenance(runs)}",
        table=table,
        caveat="A search can support a statement on how a design was found, not prove it. The "
        "papers do: AlexNet's gives no rule for its sizes, ZFNet's changes them after a look at "
        "AlexNet's filters and tries others in a table. The search varies the stem of a small "
        "network on small images.",
    )
