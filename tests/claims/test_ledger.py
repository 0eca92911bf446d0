"""The ledger against the lecture notes, sentence by sentence."""

from __future__ import annotations

import re

import pytest

from cnnbook import claims
from cnnbook.claims import Claim, Evidence, _mechanism, _notes
from cnnbook.claims._mechanism import NOTES

PAPERS = {"learning", "batchnorm", "after"}  # chapters on what the notes do not speak of
PAPER = re.compile(r"^\w.* (et al\.|and|,).* 20\d\d, (section|table|figure) ")
NOT_CLAIMS = {"Some indexes:", "VGG Design rules:", "Residual block:"}


def test_every_word_of_the_notes_is_answered():
    sentences = claims.sentences()
    assert {s.text for s in sentences if s.is_heading} == NOT_CLAIMS
    claimed = [s for s in sentences if not s.is_heading]
    assert {s.text: s.unanswered() for s in claimed if s.unanswered()} == {}
    assert len(claims.ledger()) >= 30


def test_the_ledger_is_in_the_notes_order():
    in_notes = [
        claim.id
        for sentence in claims.sentences()
        for claim, _ in sorted(sentence.claims, key=lambda pair: pair[1])
    ]
    of_the_notes = [claim.id for claim in claims.ledger() if claim.is_of_the_notes]
    assert of_the_notes == in_notes and len(in_notes) >= 30


def test_what_the_notes_do_not_say_names_its_paper():
    others = [claim for claim in claims.ledger() if not claim.is_of_the_notes]
    assert {claim.chapter for claim in others} == PAPERS
    assert all(PAPER.search(claim.source) for claim in others)
    assert claims.ledger()[-len(others) :] == tuple(others)


def test_a_sentence_that_no_claim_quotes_is_seen(monkeypatch):
    kept = tuple(claim for claim in claims.ledger() if claim.id != "alexnet/fc-params")
    monkeypatch.setattr(_notes, "ledger", lambda: kept)
    (dropped,) = [s for s in claims.sentences() if "fc layers" in s.text]
    assert dropped.unanswered() == dropped.text.split()


def test_a_statement_that_the_notes_do_not_make_is_refused(monkeypatch):
    said, source = "Model split over three GPUs.", "Lecture notes, AlexNet"
    wrong = Claim("alexnet/x", "alexnet", said, source, lambda: None)
    monkeypatch.setattr(_notes, "ledger", lambda: (*claims.ledger(), wrong))
    with pytest.raises(ValueError, match="alexnet/x: the notes do not say 'Model split over three"):
        claims.sentences()


def test_the_notes_show_each_verdict(monkeypatch):
    monkeypatch.setattr(
        _notes,
        "ledger",
        lambda: (
            Claim("alexnet/a", "alexnet", "Model split", NOTES, lambda: Evidence(True, "1")),
            Claim("alexnet/b", "alexnet", "over two GPUs", NOTES, lambda: Evidence(False, "2")),
            Claim("after/c", "after", "over two GPUs", "A paper", lambda: Evidence(True, "3")),
        ),
    )
    notes = claims.Notes()
    assert "Model split over two GPUs  [holds; does not hold]" in repr(notes)
    html = notes._repr_html_()
    assert '<span class="notes-quote claim-holds">Model split</span>' in html
    assert '<span class="notes-quote claim-fails">over two GPUs</span>' in html
    assert "Residual block:" in html and "ResNet (2015)" in html


def test_every_chapter_has_a_section_of_the_notes():
    answered = [chapter for chapters in _notes.SECTIONS.values() for chapter in chapters]
    assert answered == [chapter for chapter in _mechanism.CHAPTERS if chapter not in PAPERS]
