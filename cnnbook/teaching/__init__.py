"""What a chapter shows its reader besides results, and what it asks them.

>>> from cnnbook import models, source, teaching
>>> source(models.AlexNet.forward)
>>> teaching.ask("alexnet/fc-params")
>>> teaching.check("alexnet/3", "307 K", "614 K")
Right.
"""

from cnnbook._arguments import guard
from cnnbook.teaching.asking import Asked, Question, ask, questions
from cnnbook.teaching.exercises import check, checked, parts
from cnnbook.teaching.listing import Source, source

__all__ = [
    "Asked",
    "Question",
    "Source",
    "ask",
    "check",
    "checked",
    "parts",
    "questions",
    "source",
]

guard(__name__)
