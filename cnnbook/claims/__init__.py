"""The notes' statements, and later papers', each with a check that computes its
evidence.

A claim is a function that returns an :class:`Evidence`, registered by the
:func:`claim` decorator in the module of its chapter. The ledger keeps them in the
notes' order.

>>> from cnnbook import claims
>>> claims.check("alexnet/fc-params").verdict
'holds'
>>> # in a network of yours
>>> claims.check("alexnet/fc-params", model=net, input_size=(3, 224, 224))
"""

from cnnbook._arguments import guard
from cnnbook.claims._cards import Card, askable, check, show
from cnnbook.claims._mechanism import Claim, Evidence, claim, ledger
from cnnbook.claims._notes import Notes, Sentence, sentences
from cnnbook.claims._table import Table, table

__all__ = [
    "Card",
    "Claim",
    "Evidence",
    "Notes",
    "Sentence",
    "Table",
    "askable",
    "check",
    "claim",
    "ledger",
    "sentences",
    "show",
    "table",
]

guard(__name__)
