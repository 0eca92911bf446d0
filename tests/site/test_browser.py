"""What a reader's browser makes of the built pages, opened as files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files

import browser
import firefox
import pytest

PHONE, TABLET, DESKTOP = 390, 820, 1280  # widths of the window
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
# Of the words of code that look alike, one is judged: their contrast takes most of the time.
# `preload` would ask for the styles once more, which a browser refuses to pages opened as files.
VIOLATIONS = """() => {
  const looks = new Set();
  const alike = [...document.querySelectorAll('pre span, .sig span')].filter(word => {
    const {color, fontWeight} = getComputedStyle(word);
    const box = word.closest('[class*=cell_], [class*=highlight-], .sig');
    const look = [color, fontWeight, box.className].join();
    return looks.has(look) || !looks.add(look);
  });
  alike.forEach(word => word.replaceWith(...word.childNodes));
  return axe.run({resultTypes: ['violations'], preload: false}).then(result => result.violations
    .flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 150)}`)));
}"""

# Visible text of the article outside code, where nothing of the source's syntax may be left.
PROSE = """() => {
  const article = document.querySelector('article');
  if (!article) return '';
  const skipped = 'pre, code, script, style, mjx-container, .sig, [hidden]';
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode())
    if (!walker.currentNode.parentElement.closest(skipped)) texts.push(walker.currentNode.data);
  return texts.join('\\n');
}"""
UNSET_MATH = """() => [...document.querySelectorAll('.math')]
  .filter(e => !e.querySelector('mjx-container') || e.querySelector('mjx-merror'))
  .map(e => e.textContent)"""
# Boxes that scroll, and that the Tab key cannot stop at.
UNREACHED = """() => [...document.querySelectorAll('body *')].filter(box => {
  const {overflowX, overflowY} = getComputedStyle(box);
  const scrolls = /auto|scroll/.test(overflowX) && box.scrollWidth > box.clientWidth
    || /auto|scroll/.test(overflowY) && box.scrollHeight > box.clientHeight;
  const stops = 'a[href], button, input, select, summary, [tabindex="0"]';
  return scrolls && box.checkVisibility() && box.tabIndex < 0 && !box.querySelector(stops);
}).map(box => box.outerHTML.slice(0, 150))"""
# The theme's own pages follow the reader's; 404.html has none.
TURNED = "theme => [undefined, theme].includes(document.documentElement.dataset.theme)"
# The theme looks again for boxes that scroll 300 ms after the window has changed.
SETTLED = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 400)))"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Visit:
    """What happened while a page was open."""

    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    overflow: dict[int, int] = field(default_factory=dict)  # pixels, by width of the window
    prose: str = ""
    unset_math: list[str] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def log(seen: Visit, message) -> None:
    if message.type in ("warning", "error"):  # the theme's own scripts write to the plain log
        seen.messages.append(message.text)


def look(seen: Visit, page, theme: str) -> None:
    page.wait_for_function(TURNED, arg=theme)
    seen.prose = page.evaluate(PROSE)
    seen.unset_math = page.evaluate(UNSET_MATH)
    seen.unreached += page.evaluate(UNREACHED)
    page.evaluate(f"{AXE}; null")
    seen.violations += page.evaluate(VIOLATIONS)


def visit(page, path) -> Visit:
    """Open the file `path` dark and narrow, then turn to the light theme and widen the window."""
    seen = Visit()
    listeners = {
        "request": lambda request: seen.requests.append(request.url),
        "requestfailed": lambda request: seen.messages.append(f"failed: {request.url}"),
        "console": lambda message: log(seen, message),
        "pageerror": lambda error: seen.messages.append(str(error)),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    for width in (PHONE, TABLET, DESKTOP):
        page.set_viewport_size({"width": width, "height": 900})
        if width == PHONE:
            page.emulate_media(color_scheme="dark")
            browser.open_page(page, path)
            look(seen, page, "dark")
        seen.overflow[width] = page.evaluate(OVERFLOW)
    page.emulate_media(color_scheme="light")
    page.evaluate(SETTLED)
    look(seen, page, "light")
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    return seen


@pytest.fixture(scope="module")
def visits(driver, html) -> dict[str, Visit]:
    page = driver.new_page()
    return {path.relative_to(html).as_posix(): visit(page, path) for path in browser.pages(html)}


def test_pages_ask_no_other_host_for_anything(visits):
    asked = {
        name: [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))]
        for name, seen in visits.items()
    }
    assert all(seen.requests for seen in visits.values())
    assert {name: urls for name, urls in asked.items() if urls} == {}


def test_the_console_shows_no_warning_and_no_error(visits):
    assert {name: seen.messages for name, seen in visits.items() if seen.messages} == {}


def test_pages_fit_a_desktop_a_tablet_and_a_phone(visits):
    assert {name: s.overflow for name, s in visits.items() if max(s.overflow.values()) > 0} == {}


def test_the_keyboard_reaches_every_box_that_scrolls(visits):
    assert {name: seen.unreached for name, seen in visits.items() if seen.unreached} == {}


def test_axe_finds_no_barrier_wide_and_light_or_narrow_and_dark(visits):
    assert {name: seen.violations for name, seen in visits.items() if seen.violations} == {}


@pytest.mark.parametrize(
    "syntax", ["```", ":::", "$$", "{ref}", "{cite", "{figure}", "{glue", "]("]
)
def test_no_syntax_of_the_source_is_left(visits, syntax):
    assert [name for name, seen in visits.items() if syntax in seen.prose] == []


def test_all_formulas_are_set(visits):
    assert {name: seen.unset_math for name, seen in visits.items() if seen.unset_math} == {}


@pytest.mark.firefox
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_a_dark_page_is_dark_to_its_edges(driver, html, width):
    """The root too, which shows beyond the body, and the bars of what scrolls."""
    page = driver.new_page(viewport={"width": width, "height": 800})
    browser.open_page(page, html / "chapters" / "glossary.html")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    looks = page.evaluate("""() => [document.documentElement, document.body].map(e => {
      const {backgroundColor, colorScheme} = getComputedStyle(e);
      return [backgroundColor, colorScheme];
    })""")
    page.close()
    assert looks[0] == looks[1] == ["rgb(18, 18, 18)", "dark"]


@pytest.mark.firefox
def test_a_request_and_a_fault_of_a_page_are_seen(driver, tmp_path):
    """Elsewhere none is found; that says something if one would be."""
    path = tmp_path / "page.html"
    path.write_text(
        "<img src='http://127.0.0.1:50999/a.png' alt=''><script>console.error('one');"
        "setTimeout(() => { throw new Error('two'); })</script>"
    )
    page = driver.new_page()
    asked, messages = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_timeout(500)
    page.close()
    assert [url for url in asked if not url.startswith("file:")] == ["http://127.0.0.1:50999/a.png"]
    assert {"one", "two"} <= {message.removeprefix("Error: ") for message in messages}


@pytest.mark.parametrize(
    "name, said",
    [("chromium", "no browser found: install Chromium"), ("firefox", "no Firefox found: install")],
)
def test_a_missing_browser_is_named(monkeypatch, tmp_path, name, said):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"^{said}"):
        browser.find(name)


@pytest.mark.parametrize("method, result", firefox.STAND_INS.items())
def test_what_firefox_does_not_know_is_answered_for_it(method, result):
    """Only where it says so, and never what overrides something, which would be taken for done."""
    command = {"id": 7, "method": method, "params": {"features": {}}}
    waiting = dict([firefox.stand_in(json.dumps(command))])
    assert waiting == {7: result}
    unknown = json.dumps({"type": "error", "id": 7, "error": "unknown command", "message": ""})
    done = {"type": "success", "id": 7, "result": result}
    assert json.loads(firefox.answered(unknown, dict(waiting))) == done
    for other in (
        unknown.replace("unknown command", "invalid argument"),
        unknown.replace("7", "8"),
        json.dumps(done | {"result": {"value": 1}}),
    ):
        assert firefox.answered(other, dict(waiting)) == other
    overrides = {"params": {"features": {"prefers-color-scheme": "dark"}}}
    for other in ({"method": "session.new", "params": {}}, overrides):
        assert firefox.stand_in(json.dumps(command | other)) is None
