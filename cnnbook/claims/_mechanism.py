"""What a claim is, and the ledger that keeps them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cnnbook._arguments import near

if TYPE_CHECKING:
    import pandas as pd

# The chapters in the notes' order and then those with claims of papers alone; each
# has a module of claims here.
CHAPTERS = (
    "measuring",
    "alexnet",
    "zfnet",
    "vgg",
    "googlenet",
    "resnet",
    "resnext",
    "learning",
    "batchnorm",
    "after",
)
# A source that begins so is the notes; any other one is a paper.
NOTES = "Lecture notes"


@dataclass(frozen=True)
class Evidence:
    """What a check found.

    Attributes:
        holds: whether the statement is true of what was measured; None if that does
            not say.
        measured: the measurement, in a sentence with its figures and units.
        table: the figures behind the sentence, or None.
        caveat: where the statement stops being true; None if nowhere.
        open: what would decide it, if it was measured and its interval decides
            nothing.
        method: a remark on how it was measured or is worded, which limits no
            statement's truth.
        applies: whether the statement is about the network that it was asked of.

    Raises:
        ValueError: if something is said to be open of a statement that is decided,
            or one is decided that does not apply.
    """

    holds: bool | None
    measured: str
    table: pd.DataFrame | None = None
    caveat: str | None = None
    open: str | None = None
    method: str | None = None
    applies: bool = True

    def __post_init__(self) -> None:
        if not self.applies and (self.holds is not None or self.open is not None):
            raise ValueError("what does not apply is neither decided nor open")
        if self.open is not None and self.holds is not None:
            raise ValueError(
                f"a statement that is decided has nothing open, got {self.open!r}"
            )

    @property
    def verdict(self) -> str:
        """One of "holds", "holds with a caveat", "does not hold", "undecided", "not
        yet measured" and "does not apply"."""
        if not self.applies:
            return "does not apply"
        if self.holds is None:
            return "undecided" if self.open else "not yet measured"
        if not self.holds:
            return "does not hold"
        return "holds with a caveat" if self.caveat else "holds"


@dataclass(frozen=True)
class Claim:
    """A statement: its identifier, chapter, wording, source, and the check of it.

    Most are the notes', word for word; on what came after them they are a paper's.
    """

    id: str
    chapter: str
    statement: str
    source: str
    check: Callable[[], Evidence]

    @property
    def is_of_the_notes(self) -> bool:
        """Whether the notes say it, by its source."""
        return self.source.startswith(NOTES)

    @property
    def anchor(self) -> str:
        """The anchor of its card on a page."""
        return f"claim-{self.id.replace('/', '-')}"


_CLAIMS: dict[str, Claim] = {}


def claim(id: str, *, chapter: str, statement: str, source: str):
    """Register the decorated function as the check of a claim.

    Args:
        id: ``chapter/short-name``, unique.
        chapter: the chapter that shows it.
        statement: the notes' sentence, or a paper's.
        source: where the notes ("Lecture notes, …") and the literature say it, or
            the paper alone.
    """

    def register(check: Callable[[], Evidence]) -> Callable[[], Evidence]:
        if id in _CLAIMS:
            raise ValueError(f"there already is a claim {id!r}")
        _CLAIMS[id] = Claim(id, chapter, statement, source, check)
        return check

    return register


@cache
def _load() -> None:
    for chapter in CHAPTERS:
        importlib.import_module(f"cnnbook.claims.{chapter}")


def ledger() -> tuple[Claim, ...]:
    """Every claim, in the notes' order; then those of papers alone."""
    _load()
    return tuple(
        sorted(_CLAIMS.values(), key=lambda claim: CHAPTERS.index(claim.chapter))
    )


def find(id: str) -> Claim:
    """The claim `id`. ValueError if there is none (near ones are offered)."""
    _load()
    if id not in _CLAIMS:
        raise ValueError(f"there is no claim {id!r}; {near(id, _CLAIMS, most=3)}")
    return _CLAIMS[id]
