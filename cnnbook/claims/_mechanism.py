"""What a claim is, and the ledger that keeps them."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# The chapters in the notes' order; each has a module of claims here.
CHAPTERS = ("measuring", "alexnet", "zfnet", "vgg", "googlenet", "resnet", "resnext")

CSS_CLASSES = {
    "holds": "claim-holds",
    "holds with a caveat": "claim-caveat",
    "does not hold": "claim-fails",
    "not yet measured": "claim-unmeasured",
}


@dataclass(frozen=True)
class Evidence:
    """What a check found.

    Attributes:
        holds: whether the statement is true of what was measured; None if nothing was measured.
        measured: the measurement, in a sentence with its figures and units.
        table: the figures behind the sentence, or None.
        caveat: where the statement stops being true, or what it leaves out; None if nowhere.
    """

    holds: bool | None
    measured: str
    table: pd.DataFrame | None = None
    caveat: str | None = None

    @property
    def verdict(self) -> str:
        """ "holds", "holds with a caveat", "does not hold" or "not yet measured"."""
        if self.holds is None:
            return "not yet measured"
        if not self.holds:
            return "does not hold"
        return "holds with a caveat" if self.caveat else "holds"


@dataclass(frozen=True)
class Claim:
    """A statement of the notes: its identifier, chapter, wording, source, and the check of it."""

    id: str
    chapter: str
    statement: str
    source: str
    check: Callable[[], Evidence]


_CLAIMS: dict[str, Claim] = {}


def claim(id: str, *, chapter: str, statement: str, source: str):
    """Register the decorated function as the check of a claim.

    Args:
        id: ``chapter/short-name``, unique.
        chapter: the chapter that shows it.
        statement: the notes' sentence.
        source: where the notes, and the literature, say it.
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
    """Every claim, in the notes' order."""
    _load()
    return tuple(sorted(_CLAIMS.values(), key=lambda claim: CHAPTERS.index(claim.chapter)))


def check(id: str) -> Evidence:
    """Compute the evidence for the claim `id`. ValueError if there is none (near ones offered)."""
    return _find(id).check()


def show(id: str) -> Card:
    """Check the claim `id` and return the card that a chapter displays."""
    found = _find(id)
    return Card(found, found.check())


def _find(id: str) -> Claim:
    _load()
    if id not in _CLAIMS:
        close = difflib.get_close_matches(id, _CLAIMS, n=3, cutoff=0.4) or list(_CLAIMS)
        raise ValueError(f"there is no claim {id!r}; did you mean {' or '.join(close)}?")
    return _CLAIMS[id]


@dataclass(frozen=True)
class Card:
    """A claim beside its evidence, as HTML in a notebook and as plain text elsewhere."""

    claim: Claim
    evidence: Evidence

    def _repr_html_(self) -> str:
        found = self.evidence
        parts = [
            f'<p class="claim-verdict">{found.verdict.capitalize()}</p>',
            f'<p class="claim-statement">{escape(self.claim.statement)}</p>',
            f'<p class="claim-measured"><strong>Measured:</strong> {escape(found.measured)}</p>',
        ]
        if found.caveat:
            caveat = f"<strong>Caveat:</strong> {escape(found.caveat)}"
            parts.append(f'<p class="claim-measured">{caveat}</p>')
        parts.append(
            f'<p class="claim-source">{escape(self.claim.id)} · {escape(self.claim.source)}</p>'
        )
        return f'<div class="claim {CSS_CLASSES[found.verdict]}">{"".join(parts)}</div>'

    def __repr__(self) -> str:
        found = self.evidence
        lines = [f"{self.claim.id}: {found.verdict.upper()}", f"  claim     {self.claim.statement}"]
        lines.append(f"  measured  {found.measured}")
        if found.caveat:
            lines.append(f"  caveat    {found.caveat}")
        lines.append(f"  source    {self.claim.source}")
        return "\n".join(lines)
