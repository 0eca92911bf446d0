"""The ledger against the lecture notes, sentence by sentence."""

from __future__ import annotations

import pytest

from cnnbook import claims
from cnnbook.claims import Claim, Evidence, _mechanism, _notes

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
    assert [claim.id for claim in claims.ledger()] == in_notes


def test_a_sentence_that_no_claim_quotes_is_seen(monkeypatch):
    kept = tuple(claim for claim in claims.ledger() if claim.id != "alexnet/fc-params")
    monkeypatch.setattr(_notes, "ledger", lambda: kept)
    (dropped,) = [s for s in claims.sentences() if "fc layers" in s.text]
    assert dropped.unanswered() == dropped.text.split()


def test_a_statement_that_the_notes_do_not_make_is_refused(monkeypatch):
    wrong = Claim("alexnet/x", "alexnet", "Model split over three GPUs.", "", lambda: None)
    monkeypatch.setattr(_notes, "ledger", lambda: (*claims.ledger(), wrong))
    with pytest.raises(ValueError, match="alexnet/x: the notes do not say 'Model split over three"):
        claims.sentences()


def test_the_notes_show_each_verdict(monkeypatch):
    monkeypatch.setattr(
        _notes,
        "ledger",
        lambda: (
            Claim("alexnet/a", "alexnet", "Model split", "", lambda: Evidence(True, "1")),
            Claim("alexnet/b", "alexnet", "over two GPUs", "", lambda: Evidence(False, "2")),
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
    assert answered == list(_mechanism.CHAPTERS)
