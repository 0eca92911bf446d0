"""A claim checked, in the book's networks or in another: its evidence, and its
card."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from cnnbook.claims._mechanism import Claim, Evidence, find, ledger

if TYPE_CHECKING:
    from torch import nn

IMAGE = (3, 224, 224)

CSS_CLASSES = {
    "holds": "claim-holds",
    "holds with a caveat": "claim-caveat",
    "does not hold": "claim-fails",
    "undecided": "claim-undecided",
    "not yet measured": "claim-unmeasured",
    "does not apply": "claim-inapplicable",
}


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
    found = find(id)
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
        find(id),
        check(id, model, input_size),
        of=type(model).__name__ if model else None,
    )


def askable() -> tuple[str, ...]:
    """The identifiers of the claims that can be asked of any network, in the
    ledger's order."""
    from cnnbook.claims import _own

    return tuple(claim.id for claim in ledger() if claim.id in _own.CHECKS)


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
