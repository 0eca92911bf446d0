"""The comparisons of the book that need training or timing, a file each and a
record for each run.

>>> from cnnbook import experiments
>>> experiments.names()
>>> experiments.run("degradation", scale="quick")

An experiment is a function from a scale to its trials, registered by the
:func:`experiment` decorator in the module of its name. What it leaves is read
through ``cnnbook.records``.
"""

from cnnbook._arguments import guard
from cnnbook.experiments._mechanism import (
    Experiment,
    Trial,
    experiment,
    find,
    names,
)
from cnnbook.experiments._queue import run
from cnnbook.experiments._timing import TimingTrial

__all__ = [
    "Experiment",
    "TimingTrial",
    "Trial",
    "experiment",
    "find",
    "names",
    "run",
]

guard(__name__, skip=["run"])
