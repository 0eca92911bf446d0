"""The questions: their answers are the package's, and the chapters show what is computed now."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from cnnbook import models, profile, teaching
from cnnbook.teaching import asking
from cnnbook.teaching.asking import Choice, Number, Order

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = teaching.questions()
LEAST = 6  # questions in a chapter


def shown(chapter: str) -> list[tuple[str, str]]:
    """The identifiers and the HTML of the questions that a chapter's notebook has stored."""
    notebook = nbformat.read(ROOT / "chapters" / f"{chapter}.ipynb", as_version=4)
    found = []
    for cell in notebook.cells:
        if "question" in cell.metadata.get("tags", []):
            ids = re.findall(r'"([\w-]+/[\w-]+)"', cell.source)
            found.append((ids, cell))
    return found


@pytest.mark.parametrize("chapter", asking.CHAPTERS)
def test_a_chapter_has_its_questions_and_each_stored_answer_is_the_computed_one(chapter):
    cells = shown(chapter)
    asked = [id for ids, _ in cells for id in ids]
    assert sorted(asked) == sorted(each.id for each in teaching.questions(chapter))
    assert len(asked) >= LEAST
    for ids, cell in cells:
        (output,) = cell.outputs
        again = teaching.ask(*ids)
        assert output.data["text/html"] == again._repr_html_(), f"{ids}: run `make execute`"
        assert output.data["text/plain"] == repr(again)
        assert {"remove-input", "nbval-check-output"} <= set(cell.metadata.tags)


@pytest.fixture(params=asking.CHAPTERS)
def variants(request) -> list:
    """Those of every question of a chapter."""
    return [variant for each in teaching.questions(request.param) for variant in each.variants]


def test_the_right_answer_is_right_and_each_slip_gets_its_reply(variants):
    for variant in variants:
        if isinstance(variant, Number):
            check_number(variant)
        elif isinstance(variant, Choice):
            wrong = [option for option in variant.options if option != variant.answer]
            assert variant.judge(variant.answer).state == "right"
            assert {variant.judge(option).state for option in wrong} == {"slip"}, variant
            assert all(variant.options[option] for option in wrong), "no reply to a wrong answer"
        else:
            assert variant.judge(variant.answer).state == "right"
            assert variant.judge(tuple(variant.values)).state == "wrong"
            assert "place 1 " in variant.judge(variant.answer[::-1]).reply


def check_number(variant: Number) -> None:
    assert variant.judge(variant.answer).state == "right", variant
    assert variant.judge(asking.number(variant.answer)).state == "right", variant
    assert variant.judge(f"{variant.answer!r} {variant.unit}").state == "right", variant
    for value, reply in variant.slips.items():
        assert variant.judge(value) == asking.Judgement("slip", reply), variant
    assert variant.judge("").state == "empty"
    assert variant.judge("a few").state == "unread"
    assert variant.judge(variant.answer * 3 + 70).state in ("wrong", "slip"), variant


def test_the_explanation_shows_the_calculation(variants):
    for variant in variants:
        assert re.search(r"\d", variant.why), variant.why
        assert variant.why[-1] == "." and variant.prompt[-1] in "?.)", variant
        assert "nan" not in variant.why and "inf" not in variant.why.split()
        if not isinstance(variant, Number):
            continue
        numbers = {  # the answer itself stands in it, or is a word there
            value
            for text in re.findall(r"[-−+]?\d(?:[\d,.]*\d)?", variant.why)
            for value in asking.readings(text.lstrip("+"))
        }
        least = max(variant.tolerance, 0.03) * abs(variant.answer) + 1e-9
        words = {0: ("None", "Nothing"), 1: ("one",), 2: ("two",)}.get(variant.answer, ())
        assert any(abs(value - variant.answer) <= least for value in numbers) or any(
            word in variant.why for word in words
        ), (variant.answer, variant.why)


def test_variants_are_of_one_kind_and_differ():
    for each in QUESTIONS:
        assert len({type(variant) for variant in each.variants}) == 1, each.id
        prompts = [variant.prompt for variant in each.variants]
        assert len(set(prompts)) == len(prompts), each.id


def test_figures_known_by_hand():
    def answer(id: str, variant: int = 0):
        return asking.find(id).variants[variant].answer

    assert answer("alexnet/conv-params") == 5 * 5 * 64 * 192 + 192 == 307_392
    assert answer("alexnet/fc-params") == 37_752_832
    assert answer("alexnet/conv-memory") == 784
    assert answer("alexnet/reads-both") == "The third"
    assert answer("vgg/fc6-params") == 102_764_544
    assert answer("vgg/stack-field", 1) == 7
    assert answer("vgg/stack-saves") == pytest.approx(28)
    assert answer("googlenet/head-params") == 1_025_000
    assert answer("googlenet/concat-channels") == 256
    assert answer("resnet/depth") == 50
    assert answer("resnet/bottleneck-params") == 69_632
    assert answer("resnext/grouped-params") == 4_608
    assert answer("learning/momentum") == pytest.approx(10)
    assert answer("training/imagenet") == pytest.approx(179.6, abs=0.1)


def test_a_changed_network_changes_the_answer(monkeypatch):
    asked = asking.find("alexnet/conv-params")
    before = asked.make()[0].answer
    from cnnbook.teaching.asked import alexnet

    net = models.alexnet()
    net.features[3] = type(net.features[3])(64, 192, 5, padding=2, bias=False)
    changed = net, profile(net, (3, 227, 227))
    monkeypatch.setattr(alexnet, "_network", lambda: changed)
    assert asked.make()[0].answer == before - 192


def test_a_precise_wrong_answer_is_told_from_a_rounded_right_one():
    asked = asking.find("alexnet/fc-params").variants[0]
    assert asked.judge("37,748,736").reply.startswith("Those are the weights alone")
    assert asked.judge("37.7 M").state == "right"
    assert asked.judge("37,7 M").state == "right"
    assert asked.judge("3.78e7 parameters").state == "right"
    assert asked.judge("75.5 M").state == "wrong"
    assert asked.judge("75.5 M").reply == asking.WORDS["large"]


def test_twice_the_operations_get_their_reply():
    for each in QUESTIONS:
        for variant in each.variants:
            if getattr(variant, "unit", "") == "multiply-adds":
                assert "one here" in variant.judge(2 * variant.answer).reply, each.id


def test_what_is_stored_is_a_question_above_a_folded_answer():
    soup = BeautifulSoup(teaching.ask("alexnet/most-memory")._repr_html_(), "html.parser")
    (box,) = soup.select("div.question")
    assert box["id"] == "question-alexnet-most-memory"
    assert box.p.get_text().startswith("Predict, then run. Which of these layers")
    names = ("first convolution", "fifth convolution", "first linear layer", "first max pooling")
    assert [item.get_text() for item in box.select("li")] == [f"The {name}" for name in names]
    assert "open" not in box.details.attrs
    assert box.details.p.get_text().startswith("The first convolution. ")
    data = json.loads(box["data-question"])
    assert data["id"] == "alexnet/most-memory"
    assert data["variants"][0]["answer"] == "The first convolution"


def test_markup_in_a_question_is_text():
    assert asking.inline("a < b & `x<y>`") == "a &lt; b &amp; <code>x&lt;y&gt;</code>"


def test_the_plain_text_hides_the_answer():
    asked = teaching.ask("vgg/fc6-params")
    assert "102,764,544" not in repr(asked)
    assert "102,764,544 parameters" in asked.answers()


def test_wrong_calls_are_told_in_a_line():
    with pytest.raises(
        ValueError, match="no question 'alexnet/fc-param'; did you mean alexnet/fc-"
    ):
        teaching.ask("alexnet/fc-param")
    with pytest.raises(ValueError, match="name a question"):
        teaching.ask()
    with pytest.raises(ValueError, match="no chapter 'lenet'"):
        teaching.questions("lenet")
    with pytest.raises(TypeError, match="ids must be a string"):
        teaching.ask(3)
    with pytest.raises(ValueError, match="already is a question"):
        asking.question("vgg/fc6-params")(list)
    with pytest.raises(ValueError, match="the wrong answer 3 is the right one"):
        Number("How many?", 3, "Three.", slips={3: "No."})
    with pytest.raises(ValueError, match="'b' is none of its options"):
        Choice("Which?", {"a": ""}, "b", "So.")
    with pytest.raises(ValueError, match="is in order"):
        Order("Which?", {"a": 2, "b": 1}, "So.")
    with pytest.raises(ValueError, match="two of the values are equal"):
        Order("Which?", {"a": 2, "b": 2}, "So.")


def test_the_page_says_the_same_words():
    script = (ROOT / "_static/questions/page.js").read_text("utf-8")
    for key, words in asking.WORDS.items():
        assert f'{key}: "{words}"' in script
