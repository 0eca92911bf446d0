"""The lecture notes themselves, and which of their words each claim answers for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from cnnbook.claims._cards import CSS_CLASSES
from cnnbook.claims._mechanism import Claim, ledger

WORD = re.compile(r"[a-z0-9']+", re.IGNORECASE)
# A section of the notes and the chapters that answer for it.
SECTIONS = {
    "Net Architecture": ("measuring",),
    "AlexNet (2012)": ("alexnet",),
    "ZFNet (2013)": ("zfnet",),
    "VGG (2014)": ("vgg",),
    "GoogLeNet (2014)": ("googlenet",),
    "ResNet (2015)": ("resnet", "resnext"),
}


@dataclass(frozen=True)
class Sentence:
    """A point of the notes.

    Attributes:
        section: the heading that it stands under.
        depth: how deep it is indented, from 0.
        text: its words, as in the notes.
        claims: the claims that quote it, each with the span of `text` that it
            quotes.
    """

    section: str
    depth: int
    text: str
    claims: tuple[tuple[Claim, tuple[int, int]], ...] = ()

    @property
    def is_heading(self) -> bool:
        """Whether it only announces the points below it."""
        return self.text.endswith(":") and not self.claims

    def unanswered(self) -> list[str]:
        """The words that no claim quotes."""
        spans = [span for _, span in self.claims]
        return [
            word.group()
            for word in WORD.finditer(self.text)
            if not any(start <= word.start() < end for start, end in spans)
        ]


def sentences() -> tuple[Sentence, ...]:
    """The notes, point by point, each with the claims that quote it.

    Raises:
        ValueError: if a statement whose source is the notes is not in them word for
            word.
    """
    points = _points()
    found: dict[int, list[tuple[Claim, tuple[int, int]]]] = {
        i: [] for i in range(len(points))
    }
    for claim in filter(lambda claim: claim.is_of_the_notes, ledger()):
        place = next(
            (
                (i, span)
                for i, point in enumerate(points)
                if claim.chapter in SECTIONS[point.section]
                and (span := _quoted(claim.statement, point.text))
                and all(span != taken for _, taken in found[i])
            ),
            None,
        )
        if place is None:
            raise ValueError(
                f"{claim.id}: the notes do not say {claim.statement!r}"
            )
        found[place[0]].append((claim, place[1]))
    return tuple(
        Sentence(point.section, point.depth, point.text, tuple(found[i]))
        for i, point in enumerate(points)
    )


def _points() -> list[Sentence]:
    """The notes' points: a bullet or a number begins one, the lines below continue
    it."""
    points: list[tuple[str, int, str]] = []
    section = ""
    for line in (
        files("cnnbook.claims").joinpath("notes.md").read_text("utf-8").splitlines()
    ):
        if heading := re.match(r"#+ (.*?)\s*$", line):
            section = heading[1]
        elif bullet := re.match(r"( *)(\* +|(?=\d+\.))(.*\S)", line):
            points.append((section, len(bullet[1]) // 2, bullet[3]))
        elif line.strip():
            section, depth, text = points.pop()
            points.append((section, depth, " ".join([text, *line.split()])))
    return [Sentence(*point) for point in points]


def _quoted(statement: str, text: str) -> tuple[int, int] | None:
    """Where the words of `statement` stand in `text`, one after another."""
    said = list(WORD.finditer(text))
    words = [word.group().lower() for word in WORD.finditer(statement)]
    for i in range(len(said) - len(words) + 1):
        run = said[i : i + len(words)]
        if [word.group().lower() for word in run] == words:
            start, end = run[0].start(), run[-1].end()
            is_open = text.count("(", start, end) > text.count(")", start, end)
            return start, end + (is_open and text.startswith(")", end))
    return None


class Notes:
    """The notes with a verdict on each sentence, as HTML in a notebook and as plain
    text.

    `verdicts`, by claim identifier, are those of checks that have run; the others
    run now.
    """

    def __init__(self, verdicts: Mapping[str, str] | None = None):
        self.sentences = sentences()
        self.verdicts = dict(verdicts or {})
        for sentence in self.sentences:
            for claim, _ in sentence.claims:
                if claim.id not in self.verdicts:
                    self.verdicts[claim.id] = claim.check().verdict

    def _repr_html_(self) -> str:
        parts, section = [], None
        for sentence in self.sentences:
            if sentence.section != section:
                section = sentence.section
                parts.append(
                    f'<p class="notes-section"><strong>{escape(section)}</strong>'
                    "</p>"
                )
            marked, end = "", 0
            for claim, (start, stop) in sorted(
                sentence.claims, key=lambda pair: pair[1]
            ):
                verdict = self.verdicts[claim.id]
                marked += escape(sentence.text[end:start])
                marked += f'<span class="notes-quote {CSS_CLASSES[verdict]}">'
                marked += f"{escape(sentence.text[start:stop])}</span>"
                marked += f' <em class="notes-verdict">[{verdict}]</em>'
                end = stop
            marked += escape(sentence.text[end:])
            indent = f"margin: 0.2em 0 0.2em {1.5 * sentence.depth}em"
            parts.append(f'<p class="notes-point" style="{indent}">{marked}</p>')
        return f'<div class="notes">{"".join(parts)}</div>'

    def __repr__(self) -> str:
        lines, section = [], None
        for sentence in self.sentences:
            if sentence.section != section:
                section = sentence.section
                lines.append(section)
            verdicts = "; ".join(
                self.verdicts[claim.id] for claim, _ in sentence.claims
            )
            indent = "  " * (sentence.depth + 1)
            lines.append(
                f"{indent}{sentence.text}{f'  [{verdicts}]' if verdicts else ''}"
            )
        return "\n".join(lines)
