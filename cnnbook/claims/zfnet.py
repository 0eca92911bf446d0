"""The notes' statement on ZFNet.

A statement on how people worked cannot be computed. It is answered by what they
printed: a table in which they try other sizes, and find better ones. Our own search
over first layers, the runs of ``records/stem-search``, shows the same by hand and
decides nothing about ImageNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnbook import records
from cnnbook.claims._deciding import how, recorded
from cnnbook.claims._mechanism import Evidence, claim
from cnnbook.records import Record, published

if TYPE_CHECKING:
    import pandas as pd

# The two published stems as the search names them: kernel, stride, a quarter of the
# width.
PUBLISHED = {"AlexNet": "11x11-s4-24", "ZFNet": "7x7-s2-24"}
TRIED = "ZFNet, 512-1024-512"


def ranked(runs: Sequence[Record]) -> pd.DataFrame:
    """A row per stem, the most accurate on validation images first: rank, accuracy,
    runs."""
    accuracy = records.table(runs).groupby("arm")["validation_accuracy"]
    table = accuracy.agg(["mean", "count"]).sort_values(
        "mean", ascending=False, kind="stable"
    )
    table.insert(0, "rank", range(1, len(table) + 1))
    return table


@claim(
    "zfnet/trial-and-error",
    chapter="zfnet",
    statement="Both the architecture of AlexNet and ZFNet are set by trials and "
    "errors (hand-designed).",
    source="Lecture notes, ZFNet (2013); Zeiler and Fergus 2014, section 4.1 and "
    "table 3",
)
def trial_and_error(
    runs: Sequence[Record] | None = None, tried: Sequence[Record] | None = None
) -> Evidence:
    """The papers' own word, with our search beside it.

    Args:
        runs: of the search, those tested; None: the best on record.
        tried: of the search, the run of each stem by which one was chosen; None:
            those on record at the scale of `runs`.
    """
    runs = recorded("stem-search") if runs is None else runs
    if tried is None:
        tried = records.candidates("stem-search", runs[0].scale) if runs else ()
    kept = published.value("zeiler2013", "ZFNet")
    other = published.value("zeiler2013", TRIED)
    return Evidence(
        holds=other < kept,
        measured="The paper on ZFNet changes the sizes that it found in AlexNet "
        "after a look at the filters (section 4.1), and tries others in its table "
        f"3: 512, 1024 and 512 filters in layers 3 to 5 bring {other:g} % top-1 "
        f"error, the network that it describes {kept:g} %. No rule had led to the "
        f"better one. {_search(runs, tried)}",
        table=ranked(tried or runs) if runs else None,
        caveat="Of AlexNet it can only be supposed: its paper gives no rule for "
        "its sizes, and no table of others either.",
    )


def _search(runs: Sequence[Record], tried: Sequence[Record]) -> str:
    """What our search over stems found, as far as it is on record."""
    if not runs:
        return "Our own search over stems is not on record."
    table = ranked(tried or runs)
    place = {name: table.loc[arm, "rank"] for name, arm in PUBLISHED.items()}
    found = (
        f"{len(table)} stems of a small network on clothes at 56 pixels were "
        "ordered by their accuracy on validation images: AlexNet's is at place "
        f"{place['AlexNet']}, ZFNet's at {place['ZFNet']}."
    )
    if tried:
        ahead = " and ".join(
            f"minus {name}'s is {records.compare(runs, 'best', arm)}"
            for name, arm in PUBLISHED.items()
        )
        found += (
            f" Trained anew, with other seeds, the first's test accuracy {ahead}."
        )
    return (
        f"{found} The order is of one run a stem. The runs are at {how(runs)}. "
        "What a search on ImageNet would find, ours cannot say."
    )
