"""Results of experiments, kept as JSON in the package; chapters and claims read
only these.

There are two kinds: a :class:`Record` of a network that was trained, and a
:class:`Timing` of one that was measured.

>>> from cnnbook import records
>>> runs = records.load("degradation")
>>> print(records.compare(runs, "plain56", "plain20", "train_error"))
>>> print(records.provenance(runs))
"""

from cnnbook._arguments import guard
from cnnbook.records.checks import SCALES
from cnnbook.records.compare import MEASURES, Difference, compare, interval, slope
from cnnbook.records.record import Record
from cnnbook.records.store import (
    FOLDER,
    candidates,
    everywhere,
    is_complete,
    load,
    names,
    path_of,
    save,
)
from cnnbook.records.summary import by_device, provenance, table
from cnnbook.records.timing import Timing

__all__ = [
    "FOLDER",
    "MEASURES",
    "SCALES",
    "Difference",
    "Record",
    "Timing",
    "by_device",
    "candidates",
    "compare",
    "everywhere",
    "interval",
    "is_complete",
    "load",
    "names",
    "path_of",
    "provenance",
    "save",
    "slope",
    "table",
]

guard(__name__)
