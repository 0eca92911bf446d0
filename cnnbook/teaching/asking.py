"""Questions between the sections of a chapter, whose right answers are computed
from the package.

A question is a function that returns its variants, registered by the
:func:`question` decorator in its chapter's module of ``cnnbook/teaching/asked``. A
chapter shows some with :func:`ask`: in a notebook each is its words above a folded
answer, and in the built book a form (_ext/questions.py, _static/questions), for
which the variants come along as JSON.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape

from cnnbook._arguments import near
from cnnbook.teaching.reading import COUNTS, KILOBYTES, readings

CHAPTERS = (
    "measuring", "learning", "alexnet", "zfnet", "vgg", "googlenet", "batchnorm",
    "resnet", "resnext", "after", "comparing", "training",
)  # fmt: skip
CODE = re.compile(r"`([^`]+)`")

# What is said where no question has words of its own. The page's form says the
# same.
WORDS = {
    "empty": "Write your answer first.",
    "unread": (
        "That is no number that can be read. Write one such as 61 M, 6.1e7 or "
        "61,100,840."
    ),
    "choose": "Choose an answer first.",
    "large": "Not yet: that is too large.",
    "small": "Not yet: that is too small.",
    "wrong": "Not yet.",
    "place": "Not yet: place {} is the first that is not right.",
}


@dataclass(frozen=True)
class Judgement:
    """What is to be said of an answer.

    Attributes:
        state: "right"; "slip", a wrong answer that has a reply of its own; "wrong";
            "unread"; "empty".
        reply: the words for it; of a right answer the calculation.
    """

    state: str
    reply: str

    def __repr__(self) -> str:
        return (
            f"Right. {self.reply}".strip() if self.state == "right" else self.reply
        )


@dataclass(frozen=True)
class Number:
    """A number to compute.

    Attributes:
        prompt: the question.
        answer: the right number, in `unit`.
        why: the calculation, with its figures.
        unit: words such as "parameters" or "KB", after which one may also be asked
            in MB.
        slips: wrong answers that people give, each with the reply to it.
        tolerance: the share of the answer by which a right one may differ.
    """

    prompt: str
    answer: float
    why: str
    unit: str = ""
    slips: Mapping[float, str] = field(default_factory=dict)
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        # As plain numbers, whatever a table had them as.
        object.__setattr__(self, "answer", float(self.answer))
        plain = {float(value): reply for value, reply in self.slips.items()}
        object.__setattr__(self, "slips", plain)
        for value in self.slips:
            if _near(value, self.answer, 1e-7):
                raise ValueError(
                    f"{self.prompt!r}: the wrong answer {value:g} is the right one"
                )

    @property
    def units(self) -> dict[str, float]:
        return KILOBYTES if self.unit == "KB" else COUNTS

    def judge(self, given: str | float) -> Judgement:
        """What is to be said of `given`, a number or a text."""
        if isinstance(given, str):
            if not given.strip():
                return Judgement("empty", WORDS["empty"])
            found = readings(given, self.unit, self.units)
        else:
            found = (float(given),)
        if not found:
            return Judgement("unread", WORDS["unread"])

        def slip(share: float) -> str | None:
            return next(
                (
                    reply
                    for value, reply in self.slips.items()
                    if any(_near(each, value, share) for each in found)
                ),
                None,
            )

        # One that is as precise as a slip is the slip, however near the right
        # answer.
        exact = any(_near(each, self.answer, 1e-7) for each in found)
        if not exact and (reply := slip(1e-7)):
            return Judgement("slip", reply)
        if any(_near(each, self.answer, self.tolerance) for each in found):
            return Judgement("right", self.why)
        if reply := slip(self.tolerance):
            return Judgement("slip", reply)
        nearest = min(found, key=lambda value: abs(value - self.answer))
        return Judgement(
            "wrong", WORDS["large" if nearest > self.answer else "small"]
        )

    def solution(self) -> str:
        """The right answer in words."""
        unit = self.unit.removesuffix("s") if self.answer == 1 else self.unit
        return f"{f'{number(self.answer)} {unit}'.strip()}."

    def data(self) -> dict:
        return {
            "kind": "number",
            "prompt": self.prompt,
            "answer": self.answer,
            "why": self.why,
            "unit": self.unit,
            "units": self.units,
            "tolerance": self.tolerance,
            "slips": [[value, reply] for value, reply in self.slips.items()],
            "solution": self.solution(),
        }


@dataclass(frozen=True)
class Choice:
    """One of several answers.

    Attributes:
        prompt: the question.
        options: each answer with the reply to who chooses it; that of the right one
            is not used.
        answer: the right one of them.
        why: what makes it right, with its figures.
    """

    prompt: str
    options: Mapping[str, str]
    answer: str
    why: str

    def __post_init__(self) -> None:
        if self.answer not in self.options:
            raise ValueError(
                f"{self.prompt!r}: {self.answer!r} is none of its options"
            )

    def judge(self, given: str) -> Judgement:
        """What is to be said of the option `given`."""
        if given not in self.options:
            return Judgement("empty", WORDS["choose"])
        if given == self.answer:
            return Judgement("right", self.why)
        return Judgement("slip", self.options[given] or WORDS["wrong"])

    def solution(self) -> str:
        """The right answer in words."""
        return f"{self.answer}."

    def data(self) -> dict:
        replies = {
            option: reply
            for option, reply in self.options.items()
            if option != self.answer
        }
        return {
            "kind": "choice",
            "prompt": self.prompt,
            "answer": self.answer,
            "why": self.why,
            "options": list(self.options),
            "replies": replies,
            "solution": self.solution(),
        }


@dataclass(frozen=True)
class Order:
    """Things to be put in order, the largest first.

    Attributes:
        prompt: the question.
        values: what each is ordered by; they are shown in this order, which is not
            the right one.
        why: the figures.
    """

    prompt: str
    values: Mapping[str, float]
    why: str

    def __post_init__(self) -> None:
        if len(set(self.values.values())) < len(self.values):
            raise ValueError(f"{self.prompt!r}: two of the values are equal")
        if list(self.values) == list(self.answer):
            raise ValueError(
                f"{self.prompt!r}: what is to be put in order is in order"
            )

    @property
    def answer(self) -> tuple[str, ...]:
        return tuple(sorted(self.values, key=self.values.__getitem__, reverse=True))

    def judge(self, given: Sequence[str]) -> Judgement:
        """What is to be said of the order `given`."""
        if sorted(given) != sorted(self.values):
            return Judgement("empty", WORDS["choose"])
        pairs = zip(given, self.answer, strict=True)
        wrong = next(
            (i for i, (mine, right) in enumerate(pairs, 1) if mine != right), None
        )
        if wrong is None:
            return Judgement("right", self.why)
        return Judgement("wrong", WORDS["place"].format(wrong))

    def solution(self) -> str:
        """The right answer in words."""
        return f"{', then '.join(self.answer)}."

    def data(self) -> dict:
        return {
            "kind": "order",
            "prompt": self.prompt,
            "answer": list(self.answer),
            "why": self.why,
            "options": list(self.values),
            "solution": self.solution(),
        }


Variant = Number | Choice | Order


def _near(value: float, target: float, share: float) -> bool:
    return abs(value - target) <= share * abs(target) + 1e-12


def number(value: float) -> str:
    """As the book writes it: 307,392, 0.0589, 182.25."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    if abs(value) < 1:
        return f"{value:.4g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Question:
    """A question: identifier, chapter, what is written above it, and the function
    of its variants.

    The variants are of one kind; the first is the one that is shown first.
    """

    id: str
    lead: str
    make: Callable[[], Sequence[Variant]]

    @property
    def chapter(self) -> str:
        return self.id.partition("/")[0]

    @property
    def anchor(self) -> str:
        return f"question-{self.id.replace('/', '-')}"

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Computed once."""
        return _variants(self)

    def judge(self, given, variant: int = 0) -> Judgement:
        """What is to be said of the answer `given` to one of the variants."""
        return self.variants[variant].judge(given)


@cache
def _variants(asked: Question) -> tuple[Variant, ...]:
    return tuple(asked.make())


_QUESTIONS: dict[str, Question] = {}


def question(id: str, *, lead: str = "Check yourself"):
    """Register the decorated function, which returns variants of one question.

    Args:
        id: ``chapter/short-name``, unique.
        lead: what is written above it; "Predict, then run" of one that a cell below
            answers.
    """

    def register(
        make: Callable[[], Sequence[Variant]],
    ) -> Callable[[], Sequence[Variant]]:
        if id in _QUESTIONS:
            raise ValueError(f"there already is a question {id!r}")
        _QUESTIONS[id] = Question(id, lead, make)
        return make

    return register


@cache
def _load() -> None:
    for chapter in CHAPTERS:
        importlib.import_module(f"cnnbook.teaching.asked.{chapter}")


def questions(chapter: str | None = None) -> tuple[Question, ...]:
    """Every question, or those of a chapter, in the book's order.

    Raises:
        ValueError: if there is no such chapter.
    """
    if chapter is not None and chapter not in CHAPTERS:
        raise ValueError(
            f"there is no chapter {chapter!r}; there are {', '.join(CHAPTERS)}"
        )
    _load()
    found = sorted(
        _QUESTIONS.values(), key=lambda each: CHAPTERS.index(each.chapter)
    )
    return tuple(each for each in found if chapter in (None, each.chapter))


def find(id: str) -> Question:
    """The question `id`. ValueError if there is none (near ones offered)."""
    _load()
    if id not in _QUESTIONS:
        raise ValueError(
            f"there is no question {id!r}; {near(id, _QUESTIONS, most=3)}"
        )
    return _QUESTIONS[id]


def ask(*ids: str) -> Asked:
    """Show questions, each with a folded answer.

    Raises:
        ValueError: if there is no question of that name, or none is named.
    """
    if not ids:
        raise ValueError("name a question, such as ask('alexnet/fc6-params')")
    return Asked(tuple(map(find, ids)))


@dataclass(frozen=True)
class Asked:
    """Questions as HTML in a notebook and as plain text elsewhere."""

    questions: tuple[Question, ...]

    def _repr_html_(self) -> str:
        return "\n".join(map(_html, self.questions))

    def __repr__(self) -> str:
        return "\n".join(_plain(each) for each in self.questions)

    def answers(self) -> str:
        """The right answers with their calculations, a line each."""
        lines = [
            f"{each.id}: {each.variants[0].solution()} {each.variants[0].why}"
            for each in self.questions
        ]
        return "\n".join(lines)


def _plain(asked: Question) -> str:
    first = asked.variants[0]
    options = getattr(first, "options", None) or getattr(first, "values", {})
    listed = "".join(f"\n  - {option}" for option in options)
    return (
        f"{asked.lead}. {first.prompt}{listed}\n  ({asked.id}; .answers() has the "
        "answer)"
    )


def inline(text: str) -> str:
    """Plain text as HTML, with what stands between backquotes as code."""
    return CODE.sub(r"<code>\1</code>", escape(text, quote=False))


def _html(asked: Question) -> str:
    first = asked.variants[0]
    options = getattr(first, "options", None) or getattr(first, "values", {})
    items = "".join(f"<li>{inline(option)}</li>" for option in options)
    data = {
        "id": asked.id,
        "variants": [variant.data() for variant in asked.variants],
    }
    stored = escape(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
    return (
        (
            f'<div class="question" id="{asked.anchor}" data-question="{stored}">'
            f'<p class="question-prompt"><strong>{asked.lead}.</strong> '
            f"{inline(first.prompt)}</p>"
        )
        + (f'<ul class="question-options">{items}</ul>' if items else "")
        + '<details class="question-answer"><summary>Show the answer</summary>'
        f"<p><strong>{inline(first.solution())}</strong> {inline(first.why)}</p>"
        "</details></div>"
    )
