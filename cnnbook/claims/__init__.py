"""The notes' statements, each with a check that computes its evidence.

A claim is a function that returns an :class:`Evidence`, registered by the :func:`claim` decorator
in the module of its chapter. The ledger keeps them in the notes' order.

>>> from cnnbook import claims
>>> claims.check("alexnet/fc-params").verdict
'holds'
"""

from cnnbook.claims._mechanism import Card, Claim, Evidence, check, claim, ledger, show
from cnnbook.claims._notes import Notes, Sentence, sentences

__all__ = [
    "Card",
    "Claim",
    "Evidence",
    "Notes",
    "Sentence",
    "check",
    "claim",
    "ledger",
    "sentences",
    "show",
]
