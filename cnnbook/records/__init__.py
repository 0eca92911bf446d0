"""Results of experiments, kept as JSON in the package; chapters and claims read only these.

>>> from cnnbook import records
>>> runs = records.load("degradation")
>>> records.table(runs).groupby("arm").test_accuracy.mean()
>>> print(records.provenance(runs))
"""

from cnnbook.records.record import SCALES, Record
from cnnbook.records.store import FOLDER, load, names, path_of, save
from cnnbook.records.summary import provenance, table

__all__ = [
    "FOLDER",
    "SCALES",
    "Record",
    "load",
    "names",
    "path_of",
    "provenance",
    "save",
    "table",
]
