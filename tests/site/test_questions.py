"""Questions as a reader meets them: by keyboard, without scripts, remembered and forgotten.

The page is made of what a chapter stores, in the book's own styles; no built book is needed.
"""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from cnnbook import teaching
from cnnbook.teaching import asking

ROOT = Path(__file__).resolve().parents[2]
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = """() => axe.run({resultTypes: ['violations'], preload: false}).then(
  found => found.violations.flatMap(r => r.nodes.map(n => `${r.id}: ${n.html.slice(0, 150)}`)))"""
IDS = ("alexnet/fc-params", "alexnet/most-memory", "alexnet/order-params", "learning/loss")
# The theme's own colours, of which the styles use some.
THEME = """
:root { --pst-color-text-base: #222832; --pst-color-text-muted: #48566b; --pst-color-link: #0a7d91;
  --pst-color-background: #fff; --pst-color-surface: #f3f4f5; --pst-color-border: #c9c9c9; }
[data-theme=dark] { --pst-color-text-base: #ced6dd; --pst-color-text-muted: #9ca4af;
  --pst-color-link: #3fb1c5; --pst-color-background: #14181e; --pst-color-surface: #222832;
  --pst-color-border: #48566b; }
body { background: var(--pst-color-background); color: var(--pst-color-text-base);
  font: 16px/1.6 sans-serif; }"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    shutil.copytree(ROOT / "_static", folder / "_static")
    body = teaching.ask(*IDS)._repr_html_()
    html = f"""<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Questions</title><style>{THEME}</style>
<link rel="stylesheet" href="_static/cnnbook.css">
<link rel="stylesheet" href="_static/questions/questions.css">
<script defer src="_static/questions/reading.js"></script>
<script defer src="_static/questions/page.js"></script></head>
<body class="bd-content"><main class="bd-article"><h1>Questions</h1>{body}</main></body></html>"""
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture
def opened(driver, page_file):
    """Opens the page in a window of its own; it fails on any message or request elsewhere."""
    contexts, messages, asked = [], [], []

    def open_(context=None, script="", **options):
        if context is None:
            context = driver.new_context(viewport={"width": 1280, "height": 900}, **options)
            contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("console", lambda message: messages.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        if script:
            page.add_init_script(script)
        page.goto(page_file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert messages == []
    assert [url for url in asked if not url.startswith("file:")] == []


def box(page, id: str):
    return page.locator(f"#question-{id.replace('/', '-')}")


def status(page, id: str) -> str:
    return box(page, id).locator(".question-status").inner_text()


def tab_to(page, text: str, limit: int = 40) -> None:
    """Press Tab until the focus is on what is named so."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "() => { const e = document.activeElement; return e.getAttribute('aria-label') ||"
            " (e.labels && e.labels[0] && e.labels[0].textContent) || e.textContent; }"
        )
        if name == text:
            return
    raise AssertionError(f"the Tab key does not reach {text!r}")


def test_one_table_of_readings_holds_in_python_and_in_the_page(opened):
    cases = json.loads((ROOT / "tests/teaching/readings.json").read_text("utf-8"))
    page = opened()
    read = "([text, unit, units]) => cnnbookQuestions.readings(text, unit, units)"
    for case in cases:
        unit = case.get("unit", "")
        units = asking.KILOBYTES if unit == "KB" else asking.COUNTS
        found = page.evaluate(read, [case["text"], unit, units])
        assert found == pytest.approx(case["values"], rel=1e-12), case


def test_the_page_judges_as_the_package_does(opened):
    page = opened()
    judge = "([asked, given, words]) => Object.values(cnnbookQuestions.judge(asked, given, words))"
    for each in teaching.questions():
        for variant in each.variants:
            if isinstance(variant, asking.Number):
                given = [repr(v) for v in (variant.answer, *variant.slips, 0.0, 7e9)]
                given += ["", "many", f"{asking.number(variant.answer)} {variant.unit}"]
            elif isinstance(variant, asking.Choice):
                given = [*variant.options, ""]
            else:
                given = [list(variant.values), list(variant.answer), list(variant.answer)[::-1]]
            for text in given:
                mine = variant.judge(text)
                found = page.evaluate(judge, [variant.data(), text, asking.WORDS])
                assert found == [mine.state, mine.reply], (each.id, text)


@pytest.mark.firefox
@pytest.mark.parametrize(
    "typed, said",
    [
        ("37,752,832", "Right. 9,216 · 4,096 weights + 4,096 biases"),
        ("37.8 M", "Right."),
        ("37,8 M", "Right."),
        ("3.775e7", "Right."),
        ("1e6", "Not yet: that is too small."),
        ("61 M", "Not yet: that is too large."),
        ("37748736", "Those are the weights alone"),
        ("", "Write your answer first."),
        ("many", "That is no number that can be read."),
    ],
)
def test_a_number_by_keyboard_alone(opened, typed, said):
    page = opened()
    tab_to(page, "Your answer (parameters)")
    page.keyboard.type(typed)
    page.keyboard.press("Enter")
    assert status(page, "alexnet/fc-params").startswith(said)
    field = box(page, "alexnet/fc-params").locator("input")
    wrong = not said.startswith(("Right", "Write"))
    assert (field.get_attribute("aria-invalid") == "true") is wrong
    described = field.get_attribute("aria-describedby")
    assert page.locator(f"#{described}").get_attribute("role") == "status"


@pytest.mark.firefox
def test_a_choice_by_keyboard_alone(opened):
    page = opened()
    tab_to(page, "The first convolution")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    tab_to(page, "Check", 1)
    page.keyboard.press("Enter")
    assert status(page, "alexnet/most-memory").startswith("It has most parameters")
    page.keyboard.press("Shift+Tab")
    for _ in range(2):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert status(page, "alexnet/most-memory").startswith(
        "Right. The first convolution writes 784 KB"
    )


def test_nothing_chosen_is_no_answer(opened):
    page = opened()
    box(page, "alexnet/most-memory").get_by_role("button", name="Check").press("Enter")
    assert status(page, "alexnet/most-memory") == "Choose an answer first."


@pytest.mark.firefox
def test_an_order_by_keyboard_alone(opened):
    page = opened()
    order = asking.find("alexnet/order-params").variants[0]
    tab_to(page, f"Move {list(order.values)[0]} down")
    items = box(page, "alexnet/order-params").locator("li")
    # Sort them as a reader would: the largest first, one step at a time.
    for place, wanted in enumerate(order.answer):
        while [t.split("\n")[0].strip("↑↓ ") for t in items.all_inner_texts()].index(
            wanted
        ) > place:
            button = page.get_by_role("button", name=f"Move {wanted} up")
            button.focus()
            page.keyboard.press("Enter")
            moved = box(page, "alexnet/order-params").locator(".question-moved")
            assert wanted in moved.inner_text()
            focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
            assert wanted in focused, "the focus stays with what was moved"
    page.keyboard.press("Tab")
    box(page, "alexnet/order-params").get_by_role("button", name="Check").press("Enter")
    assert status(page, "alexnet/order-params").startswith("Right.")


def test_another_one_is_another_question_with_its_own_answer(opened):
    page = opened()
    asked = asking.find("learning/loss")
    prompt = box(page, "learning/loss").locator(".question-prompt")
    for variant in (*asked.variants[1:], asked.variants[0]):
        box(page, "learning/loss").get_by_role("button", name="Another one").press("Enter")
        assert prompt.inner_text() == f"Check yourself. {variant.prompt}"
        assert page.evaluate("document.activeElement.tagName") == "INPUT"
        page.keyboard.type(f"{variant.answer:.3f}".replace(".", ","))
        page.keyboard.press("Enter")
        assert status(page, "learning/loss") == f"Right. {variant.why}"


@pytest.mark.firefox
def test_answers_are_remembered_and_forgotten_on_demand(opened):
    page = opened()
    page.locator("#question-alexnet-fc-params-input").fill("61 M")
    page.keyboard.press("Enter")
    box(page, "learning/loss").get_by_role("button", name="Another one").press("Enter")
    page.keyboard.type("0,69")
    page.keyboard.press("Enter")
    again = opened(page.context)
    assert again.locator("#question-alexnet-fc-params-input").input_value() == "61 M"
    assert status(again, "alexnet/fc-params") == "Not yet: that is too large."
    assert "50 %" in box(again, "learning/loss").locator(".question-prompt").inner_text()
    assert status(again, "learning/loss").startswith("Right.")
    foot = again.locator(".question-foot")
    assert foot.inner_text().startswith(f"1 of {len(IDS)} questions answered right.")
    foot.get_by_role("button", name="Forget my answers").press("Enter")
    assert status(again, "alexnet/fc-params") == ""
    assert foot.inner_text().startswith("Forgotten. 0 of")
    assert again.evaluate("localStorage.length") == 0
    assert opened(page.context).locator("#question-alexnet-fc-params-input").input_value() == ""


@pytest.mark.parametrize(
    "stored", ["nonsense", "[]", "null", '{"alexnet/fc-params": {"variant": 99, "given": "<img>"}}',
               '{"alexnet/order-params": {"variant": 0, "given": "x"}}',
               '{"alexnet/fc-params": {"variant": 0, "given": 3}}', '{"alexnet/fc-params": 5}']
)  # fmt: skip
def test_what_others_left_in_the_storage_does_no_harm(opened, stored):
    script = f"localStorage.setItem('cnnbook.questions', {json.dumps(stored)})"
    page = opened(script=script)
    assert page.locator(".question-form").count() == len(IDS)
    assert page.locator(".question img").count() == 0


def test_without_storage_the_forms_work(opened):
    block = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"
    page = opened(script=block)
    page.locator("#question-alexnet-fc-params-input").fill("37.75 M")
    page.keyboard.press("Enter")
    assert status(page, "alexnet/fc-params").startswith("Right.")


def test_without_scripts_there_is_a_folded_answer(opened):
    page = opened(java_script_enabled=False)
    assert page.locator(".question-form").count() == 0
    answer = box(page, "alexnet/fc-params").locator("details p")
    assert not answer.is_visible()
    box(page, "alexnet/fc-params").locator("summary").press("Enter")
    assert answer.inner_text().startswith("37,752,832 parameters.")


@pytest.mark.parametrize("theme, width", [("light", 1280), ("dark", 360)])
def test_axe_finds_no_barrier_in_any_state(opened, theme, width):
    page = opened()
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.evaluate(f"{AXE}; null")
    assert page.evaluate(VIOLATIONS) == []
    page.locator("#question-alexnet-fc-params-input").fill("61 M")
    page.locator("#question-learning-loss-input").fill("2.3")
    for check in page.get_by_role("button", name="Check").all():
        check.press("Enter")
    page.locator("summary").first.press("Enter")
    page.wait_for_timeout(300)
    assert page.evaluate(VIOLATIONS) == []
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0
