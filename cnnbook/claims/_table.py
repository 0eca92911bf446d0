"""Several claims at a glance: a line each, with its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from cnnbook.claims._cards import CSS_CLASSES, Card, show, typeset
from cnnbook.claims._mechanism import ledger

# What a reader of the notes least expects comes first.
SURPRISE = (
    "does not hold",
    "undecided",
    "holds with a caveat",
    "not yet measured",
    "holds",
    "does not apply",
)


@dataclass(frozen=True)
class Table:
    """Claims beside their verdicts, as HTML in a notebook and as plain text
    elsewhere."""

    cards: tuple[Card, ...]

    def _repr_html_(self) -> str:
        rows = []
        for card in self.cards:
            found = card.evidence
            words = typeset(found.measured)
            if found.caveat:
                words += f" <strong>But:</strong> {typeset(found.caveat)}"
            kind = CSS_CLASSES[found.verdict]
            verdict = (
                '<strong class="claim-verdict">'
                f"{found.verdict.capitalize()}</strong>"
            )
            rows.append(
                f'<tr class="{kind}"><td>{verdict}</td>'
                f'<td><a href="#{card.claim.anchor}">'
                f"{escape(card.claim.statement)}</a></td>"
                f"<td>{words}</td></tr>"
            )
        head = "<tr><th>verdict</th><th>the notes</th><th>measured</th></tr>"
        return (
            f'<table class="rules"><thead>{head}</thead><tbody>'
            f"{''.join(rows)}</tbody></table>"
        )

    def __repr__(self) -> str:
        width = max((len(card.evidence.verdict) for card in self.cards), default=0)
        return "\n".join(
            f"{card.evidence.verdict.upper():<{width}}  {card.claim.statement}"
            for card in self.cards
        )


def table(*ids: str, cards: dict[str, Card] | None = None) -> Table:
    """The claims `ids` in one table, in this order; without ids every claim of the
    ledger.

    All of them are sorted by verdict: first what a reader of the notes least
    expects.

    Args:
        cards: those of claims that were checked already, by identifier.

    Raises:
        ValueError: if there is no claim of that name.
    """
    known = cards or {}
    wanted = ids or tuple(claim.id for claim in ledger())
    found = [known[id] if id in known else show(id) for id in wanted]
    if not ids:
        found.sort(key=lambda card: SURPRISE.index(card.evidence.verdict))
    return Table(tuple(found))
