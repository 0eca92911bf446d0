"""Results of experiments, kept as JSON in the package; chapters and claims read only these.

There are two kinds: a :class:`Record` of a network that was trained, and a :class:`Timing` of one
that was measured.

>>> from cnnbook import records
>>> runs = records.load("degradation")
>>> records.table(runs).groupby("arm").test_accuracy.mean()
>>> print(records.provenance(runs))
"""

from cnnbook.records.checks import SCALES
from cnnbook.records.record import Record
from cnnbook.records.store import FOLDER, load, names, path_of, save
from cnnbook.records.summary import provenance, table
from cnnbook.records.timing import Timing

__all__ = [
    "FOLDER",
    "SCALES",
    "Record",
    "Timing",
    "load",
    "names",
    "path_of",
    "provenance",
    "save",
    "table",
]
