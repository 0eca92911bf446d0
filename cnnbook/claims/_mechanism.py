"""What a claim is, and the ledger that keeps them."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

IMAGE = (3, 224, 224)

# The chapters in the notes' order and then those of later papers; each has a module
# of claims here.
CHAPTERS = (
    "measuring",
    "alexnet",
    "zfnet",
    "vgg",
    "googlenet",
    "resnet",
    "resnext",
    "after",
)
# A source that begins so is the notes; any other one is a paper.
NOTES = "Lecture notes"

CSS_CLASSES = {
    "holds": "claim-holds",
    "holds with a caveat": "claim-caveat",
    "does not hold": "claim-fails",
    "undecided": "claim-undecided",
    "not yet measured": "claim-unmeasured",
    "does not apply": "claim-inapplicable",
}


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
    """Every claim, in the notes' order; then those of later papers."""
    _load()
    return tuple(
        sorted(_CLAIMS.values(), key=lambda claim: CHAPTERS.index(claim.chapter))
    )


def check(
    id: str,
    model: nn.Module | None = None,
    input_size: tuple[int, int, int] = IMAGE,
) -> Evidence:
    """Compute the evidence for the claim `id`, in the book's networks or in one of
    your own.

    Args:
        model: a network to ask it of. It is not run with its weights, moved or
            changed.
        input_size: (C, H, W) of an image of that network.

    Raises:
        ValueError: if there is no such claim (near ones are offered), or it cannot
            be asked of any network.
    """
    found = _find(id)
    if model is None:
        return found.check()
    from cnnbook.claims import _own

    return _own.check(id, model, input_size)


def show(
    id: str,
    model: nn.Module | None = None,
    input_size: tuple[int, int, int] = IMAGE,
) -> Card:
    """As :func:`check`, as the card that a chapter displays."""
    return Card(
        _find(id),
        check(id, model, input_size),
        of=type(model).__name__ if model else None,
    )


def askable() -> tuple[str, ...]:
    """The identifiers of the claims that can be asked of any network, in the
    ledger's order."""
    from cnnbook.claims import _own

    return tuple(claim.id for claim in ledger() if claim.id in _own.CHECKS)


def _find(id: str) -> Claim:
    _load()
    if id not in _CLAIMS:
        close = difflib.get_close_matches(id, _CLAIMS, n=3, cutoff=0.4) or list(
            _CLAIMS
        )
        raise ValueError(
            f"there is no claim {id!r}; did you mean {' or '.join(close)}?"
        )
    return _CLAIMS[id]


# What is typed, and what is printed: a share apart from its sign that stays in its
# line, a true minus, and an apostrophe.
TYPED = (
    (re.compile(r"(?<=\d) ?%"), "\u00a0%"),
    (re.compile(r"(?<![\w.)-])-(?=\d)"), "−"),
    (re.compile(r"(?<=\w)'(?=\w)|(?<=s)'(?=\s)"), "’"),
)


def typeset(text: str) -> str:
    """Plain text as HTML, with the signs of print."""
    for typed, printed in TYPED:
        text = typed.sub(printed, text)
    return escape(text)


@dataclass(frozen=True)
class Card:
    """A claim beside its evidence, as HTML in a notebook and as plain text
    elsewhere."""

    claim: Claim
    evidence: Evidence
    # The class of the network that it was asked of, if none of the book's.
    of: str | None = None

    def _repr_html_(self) -> str:
        found, claim = self.evidence, self.claim
        verdict = (
            f'<strong class="claim-verdict">{found.verdict.capitalize()}</strong>'
        )
        quoted = escape(claim.statement.removesuffix("."))
        parts = [
            f'<p class="claim-statement">{verdict} <q>{quoted}</q></p>',
            f'<p class="claim-measured">{typeset(found.measured)}</p>',
        ]
        if found.caveat:
            limit = f"<strong>But:</strong> {typeset(found.caveat)}"
            parts.append(f'<p class="claim-measured claim-limit">{limit}</p>')
        if found.open:
            left = f"<strong>Open:</strong> {typeset(found.open)}"
            parts.append(f'<p class="claim-measured claim-limit">{left}</p>')
        more = [typeset(found.method)] if found.method else []
        title = "Remark, source and check" if found.method else "Source and check"
        more.append(f"Source: {escape(claim.source)}.")
        more.append(f"Check it: <code>cnnbook claims {escape(claim.id)}</code>")
        if claim.id in askable():
            command = f"cnnbook claims {escape(claim.id)} --model my_module:build"
            more.append(f"Ask it of your own network: <code>{command}</code>")
        parts.append(
            f'<details class="claim-more"><summary>{title}</summary>'
            + "".join(f"<p>{line}</p>" for line in more)
            + "</details>"
        )
        card = f'class="claim {CSS_CLASSES[found.verdict]}" id="{claim.anchor}"'
        return f"<div {card}>{''.join(parts)}</div>"

    def __repr__(self) -> str:
        found = self.evidence
        lines = [
            f"{self.claim.id}: {found.verdict.upper()}",
            f"  claim     {self.claim.statement}",
        ]
        lines.append(f"  measured  {found.measured}")
        if found.caveat:
            lines.append(f"  caveat    {found.caveat}")
        if found.open:
            lines.append(f"  open      {found.open}")
        if found.method:
            lines.append(f"  method    {found.method}")
        lines.append(f"  source    {self.claim.source}")
        return "\n".join(lines)
