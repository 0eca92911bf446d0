"""The comparisons of the book that need training, one file each, with a record for every run.

>>> from cnnbook import experiments
>>> experiments.names()
>>> experiments.run("degradation", scale="quick")

An experiment is a function from a scale to its trials, registered by the :func:`experiment`
decorator in the module of its name. What it leaves is read through ``cnnbook.records``.
"""

from cnnbook.experiments._mechanism import Experiment, Trial, experiment, find, names, run

__all__ = ["Experiment", "Trial", "experiment", "find", "names", "run"]
